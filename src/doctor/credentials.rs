//! The partner's credentials, as the Secrets hold them. Nothing of a key's value is ever told.

use jiff::Timestamp;

use super::report::{Check, Finding};
use crate::controller::ApiError;
use crate::core::application::status::WARNED_AHEAD;
use crate::core::credential::{Credential, Fault, Kind, Validity};
use crate::core::federated::TokenView;
use crate::core::schedule::saturating_add;

/// What the audience of a token for Microsoft Entra begins with; in other clouds something follows.
const AUDIENCE: &str = "api://AzureADTokenExchange";

/// What is known of one credential Secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// The API server didn't give it.
    NotRead(ApiError),
    /// It lacks the label, so that its bytes weren't read.
    NotLabelled,
    /// Its keys make no credential.
    Malformed(Fault),
    /// It holds one.
    Good(Facts),
}

/// What may be told of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Which kind it is.
    pub kind: Kind,
    /// Whether its own dates let it be used.
    pub validity: Validity,
    /// When it expires: by its certificate, or as declared.
    pub expires_at: Option<Timestamp>,
}

impl Facts {
    /// Of a credential whose end somebody may have declared.
    #[must_use]
    pub fn new(credential: &Credential, declared: Option<Timestamp>, now: Timestamp) -> Self {
        Self {
            kind: credential.kind(),
            validity: credential.validity(now),
            expires_at: credential.not_after().or(declared),
        }
    }
}

/// How a credential Secret is.
#[must_use]
pub fn secret(subject: &str, known: &Known, now: Timestamp) -> Finding {
    let problem =
        |found: &str, advice: &str| Finding::problem(Check::Credentials, subject, found, advice);
    match known {
        Known::NotRead(ApiError::NotFound) => problem(
            "there is no such Secret",
            "create it with the label defendertenant.io/credential=true, or correct the name in the reference",
        ),
        Known::NotRead(ApiError::Forbidden) => problem(
            "the operator may not read it",
            "add to the role of the operator's service account: apiGroups: [\"\"], resources: [secrets], verbs: [get]",
        ),
        Known::NotRead(error) => problem(
            &format!("it can't be read: {error}"),
            "look at the API server, and run this again",
        ),
        Known::NotLabelled => problem(
            "it lacks the label that marks it as a credential",
            "kubectl label secret NAME defendertenant.io/credential=true, in its namespace",
        ),
        Known::Malformed(fault) => problem("its keys make no credential", &fault.to_string()),
        Known::Good(facts) => good(subject, *facts, now),
    }
}

fn good(subject: &str, facts: Facts, now: Timestamp) -> Finding {
    let kind = match facts.kind {
        Kind::ClientSecret => "client secret",
        Kind::Certificate => "certificate",
        Kind::WorkloadIdentity => "workload identity",
    };
    let next = "create the next credential, register it on the application, and replace this one (docs/credentials.md)";
    if let Validity::NotYet(from) = facts.validity {
        let found = format!("{kind}, not valid before {from:.0}");
        let advice = "wait until then, compare the clocks, or use a certificate that is valid now";
        return Finding::problem(Check::Credentials, subject, &found, advice);
    }
    let Some(at) = facts.expires_at else {
        let found = format!("{kind}, readable; when it expires is known to Microsoft alone");
        return Finding::ok(Check::Credentials, subject, &found);
    };
    if at <= now {
        let found = format!("{kind}, expired at {at:.0}");
        return Finding::problem(Check::Credentials, subject, &found, next);
    }
    let found = format!("{kind}, readable, expires at {at:.0}");
    if at <= saturating_add(now, WARNED_AHEAD) {
        return Finding::warning(Check::Credentials, subject, &found, next);
    }
    Finding::ok(Check::Credentials, subject, &found)
}

/// How the operator's own token is, where an application presents it.
#[must_use]
pub fn federated(view: &TokenView, now: Timestamp) -> Finding {
    let subject = view.path.as_deref().unwrap_or("token file");
    if let Some(fault) = view.fault(now) {
        return Finding::problem(
            Check::FederatedToken,
            subject,
            &fault.to_string(),
            "mount a projected serviceAccountToken volume with the audience that the application's federated credential has (api://AzureADTokenExchange), and name the file by --federated-token-file",
        );
    }
    let Ok(presented) = &view.found else {
        return Finding::skipped(Check::FederatedToken, subject, "it can't be read");
    };
    let until = presented
        .expires_at
        .map(|at| format!(", expires at {at:.0}"))
        .unwrap_or_default();
    let found = format!("{presented}{until}");
    if presented.audience.contains(AUDIENCE) {
        return Finding::ok(Check::FederatedToken, subject, &found);
    }
    Finding::warning(
        Check::FederatedToken,
        subject,
        &found,
        "the application's federated credential must have this very audience; usual is api://AzureADTokenExchange",
    )
}

/// No application presents it.
#[must_use]
pub fn no_federated() -> Finding {
    Finding::skipped(
        Check::FederatedToken,
        "token file",
        "no DefenderApplication uses workload identity",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::federated::{Presented, TokenFault};

    const DAY: i64 = 86_400;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).unwrap()
    }

    #[test]
    fn each_state_of_a_credential_is_told() {
        use Kind::{Certificate, ClientSecret};
        use Validity::{Expired, NotYet, Valid};
        let facts = |kind, validity, expires_at| {
            Known::Good(Facts {
                kind,
                validity,
                expires_at,
            })
        };
        let ok = |found: &str| Finding::ok(Check::Credentials, "s", found);
        let warning =
            |found: &str, advice: &str| Finding::warning(Check::Credentials, "s", found, advice);
        let problem =
            |found: &str, advice: &str| Finding::problem(Check::Credentials, "s", found, advice);
        let next = "create the next credential, register it on the application, and replace this one (docs/credentials.md)";
        #[rustfmt::skip]
        let cases = [
            (Known::NotRead(ApiError::NotFound), problem("there is no such Secret", "create it with the label defendertenant.io/credential=true, or correct the name in the reference")),
            (Known::NotRead(ApiError::Forbidden), problem("the operator may not read it", "add to the role of the operator's service account: apiGroups: [\"\"], resources: [secrets], verbs: [get]")),
            (Known::NotRead(ApiError::Unreachable), problem("it can't be read: the API server can't be reached", "look at the API server, and run this again")),
            (Known::NotLabelled, problem("it lacks the label that marks it as a credential", "kubectl label secret NAME defendertenant.io/credential=true, in its namespace")),
            (Known::Malformed(Fault::NoKind), problem("its keys make no credential", "the key client-secret is missing or empty, and there is no certificate (tls.crt and tls.key): set one of the two")),
            (facts(ClientSecret, Valid, None), ok("client secret, readable; when it expires is known to Microsoft alone")),
            (facts(ClientSecret, Valid, Some(at(31 * DAY))), ok("client secret, readable, expires at 2026-10-22T14:13:20Z")),
            (facts(ClientSecret, Valid, Some(at(30 * DAY))), warning("client secret, readable, expires at 2026-10-21T14:13:20Z", next)),
            (facts(ClientSecret, Valid, Some(at(0))), problem("client secret, expired at 2026-09-21T14:13:20Z", next)),
            (facts(Certificate, Expired(at(-1)), Some(at(-1))), problem("certificate, expired at 2026-09-21T14:13:19Z", next)),
            (facts(Certificate, NotYet(at(60)), Some(at(90 * DAY))), problem("certificate, not valid before 2026-09-21T14:14:20Z", "wait until then, compare the clocks, or use a certificate that is valid now")),
        ];
        for (known, expected) in cases {
            assert_eq!(secret("s", &known, at(0)), expected);
        }
    }

    #[test]
    fn the_operators_own_token_is_told_by_what_it_says_of_itself() {
        let view = |found| TokenView {
            path: Some("/token".into()),
            found,
        };
        let presented = |audience: &str, expires_at| Presented {
            issuer: "https://i".into(),
            subject: "system:serviceaccount:a:b".into(),
            audience: audience.into(),
            expires_at,
        };
        let shown = |audience: &str| {
            format!(
                "issuer https://i, subject system:serviceaccount:a:b, audience {audience}, expires at 2026-09-21T15:13:20Z"
            )
        };
        let hour = Some(at(3_600));
        let mount = "mount a projected serviceAccountToken volume with the audience that the application's federated credential has (api://AzureADTokenExchange), and name the file by --federated-token-file";
        for (found, expected) in [
            (
                Ok(presented("api://AzureADTokenExchange", hour)),
                Finding::ok(
                    Check::FederatedToken,
                    "/token",
                    &shown("api://AzureADTokenExchange"),
                ),
            ),
            (
                Ok(presented("other", hour)),
                Finding::warning(
                    Check::FederatedToken,
                    "/token",
                    &shown("other"),
                    "the application's federated credential must have this very audience; usual is api://AzureADTokenExchange",
                ),
            ),
            (
                Ok(presented("api://AzureADTokenExchange", Some(at(0)))),
                Finding::problem(
                    Check::FederatedToken,
                    "/token",
                    "its token has expired and wasn't renewed",
                    mount,
                ),
            ),
            (
                Err(TokenFault::Missing),
                Finding::problem(
                    Check::FederatedToken,
                    "/token",
                    "there is no such file",
                    mount,
                ),
            ),
        ] {
            assert_eq!(federated(&view(found), at(0)), expected);
        }
        let nowhere = TokenView {
            path: None,
            found: Err(TokenFault::NoFile),
        };
        assert_eq!(federated(&nowhere, at(0)).subject, "token file");
    }
}
