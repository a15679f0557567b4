//! The bodies of applications and token settings.

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, Unexpected};

use super::BadRequest;
use super::certificate_body::{self, CertificateBody};
use super::either::{Object, StringOr};
use super::federated_body::FederatedBody;
use super::redirect_uris::RedirectUris;
use super::roles::{self, Roles};
use crate::hosts::LoginCloud;
use crate::world::{Application, Features, Secret, TokenLifetime, later};

/// Entra's longest lifetime by policy is a day; one more leaves room for tests of clients that check it.
const LONGEST_LIFETIME: u32 = 2 * 86_400;
/// What Entra takes as an application's name.
const LONGEST_NAME: usize = 120;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ApplicationBody {
    #[serde(default)]
    secrets: Vec<StringOr<SecretBody>>,
    #[serde(default)]
    certificates: Vec<StringOr<CertificateBody>>,
    #[serde(default)]
    federated: Vec<Object<FederatedBody>>,
    entra_cloud: Option<EntraCloud>,
    required_roles: Option<Roles>,
    redirect_uris: Option<RedirectUris>,
    display_name: Option<String>,
    publisher: Option<String>,
}

/// Where an application is registered: each of Microsoft's two clouds has its own registrations.
#[derive(Clone, Copy, Deserialize)]
enum EntraCloud {
    Public,
    #[serde(rename = "USGovernment")]
    UsGovernment,
}

impl EntraCloud {
    fn login(self) -> LoginCloud {
        match self {
            Self::Public => LoginCloud::Public,
            Self::UsGovernment => LoginCloud::UsGovernment,
        }
    }
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

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct FeaturesBody {
    #[serde(default)]
    hunting_retired: bool,
}

impl FeaturesBody {
    pub(crate) fn read(&self) -> Features {
        Features {
            hunting_retired: self.hunting_retired,
        }
    }
}

/// A time or null. jiff's own errors quote what they couldn't read.
pub(super) fn time<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Timestamp>, D::Error> {
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

impl ApplicationBody {
    pub(crate) fn read(self, now: Timestamp) -> Result<Application, BadRequest> {
        let secrets = self
            .secrets
            .into_iter()
            .map(|secret| read_secret(secret, now))
            .collect::<Result<_, _>>()?;
        let certificates = read_each("certificates", self.certificates, |certificate| {
            certificate_body::read(certificate, now)
        })?;
        let federated = read_each("federated", self.federated, |Object(body)| body.read(now))?;
        Ok(Application {
            secrets,
            certificates,
            federated,
            cloud: self.entra_cloud.map(EntraCloud::login),
            redirect_uris: self.redirect_uris.map(|uris| uris.0),
            display_name: name("displayName", self.display_name)?,
            publisher: name("publisher", self.publisher)?,
            required_roles: roles::read(self.required_roles)
                .map_err(|error| error.within("requiredRoles"))?,
        })
    }
}

/// A name for people: neither blank nor endless.
fn name(field: &str, text: Option<String>) -> Result<Option<String>, BadRequest> {
    let is_bad = |text: &String| text.trim().is_empty() || text.chars().count() > LONGEST_NAME;
    if text.as_ref().is_some_and(is_bad) {
        return Err(BadRequest(format!(
            "{field}: must be 1 to {LONGEST_NAME} characters, or null"
        )));
    }
    Ok(text)
}

/// Reads the entries of a list; a complaint says of which entry it is.
fn read_each<B, T>(
    name: &str,
    bodies: Vec<B>,
    read: impl Fn(B) -> Result<T, BadRequest>,
) -> Result<Vec<T>, BadRequest> {
    let number =
        |(index, body)| read(body).map_err(|error| error.within(&format!("{name}: entry {index}")));
    bodies.into_iter().enumerate().map(number).collect()
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
