//! Client assertions: signed by the application with its certificate, or by an issuer that it trusts.
//!
//! The order of the checks decides which of several mistakes a client is told of. For a certificate: form, claims that
//! name the client, algorithm, thumbprint, signature, the certificate's validity, audience, the assertion's times. For
//! a federated token: form, algorithm, issuer, subject, audience, signing key, signature, times.

mod audience;
mod certificate;
mod federated;
mod jwt;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::refusal::Refusal;
use crate::guid;
use crate::hosts::LoginCloud;
use crate::world::{Application, UsedAssertion};
use jwt::Jwt;

/// The one `client_assertion_type` that there is.
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// How far a client's clock may be off.
const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// Who presents an assertion, and where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Presenter {
    pub(crate) cloud: LoginCloud,
    pub(crate) tenant: Uuid,
    pub(crate) client: Uuid,
}

/// Checks an assertion. Returns what there is to remember of one that can be used again.
pub(crate) fn check(
    application: &Application,
    presenter: Presenter,
    kind: Option<&str>,
    assertion: &str,
    now: Timestamp,
) -> Result<Option<UsedAssertion>, Refusal> {
    match kind {
        Some(JWT_BEARER) => {}
        Some(_) => return Err(Refusal::new(90_011)),
        None => return Err(Refusal::new(900_144).with("parameter", "client_assertion_type")),
    }
    let jwt = Jwt::parse(assertion)?;
    let issuer = jwt.text("iss")?;
    match guid::parse(issuer) {
        Some(id) if id == presenter.client => {
            certificate::check(&application.certificates, presenter, &jwt, now)?;
        }
        // Only an application's id looks so: issuers of tokens are URLs.
        Some(_) => return Err(Refusal::new(700_021)),
        None => {
            federated::check(application, presenter, issuer, &jwt, now)?;
            // Such a token is meant to be used many times, so nothing is worth counting.
            return Ok(None);
        }
    }
    let ends = jwt.time("exp")?;
    let id = jwt.id().map(|jti| UsedAssertion {
        id: guid::derived(&[&presenter.client.to_string(), &jti]),
        ends: ends.saturating_add(SKEW).unwrap_or(ends),
    });
    Ok(id)
}

/// Refuses an assertion of yesterday or tomorrow.
fn check_times(jwt: &Jwt<'_>, now: Timestamp) -> Result<(), Refusal> {
    let (starts, ends) = (jwt.time("nbf")?, jwt.time("exp")?);
    // Differences can't leave the range of a duration, sums of times can.
    if now.duration_since(ends) <= SKEW && starts.duration_since(now) <= SKEW {
        return Ok(());
    }
    let text = |time: Timestamp| time.strftime("%Y-%m-%dT%H:%M:%S%.7fZ").to_string();
    Err(Refusal::new(700_024).with(
        "times",
        format!(
            " Current time: {}, assertion valid from {}, expiry time of assertion {}.",
            text(now),
            text(starts),
            text(ends)
        ),
    ))
}
