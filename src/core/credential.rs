//! The partner's credential: from a Secret's keys to something that can sign in, or the mistake in it.

use std::fmt;

use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::ids::{ApplicationId, GuidError, LoginHost, TenantId};
use crate::api::credential_key as key;

/// Entra's client secrets have 40 characters; far above that it is something else.
const SECRET_MAX: usize = 1_024;
/// Enough for a partner's whole fleet, small enough for a Secret.
const TENANT_IDS_MAX: usize = 10_000;

/// A hash of login authority, client id and key material: what breakers, pauses and pacing belong to.
/// A client id is public; a junk secret beside it has another fingerprint and touches nobody.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint([u8; 8]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("v1:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// A usable credential.
#[derive(Clone)]
pub struct Credential {
    /// The partner's application.
    pub client_id: ApplicationId,
    secret: SecretString,
    /// Registered redirect URI, for consent links.
    pub redirect_uri: Option<String>,
    /// Tenants that it may be used for; all if absent.
    tenant_ids: Option<Vec<TenantId>>,
    /// White space around a value was ignored.
    pub trimmed: bool,
    material: [u8; 32],
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({})", self.client_id)
    }
}

impl Credential {
    /// The fingerprint at one login authority.
    #[must_use]
    pub fn fingerprint(&self, login: LoginHost) -> Fingerprint {
        let hash = Sha256::new()
            .chain_update(b"fingerprint:v1\0")
            .chain_update(login.0.as_bytes())
            .chain_update(b"\0")
            .chain_update(self.material)
            .finalize();
        let mut short = [0; 8];
        short.copy_from_slice(&hash[..8]);
        Fingerprint(short)
    }

    /// The secret, for the token request and for nothing else.
    #[must_use]
    pub const fn secret(&self) -> &SecretString {
        &self.secret
    }

    /// Whether the credential's owner lets it be used for this tenant.
    #[must_use]
    pub fn covers(&self, tenant: TenantId) -> bool {
        self.tenant_ids
            .as_ref()
            .is_none_or(|ids| ids.binary_search(&tenant).is_ok())
    }
}

/// What is wrong with a credential Secret. The texts say what to do and hold no value of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Fault {
    /// No keys at all.
    #[error("it has no data: set the keys client-id and client-secret")]
    Empty,
    /// No `client-id`.
    #[error(
        "the key client-id is missing or empty: set it to the application (client) id of the partner's application"
    )]
    NoClientId,
    /// `client-id` isn't a GUID.
    #[error("the key client-id isn't an application id: a GUID in lower case is expected")]
    ClientIdNotGuid,
    /// No `client-secret`.
    #[error("the key client-secret is missing or empty: set it to the secret's value")]
    NoSecret,
    /// A GUID as `client-secret`.
    #[error(
        "the key client-secret holds a GUID, which is the secret's id: set it to the secret's value, which the portal shows once, at its creation"
    )]
    SecretIsId,
    /// Longer than any secret.
    #[error("the key client-secret is too long to be a client secret (over 1,024 bytes)")]
    SecretTooLong,
    /// White space or control characters inside.
    #[error(
        "the key client-secret has white space or control characters inside: set it to the secret's value alone"
    )]
    SecretHasSpace,
    /// Both a secret and a certificate.
    #[error("it has two kinds of credential, client-secret and tls.crt/tls.key: remove one")]
    TwoKinds,
    /// A certificate alone.
    #[error(
        "it holds a certificate (tls.crt/tls.key), which this version doesn't use: set the key client-secret"
    )]
    CertificateOnly,
    /// Bytes that aren't text.
    #[error("a key isn't UTF-8 text: was it encoded twice?")]
    NotText,
    /// `redirect-uri` can't be one.
    #[error(
        "the key redirect-uri must be a URI that is registered on the application: https://, or http://localhost"
    )]
    BadRedirectUri,
    /// `tenant-ids` has a line that isn't one.
    #[error("the key tenant-ids must hold tenant ids (GUIDs in lower case), one a line")]
    BadTenantIds,
}

/// Reads a credential Secret's keys. `get` gives the bytes of a key.
pub fn parse<'a>(
    get: impl Fn(&str) -> Option<&'a [u8]>,
    is_empty: bool,
) -> Result<Credential, Fault> {
    if is_empty {
        return Err(Fault::Empty);
    }
    let mut trimmed = false;
    let mut text = |name: &str| -> Result<Option<&'a str>, Fault> {
        let Some(bytes) = get(name) else {
            return Ok(None);
        };
        let raw = std::str::from_utf8(bytes).map_err(|_| Fault::NotText)?;
        let value = raw.trim();
        trimmed |= value.len() != raw.len() && name != key::TENANT_IDS;
        Ok(Some(value).filter(|v| !v.is_empty()))
    };
    let client_id = text(key::CLIENT_ID)?;
    let secret = text(key::CLIENT_SECRET)?;
    let certificate = get(key::TLS_CRT).is_some() || get(key::TLS_KEY).is_some();
    let secret = match (secret, certificate) {
        (Some(_), true) => return Err(Fault::TwoKinds),
        (None, true) => return Err(Fault::CertificateOnly),
        (None, false) => None,
        (Some(secret), false) => Some(secret),
    };
    let client_id: ApplicationId = client_id
        .ok_or(Fault::NoClientId)?
        .parse()
        .map_err(|_: GuidError| Fault::ClientIdNotGuid)?;
    let secret = secret.ok_or(Fault::NoSecret)?;
    if secret.len() > SECRET_MAX {
        return Err(Fault::SecretTooLong);
    }
    if secret.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(Fault::SecretHasSpace);
    }
    if uuid::Uuid::try_parse(secret).is_ok() {
        return Err(Fault::SecretIsId);
    }
    let redirect_uri = text(key::REDIRECT_URI)?.map(str::to_owned);
    if redirect_uri
        .as_ref()
        .is_some_and(|uri| !plausible_redirect(uri))
    {
        return Err(Fault::BadRedirectUri);
    }
    let tenant_ids = match get(key::TENANT_IDS) {
        None => None,
        Some(bytes) => Some(tenant_list(bytes)?),
    };
    let material = Sha256::new()
        .chain_update(client_id.to_string().as_bytes())
        .chain_update(b"\0secret\0")
        .chain_update(secret.as_bytes())
        .finalize()
        .into();
    let secret = SecretString::from(secret);
    Ok(Credential {
        client_id,
        secret,
        redirect_uri,
        tenant_ids,
        trimmed,
        material,
    })
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

/// Two secrets are the same if their bytes are; used by tests and never shown.
impl PartialEq for Credential {
    fn eq(&self, other: &Self) -> bool {
        self.material == other.material
            && self.redirect_uri == other.redirect_uri
            && self.tenant_ids == other.tenant_ids
            && self.trimmed == other.trimmed
    }
}

/// The bytes of a Secret's keys while they are being read; wiped when dropped.
pub type SecretData = std::collections::BTreeMap<String, Zeroizing<Vec<u8>>>;

/// Reads a credential from a Secret's data.
pub fn parse_data(data: &SecretData) -> Result<Credential, Fault> {
    parse(
        |name| data.get(name).map(|bytes| bytes.as_slice()),
        data.is_empty(),
    )
}

impl Credential {
    /// A credential as a test wants it.
    ///
    /// # Panics
    /// If these two make none.
    #[cfg(test)]
    #[must_use]
    pub fn for_test(client_id: &str, secret: &str) -> Self {
        let data: SecretData = [
            (
                key::CLIENT_ID.to_owned(),
                Zeroizing::new(client_id.as_bytes().to_vec()),
            ),
            (
                key::CLIENT_SECRET.to_owned(),
                Zeroizing::new(secret.as_bytes().to_vec()),
            ),
        ]
        .into();
        parse_data(&data).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret as _;

    const CLIENT: &str = "0c4f3a52-9d1b-4c3e-8f57-2a6b9e1d4f88";
    const TENANT: &str = "6b1f0f3e-5c0a-4d9b-9a43-0d5f5a1c7e10";
    const PUBLIC: LoginHost = LoginHost("login.microsoftonline.com");

    fn parsed(keys: &[(&str, &str)]) -> Result<Credential, Fault> {
        let data: SecretData = keys
            .iter()
            .map(|(k, v)| ((*k).to_owned(), Zeroizing::new(v.as_bytes().to_vec())))
            .collect();
        parse_data(&data)
    }

    #[test]
    fn each_mistake_has_its_own_text() {
        let guid = "11111111-2222-3333-4444-555555555555";
        let long = "x".repeat(1_025);
        for (keys, fault) in [
            (&[][..], Fault::Empty),
            (&[("client-secret", "s~1")], Fault::NoClientId),
            (
                &[("client-id", " \n"), ("client-secret", "s~1")],
                Fault::NoClientId,
            ),
            (
                &[("client-id", "contoso"), ("client-secret", "s~1")],
                Fault::ClientIdNotGuid,
            ),
            (&[("client-id", CLIENT)], Fault::NoSecret),
            (
                &[("client-id", CLIENT), ("client-secret", "")],
                Fault::NoSecret,
            ),
            (
                &[("client-id", CLIENT), ("client-secret", guid)],
                Fault::SecretIsId,
            ),
            (
                &[("client-id", CLIENT), ("client-secret", &long)],
                Fault::SecretTooLong,
            ),
            (
                &[("client-id", CLIENT), ("client-secret", "a b")],
                Fault::SecretHasSpace,
            ),
            (
                &[
                    ("client-id", CLIENT),
                    ("client-secret", "s"),
                    ("tls.crt", "x"),
                    ("tls.key", "y"),
                ],
                Fault::TwoKinds,
            ),
            (
                &[("client-id", CLIENT), ("tls.crt", "x"), ("tls.key", "y")],
                Fault::CertificateOnly,
            ),
            (
                &[
                    ("client-id", CLIENT),
                    ("client-secret", "s"),
                    ("redirect-uri", "ftp://x"),
                ],
                Fault::BadRedirectUri,
            ),
            (
                &[
                    ("client-id", CLIENT),
                    ("client-secret", "s"),
                    ("tenant-ids", "common"),
                ],
                Fault::BadTenantIds,
            ),
        ] {
            assert_eq!(parsed(keys), Err(fault), "{keys:?}");
        }
        let data: SecretData = [("client-id".to_owned(), Zeroizing::new(vec![0xff, 0xfe]))].into();
        assert_eq!(parse_data(&data), Err(Fault::NotText));
    }

    #[test]
    fn a_trailing_newline_is_trimmed_and_said() {
        let plain = parsed(&[("client-id", CLIENT), ("client-secret", "s~1")]).unwrap();
        let newline = parsed(&[("client-id", CLIENT), ("client-secret", "s~1\n")]).unwrap();
        assert!(!plain.trimmed);
        assert!(newline.trimmed);
        assert_eq!(plain.fingerprint(PUBLIC), newline.fingerprint(PUBLIC));
        assert_eq!(newline.secret().expose_secret(), "s~1");
    }

    #[test]
    fn a_fingerprint_belongs_to_authority_client_and_secret() {
        let one = Credential::for_test(CLIENT, "s~1");
        assert_eq!(
            one.fingerprint(PUBLIC),
            Credential::for_test(CLIENT, "s~1").fingerprint(PUBLIC)
        );
        assert_ne!(
            one.fingerprint(PUBLIC),
            Credential::for_test(CLIENT, "s~2").fingerprint(PUBLIC)
        );
        assert_ne!(
            one.fingerprint(PUBLIC),
            Credential::for_test(TENANT, "s~1").fingerprint(PUBLIC)
        );
        assert_ne!(
            one.fingerprint(PUBLIC),
            one.fingerprint(LoginHost("login.microsoftonline.us"))
        );
        assert_eq!(one.fingerprint(PUBLIC).to_string().len(), "v1:".len() + 16);
    }

    #[test]
    fn tenant_ids_narrow_the_credential() {
        let tenant = TENANT.parse().unwrap();
        let other = CLIENT.parse().unwrap();
        let free = Credential::for_test(CLIENT, "s");
        assert!(free.covers(tenant) && free.covers(other));
        let keys = [
            ("client-id", CLIENT),
            ("client-secret", "s"),
            (
                "tenant-ids",
                "# ours\n6b1f0f3e-5c0a-4d9b-9a43-0d5f5a1c7e10\n\n",
            ),
        ];
        let narrow = parsed(&keys).unwrap();
        assert!(narrow.covers(tenant) && !narrow.covers(other));
        assert!(!narrow.trimmed, "a list ends with a newline");
        let none = parsed(&[
            ("client-id", CLIENT),
            ("client-secret", "s"),
            ("tenant-ids", ""),
        ])
        .unwrap();
        assert!(!none.covers(tenant));
    }

    #[test]
    fn debug_shows_no_secret() {
        let credential = Credential::for_test(CLIENT, "canary~secret");
        assert_eq!(format!("{credential:?}"), format!("Credential({CLIENT})"));
    }
}
