//! Whether what a client presented is a credential of its application.

use jiff::Timestamp;

use super::assertion::{self, Presenter};
use super::form::Form;
use super::refusal::Refusal;
use crate::world::{Application, Secret, UsedAssertion};

/// What a client proved itself with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Credential {
    Secret,
    /// Its certificate, or an issuer that it trusts.
    Assertion,
}

/// A credential that is right, and what there is to remember of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Proof {
    pub(crate) credential: Credential,
    pub(crate) used: Option<UsedAssertion>,
}

/// Checks the presented credential; refusals name their code and what is wrong, the caller adds the application.
pub(crate) fn check(
    application: &Application,
    presenter: Presenter,
    form: &Form,
    now: Timestamp,
) -> Result<Proof, Refusal> {
    let Some(assertion) = form.assertion.as_deref() else {
        return check_secret(application, form, now);
    };
    if !form.secrets.is_empty() {
        return Err(Refusal::new(9_002_324));
    }
    let kind = form.assertion_type.as_deref();
    Ok(Proof {
        credential: Credential::Assertion,
        used: assertion::check(application, presenter, kind, assertion, now)?,
    })
}

fn check_secret(application: &Application, form: &Form, now: Timestamp) -> Result<Proof, Refusal> {
    if form.secrets.is_empty() {
        let number = if form.assertion_type.is_some() {
            7_000_218
        } else {
            7_000_216
        };
        return Err(Refusal::new(number));
    }
    let mut expired = false;
    for secret in application
        .secrets
        .iter()
        .filter(|secret| form.secrets.contains(&secret.value))
    {
        match state(secret, now) {
            State::Good => {
                return Ok(Proof {
                    credential: Credential::Secret,
                    used: None,
                });
            }
            State::Expired => expired = true,
            State::NotYet => {}
        }
    }
    Err(Refusal::new(if expired { 7_000_222 } else { 7_000_215 }))
}

enum State {
    Good,
    Expired,
    /// Not valid yet, or not yet known to this node: to Entra it is a wrong one.
    NotYet,
}

fn state(secret: &Secret, now: Timestamp) -> State {
    let reached = |time: Option<Timestamp>| time.is_none_or(|time| now >= time);
    if !reached(secret.visible_at) || !reached(secret.not_before) {
        State::NotYet
    } else if secret.expires.is_some_and(|expires| now >= expires) {
        State::Expired
    } else {
        State::Good
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn secret(value: &str) -> Secret {
        Secret {
            value: value.to_owned(),
            not_before: None,
            expires: None,
            visible_at: None,
        }
    }

    fn answer(secrets: Vec<Secret>, presented: &[&str], second: i64) -> u32 {
        let application = Application {
            secrets,
            ..Application::default()
        };
        let form = Form {
            secrets: presented.iter().map(ToString::to_string).collect(),
            ..Form::default()
        };
        check_secret(&application, &form, at(second))
            .map_or_else(|refusal| refusal.code.number, |_| 0)
    }

    #[test]
    fn any_of_the_secrets_is_good_and_no_other() {
        let secrets = || vec![secret("old"), secret("new")];
        assert_eq!(answer(secrets(), &["new"], 0), 0);
        assert_eq!(answer(secrets(), &["old"], 0), 0);
        assert_eq!(answer(secrets(), &["raw", "new"], 0), 0);
        assert_eq!(answer(secrets(), &["other"], 0), 7_000_215);
        assert_eq!(answer(vec![], &["other"], 0), 7_000_215);
        assert_eq!(answer(secrets(), &[], 0), 7_000_216);
    }

    #[test]
    fn a_secret_expires_at_its_second() {
        let secrets = || {
            vec![Secret {
                expires: Some(at(10)),
                ..secret("a")
            }]
        };
        assert_eq!(answer(secrets(), &["a"], 9), 0);
        assert_eq!(answer(secrets(), &["a"], 10), 7_000_222);
    }

    #[test]
    fn a_secret_not_yet_valid_or_visible_is_a_wrong_one() {
        for early in [
            Secret {
                not_before: Some(at(10)),
                ..secret("a")
            },
            Secret {
                visible_at: Some(at(10)),
                ..secret("a")
            },
        ] {
            assert_eq!(answer(vec![early.clone()], &["a"], 9), 7_000_215);
            assert_eq!(answer(vec![early], &["a"], 10), 0);
        }
    }
}
