//! What a token says about itself, and whether it is the one asked for. Read, not verified: authenticity
//! comes from TLS to the login host.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::ids::{ApplicationId, Audience, TenantId};
use super::reason::Reason;

/// The claims that matter here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// Tenant.
    pub tid: String,
    /// Resource: its App ID URI, or its application id.
    pub aud: String,
    /// `appid` (version 1) or `azp` (version 2).
    pub app_id: Option<String>,
    /// Application roles granted; those that can't be role names are left out.
    pub roles: Vec<String>,
    /// Expiry, seconds since 1970.
    pub exp: i64,
    /// Issue, likewise.
    pub iat: Option<i64>,
    /// Start, likewise; some minutes before the issue.
    pub nbf: Option<i64>,
    /// Issuer.
    pub iss: String,
    /// Names the token in Entra's sign-in logs.
    pub uti: Option<String>,
    /// Whether there is a `scp` claim: only delegated tokens have one.
    pub has_scp: bool,
}

/// What the token must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// The customer.
    pub tenant: TenantId,
    /// The resource asked for.
    pub audience: Audience,
    /// The partner's application.
    pub application: ApplicationId,
    /// The resource's own application id, which may stand in `aud` too.
    pub resource_id: &'static str,
}

/// What may be published about a token that is the right one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The earlier of `exp` and what `expires_in` says.
    pub expires_at: Timestamp,
    /// Application roles granted, sorted, each once.
    pub roles: Vec<String>,
    /// Names the token in Entra's sign-in logs.
    pub uti: Option<String>,
}

/// Why a token isn't the one asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Mismatch {
    /// Not a JWT with the claims of an access token.
    #[error("the token can't be decoded")]
    Undecodable,
    /// `tid`
    #[error("the token's tenant (tid) isn't the one asked for")]
    Tenant,
    /// `aud`
    #[error("the token's audience (aud) isn't the one asked for")]
    Audience,
    /// `appid`, `azp`
    #[error("the token's application (appid, azp) isn't the one asked for")]
    Application,
    /// `iss`
    #[error("the token's issuer (iss) doesn't name the tenant asked for")]
    Issuer,
    /// `scp`
    #[error("the token is a delegated one (scp), not an application's")]
    Delegated,
    /// `exp` is past.
    #[error("the token's expiry (exp) is in the past")]
    Expired,
    /// `exp` is further away than any policy allows.
    #[error("the token's expiry (exp) is too far away")]
    TooLong,
    /// `exp` and `expires_in` differ.
    #[error("the token's expiry (exp) and the answer's expires_in disagree")]
    ExpiryDisagrees,
}

impl Mismatch {
    /// The condition reason: what a wrong clock explains is put down to it.
    #[must_use]
    pub const fn reason(self, skew: Option<SignedDuration>) -> Reason {
        match self {
            Self::Expired | Self::TooLong | Self::ExpiryDisagrees if skew.is_some() => {
                Reason::ClockSkew
            }
            _ => Reason::TokenMismatch,
        }
    }
}

impl Claims {
    /// Reads a token's payload.
    pub fn decode(_token: &str) -> Result<Self, Mismatch> {
        todo!()
    }
}

/// Whether the token is the one asked for.
pub fn check(
    _claims: &Claims,
    _expected: &Expected,
    _expires_in: Duration,
    _now: Timestamp,
) -> Result<Checked, Mismatch> {
    todo!()
}
