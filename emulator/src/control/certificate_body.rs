//! A certificate of an application, as Entra takes it at its registration.

use jiff::Timestamp;
use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use x509_parser::parse_x509_certificate;
use x509_parser::pem::Pem;
use x509_parser::public_key::PublicKey;
use x509_parser::time::ASN1Time;

use super::BadRequest;
use super::bodies::time;
use super::either::StringOr;
use crate::world::{Certificate, later};

/// Entra refuses weaker RSA keys.
pub(super) const SMALLEST_KEY_BITS: usize = 2048;
const LABEL: &str = "CERTIFICATE";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CertificateBody {
    pem: String,
    #[serde(default, deserialize_with = "time")]
    not_before: Option<Timestamp>,
    #[serde(default, deserialize_with = "time")]
    expires: Option<Timestamp>,
    #[serde(default)]
    visible_after_seconds: u32,
}

pub(crate) fn read(
    body: StringOr<CertificateBody>,
    now: Timestamp,
) -> Result<Certificate, BadRequest> {
    let body = match body {
        StringOr::Object(body) => body,
        StringOr::String(pem) => CertificateBody {
            pem,
            not_before: None,
            expires: None,
            visible_after_seconds: 0,
        },
    };
    let der = der(&body.pem)?;
    let unreadable = || BadRequest("the PEM block holds no X.509 certificate".to_owned());
    let (rest, certificate) = parse_x509_certificate(&der).map_err(|_| unreadable())?;
    let validity = certificate.validity();
    let (starts, ends) = (at(validity.not_before), at(validity.not_after));
    let (Some(starts), Some(ends), true) = (starts, ends, rest.is_empty()) else {
        return Err(unreadable());
    };
    let key = match certificate.public_key().parsed() {
        Ok(PublicKey::RSA(rsa)) if rsa.key_size() >= SMALLEST_KEY_BITS => {
            let modulus = unsigned(rsa.modulus);
            DecodingKey::from_rsa_raw_components(modulus, unsigned(rsa.exponent))
        }
        Ok(_) => {
            return Err(BadRequest(format!(
                "the key must be RSA, of {SMALLEST_KEY_BITS} bits at least"
            )));
        }
        Err(_) => return Err(unreadable()),
    };
    // A registration can end before its certificate does, never after.
    let starts = body.not_before.map_or(starts, |time| time.max(starts));
    let ends = body.expires.map_or(ends, |time| time.min(ends));
    Ok(Certificate {
        sha1: Sha1::digest(&der).into(),
        sha256: Sha256::digest(&der).into(),
        key,
        starts,
        ends,
        visible_at: later(now, body.visible_after_seconds),
    })
}

/// What the one block holds. A private key doesn't belong into a registration, and a chain's other certificates would
/// be credentials that nobody meant.
fn der(pem: &str) -> Result<Vec<u8>, BadRequest> {
    let bad = |text: &str| BadRequest(text.to_owned());
    let mut blocks = Pem::iter_from_buffer(pem.as_bytes());
    let wanted = || bad("must be a certificate in PEM: -----BEGIN CERTIFICATE----- …");
    let block = blocks.next().ok_or_else(wanted)?.map_err(|_| wanted())?;
    if block.label.ends_with("PRIVATE KEY") {
        return Err(bad("is a private key; the certificate belongs here"));
    }
    if block.label != LABEL {
        return Err(wanted());
    }
    if blocks.next().is_some() {
        return Err(bad(
            "must be one PEM block: without the key, without the chain",
        ));
    }
    Ok(block.contents)
}

fn at(time: ASN1Time) -> Option<Timestamp> {
    Timestamp::from_second(time.timestamp()).ok()
}

/// DER puts a zero before a number whose first bit is set.
fn unsigned(integer: &[u8]) -> &[u8] {
    integer.strip_prefix(&[0]).unwrap_or(integer)
}
