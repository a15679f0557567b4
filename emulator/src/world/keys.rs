//! What an application proves itself with other than a secret: certificates, and issuers that it trusts.

use std::fmt;

use jiff::Timestamp;
use jsonwebtoken::DecodingKey;

/// A certificate's public half: what signs an assertion, as long as it is valid.
#[derive(Clone)]
pub(crate) struct Certificate {
    pub(crate) sha1: [u8; 20],
    pub(crate) sha256: [u8; 32],
    pub(crate) key: DecodingKey,
    /// The certificate's own validity, or less of it if the registration says so.
    pub(crate) starts: Timestamp,
    pub(crate) ends: Timestamp,
    /// New certificates take up to minutes to reach every node of the token service.
    pub(crate) visible_at: Option<Timestamp>,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificate")
    }
}

/// A federated identity credential: tokens of this issuer, for this subject and audience, are as good as a secret.
#[derive(Clone)]
pub(crate) struct Federated {
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) audience: String,
    /// What Entra would fetch from the issuer.
    pub(crate) keys: Vec<IssuerKey>,
    pub(crate) visible_at: Option<Timestamp>,
}

impl fmt::Debug for Federated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Federated")
    }
}

/// One key of an issuer.
#[derive(Clone)]
pub(crate) struct IssuerKey {
    pub(crate) kid: String,
    pub(crate) key: DecodingKey,
}

/// Whether a registration made at some time is known by now.
pub(crate) fn is_visible(visible_at: Option<Timestamp>, now: Timestamp) -> bool {
    visible_at.is_none_or(|at| now >= at)
}
