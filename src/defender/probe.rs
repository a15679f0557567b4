//! One cheap API call to prove that a token works. Its answer's status is read, its body dropped.

use http::HeaderValue;
use jiff::Timestamp;
use reqwest::header::{ACCEPT, DATE, HeaderName, RETRY_AFTER, USER_AGENT};
use zeroize::Zeroizing;

use super::answer::{LOOKED_AT, interpret};
use crate::core::errors::{Failure, transport as no_answer};
use crate::core::ids::{AccessToken, ApiUrl};
use crate::core::roles::satisfies;
use crate::entra::transport;

/// A call that a role allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Check {
    /// What the token must carry.
    pub role: &'static str,
    /// What is called.
    pub path: &'static str,
    /// Machines: 404 says that none was seen lately, and nothing about the token.
    pub not_found_is_fine: bool,
}

/// The calls to choose from, the cheapest and least telling first.
pub const CHECKS: [Check; 3] = [
    Check {
        role: "Machine.Read.All",
        path: "/api/machines?$top=1",
        not_found_is_fine: true,
    },
    Check {
        role: "Alert.Read.All",
        path: "/api/alerts?$top=1",
        not_found_is_fine: false,
    },
    // Last: it needs a licence for vulnerability management as well.
    Check {
        role: "Score.Read.All",
        path: "/api/exposureScore",
        not_found_is_fine: false,
    },
];

/// The call that a token with these roles can be proven by; `None` if there is none.
#[must_use]
pub fn check_for<R: AsRef<str>>(granted: &[R]) -> Option<Check> {
    CHECKS.into_iter().find(|check| {
        granted
            .iter()
            .any(|role| satisfies(role.as_ref(), check.role))
    })
}

/// Calls the API. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Prober {
    http: reqwest::Client,
    user_agent: HeaderValue,
}

impl Prober {
    /// A prober on the connection pool that [`crate::entra::http::build`] made. Microsoft asks partners for
    /// `MdePartner-{Company}-{Product}/{Version}` as the user agent.
    #[must_use]
    pub const fn new(http: reqwest::Client, user_agent: HeaderValue) -> Self {
        Self { http, user_agent }
    }

    /// Makes one call. A failure concerns the tenant or the service, never the credential.
    pub async fn probe(
        &self,
        api: ApiUrl,
        check: Check,
        token: &AccessToken,
    ) -> Result<(), Failure> {
        let response = self
            .http
            .get(format!("{api}{}", check.path))
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, self.user_agent.clone())
            // Marks the header sensitive: `Debug` doesn't show it, HTTP/2 doesn't keep it in its table.
            .bearer_auth(token.expose())
            .send()
            .await
            .map_err(|error| Failure::from(no_answer(transport::classify(&error))))?;
        let now = Timestamp::now();
        let status = response.status().as_u16();
        if response.status().is_success() {
            return Ok(());
        }
        let headers = response.headers().clone();
        let body = match transport::read(response, LOOKED_AT).await {
            Ok(transport::Read::Complete(body) | transport::Read::TooLarge(body)) => body,
            // The status is known and says enough.
            Ok(transport::Read::Truncated) | Err(_) => Zeroizing::default(),
        };
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        interpret(
            status,
            text(RETRY_AFTER),
            text(DATE),
            &body,
            check.not_found_is_fine,
            now,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_call_follows_from_the_roles() {
        for (roles, path) in [
            (
                &["Score.Read.All", "Alert.Read.All", "Machine.Read.All"][..],
                Some("/api/machines?$top=1"),
            ),
            (&["Machine.ReadWrite.All"], Some("/api/machines?$top=1")),
            (
                &["Score.Read.All", "Alert.ReadWrite.All"],
                Some("/api/alerts?$top=1"),
            ),
            (&["Score.Read.All"], Some("/api/exposureScore")),
            (&["Machine.Isolate", "Ti.ReadWrite"], None),
            (&[], None),
        ] {
            assert_eq!(check_for(roles).map(|check| check.path), path, "{roles:?}");
        }
    }
}
