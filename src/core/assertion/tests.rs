use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use x509_parser::parse_x509_certificate;

use super::*;
use crate::core::credential::Material;
use crate::core::credential::certificate_tests::{ONE, credential};
use crate::core::testing::{CLIENT, LOGIN, TENANT};

const ID: Uuid = Uuid::from_u128(0x1234_5678_9abc_4def_8123_4567_89ab_cdef);

fn purpose() -> Purpose {
    Purpose {
        login: LOGIN,
        tenant: TENANT.parse().unwrap(),
        application: CLIENT.parse().unwrap(),
    }
}

fn signed(algorithm: &str) -> String {
    let credential = credential(&[("assertion-algorithm", algorithm)]);
    let Material::Certificate(certificate) = credential.material() else {
        panic!("a certificate");
    };
    let now = "2026-11-24T10:00:00.9Z".parse().unwrap();
    let assertion = sign(certificate, purpose(), ID, now).unwrap();
    assert_eq!(format!("{assertion:?}"), "SecretBox<str>([REDACTED])");
    assertion.expose_secret().to_owned()
}

/// As Microsoft verifies it, by the certificate that the partner uploaded.
fn verified(token: &str, algorithm: jsonwebtoken::Algorithm) -> Value {
    let (_, certificate) = parse_x509_certificate(&ONE.der).unwrap();
    let key = DecodingKey::from_rsa_der(&certificate.public_key().subject_public_key.data);
    let mut validation = Validation::new(algorithm);
    validation.validate_exp = false;
    validation.validate_aud = false;
    decode(token, &key, &validation).unwrap().claims
}

#[test]
fn an_assertion_is_as_microsoft_wants_it() {
    let token = signed("PS256");
    let header = decode_header(&token).unwrap();
    assert_eq!(header.typ.as_deref(), Some("JWT"));
    let sha256 = URL_SAFE_NO_PAD.encode(Sha256::digest(&ONE.der));
    assert_eq!(header.x5t_s256, Some(sha256));
    assert_eq!(header.x5t, None);
    assert_eq!(header.kid, None);
    let begin = 1_795_514_400;
    assert_eq!(
        verified(&token, jsonwebtoken::Algorithm::PS256),
        json!({
            "aud": format!("https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/token"),
            "iss": CLIENT,
            "sub": CLIENT,
            "jti": "12345678-9abc-4def-8123-456789abcdef",
            "iat": begin,
            "nbf": begin,
            "exp": begin + 600,
        })
    );
}

#[test]
fn rs256_names_the_certificate_by_x5t() {
    let token = signed("RS256");
    let header = decode_header(&token).unwrap();
    let sha1 = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, &ONE.der);
    assert_eq!(header.x5t, Some(URL_SAFE_NO_PAD.encode(sha1)));
    assert_eq!(header.x5t_s256, None);
    verified(&token, jsonwebtoken::Algorithm::RS256);
}

#[test]
fn parts_are_base64url_without_padding() {
    let token = signed("PS256");
    assert_eq!(token.split('.').count(), 3);
    assert!(
        token
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    );
}

#[test]
fn an_assertion_for_one_tenant_names_that_one_alone() {
    let credential = credential(&[("assertion-algorithm", "PS256")]);
    let Material::Certificate(certificate) = credential.material() else {
        panic!("a certificate");
    };
    let other = crate::core::testing::tenant_id(7);
    let purpose = Purpose {
        tenant: other,
        ..purpose()
    };
    let now = "2026-11-24T10:00:00Z".parse().unwrap();
    let assertion = sign(certificate, purpose, ID, now).unwrap();
    let claims = verified(assertion.expose_secret(), jsonwebtoken::Algorithm::PS256);
    assert_eq!(
        claims["aud"],
        format!("https://{LOGIN}/{other}/oauth2/v2.0/token")
    );
}
