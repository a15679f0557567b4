//! What a target's annotations say, as it is kept.

use std::sync::Arc;

use jiff::Timestamp;

use super::shared::Texts;
use crate::api::DefenderApi;
use crate::core::target::{Grant, Held, Origin};

/// [`Held`], with what many have in common shared.
#[derive(Debug, Clone)]
pub struct PackedHeld {
    pub(super) issued_at: Timestamp,
    expires_at: Timestamp,
    refresh_at: Timestamp,
    digest: Box<str>,
    mint_inputs: Box<str>,
    fingerprint: Arc<str>,
    /// Application and API.
    grant: Option<(Arc<str>, DefenderApi)>,
}

impl PackedHeld {
    pub(super) fn new(held: Held, texts: &mut Texts) -> Self {
        Self {
            issued_at: held.issued_at,
            expires_at: held.expires_at,
            refresh_at: held.refresh_at,
            digest: held.digest.into(),
            mint_inputs: held.mint_inputs.into(),
            fingerprint: texts.share(&held.origin.fingerprint),
            grant: held
                .origin
                .grant
                .map(|grant| (texts.share(&grant.application), grant.api)),
        }
    }

    pub(super) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    pub(super) fn unpack(&self) -> Held {
        Held {
            issued_at: self.issued_at,
            expires_at: self.expires_at,
            refresh_at: self.refresh_at,
            digest: self.digest.to_string(),
            mint_inputs: self.mint_inputs.to_string(),
            origin: Origin {
                fingerprint: self.fingerprint.to_string(),
                grant: self.grant.as_ref().map(|(application, api)| Grant {
                    application: application.to_string(),
                    api: *api,
                }),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unpacked_is_what_was_packed() {
        let mut texts = Texts::default();
        let grant = Grant {
            application: "u".into(),
            api: DefenderApi::Graph,
        };
        for grant in [None, Some(grant)] {
            let at = |seconds| Timestamp::from_second(seconds).unwrap();
            let held = Held {
                issued_at: at(1),
                expires_at: at(2),
                refresh_at: at(3),
                digest: "v1:a".into(),
                mint_inputs: "v1:b".into(),
                origin: Origin {
                    fingerprint: "v1:c".into(),
                    grant,
                },
            };
            assert_eq!(PackedHeld::new(held.clone(), &mut texts).unpack(), held);
        }
    }
}
