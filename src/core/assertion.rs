//! The assertion that a certificate signs in with (RFC 7523, as Microsoft's "certificate credentials" page has it).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde_json::json;
use uuid::Uuid;

use super::credential::Certificate;
use super::ids::{ApplicationId, LoginHost, TenantId};

/// Microsoft asks for five to ten minutes after `nbf`; MSAL takes ten.
const LIFETIME: SignedDuration = SignedDuration::from_mins(10);

/// Where tokens of a tenant are asked for, and the only audience that an assertion may have.
#[must_use]
pub fn token_endpoint(login: LoginHost, tenant: TenantId) -> String {
    format!("https://{login}/{tenant}/oauth2/v2.0/token")
}

/// What an assertion is made for: one request of one application to one tenant.
#[derive(Debug, Clone, Copy)]
pub struct Purpose {
    /// Login authority.
    pub login: LoginHost,
    /// The customer.
    pub tenant: TenantId,
    /// The partner's application.
    pub application: ApplicationId,
}

/// Signs an assertion. `id` must be new for each. Takes milliseconds; `None` as [`Certificate::sign`].
#[must_use]
pub fn sign(
    certificate: &Certificate,
    purpose: Purpose,
    id: Uuid,
    now: Timestamp,
) -> Option<SecretString> {
    let (thumbprint, value) = certificate.header();
    let header = json!({
        "alg": certificate.algorithm().as_str(),
        "typ": "JWT",
        thumbprint: value,
    });
    let begin = now.as_second();
    let application = purpose.application.to_string();
    let claims = json!({
        "aud": token_endpoint(purpose.login, purpose.tenant),
        "iss": application,
        "sub": application,
        "jti": id.hyphenated().to_string(),
        "iat": begin,
        "nbf": begin,
        "exp": begin + LIFETIME.as_secs(),
    });
    let part = |json: serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let signature = certificate.sign(signed.as_bytes())?;
    // In one piece, so that no part of it stays behind where a text has moved.
    let signature = URL_SAFE_NO_PAD.encode(signature);
    Some([signed.as_str(), ".", signature.as_str()].concat().into())
}

#[cfg(test)]
mod tests;
