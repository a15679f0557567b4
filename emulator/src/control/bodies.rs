//! The bodies of applications and token settings.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, Unexpected};
use serde_json::Value;

use super::BadRequest;
use super::either::StringOr;
use super::roles::{self, Roles};
use crate::world::{Application, Secret, TokenLifetime};

/// Entra's longest lifetime by policy is a day; one more leaves room for tests of clients that check it.
const LONGEST_LIFETIME: u32 = 2 * 86_400;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ApplicationBody {
    #[serde(default)]
    secrets: Vec<StringOr<SecretBody>>,
    #[serde(default)]
    certificates: Vec<Value>,
    #[serde(default)]
    federated: Vec<Value>,
    required_roles: Option<Roles>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SecretBody {
    value: String,
    #[serde(default, deserialize_with = "time")]
    not_before: Option<Timestamp>,
    #[serde(default, deserialize_with = "time")]
    expires: Option<Timestamp>,
    #[serde(default)]
    visible_after_seconds: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TokensBody {
    lifetime_seconds: Option<u32>,
    refresh_in_seconds: Option<u32>,
}

/// A time or null. jiff's own errors quote what they couldn't read.
fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| {
        text.parse().map_err(|_| {
            D::Error::invalid_value(
                Unexpected::Other("another text"),
                &"a time like 2027-01-01T00:00:00Z",
            )
        })
    })
    .transpose()
}

/// So many seconds from now; `None` for none, so that "at once" needs no clock.
pub(crate) fn later(now: Timestamp, seconds: u32) -> Option<Timestamp> {
    (seconds > 0)
        .then(|| {
            now.checked_add(SignedDuration::from_secs(seconds.into()))
                .ok()
        })
        .flatten()
}

impl ApplicationBody {
    pub(crate) fn read(self, now: Timestamp) -> Result<Application, BadRequest> {
        for (name, entries) in [
            ("certificates", &self.certificates),
            ("federated", &self.federated),
        ] {
            if !entries.is_empty() {
                return Err(BadRequest(format!("{name}: not supported in this version")));
            }
        }
        let secrets = self
            .secrets
            .into_iter()
            .map(|secret| read_secret(secret, now))
            .collect::<Result<_, _>>()?;
        Ok(Application {
            secrets,
            required_roles: roles::endpoint(self.required_roles)
                .map_err(|error| error.within("requiredRoles"))?,
        })
    }
}

fn read_secret(secret: StringOr<SecretBody>, now: Timestamp) -> Result<Secret, BadRequest> {
    let body = match secret {
        StringOr::Object(body) => body,
        StringOr::String(value) => SecretBody {
            value,
            not_before: None,
            expires: None,
            visible_after_seconds: 0,
        },
    };
    if body.value.is_empty() {
        return Err(BadRequest("secrets: a secret must not be empty".to_owned()));
    }
    Ok(Secret {
        value: body.value,
        not_before: body.not_before,
        expires: body.expires,
        visible_at: later(now, body.visible_after_seconds),
    })
}

impl TokensBody {
    pub(crate) fn read(self) -> Result<TokenLifetime, BadRequest> {
        if self
            .lifetime_seconds
            .is_some_and(|seconds| seconds == 0 || seconds > LONGEST_LIFETIME)
        {
            return Err(BadRequest(format!(
                "lifetimeSeconds: must be 1 to {LONGEST_LIFETIME}, or null"
            )));
        }
        if self.refresh_in_seconds == Some(0) {
            return Err(BadRequest(
                "refreshInSeconds: must be at least 1, or null".to_owned(),
            ));
        }
        Ok(TokenLifetime {
            seconds: self.lifetime_seconds,
            refresh_in: self.refresh_in_seconds,
        })
    }
}
