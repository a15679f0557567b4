//! Tokens of an issuer that the application trusts: Kubernetes' service account tokens, say.

use jiff::Timestamp;
use jsonwebtoken::Algorithm;

use super::super::refusal::Refusal;
use super::jwt::Jwt;
use super::{Presenter, check_times};
use crate::world::{Application, Federated, is_visible};

/// What Entra takes from other issuers.
const ALGORITHMS: [(&str, Algorithm); 1] = [("RS256", Algorithm::RS256)];

/// Checks an assertion of this issuer. Issuer, subject and audience match exactly, or not at all.
pub(super) fn check(
    application: &Application,
    presenter: Presenter,
    issuer: &str,
    jwt: &Jwt<'_>,
    now: Timestamp,
) -> Result<(), Refusal> {
    let subject = jwt.text("sub")?;
    let audiences = jwt.audiences()?;
    let algorithm = jwt.algorithm(&ALGORITHMS)?;
    let visible: Vec<&Federated> = application
        .federated
        .iter()
        .filter(|credential| is_visible(credential.visible_at, now))
        .collect();
    let of_issuer = || visible.iter().filter(|found| found.issuer == issuer);
    let of_subject = || of_issuer().filter(|found| found.subject == subject);
    if visible.is_empty() {
        let name = application.name(presenter.client);
        return Err(Refusal::new(70_025).with("name", name));
    }
    if of_issuer().next().is_none() {
        return Err(Refusal::new(700_211).with("issuer", issuer));
    }
    if of_subject().next().is_none() {
        let differs_in_case = of_issuer().any(|found| found.subject.eq_ignore_ascii_case(subject));
        let number = if differs_in_case { 7_002_138 } else { 700_213 };
        return Err(Refusal::new(number).with("subject", subject));
    }
    let credential = of_subject()
        .find(|found| audiences.contains(&found.audience.as_str()))
        .ok_or_else(|| Refusal::new(700_212).with("audience", audiences.join(", ")))?;
    let kid = jwt.header("kid").unwrap_or_default();
    let mut keys = credential
        .keys
        .iter()
        .filter(|key| key.kid == kid)
        .peekable();
    if keys.peek().is_none() {
        return Err(Refusal::new(7_000_272)
            .with("kid", kid)
            .with("issuer", issuer));
    }
    if !keys.any(|key| jwt.is_signed_by(&key.key, algorithm)) {
        // No source shows Entra's answer; this is what it says of a certificate's key that didn't sign.
        return Err(Refusal::new(700_027)
            .with("problem", "Client assertion contains an invalid signature.")
            .with(
                "reason",
                "Key was found, but use of the key to verify the signature failed.",
            ));
    }
    check_times(jwt, now)
}
