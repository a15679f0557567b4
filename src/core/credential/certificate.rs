//! A certificate and its private key, from PEM to something that signs.

use std::fmt;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use x509_parser::oid_registry::OID_PKCS1_RSAENCRYPTION;
use x509_parser::parse_x509_certificate;
use zeroize::Zeroizing;

use super::Fault;
use super::pem::{self, element, tag};
use crate::api::Algorithm;

/// A chain of ten certificates has some 20 KiB.
const CERTIFICATES_MAX: usize = 64 * 1024;
/// A PKCS#8 key of 4096 bits has 2.4 KiB, and 3.3 KiB as PEM; a certificate may stand beside it.
const KEY_FILE_MAX: usize = 64 * 1024;
/// RSA keys that Entra takes and that sign within milliseconds.
const BITS: std::ops::RangeInclusive<usize> = 2_048..=4_096;
/// DER of `rsaEncryption`, 1.2.840.113549.1.1.1.
const RSA_ENCRYPTION: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

/// A certificate of the application with its private key. The key is kept parsed, by aws-lc, which wipes it.
pub struct Certificate {
    key: RsaKeyPair,
    algorithm: Algorithm,
    sha256: [u8; 32],
    sha1: [u8; 20],
    not_before: Timestamp,
    not_after: Timestamp,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({})", self.thumbprint())
    }
}

impl Certificate {
    /// Reads `tls.crt` and `tls.key`.
    pub(super) fn load(crt: &[u8], key: &[u8], algorithm: Algorithm) -> Result<Self, Fault> {
        let key = private_key(key)?;
        let certificates = certificates(crt)?;
        // Normally the first one; a chain in another order is no reason to refuse it.
        for der in &certificates {
            let (_, certificate) =
                parse_x509_certificate(der).map_err(|_| Fault::CertificateBroken)?;
            let subject = certificate.public_key();
            let fits = subject.algorithm.algorithm == OID_PKCS1_RSAENCRYPTION
                && *subject.subject_public_key.data == *key.public_key().as_ref();
            if !fits {
                continue;
            }
            let validity = certificate.validity();
            let time = |seconds: i64| {
                // "No end" is 9999-12-31T23:59:59Z (RFC 5280), which no clock here reaches.
                let seconds = seconds.min(Timestamp::MAX.as_second());
                Timestamp::from_second(seconds).map_err(|_| Fault::CertificateBroken)
            };
            let mut sha1 = [0; 20];
            sha1.copy_from_slice(digest(&SHA1_FOR_LEGACY_USE_ONLY, der).as_ref());
            return Ok(Self {
                not_before: time(validity.not_before.timestamp())?,
                not_after: time(validity.not_after.timestamp())?,
                sha256: Sha256::digest(der).into(),
                sha1,
                algorithm,
                key,
            });
        }
        Err(Fault::KeyMismatch)
    }

    /// How it signs.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// When it begins to be valid.
    #[must_use]
    pub const fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// When it ends to be valid.
    #[must_use]
    pub const fn not_after(&self) -> Timestamp {
        self.not_after
    }

    pub(super) const fn sha256(&self) -> &[u8; 32] {
        &self.sha256
    }

    /// The thumbprint as the portal shows it: SHA-1, hexadecimal, upper case.
    #[must_use]
    pub fn thumbprint(&self) -> String {
        use fmt::Write as _;
        self.sha1.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02X}");
            text
        })
    }

    /// The header's name and value that tell Microsoft which certificate it was.
    #[must_use]
    pub fn header(&self) -> (&'static str, String) {
        match self.algorithm {
            Algorithm::PS256 => ("x5t#S256", URL_SAFE_NO_PAD.encode(self.sha256)),
            Algorithm::RS256 => ("x5t", URL_SAFE_NO_PAD.encode(self.sha1)),
        }
    }

    /// Signs. Takes milliseconds. `None` only if the machine has no memory or no randomness left.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let padding = match self.algorithm {
            Algorithm::PS256 => &RSA_PSS_SHA256,
            Algorithm::RS256 => &RSA_PKCS1_SHA256,
        };
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(padding, &SystemRandom::new(), message, &mut signature)
            .ok()?;
        Some(signature)
    }
}

fn certificates(crt: &[u8]) -> Result<Vec<Zeroizing<Vec<u8>>>, Fault> {
    if crt.len() > CERTIFICATES_MAX {
        return Err(Fault::CertificateTooLong);
    }
    let text = text(crt, Fault::CertificateIsDer)?;
    let blocks = pem::blocks(text).ok_or(Fault::CertificateBroken)?;
    let certificates = blocks
        .iter()
        .filter(|block| matches!(block.label, "CERTIFICATE" | "X509 CERTIFICATE"))
        .map(|block| block.der().ok_or(Fault::CertificateBroken))
        .collect::<Result<Vec<_>, _>>()?;
    if certificates.is_empty() {
        return Err(Fault::CertificateNotPem);
    }
    Ok(certificates)
}

fn private_key(key: &[u8]) -> Result<RsaKeyPair, Fault> {
    if key.len() > KEY_FILE_MAX {
        return Err(Fault::KeyTooLong);
    }
    let text = text(key, Fault::KeyIsDer)?;
    let blocks = pem::blocks(text).ok_or(Fault::KeyBroken)?;
    let mut keys = blocks
        .iter()
        .filter(|block| block.label.ends_with("PRIVATE KEY"));
    let block = match (keys.next(), keys.next()) {
        (None, _) => return Err(Fault::KeyNotPem),
        (Some(_), Some(_)) => return Err(Fault::SeveralKeys),
        (Some(block), None) => block,
    };
    if block.label == "ENCRYPTED PRIVATE KEY" || block.is_encrypted() {
        return Err(Fault::KeyEncrypted);
    }
    let der = block.der().ok_or(Fault::KeyBroken)?;
    let pkcs1 = match block.label {
        "PRIVATE KEY" => rsa_of_pkcs8(&der)?,
        "RSA PRIVATE KEY" => &der,
        "EC PRIVATE KEY" | "DSA PRIVATE KEY" => return Err(Fault::KeyNotRsa),
        _ => return Err(Fault::KeyNotPem),
    };
    // Before anybody calculates with it.
    let bits = modulus_bits(pkcs1).ok_or(Fault::KeyBroken)?;
    if bits < *BITS.start() {
        return Err(Fault::KeyTooSmall);
    }
    if bits > *BITS.end() {
        return Err(Fault::KeyTooLarge);
    }
    RsaKeyPair::from_der(pkcs1).map_err(|_| Fault::KeyBroken)
}

fn text(bytes: &[u8], is_der: Fault) -> Result<&str, Fault> {
    if pem::is_pfx(bytes) {
        return Err(Fault::Pfx);
    }
    if pem::is_der(bytes) {
        return Err(is_der);
    }
    std::str::from_utf8(bytes).map_err(|_| Fault::NotText)
}

/// `RSAPrivateKey` within `PrivateKeyInfo` (RFC 5208).
fn rsa_of_pkcs8(der: &[u8]) -> Result<&[u8], Fault> {
    let parts = || {
        let (info, _) = element(der, tag::SEQUENCE)?;
        let (_version, info) = element(info, tag::INTEGER)?;
        let (algorithm, info) = element(info, tag::SEQUENCE)?;
        let (algorithm, _) = element(algorithm, tag::OBJECT_ID)?;
        let (key, _) = element(info, tag::OCTET_STRING)?;
        Some((algorithm, key))
    };
    match parts() {
        Some((algorithm, key)) if algorithm == RSA_ENCRYPTION => Ok(key),
        Some(_) => Err(Fault::KeyNotRsa),
        None => Err(Fault::KeyBroken),
    }
}

/// Bits of the modulus of an `RSAPrivateKey` (RFC 8017).
fn modulus_bits(der: &[u8]) -> Option<usize> {
    let (key, _) = element(der, tag::SEQUENCE)?;
    let (_version, key) = element(key, tag::INTEGER)?;
    let (modulus, _) = element(key, tag::INTEGER)?;
    let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
    let first = modulus.get(zeros)?;
    let leading = usize::try_from(first.leading_zeros()).ok()?;
    Some((modulus.len() - zeros) * 8 - leading)
}

#[cfg(test)]
pub(crate) mod tests;
