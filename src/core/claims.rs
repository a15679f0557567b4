//! What a token says about itself, and whether it is the one asked for. Read, not verified: authenticity
//! comes from TLS to the login host.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde::de::IgnoredAny;

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

/// Longest lifetime that is believed; see [`super::token_response`] for why.
const LONGEST: SignedDuration = SignedDuration::from_hours(48);

/// How far `exp` and `expires_in` may disagree: what Entra itself forgives a clock. Within it the earlier one
/// counts, so that a wrong clock shortens a token's life and never stretches it.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// The payload as it is in the token. Wrong types, and a claim that is there twice, are errors.
#[derive(Deserialize)]
struct Payload {
    tid: String,
    aud: String,
    appid: Option<String>,
    azp: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
    exp: i64,
    iat: Option<i64>,
    nbf: Option<i64>,
    iss: String,
    uti: Option<String>,
    scp: Option<IgnoredAny>,
}

impl Claims {
    /// Reads a token's payload.
    pub fn decode(token: &str) -> Result<Self, Mismatch> {
        let mut parts = token.split('.');
        let (Some(_), Some(payload), Some(_), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Mismatch::Undecodable);
        };
        let json = BASE64.decode(payload).map_err(|_| Mismatch::Undecodable)?;
        let payload: Payload = serde_json::from_slice(&json).map_err(|_| Mismatch::Undecodable)?;
        if payload.appid.is_some() && payload.azp.is_some() && payload.appid != payload.azp {
            return Err(Mismatch::Undecodable);
        }
        Ok(Self {
            tid: payload.tid,
            aud: payload.aud,
            app_id: payload.appid.or(payload.azp),
            roles: payload
                .roles
                .into_iter()
                .filter(|role| is_role_name(role))
                .collect(),
            exp: payload.exp,
            iat: payload.iat,
            nbf: payload.nbf,
            iss: payload.iss,
            // It goes into the log: what doesn't look like one stays out.
            uti: payload.uti.filter(|uti| is_short(uti, 64, b"-_")),
            has_scp: payload.scp.is_some(),
        })
    }
}

/// Padding isn't allowed in a JWT, yet some issuers write it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Roles go into status: what can't be a role's name stays out. The longest known has 37 characters.
fn is_role_name(role: &str) -> bool {
    is_short(role, 120, b"._-")
}

fn is_short(text: &str, longest: usize, others: &[u8]) -> bool {
    (1..=longest).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || others.contains(&byte))
}

/// Whether the token is the one asked for.
pub fn check(
    claims: &Claims,
    expected: &Expected,
    expires_in: Duration,
    now: Timestamp,
) -> Result<Checked, Mismatch> {
    let tenant = expected.tenant.to_string();
    if !claims.tid.eq_ignore_ascii_case(&tenant) {
        return Err(Mismatch::Tenant);
    }
    if !audience_fits(&claims.aud, expected) {
        return Err(Mismatch::Audience);
    }
    let application = expected.application.to_string();
    if !claims
        .app_id
        .as_ref()
        .is_some_and(|id| id.eq_ignore_ascii_case(&application))
    {
        return Err(Mismatch::Application);
    }
    // `https://sts.windows.net/{tid}/` or `https://{login}/{tid}/v2.0`.
    let names_tenant = |path: &str| {
        path.split('/')
            .skip(1)
            .any(|part| part.eq_ignore_ascii_case(&tenant))
    };
    if !claims
        .iss
        .strip_prefix("https://")
        .is_some_and(names_tenant)
    {
        return Err(Mismatch::Issuer);
    }
    if claims.has_scp {
        return Err(Mismatch::Delegated);
    }
    Ok(Checked {
        expires_at: expiry(claims, expires_in, now)?,
        roles: claims
            .roles
            .iter()
            .cloned()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect(),
        uti: claims.uti.clone(),
    })
}

/// A trailing slash may be one too many or one too few: both are the same resource to Microsoft.
fn audience_fits(aud: &str, expected: &Expected) -> bool {
    fn bare(uri: &str) -> &str {
        uri.strip_suffix('/').unwrap_or(uri)
    }
    bare(aud) == bare(expected.audience.0) || aud.eq_ignore_ascii_case(expected.resource_id)
}

fn expiry(claims: &Claims, expires_in: Duration, now: Timestamp) -> Result<Timestamp, Mismatch> {
    let exp = Timestamp::from_second(claims.exp).map_err(|_| Mismatch::TooLong)?;
    if exp <= now {
        return Err(Mismatch::Expired);
    }
    if exp.duration_since(now) > LONGEST {
        return Err(Mismatch::TooLong);
    }
    let promised = SignedDuration::try_from(expires_in)
        .ok()
        .and_then(|expires_in| now.checked_add(expires_in).ok())
        .ok_or(Mismatch::TooLong)?;
    if exp.duration_since(promised).abs() > TOLERANCE {
        return Err(Mismatch::ExpiryDisagrees);
    }
    Ok(exp.min(promised))
}

#[cfg(test)]
#[path = "claims/tests.rs"]
mod tests;
