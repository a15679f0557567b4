//! The anonymous OpenID configuration: one GET, which tells where a tenant lives.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{ACCEPT, RETRY_AFTER};

use super::transport;
use crate::core::discovery::{Answer, Silence, interpret};
use crate::core::errors::retry::retry_after;
use crate::core::ids::{LoginHost, TenantId};
use crate::lease::Leadership;

/// Most of an answer's body that is read. The document has about 2 KiB.
const LONGEST_ANSWER: usize = 64 * 1024;
/// To the last byte. Nobody depends on the answer, and the next failing mint asks again.
const PATIENCE: Duration = Duration::from_secs(10);

/// Nobody answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unanswered {
    /// Why.
    pub silence: Silence,
    /// How long Microsoft asked to wait.
    pub retry_after: Option<Duration>,
}

impl From<Silence> for Unanswered {
    fn from(silence: Silence) -> Self {
        Self {
            silence,
            retry_after: None,
        }
    }
}

/// Asks where tenants live. Cheap to clone.
#[derive(Clone, Debug)]
pub struct DiscoveryClient {
    http: reqwest::Client,
    leadership: Arc<Leadership>,
}

impl DiscoveryClient {
    /// A client on a connection pool that [`super::http::build`] made.
    #[must_use]
    pub fn new(http: reqwest::Client) -> Self {
        Self {
            http,
            leadership: Leadership::for_good(),
        }
    }

    /// The same, for a process that may lose its leadership: then no request is begun any more.
    #[must_use]
    pub fn led_by(mut self, leadership: Arc<Leadership>) -> Self {
        self.leadership = leadership;
        self
    }

    /// Asks once, without any credential. Nothing of the answer's text goes further.
    pub async fn ask(&self, login: LoginHost, tenant: TenantId) -> Result<Answer, Unanswered> {
        let silent = |_| Unanswered::from(Silence::Unavailable);
        self.leadership.required().await;
        let response = self
            .http
            .get(url(login, tenant))
            .header(ACCEPT, "application/json")
            .timeout(PATIENCE)
            .send()
            .await
            .map_err(silent)?;
        let status = response.status().as_u16();
        let wait = response.headers().get(RETRY_AFTER);
        let wait = wait.and_then(|value| retry_after(value.to_str().ok()?, Timestamp::now()));
        let read = transport::read(response, LONGEST_ANSWER)
            .await
            .map_err(|_| Unanswered::from(Silence::Unavailable))?;
        let body = match &read {
            transport::Read::Complete(bytes) => Some(bytes.as_slice()),
            transport::Read::TooLarge(_) | transport::Read::Truncated => None,
        };
        interpret(status, body, tenant).map_err(|silence| Unanswered {
            silence,
            retry_after: wait,
        })
    }
}

fn url(login: LoginHost, tenant: TenantId) -> String {
    format!("https://{login}/{tenant}/v2.0/.well-known/openid-configuration")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_names_the_tenant_and_nobody_else() {
        let tenant = "6b1f0f3e-5c0a-4d9b-9a43-0d5f5a1c7e10".parse().unwrap();
        assert_eq!(
            url(LoginHost("login.microsoftonline.us"), tenant),
            "https://login.microsoftonline.us/6b1f0f3e-5c0a-4d9b-9a43-0d5f5a1c7e10/v2.0/.well-known/openid-configuration"
        );
    }
}
