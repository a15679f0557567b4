//! The partner's credential: something that can sign in. [`parse_data`] and [`parse_for_application`] read one from a
//! Secret's keys, or name the mistake in it.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::federated::Presented;
use super::ids::{ApplicationId, LoginHost, TenantId};

mod certificate;
mod fault;
mod parse;
mod pem;

pub use certificate::Certificate;
pub use fault::Fault;
pub use parse::{Declared, parse_data, parse_for_application};

/// The bytes of a Secret's keys while they are being read; wiped when dropped.
pub type SecretData = std::collections::BTreeMap<String, Zeroizing<Vec<u8>>>;

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

/// How an application proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A client secret.
    ClientSecret,
    /// An assertion that a certificate's key signed.
    Certificate,
    /// The operator's own service account token.
    WorkloadIdentity,
}

impl Kind {
    /// Name in logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientSecret => "ClientSecret",
            Self::Certificate => "Certificate",
            Self::WorkloadIdentity => "WorkloadIdentity",
        }
    }
}

/// What signs in. No part of it is ever shown.
#[derive(Clone)]
pub enum Material {
    /// The secret, for the token request and for nothing else.
    ClientSecret(SecretString),
    /// What signs an assertion for each request.
    Certificate(Arc<Certificate>),
    /// The token file is read for each request; this is what its token says of itself.
    WorkloadIdentity(String),
}

/// Whether a credential's own dates let it be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// They do, or it has none that are known here.
    Valid,
    /// Not before this instant.
    NotYet(Timestamp),
    /// Not since this instant.
    Expired(Timestamp),
}

/// A usable credential.
#[derive(Clone)]
pub struct Credential {
    /// The partner's application.
    pub client_id: ApplicationId,
    material: Material,
    /// Registered redirect URI, for consent links.
    pub redirect_uri: Option<String>,
    /// Tenants that it may be used for; all if absent.
    tenant_ids: Option<Vec<TenantId>>,
    /// White space around a value was ignored.
    pub trimmed: bool,
    /// Hash of client id and material.
    digest: [u8; 32],
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({})", self.client_id)
    }
}

/// Two credentials are the same if what they sign in with is; nothing is ever shown.
impl PartialEq for Credential {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
            && self.redirect_uri == other.redirect_uri
            && self.tenant_ids == other.tenant_ids
            && self.trimmed == other.trimmed
    }
}

impl Credential {
    fn new(client_id: ApplicationId, material: Material) -> Self {
        let hash = Sha256::new().chain_update(client_id.to_string().as_bytes());
        // Fingerprints outlive the process: these texts stay as they are.
        let hash = match &material {
            Material::ClientSecret(secret) => hash
                .chain_update(b"\0secret\0")
                .chain_update(secret.expose_secret().as_bytes()),
            Material::Certificate(certificate) => hash
                .chain_update(b"\0certificate\0")
                .chain_update(certificate.sha256())
                .chain_update(certificate.algorithm().as_str().as_bytes()),
            Material::WorkloadIdentity(identity) => hash
                .chain_update(b"\0workload-identity\0")
                .chain_update(identity.as_bytes()),
        };
        Self {
            client_id,
            material,
            redirect_uri: None,
            tenant_ids: None,
            trimmed: false,
            digest: hash.finalize().into(),
        }
    }

    /// The operator's own identity as a federated credential of this application: it has no Secret. `presented` is what
    /// its token says of itself: with another issuer, subject or audience it is another credential.
    #[must_use]
    pub fn workload_identity(client_id: ApplicationId, presented: Option<&Presented>) -> Self {
        let identity = presented.map(ToString::to_string).unwrap_or_default();
        Self::new(client_id, Material::WorkloadIdentity(identity))
    }

    /// The fingerprint at one login authority.
    #[must_use]
    pub fn fingerprint(&self, login: LoginHost) -> Fingerprint {
        let hash = Sha256::new()
            .chain_update(b"fingerprint:v1\0")
            .chain_update(login.0.as_bytes())
            .chain_update(b"\0")
            .chain_update(self.digest)
            .finalize();
        let mut short = [0; 8];
        short.copy_from_slice(&hash[..8]);
        Fingerprint(short)
    }

    /// What signs in.
    #[must_use]
    pub const fn material(&self) -> &Material {
        &self.material
    }

    /// Which kind it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self.material {
            Material::ClientSecret(_) => Kind::ClientSecret,
            Material::Certificate(_) => Kind::Certificate,
            Material::WorkloadIdentity(_) => Kind::WorkloadIdentity,
        }
    }

    /// When it expires, where that can be told: a client secret's end is known to Microsoft alone.
    #[must_use]
    pub fn not_after(&self) -> Option<Timestamp> {
        self.certificate().map(Certificate::not_after)
    }

    /// Whether its own dates let it be used.
    #[must_use]
    pub fn validity(&self, now: Timestamp) -> Validity {
        match self.certificate() {
            Some(certificate) if now < certificate.not_before() => {
                Validity::NotYet(certificate.not_before())
            }
            Some(certificate) if now >= certificate.not_after() => {
                Validity::Expired(certificate.not_after())
            }
            _ => Validity::Valid,
        }
    }

    /// The certificate's thumbprint as the portal shows it.
    #[must_use]
    pub fn thumbprint(&self) -> Option<String> {
        self.certificate().map(Certificate::thumbprint)
    }

    fn certificate(&self) -> Option<&Certificate> {
        match &self.material {
            Material::Certificate(certificate) => Some(certificate),
            Material::ClientSecret(_) | Material::WorkloadIdentity(_) => None,
        }
    }

    /// Whether the credential's owner lets it be used for this tenant.
    #[must_use]
    pub fn covers(&self, tenant: TenantId) -> bool {
        self.tenant_ids
            .as_ref()
            .is_none_or(|ids| ids.binary_search(&tenant).is_ok())
    }

    /// A client secret as a test wants it.
    ///
    /// # Panics
    /// If these two make none.
    #[cfg(test)]
    #[must_use]
    pub fn for_test(client_id: &str, secret: &str) -> Self {
        use crate::api::credential_key as key;
        parse_data(&tests::data(&[
            (key::CLIENT_ID, client_id),
            (key::CLIENT_SECRET, secret),
        ]))
        .unwrap()
    }
}

#[cfg(test)]
pub(crate) use certificate::tests as certificate_tests;
#[cfg(test)]
pub(crate) mod tests;
