use std::sync::LazyLock;

use aws_lc_rs::encoding::AsDer as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    CertificateParams, IsCa, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256,
    RsaKeySize, SignatureAlgorithm, date_time_ymd,
};

use super::*;
use crate::core::credential::tests::{CLIENT, PUBLIC, data, parsed};
use crate::core::credential::{Credential, Kind, SecretData, Validity, parse_data};

/// A certificate and its key, valid in 2026.
pub(crate) struct Pair {
    pub crt: String,
    pub key: String,
    pub der: Vec<u8>,
}

impl Pair {
    fn with(key: &KeyPair, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = CertificateParams::default();
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(2027, 1, 1);
        change(&mut params);
        let certificate = params.self_signed(key).unwrap();
        Self {
            crt: certificate.pem(),
            key: key.serialize_pem(),
            der: certificate.der().to_vec(),
        }
    }

    fn of(algorithm: &'static SignatureAlgorithm) -> Self {
        Self::with(&KeyPair::generate_for(algorithm).unwrap(), |_| {})
    }

    /// The Secret, with more keys or others.
    pub(crate) fn secret(&self, more: &[(&str, &str)]) -> SecretData {
        let mut all = data(&[
            ("client-id", CLIENT),
            ("tls.crt", &self.crt),
            ("tls.key", &self.key),
        ]);
        all.extend(data(more));
        all
    }
}

fn rsa_key(size: RsaKeySize) -> KeyPair {
    KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, size).unwrap()
}

// Making RSA keys takes long: one each for all tests.
static KEY: LazyLock<KeyPair> = LazyLock::new(|| rsa_key(RsaKeySize::_2048));
pub(crate) static ONE: LazyLock<Pair> = LazyLock::new(|| Pair::with(&KEY, |_| {}));
static OTHER: LazyLock<Pair> = LazyLock::new(|| Pair::with(&rsa_key(RsaKeySize::_2048), |_| {}));

/// A credential with the certificate of all tests.
pub(crate) fn credential(more: &[(&str, &str)]) -> Credential {
    parse_data(&ONE.secret(more)).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn pem(label: &str, der: &[u8]) -> String {
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        STANDARD.encode(der)
    )
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[tag, 0x82][..], &length, content].concat()
}

/// What begins as an `RSAPrivateKey` with a modulus of so many bits, and isn't one.
fn modulus_of(bits: usize) -> Vec<u8> {
    let mut modulus = vec![0xff; bits.div_ceil(8)];
    modulus[0] >>= (8 - bits % 8) % 8;
    let modulus = [&[0], modulus.as_slice()].concat();
    let numbers = [der(0x02, &[0]), der(0x02, &modulus), der(0x02, &[1, 0, 1])];
    der(0x30, &numbers.concat())
}

fn pkcs1_of(key: &KeyPair) -> Vec<u8> {
    rsa_of_pkcs8(&key.serialize_der()).unwrap().to_vec()
}

fn fault(more: &[(&str, &str)]) -> Option<Fault> {
    parse_data(&ONE.secret(more)).err()
}

#[test]
fn a_pair_is_read_whatever_its_wrapping() {
    let pkcs1 = pem("RSA PRIVATE KEY", &pkcs1_of(&KEY));
    let chain = format!("{}{}", ONE.crt, OTHER.crt);
    let upside_down = format!("{}{}", OTHER.crt, ONE.crt);
    let attributes = format!(
        "Bag Attributes\n    localKeyID: 01 \nsubject=CN = x\n{}",
        ONE.crt
    );
    let both = format!("{}{}", ONE.crt, ONE.key);
    let windows = ONE.crt.replace('\n', "\r\n");
    let one_line = ONE.key.replace('\n', " ");
    let parameters = format!("{}{}", pem("EC PARAMETERS", &[6, 1, 0]), ONE.key);
    let expected = credential(&[]);
    assert_eq!(expected.kind(), Kind::Certificate);
    for more in [
        ("tls.key", &pkcs1),
        ("tls.crt", &chain),
        ("tls.crt", &upside_down),
        ("tls.crt", &attributes),
        ("tls.crt", &both),
        ("tls.key", &both),
        ("tls.crt", &windows),
        ("tls.key", &one_line),
        ("tls.key", &parameters),
        ("client-secret", &" \n".to_owned()),
        ("assertion-algorithm", &"PS256".to_owned()),
    ] {
        let found = credential(&[(more.0, more.1)]);
        assert_eq!(found.fingerprint(PUBLIC), expected.fingerprint(PUBLIC));
        let Material::Certificate(certificate) = found.material() else {
            panic!("a certificate");
        };
        assert_eq!(certificate.sha256[..], Sha256::digest(&ONE.der)[..]);
        assert_eq!(certificate.algorithm(), Algorithm::PS256);
    }
}

use crate::core::credential::Material;

#[test]
fn each_mistake_has_its_own_text() {
    let ec = Pair::of(&PKCS_ECDSA_P256_SHA256);
    let ed = Pair::of(&PKCS_ED25519);
    let two = format!("{}{}", ONE.key, OTHER.key);
    let old_way = ONE.key.replace(
        "PRIVATE KEY-----\n",
        "PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n",
    );
    let cut_key = &ONE.key[..600];
    let cut_crt = &ONE.crt[..600];
    let half = pem("PRIVATE KEY", &KEY.serialize_der()[..300]);
    let mut bent = KEY.serialize_der();
    bent[400] ^= 1;
    let bent = pem("PRIVATE KEY", &bent);
    let long = " x".repeat(40 * 1024);
    let pfx = STANDARD.encode([0x30, 0x82, 9, 0xb7, 2, 1, 3, 0x30, 0x82, 9, 0x7d, 6]);
    for (more, expected) in [
        (("tls.crt", " \n"), Fault::NoCertificate),
        (("tls.key", ""), Fault::NoKey),
        (("client-secret", "s~1"), Fault::TwoKinds),
        (("tls.crt", &*pfx), Fault::Pfx),
        (("tls.key", &*pfx), Fault::Pfx),
        (("tls.crt", "none"), Fault::CertificateNotPem),
        (("tls.crt", &*ONE.key), Fault::CertificateNotPem),
        (("tls.crt", cut_crt), Fault::CertificateBroken),
        (
            ("tls.crt", &*pem("CERTIFICATE", &ONE.der[..300])),
            Fault::CertificateBroken,
        ),
        (("tls.crt", &*long), Fault::CertificateTooLong),
        (("tls.key", &*long), Fault::KeyTooLong),
        (("tls.key", "none"), Fault::KeyNotPem),
        (("tls.key", &*ONE.crt), Fault::KeyNotPem),
        (
            ("tls.key", &*pem("OPENSSH PRIVATE KEY", b"x")),
            Fault::KeyNotPem,
        ),
        (
            ("tls.key", &*pem("ENCRYPTED PRIVATE KEY", b"x")),
            Fault::KeyEncrypted,
        ),
        (("tls.key", &*old_way), Fault::KeyEncrypted),
        (("tls.key", &*two), Fault::SeveralKeys),
        (("tls.key", cut_key), Fault::KeyBroken),
        (("tls.key", &*half), Fault::KeyBroken),
        (("tls.key", &*bent), Fault::KeyBroken),
        (("tls.key", &*ec.key), Fault::KeyNotRsa),
        (("tls.key", &*ed.key), Fault::KeyNotRsa),
        (("tls.key", &*pem("EC PRIVATE KEY", b"x")), Fault::KeyNotRsa),
        (
            ("tls.key", &*pem("RSA PRIVATE KEY", &modulus_of(2_047))),
            Fault::KeyTooSmall,
        ),
        (
            ("tls.key", &*pem("RSA PRIVATE KEY", &modulus_of(4_097))),
            Fault::KeyTooLarge,
        ),
        // In size, and nothing behind it.
        (
            ("tls.key", &*pem("RSA PRIVATE KEY", &modulus_of(2_048))),
            Fault::KeyBroken,
        ),
        (
            ("tls.key", &*pem("RSA PRIVATE KEY", &modulus_of(4_096))),
            Fault::KeyBroken,
        ),
        (("tls.key", &*OTHER.key), Fault::KeyMismatch),
        (("tls.crt", &*ec.crt), Fault::KeyMismatch),
        (("assertion-algorithm", "ES256"), Fault::UnknownAlgorithm),
    ] {
        assert_eq!(fault(&[more]), Some(expected), "{}: {expected:?}", more.0);
    }
}

#[test]
fn der_is_told_from_pem() {
    for (key, bytes, expected) in [
        ("tls.crt", ONE.der.clone(), Fault::CertificateIsDer),
        ("tls.key", KEY.serialize_der(), Fault::KeyIsDer),
        ("tls.key", pkcs1_of(&KEY), Fault::KeyIsDer),
        ("tls.key", vec![0xff, 0xfe], Fault::NotText),
        (
            "tls.crt",
            vec![0x30, 0x82, 9, 0xb7, 2, 1, 3, 0x30],
            Fault::Pfx,
        ),
    ] {
        let mut data = ONE.secret(&[]);
        data.insert(key.to_owned(), Zeroizing::new(bytes));
        assert_eq!(parse_data(&data).err(), Some(expected), "{key}");
    }
    // Nobody looks into a file that has the name of one, or for a key beside a PFX.
    assert_eq!(
        parsed(&[("client-id", CLIENT), ("partner.PFX", "any")]),
        Err(Fault::Pfx)
    );
    assert_eq!(parsed(&[("partner.p12", "any")]), Err(Fault::Pfx));
    let pfx = STANDARD.encode([0x30, 0x82, 9, 0xb7, 2, 1, 3, 0x30, 0x82, 9, 0x7d, 6]);
    assert_eq!(
        parsed(&[("client-id", CLIENT), ("tls.crt", &pfx)]),
        Err(Fault::Pfx)
    );
}

#[test]
fn an_rsa_key_of_4096_bits_will_do() {
    let pair = Pair::with(&rsa_key(RsaKeySize::_4096), |_| {});
    let credential = parse_data(&pair.secret(&[])).unwrap();
    let Material::Certificate(certificate) = credential.material() else {
        panic!("a certificate");
    };
    assert_eq!(certificate.sign(b"x").unwrap().len(), 512);
}

#[test]
fn the_dates_are_the_certificates() {
    let credential = credential(&[]);
    assert_eq!(credential.not_after(), Some(at("2027-01-01T00:00:00Z")));
    let begin = at("2026-01-01T00:00:00Z");
    let end = at("2027-01-01T00:00:00Z");
    for (now, expected) in [
        ("2025-12-31T23:59:59Z", Validity::NotYet(begin)),
        ("2026-01-01T00:00:00Z", Validity::Valid),
        ("2026-12-31T23:59:59Z", Validity::Valid),
        ("2027-01-01T00:00:00Z", Validity::Expired(end)),
    ] {
        assert_eq!(credential.validity(at(now)), expected, "{now}");
    }
    // Of the leaf, whatever stands before it.
    let ca = Pair::with(&rsa_key(RsaKeySize::_2048), |params| {
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.not_after = date_time_ymd(2026, 2, 1);
    });
    let chain = format!("{}{}", ca.crt, ONE.crt);
    let chained = parse_data(&ONE.secret(&[("tls.crt", &chain)])).unwrap();
    assert_eq!(chained.not_after(), Some(end));
}

#[test]
fn a_fingerprint_belongs_to_the_certificate_and_its_algorithm() {
    let one = credential(&[]).fingerprint(PUBLIC);
    // Renewed: the same key in a new certificate is another credential to Microsoft.
    let renewed = Pair::with(&KEY, |params| {
        params.not_after = date_time_ymd(2028, 1, 1);
    });
    let renewed = parse_data(&renewed.secret(&[])).unwrap();
    assert_ne!(renewed.fingerprint(PUBLIC), one);
    let rs256 = credential(&[("assertion-algorithm", "RS256\n")]);
    assert_ne!(rs256.fingerprint(PUBLIC), one);
    assert!(rs256.trimmed);
    let secret = Credential::for_test(CLIENT, "s~1");
    assert_ne!(secret.fingerprint(PUBLIC), one);
}

#[test]
fn thumbprints_are_those_of_the_der() {
    let found = credential(&[]);
    let sha1 = digest(&SHA1_FOR_LEGACY_USE_ONLY, &ONE.der);
    let hex: Vec<_> = sha1.as_ref().iter().map(|b| format!("{b:02X}")).collect();
    assert_eq!(found.thumbprint(), Some(hex.concat()));
    assert_eq!(found.thumbprint().unwrap().len(), 40);
    assert_eq!(Credential::for_test(CLIENT, "s~1").thumbprint(), None);
}

#[test]
fn debug_shows_no_key() {
    let found = credential(&[]);
    assert_eq!(format!("{found:?}"), format!("Credential({CLIENT})"));
    let Material::Certificate(certificate) = found.material() else {
        panic!("a certificate");
    };
    assert_eq!(
        format!("{certificate:?}"),
        format!("Certificate({})", found.thumbprint().unwrap())
    );
}

#[test]
fn the_key_of_the_test_is_what_it_seems() {
    let generated = RsaKeyPair::from_pkcs8(&KEY.serialize_der()).unwrap();
    let again = generated.as_der().unwrap();
    assert_eq!(
        modulus_bits(rsa_of_pkcs8(again.as_ref()).unwrap()),
        Some(2_048)
    );
    assert_eq!(modulus_bits(&modulus_of(2_047)), Some(2_047));
    assert_eq!(modulus_bits(&modulus_of(4_097)), Some(4_097));
}
