//! Keys, certificates and assertions, as an application or a cluster has them.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey};
use rcgen::{CertificateParams, KeyPair, PublicKeyData as _, RsaKeySize};
use serde_json::{Value, json};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use crate::bed::{Answer, Bed, CLIENT, LOGIN, TENANT, now, token_url};

pub const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// RSA keys take their time, so tests share two.
pub static PARTNER: LazyLock<Identity> = LazyLock::new(|| Identity::new((2020, 2999)));
pub static STRANGER: LazyLock<Identity> = LazyLock::new(|| Identity::new((2020, 2999)));

/// An RSA key and its certificate.
pub struct Identity {
    pair: KeyPair,
    signing: EncodingKey,
    pub pem: String,
    der: Vec<u8>,
}

impl Identity {
    /// With a certificate for the years from … to ….
    pub fn new(years: (i32, i32)) -> Self {
        let pair = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        Self::of(pair, years)
    }

    /// The same key with another certificate.
    pub fn renewed(&self, years: (i32, i32)) -> Self {
        Self::of(KeyPair::from_pem(&self.key_pem()).unwrap(), years)
    }

    fn of(pair: KeyPair, (from, to): (i32, i32)) -> Self {
        let mut params = CertificateParams::default();
        params.not_before = rcgen::date_time_ymd(from, 1, 1);
        params.not_after = rcgen::date_time_ymd(to, 1, 1);
        let certificate = params.self_signed(&pair).unwrap();
        Self {
            signing: EncodingKey::from_rsa_pem(pair.serialize_pem().as_bytes()).unwrap(),
            pem: certificate.pem(),
            der: certificate.der().to_vec(),
            pair,
        }
    }

    pub fn key_pem(&self) -> String {
        self.pair.serialize_pem()
    }

    pub fn sha1(&self) -> Vec<u8> {
        Sha1::digest(&self.der).to_vec()
    }

    pub fn sha256(&self) -> Vec<u8> {
        Sha256::digest(&self.der).to_vec()
    }

    pub fn x5c(&self) -> String {
        STANDARD.encode(&self.der)
    }

    /// The public key as an issuer publishes it.
    pub fn jwk(&self, kid: &str) -> Value {
        // A DER RSAPublicKey of 2048 bits: its modulus is the last 256 bytes before the exponent 65537.
        let der = self.pair.der_bytes();
        let end = der.len() - 5;
        let modulus = URL_SAFE_NO_PAD.encode(&der[end - 256..end]);
        json!({"use": "sig", "kty": "RSA", "kid": kid, "alg": "RS256", "n": modulus, "e": "AQAB"})
    }

    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(header), encode(claims));
        let algorithm = match header["alg"].as_str() {
            Some("PS256") => Algorithm::PS256,
            _ => Algorithm::RS256,
        };
        let signature =
            jsonwebtoken::crypto::sign(signed.as_bytes(), &self.signing, algorithm).unwrap();
        format!("{signed}.{signature}")
    }

    /// A good assertion for this tenant, with changes to header and claims; null removes a member.
    pub fn assertion(&self, tenant: &str, header: Value, claims: Value) -> String {
        let good = json!({"alg": "PS256", "typ": "JWT", "x5t#S256": URL_SAFE_NO_PAD.encode(self.sha256())});
        self.sign(
            &changed(good, header),
            &changed(assertion_claims(tenant), claims),
        )
    }
}

pub fn assertion_claims(tenant: &str) -> Value {
    json!({
        "aud": token_url(LOGIN, tenant), "iss": CLIENT, "sub": CLIENT, "jti": "8f8a1d0c-1111-4222-8333-444455556666",
        "nbf": now(), "iat": now(), "exp": now() + 600,
    })
}

pub fn changed(mut object: Value, changes: Value) -> Value {
    let (Value::Object(members), Value::Object(changes)) = (&mut object, changes) else {
        panic!("both must be objects");
    };
    members.extend(changes);
    members.retain(|_, value| !value.is_null());
    object
}

impl Bed {
    /// With `CLIENT`, `PARTNER`'s certificate, and `TENANT`.
    pub async fn with_certificate() -> Self {
        let bed = Self::new().await;
        bed.put_application(json!({"certificates": [PARTNER.pem]}))
            .await;
        bed
    }

    /// A token request with an assertion instead of the secret.
    pub async fn present(&self, assertion: &str) -> Answer {
        self.present_with(LOGIN, TENANT, assertion, &[]).await
    }

    pub async fn present_with(
        &self,
        host: &str,
        tenant: &str,
        assertion: &str,
        changes: &[(&str, &str)],
    ) -> Answer {
        let mut all = vec![
            ("client_secret", ""),
            ("client_assertion", assertion),
            ("client_assertion_type", JWT_BEARER),
        ];
        all.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
        all.extend(changes);
        self.ask_with(host, tenant, &all).await
    }
}
