//! One cheap API call to prove that a token works. Its answer's status is read, its body dropped.

use std::sync::Arc;

use http::HeaderValue;
use jiff::Timestamp;
use reqwest::header::{ACCEPT, DATE, HeaderName, RETRY_AFTER, USER_AGENT};
use zeroize::Zeroizing;

use super::answer::{LOOKED_AT, interpret};
use crate::api::cloud::DefenderApi::{self, Endpoint, Graph, Xdr};
use crate::core::errors::{Failure, transport as no_answer};
use crate::core::ids::{AccessToken, ApiUrl};
use crate::core::roles::satisfies;
use crate::entra::transport;
use crate::lease::Leadership;

/// A call that a role allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Check {
    /// Which API it is of.
    pub api: DefenderApi,
    /// What the token must carry.
    pub role: &'static str,
    /// What is called.
    pub path: &'static str,
    /// Machines: 404 says that none was seen lately, and nothing about the token.
    pub not_found_is_fine: bool,
}

/// The calls to choose from, the cheapest and least telling first.
#[must_use]
pub const fn checks(api: DefenderApi) -> &'static [Check] {
    match api {
        Endpoint => ENDPOINT,
        Xdr => XDR,
        Graph => GRAPH,
    }
}

const fn check(api: DefenderApi, role: &'static str, path: &'static str) -> Check {
    Check {
        api,
        role,
        path,
        not_found_is_fine: false,
    }
}

const ENDPOINT: &[Check] = &[
    Check {
        not_found_is_fine: true,
        ..check(Endpoint, "Machine.Read.All", "/api/machines?$top=1")
    },
    check(Endpoint, "Alert.Read.All", "/api/alerts?$top=1"),
    // Last: it needs a licence for vulnerability management as well.
    check(Endpoint, "Score.Read.All", "/api/exposureScore"),
];

const XDR: &[Check] = &[check(Xdr, "Incident.Read.All", "/api/incidents?$top=1")];

#[rustfmt::skip]
const GRAPH: &[Check] = &[
    check(Graph, "SecurityIncident.Read.All", "/v1.0/security/incidents?$top=1"),
    check(Graph, "SecurityAlert.Read.All", "/v1.0/security/alerts_v2?$top=1"),
];

/// The call that a token of this API with these roles can be proven by; `None` if there is none.
#[must_use]
pub fn check_for<R: AsRef<str>>(api: DefenderApi, granted: &[R]) -> Option<Check> {
    let allows = |check: &&Check| {
        granted
            .iter()
            .any(|role| satisfies(role.as_ref(), check.role))
    };
    checks(api).iter().find(allows).copied()
}

/// Calls the API. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Prober {
    http: reqwest::Client,
    user_agent: HeaderValue,
    leadership: Arc<Leadership>,
}

impl Prober {
    /// A prober on the connection pool that [`crate::entra::http::build`] made. Microsoft asks partners for
    /// `MdePartner-{Company}-{Product}/{Version}` as the user agent.
    #[must_use]
    pub fn new(http: reqwest::Client, user_agent: HeaderValue) -> Self {
        Self {
            http,
            user_agent,
            leadership: Leadership::for_good(),
        }
    }

    /// The same, for a process that may lose its leadership: then no request is begun any more.
    #[must_use]
    pub fn led_by(mut self, leadership: Arc<Leadership>) -> Self {
        self.leadership = leadership;
        self
    }

    /// Makes one call. A failure concerns the tenant or the service, never the credential.
    pub async fn probe(
        &self,
        api: ApiUrl,
        check: Check,
        token: &AccessToken,
    ) -> Result<(), Failure> {
        self.leadership.required().await;
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
        interpret(status, text(RETRY_AFTER), text(DATE), &body, check, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_call_follows_from_api_and_roles() {
        for (api, roles, path) in [
            (
                Endpoint,
                &["Score.Read.All", "Alert.Read.All", "Machine.Read.All"][..],
                Some("/api/machines?$top=1"),
            ),
            (
                Endpoint,
                &["Machine.ReadWrite.All"],
                Some("/api/machines?$top=1"),
            ),
            (
                Endpoint,
                &["Score.Read.All", "Alert.ReadWrite.All"],
                Some("/api/alerts?$top=1"),
            ),
            (Endpoint, &["Score.Read.All"], Some("/api/exposureScore")),
            (Endpoint, &["Machine.Isolate", "Ti.ReadWrite"], None),
            (Endpoint, &[], None),
            (Endpoint, &["Incident.Read.All"], None),
            (
                Xdr,
                &["Incident.ReadWrite.All"],
                Some("/api/incidents?$top=1"),
            ),
            (Xdr, &["AdvancedHunting.Read.All"], None),
            (
                Graph,
                &["SecurityAlert.Read.All", "SecurityIncident.Read.All"],
                Some("/v1.0/security/incidents?$top=1"),
            ),
            (
                Graph,
                &["SecurityAlert.ReadWrite.All"],
                Some("/v1.0/security/alerts_v2?$top=1"),
            ),
            (Graph, &["ThreatHunting.Read.All"], None),
        ] {
            let call = check_for(api, roles);
            assert_eq!(call.map(|check| check.path), path, "{api} {roles:?}");
        }
    }
}
