//! The configuration file: the control API's bodies, put together.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use jiff::Timestamp;
use serde::Deserialize;

use super::bodies::{ApplicationBody, FeaturesBody, TokensBody};
use super::either::Object;
use super::tenant_body::TenantBody;
use super::{BadRequest, guid};
use crate::error::Error;
use crate::world::{Application, Features, Tenant, TokenLifetime, World};

/// What an emulator starts with: `{"applications":{ID: …},"tenants":{ID: …},"tokens":…,"features":…}`, the values
/// being the bodies of the control API.
#[derive(Clone)]
pub struct Config {
    text: String,
}

impl fmt::Debug for Config {
    /// Without the text, which has secrets in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").finish_non_exhaustive()
    }
}

impl Config {
    /// Takes the text of a configuration; [`start`](crate::start) checks it.
    #[must_use]
    pub fn from_json(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }

    /// Reads a configuration file.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        std::fs::read_to_string(path)
            .map(Self::from_json)
            .map_err(Error::file(path))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigBody {
    #[serde(default)]
    applications: BTreeMap<String, Object<ApplicationBody>>,
    #[serde(default)]
    tenants: BTreeMap<String, Object<TenantBody>>,
    tokens: Option<Object<TokensBody>>,
    features: Option<Object<FeaturesBody>>,
}

struct Parts {
    applications: Vec<(uuid::Uuid, Application)>,
    tenants: Vec<(uuid::Uuid, Tenant)>,
    lifetime: Option<TokenLifetime>,
    features: Option<Features>,
}

/// Puts a configuration into force.
pub(crate) fn apply(world: &World, config: &Config, now: Timestamp) -> Result<(), Error> {
    let parts = read(&config.text, now).map_err(|error| Error::Config(error.0))?;
    let mut directory = world.directory_mut();
    directory.applications.extend(parts.applications);
    for (id, tenant) in parts.tenants {
        directory.put_tenant(id, tenant, now);
    }
    directory.lifetime = parts.lifetime.unwrap_or(directory.lifetime);
    directory.features = parts.features.unwrap_or(directory.features);
    Ok(())
}

fn read(text: &str, now: Timestamp) -> Result<Parts, BadRequest> {
    let Object(body): Object<ConfigBody> = serde_json::from_str(text)?;
    let mut parts = Parts {
        applications: Vec::new(),
        tenants: Vec::new(),
        lifetime: body.tokens.map(|Object(body)| body.read()).transpose()?,
        features: body.features.map(|Object(body)| body.read()),
    };
    for (id, Object(body)) in body.applications {
        let id = guid("client id", &id).map_err(|error| error.within("applications"))?;
        let place = format!("applications: {id}");
        let application = body.read(now).map_err(|error| error.within(&place))?;
        parts.applications.push((id, application));
    }
    for (id, Object(body)) in body.tenants {
        let id = guid("tenant id", &id).map_err(|error| error.within("tenants"))?;
        let place = format!("tenants: {id}");
        let tenant = body.read(now).map_err(|error| error.within(&place))?;
        parts.tenants.push((id, tenant));
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_secret() {
        let config = Config::from_json(r#"{"applications":{"a":{"secrets":["canary"]}}}"#);
        assert_eq!(format!("{config:?}"), "Config { .. }");
    }
}
