//! The CA and the one server certificate, strict enough for Python 3.13's `VERIFY_X509_STRICT`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::error::Error;
use crate::hosts;

/// Long enough for a long-lived test bed.
const CA_DAYS: i64 = 3650;
/// Apple's limit for server certificates, the strictest one that clients apply.
const LEAF_DAYS: i64 = 397;

/// The CA's certificate and the server side of TLS.
pub(crate) struct Tls {
    pub(crate) ca_pem: String,
    pub(crate) server: Arc<ServerConfig>,
}

/// Makes (or reads) the CA and lets it sign one certificate for all host names.
pub(crate) fn make(existing: Option<&(PathBuf, PathBuf)>, now: Timestamp) -> Result<Tls, Error> {
    let (ca_pem, issuer) = match existing {
        Some((certificate, key)) => read_ca(certificate, key)?,
        None => new_ca(now)?,
    };
    let leaf_key = KeyPair::generate()?;
    let leaf = leaf_params(now)?.signed_by(&leaf_key, &issuer)?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(leaf_key.serialize_der()));
    let mut server = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)?;
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Tls {
        ca_pem,
        server: Arc::new(server),
    })
}

fn new_ca(now: Timestamp) -> Result<(String, Issuer<'static, KeyPair>), Error> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::OrganizationName, "entra-emulator");
    params
        .distinguished_name
        .push(DnType::CommonName, "entra-emulator test CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    validity(&mut params, now, CA_DAYS);
    let certificate = params.self_signed(&key)?;
    Ok((certificate.pem(), Issuer::new(params, key)))
}

fn read_ca(certificate: &Path, key: &Path) -> Result<(String, Issuer<'static, KeyPair>), Error> {
    let pem = fs::read_to_string(certificate).map_err(Error::file(certificate))?;
    let key_pem = fs::read_to_string(key).map_err(Error::file(key))?;
    let issuer = Issuer::from_ca_cert_pem(&pem, KeyPair::from_pem(&key_pem)?)?;
    Ok((pem, issuer))
}

fn leaf_params(now: Timestamp) -> Result<CertificateParams, Error> {
    let mut params = CertificateParams::new(hosts::certificate_names())?;
    params
        .distinguished_name
        .push(DnType::OrganizationName, "entra-emulator");
    params
        .distinguished_name
        .push(DnType::CommonName, "login.microsoftonline.com");
    // Explicit "CA: no" also makes rcgen write the subject key identifier.
    params.is_ca = IsCa::ExplicitNoCa;
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    validity(&mut params, now, LEAF_DAYS);
    Ok(params)
}

/// From yesterday (clients' clocks differ) for so many days.
fn validity(params: &mut CertificateParams, now: Timestamp, days: i64) {
    let (year, month, day) = date(now - SignedDuration::from_hours(24));
    params.not_before = rcgen::date_time_ymd(year, month, day);
    let (year, month, day) = date(now + SignedDuration::from_hours(24 * (days - 1)));
    params.not_after = rcgen::date_time_ymd(year, month, day);
}

fn date(at: Timestamp) -> (i32, u8, u8) {
    let date = at.to_zoned(TimeZone::UTC).date();
    (
        i32::from(date.year()),
        date.month().unsigned_abs(),
        date.day().unsigned_abs(),
    )
}
