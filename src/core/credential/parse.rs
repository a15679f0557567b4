//! From a Secret's keys to a credential, or to the mistake in it.

use std::sync::Arc;

use secrecy::SecretString;

use super::{Certificate, Credential, Fault, Material, SecretData};
use crate::api::{Algorithm, credential_key as key};
use crate::core::ids::{ApplicationId, GuidError, TenantId};

/// Entra's client secrets have 40 characters; far above that it is something else.
const SECRET_MAX: usize = 1_024;
/// Enough for a partner's whole fleet, small enough for a Secret.
const TENANT_IDS_MAX: usize = 10_000;

/// The kind of credential that a DefenderApplication says a Secret holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Declared {
    /// `client-secret`
    ClientSecret,
    /// `tls.crt` and `tls.key`
    Certificate(Algorithm),
}

/// Reads the credential of a Secret that `spec.secretRef` names.
pub fn parse_data(data: &SecretData) -> Result<Credential, Fault> {
    if data.is_empty() {
        return Err(Fault::Empty);
    }
    let mut keys = Keys::new(data);
    let secret = keys.text(key::CLIENT_SECRET)?;
    let certificate = keys.has(key::TLS_CRT) || keys.has(key::TLS_KEY);
    if secret.is_some() && certificate {
        return Err(Fault::TwoKinds);
    }
    if secret.is_none() && !certificate && keys.has_pfx() {
        return Err(Fault::Pfx);
    }
    let client_id = keys.client_id()?.ok_or(Fault::NoClientId)?;
    let material = match secret {
        Some(secret) => client_secret(secret)?,
        None if certificate => {
            let algorithm = keys.algorithm()?.unwrap_or_default();
            keys.certificate(algorithm)?
        }
        None => return Err(Fault::NoKind),
    };
    let redirect_uri = keys.text(key::REDIRECT_URI)?.map(str::to_owned);
    if redirect_uri
        .as_ref()
        .is_some_and(|uri| !plausible_redirect(uri))
    {
        return Err(Fault::BadRedirectUri);
    }
    Ok(Credential {
        redirect_uri,
        tenant_ids: keys.tenant_ids()?,
        trimmed: keys.trimmed,
        ..Credential::new(client_id, material)
    })
}

/// Reads the credential of a Secret that a DefenderApplication names. `tenant-ids` narrows it as it does elsewhere; what
/// else may stand in a credential Secret (`redirect-uri`, another kind) is the application's to say.
pub fn parse_for_application(
    data: &SecretData,
    client_id: ApplicationId,
    declared: Declared,
) -> Result<Credential, Fault> {
    let mut keys = Keys::new(data);
    if keys.client_id()?.is_some_and(|found| found != client_id) {
        return Err(Fault::OtherClientId);
    }
    let material = match declared {
        Declared::ClientSecret => {
            client_secret(keys.text(key::CLIENT_SECRET)?.ok_or(Fault::NoSecret)?)?
        }
        Declared::Certificate(algorithm) => {
            if !keys.has(key::TLS_CRT) && keys.has_pfx() {
                return Err(Fault::Pfx);
            }
            if keys.algorithm()?.is_some_and(|found| found != algorithm) {
                return Err(Fault::OtherAlgorithm);
            }
            keys.certificate(algorithm)?
        }
    };
    Ok(Credential {
        tenant_ids: keys.tenant_ids()?,
        trimmed: keys.trimmed,
        ..Credential::new(client_id, material)
    })
}

/// A Secret's keys while they are being read.
struct Keys<'a> {
    data: &'a SecretData,
    /// White space around a value was ignored.
    trimmed: bool,
}

impl<'a> Keys<'a> {
    const fn new(data: &'a SecretData) -> Self {
        Self {
            data,
            trimmed: false,
        }
    }

    /// A key's bytes. White space alone is nothing.
    fn bytes(&self, name: &str) -> Option<&'a [u8]> {
        let bytes = self.data.get(name)?.as_slice();
        (!bytes.trim_ascii().is_empty()).then_some(bytes)
    }

    fn tenant_ids(&self) -> Result<Option<Vec<TenantId>>, Fault> {
        let list = self.data.get(key::TENANT_IDS);
        list.map(|bytes| tenant_list(bytes)).transpose()
    }

    fn has(&self, name: &str) -> bool {
        self.bytes(name).is_some()
    }

    fn has_pfx(&self) -> bool {
        let is_pfx = |name: &String| {
            name.rsplit_once('.').is_some_and(|(_, extension)| {
                ["pfx", "p12"]
                    .iter()
                    .any(|e| extension.eq_ignore_ascii_case(e))
            })
        };
        self.data.keys().any(is_pfx)
    }

    /// A short text, without white space around it.
    fn text(&mut self, name: &str) -> Result<Option<&'a str>, Fault> {
        let Some(bytes) = self.data.get(name) else {
            return Ok(None);
        };
        let raw = std::str::from_utf8(bytes).map_err(|_| Fault::NotText)?;
        let value = raw.trim();
        self.trimmed |= value.len() != raw.len();
        Ok(Some(value).filter(|value| !value.is_empty()))
    }

    fn client_id(&mut self) -> Result<Option<ApplicationId>, Fault> {
        self.text(key::CLIENT_ID)?
            .map(|id| id.parse().map_err(|_: GuidError| Fault::ClientIdNotGuid))
            .transpose()
    }

    fn algorithm(&mut self) -> Result<Option<Algorithm>, Fault> {
        self.text(key::ASSERTION_ALGORITHM)?
            .map(|name| name.parse().map_err(|_| Fault::UnknownAlgorithm))
            .transpose()
    }

    fn certificate(&self, algorithm: Algorithm) -> Result<Material, Fault> {
        let crt = self.bytes(key::TLS_CRT).ok_or(Fault::NoCertificate)?;
        let key = self.bytes(key::TLS_KEY);
        // Whoever puts a PFX into tls.crt has no tls.key.
        if key.is_none() && super::pem::is_pfx(crt) {
            return Err(Fault::Pfx);
        }
        let certificate = Certificate::load(crt, key.ok_or(Fault::NoKey)?, algorithm)?;
        Ok(Material::Certificate(Arc::new(certificate)))
    }
}

fn client_secret(secret: &str) -> Result<Material, Fault> {
    if secret.len() > SECRET_MAX {
        return Err(Fault::SecretTooLong);
    }
    if secret.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(Fault::SecretHasSpace);
    }
    if uuid::Uuid::try_parse(secret).is_ok() {
        return Err(Fault::SecretIsId);
    }
    Ok(Material::ClientSecret(SecretString::from(secret)))
}

/// It is only ever percent-encoded into a link; Entra compares it with the registered ones.
fn plausible_redirect(uri: &str) -> bool {
    let local = uri
        .strip_prefix("http://localhost")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']));
    uri.len() <= 2_048
        && (uri.starts_with("https://") || local)
        && uri.chars().all(|c| c.is_ascii_graphic())
}

/// One id a line; blank lines and `#` comments are fine. An empty list covers nobody.
fn tenant_list(bytes: &[u8]) -> Result<Vec<TenantId>, Fault> {
    let text = std::str::from_utf8(bytes).map_err(|_| Fault::NotText)?;
    let mut ids = Vec::new();
    for line in text
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty() && !l.starts_with('#'))
    {
        ids.push(line.parse().map_err(|_: GuidError| Fault::BadTenantIds)?);
        if ids.len() > TENANT_IDS_MAX {
            return Err(Fault::BadTenantIds);
        }
    }
    ids.sort_unstable();
    Ok(ids)
}
