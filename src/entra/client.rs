//! The token endpoint's client: one form POST.

use std::sync::Arc;

use axum::body::Bytes;
use jiff::Timestamp;
use reqwest::header::{ACCEPT, CONTENT_TYPE, DATE, HeaderMap, RETRY_AFTER};
use secrecy::{ExposeSecret as _, SecretString};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{encode, transport};
use crate::core::assertion::token_endpoint;
use crate::core::errors::{Failure, Transport, transport as no_answer};
use crate::core::ids::{ApplicationId, Audience, LoginHost, TenantId};
use crate::core::token_response::{Body, TokenAnswer, interpret};
use crate::lease::Leadership;

/// Most of an answer's body that is read. Token answers have 2 to 5 KiB, with hundreds of roles some tens.
const LONGEST_ANSWER: usize = 256 * 1024;

/// What the partner signs in with. `Debug` doesn't show it; wiped when dropped.
#[derive(Clone, Debug)]
pub enum ClientCredential {
    /// A client secret.
    Secret(SecretString),
    /// A signed assertion: the certificate's, or the operator's service account token.
    Assertion(SecretString),
}

/// The only `client_assertion_type` that Microsoft takes here (RFC 7523, section 2.2).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What to ask for, and with which credential.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    /// Login authority.
    pub login: LoginHost,
    /// The customer.
    pub tenant: TenantId,
    /// The partner's application.
    pub application: ApplicationId,
    /// The resource.
    pub audience: Audience,
    /// The partner's credential.
    pub credential: ClientCredential,
}

impl TokenRequest {
    fn url(&self) -> String {
        token_endpoint(self.login, self.tenant)
    }

    /// The form. Built in one buffer of sufficient size, so that no copy of the secret stays behind, and wiped
    /// when the last reference to it goes.
    fn form(&self) -> Bytes {
        let application = self.application.to_string();
        let mut fields = vec![
            ("grant_type=", "client_credentials"),
            ("&client_id=", application.as_str()),
            ("&scope=", self.audience.0),
            ("", "/.default"),
        ];
        match &self.credential {
            ClientCredential::Secret(secret) => {
                fields.push(("&client_secret=", secret.expose_secret()));
            }
            ClientCredential::Assertion(assertion) => fields.extend([
                ("&client_assertion_type=", ASSERTION_TYPE),
                ("&client_assertion=", assertion.expose_secret()),
            ]),
        }
        let room = fields
            .iter()
            .map(|(name, value)| name.len() + encode::longest(value))
            .sum();
        let mut form = Zeroizing::new(String::with_capacity(room));
        for (name, value) in fields {
            form.push_str(name);
            encode::push(&mut form, value);
        }
        Bytes::from_owner(form)
    }
}

/// A token that came; not checked yet.
pub struct Minted {
    /// The answer.
    pub answer: TokenAnswer,
    /// The `client-request-id` that we sent.
    pub correlation_id: Uuid,
    /// When the answer arrived, by this machine's clock.
    pub received_at: Timestamp,
}

/// Asks for tokens. Cheap to clone.
#[derive(Clone, Debug)]
pub struct TokenClient {
    http: reqwest::Client,
    leadership: Arc<Leadership>,
}

impl TokenClient {
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

    /// Asks for one token, once: whether and when to ask again isn't decided here.
    pub async fn mint(&self, request: &TokenRequest) -> Result<Minted, Failure> {
        let correlation_id = Uuid::new_v4();
        self.ask(request, correlation_id)
            .await
            .map_err(|failure| Failure {
                correlation_id: failure.correlation_id.or(Some(correlation_id)),
                ..failure
            })
    }

    async fn ask(&self, request: &TokenRequest, correlation_id: Uuid) -> Result<Minted, Failure> {
        let response = match self.send(request, correlation_id).await {
            // One connection carries all requests: when it breaks, it takes those under way with it. Once more, on a new
            // one; asking twice for a token harms nobody. Whoever lets us wait isn't asked again, nor is anybody whose
            // answer had begun.
            Err(Transport::Reset) => self.send(request, correlation_id).await,
            sent => sent,
        }
        .map_err(|failure| Failure::from(no_answer(failure)))?;
        // Lifetimes count from the first byte: what the body takes to arrive is the token's loss, never its gain.
        let received_at = Timestamp::now();
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let read = transport::read(response, LONGEST_ANSWER)
            .await
            .map_err(|failure| Failure::from(no_answer(failure)))?;
        let body = match &read {
            transport::Read::Complete(bytes) => Body::Complete(bytes),
            transport::Read::TooLarge(_) => Body::TooLarge,
            transport::Read::Truncated => Body::Truncated,
        };
        let text = |name| header(&headers, name);
        let answer = interpret(status, text(RETRY_AFTER), text(DATE), body, received_at)?;
        Ok(Minted {
            answer,
            correlation_id,
            received_at,
        })
    }

    /// To the first byte of the answer.
    async fn send(
        &self,
        request: &TokenRequest,
        correlation_id: Uuid,
    ) -> Result<reqwest::Response, Transport> {
        self.leadership.required().await;
        self.http
            .post(request.url())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .header("client-request-id", correlation_id.to_string())
            .header("return-client-request-id", "true")
            .body(request.form())
            .send()
            .await
            .map_err(|error| transport::classify(&error))
    }
}

fn header(headers: &HeaderMap, name: reqwest::header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_escapes_the_secret_and_nothing_shows_it() {
        let request = TokenRequest {
            login: LoginHost("login.microsoftonline.com"),
            tenant: "6b1f0f3e-5c0a-4d9b-9a43-0d5f5a1c7e10".parse().unwrap(),
            application: "0c4f3a52-9d1b-4c3e-8f57-2a6b9e1d4f88".parse().unwrap(),
            audience: Audience("https://api.securitycenter.microsoft.com"),
            credential: ClientCredential::Secret("canary~&client_id=x +%".into()),
        };
        assert_eq!(
            request.url(),
            "https://login.microsoftonline.com/6b1f0f3e-5c0a-4d9b-9a43-0d5f5a1c7e10/oauth2/v2.0/token"
        );
        assert_eq!(
            request.form(),
            "grant_type=client_credentials&client_id=0c4f3a52-9d1b-4c3e-8f57-2a6b9e1d4f88&scope=https%3A%2F%2Fapi.securitycenter.microsoft.com%2F.default&client_secret=canary~%26client_id%3Dx%20%2B%25"
        );
        assert!(!format!("{request:?}").contains("canary"));
    }
}
