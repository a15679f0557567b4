//! An RSA key with its certificate, as a partner has one, or with its tokens, as a cluster's issuer has one.

use std::sync::LazyLock;
use std::time::Duration;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, PublicKeyData as _, RsaKeySize};
use serde_json::{Value, json};

/// RSA keys take long to make: two for all tests.
static KEYS: LazyLock<[KeyPair; 2]> = LazyLock::new(|| {
    [(), ()]
        .map(|()| KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).expect("a key"))
});

/// Of service account tokens.
pub const ISSUER: &str = "https://oidc.example/cluster";
/// Of service account tokens.
pub const SUBJECT: &str = "system:serviceaccount:defender-tenant-operator:defender-tenant-operator";
/// Of service account tokens.
pub const AUDIENCE: &str = "api://AzureADTokenExchange";
const KEY_ID: &str = "key-1";

/// A key, and a certificate of its own.
pub struct Identity {
    key: &'static KeyPair,
    /// `tls.crt`
    pub crt: String,
}

impl Identity {
    /// The first or the second (0 or 1), with the same certificate each time: another has another end.
    pub fn new(which: usize) -> Self {
        // In the year 2999.
        Self::until(which, 32_472_144_000)
    }

    /// With a certificate that ends then, in seconds since 1970.
    pub fn until(which: usize, second: u64) -> Self {
        let key = &KEYS[which];
        let mut params = CertificateParams::default();
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(second);
        let crt = params.self_signed(key).expect("a certificate").pem();
        Self { key, crt }
    }

    /// The certificate's thumbprint as the portal shows it.
    pub fn thumbprint(&self) -> String {
        let body: String = self
            .crt
            .lines()
            .filter(|line| !line.starts_with('-'))
            .collect();
        let der = STANDARD.decode(body).expect("base64");
        let sha1 = digest(&SHA1_FOR_LEGACY_USE_ONLY, &der);
        let hex = sha1.as_ref().iter().map(|byte| format!("{byte:02X}"));
        hex.collect()
    }

    /// `tls.key`
    pub fn key(&self) -> String {
        self.key.serialize_pem()
    }

    /// A federated credential that trusts this key's tokens, with other fields if wanted.
    pub fn federated(&self, changes: Value) -> Value {
        // A DER RSAPublicKey of 2048 bits: its modulus is the last 256 bytes before the exponent 65537.
        let der = self.key.der_bytes();
        let end = der.len() - 5;
        let modulus = URL_SAFE_NO_PAD.encode(&der[end - 256..end]);
        let key = json!({"use": "sig", "kty": "RSA", "kid": KEY_ID, "alg": "RS256", "n": modulus, "e": "AQAB"});
        let good = json!({"issuer": ISSUER, "subject": SUBJECT, "audience": AUDIENCE, "jwks": {"keys": [key]}});
        overlaid(good, changes)
    }

    /// A service account token, good for an hour from `now` on, with other claims if wanted.
    pub fn token(&self, now: i64, changes: Value) -> String {
        let good = json!({"iss": ISSUER, "sub": SUBJECT, "aud": [AUDIENCE], "iat": now, "nbf": now, "exp": now + 3_600});
        let header = Header {
            kid: Some(KEY_ID.to_owned()),
            ..Header::new(Algorithm::RS256)
        };
        let key = EncodingKey::from_rsa_pem(self.key().as_bytes()).expect("a key");
        encode(&header, &overlaid(good, changes), &key).expect("a token")
    }
}

fn overlaid(mut base: Value, changes: Value) -> Value {
    let (Some(base_map), Value::Object(changes)) = (base.as_object_mut(), changes) else {
        panic!("objects");
    };
    base_map.extend(changes);
    base
}
