//! The token endpoint's client: one form POST.

use jiff::Timestamp;
use secrecy::SecretString;
use uuid::Uuid;

use crate::core::errors::Failure;
use crate::core::ids::{ApplicationId, Audience, LoginHost, TenantId};
use crate::core::token_response::TokenAnswer;

/// The partner's client secret. `Debug` doesn't show it; wiped when dropped.
#[derive(Clone, Debug)]
pub struct ClientSecret(SecretString);

impl ClientSecret {
    /// Takes the secret over.
    #[must_use]
    pub fn new(secret: SecretString) -> Self {
        Self(secret)
    }
}

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
    pub credential: ClientSecret,
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
}

impl TokenClient {
    /// A client on a connection pool that [`super::http::build`] made.
    #[must_use]
    pub const fn new(http: reqwest::Client) -> Self {
        Self { http }
    }

    /// Asks for one token, once.
    pub async fn mint(&self, _request: &TokenRequest) -> Result<Minted, Failure> {
        let _ = &self.http;
        todo!()
    }
}
