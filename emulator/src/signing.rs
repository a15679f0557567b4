//! The key that signs tokens, made once at start, and the documents that publish it.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use rcgen::{CertificateParams, DnType, KeyPair, PublicKeyData as _, RsaKeySize, SigningKey as _};
use serde::Serialize;
use serde_json::{Map, Value};
use sha1::{Digest as _, Sha1};

use crate::error::Error;

/// Signs and checks access tokens. The key is parsed once: a mint costs one RSA operation and nothing else.
pub(crate) struct Signer {
    key: KeyPair,
    check: DecodingKey,
    /// The tokens' header, encoded.
    header: String,
    jwk: Jwk,
}

/// One key as Entra publishes it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Jwk {
    kty: &'static str,
    r#use: &'static str,
    kid: String,
    x5t: String,
    n: String,
    e: String,
    x5c: [String; 1],
}

impl Signer {
    pub(crate) fn new() -> Result<Self, Error> {
        let key = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048)?;
        let (modulus, exponent) = rsa_parts(key.der_bytes()).ok_or(Error::SigningKey)?;
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "accounts.accesscontrol.windows.net");
        let certificate = params.self_signed(&key)?;
        // Entra's key ids are the SHA-1 thumbprints of the certificates.
        let x5t = URL_SAFE_NO_PAD.encode(Sha1::digest(certificate.der()));
        let jwk = Jwk {
            kty: "RSA",
            r#use: "sig",
            kid: x5t.clone(),
            x5t,
            n: URL_SAFE_NO_PAD.encode(modulus),
            e: URL_SAFE_NO_PAD.encode(exponent),
            x5c: [STANDARD.encode(certificate.der())],
        };
        Ok(Self {
            check: DecodingKey::from_rsa_raw_components(modulus, exponent),
            header: header(&jwk.x5t, None),
            jwk,
            key,
        })
    }

    pub(crate) fn jwk(&self) -> &Jwk {
        &self.jwk
    }

    /// A signed compact token, with a nonce in its header if it is for Graph. `None` only if the crypto library fails.
    pub(crate) fn sign(&self, claims: &Map<String, Value>, nonce: Option<&str>) -> Option<String> {
        let body = serde_json::to_vec(claims).ok()?;
        let header = match nonce {
            None => self.header.clone(),
            Some(_) => header(&self.jwk.kid, nonce),
        };
        let mut token = format!("{header}.{}", URL_SAFE_NO_PAD.encode(body));
        let signature = self.key.sign(token.as_bytes()).ok()?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Some(token)
    }

    /// The claims of a token that this key signed; times and audience are the caller's to judge.
    pub(crate) fn verify(&self, token: &str) -> Option<Map<String, Value>> {
        let mut validation = Validation::new(Algorithm::RS256);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        jsonwebtoken::decode(token, &self.check, &validation)
            .ok()
            .map(|data| data.claims)
    }
}

fn header(x5t: &str, nonce: Option<&str>) -> String {
    let mut header = serde_json::json!({"typ": "JWT", "alg": "RS256", "x5t": x5t, "kid": x5t});
    if let Some(nonce) = nonce {
        header["nonce"] = nonce.into();
    }
    URL_SAFE_NO_PAD.encode(header.to_string())
}

/// The claims of a token, whoever signed it: good for the journal, never for a decision.
pub(crate) fn unverified_claims(token: &str) -> Option<Map<String, Value>> {
    let mut parts = token.split('.');
    let (_, claims) = (parts.next()?, parts.next()?);
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
}

/// Modulus and exponent of a DER `RSAPublicKey` (RFC 8017 A.1.1: a SEQUENCE of two INTEGERs).
fn rsa_parts(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (sequence, _) = der_value(der, 0x30)?;
    let (modulus, rest) = der_value(sequence, 0x02)?;
    let (exponent, _) = der_value(rest, 0x02)?;
    Some((unsigned(modulus), unsigned(exponent)))
}

fn der_value(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    if found != tag {
        return None;
    }
    let mut length = usize::from(first);
    if first & 0x80 != 0 {
        let (bytes, after) = rest.split_at_checked(usize::from(first & 0x7f))?;
        length = bytes
            .iter()
            .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        rest = after;
    }
    rest.split_at_checked(length)
}

/// DER puts a zero before a number whose first bit is set; JWKs don't.
fn unsigned(integer: &[u8]) -> &[u8] {
    integer.strip_prefix(&[0]).unwrap_or(integer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> Map<String, Value> {
        serde_json::json!({"aud": "a", "exp": 1})
            .as_object()
            .unwrap()
            .clone()
    }

    #[test]
    fn what_it_signs_it_verifies_and_nothing_else() {
        let signer = Signer::new().unwrap();
        let token = signer.sign(&claims(), None).unwrap();
        assert_eq!(signer.verify(&token), Some(claims()));
        assert_eq!(unverified_claims(&token), Some(claims()));
        assert_eq!(Signer::new().unwrap().verify(&token), None);
        let (head, signature) = token.rsplit_once('.').unwrap();
        let (header, _) = head.split_once('.').unwrap();
        let forged = URL_SAFE_NO_PAD.encode(r#"{"aud":"b"}"#);
        assert_eq!(
            signer.verify(&format!("{header}.{forged}.{signature}")),
            None
        );
    }

    #[test]
    fn a_nonce_stands_in_the_header_and_spoils_nothing() {
        let signer = Signer::new().unwrap();
        let token = signer.sign(&claims(), Some("n")).unwrap();
        assert_eq!(signer.verify(&token), Some(claims()));
        let (header, _) = token.split_once('.').unwrap();
        let header: Value =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
        assert_eq!(
            (&header["nonce"], &header["kid"]),
            (&"n".into(), &signer.jwk.kid.clone().into())
        );
    }

    #[test]
    fn the_published_key_verifies_a_token() {
        let signer = Signer::new().unwrap();
        let token = signer.sign(&claims(), None).unwrap();
        let key = DecodingKey::from_rsa_components(&signer.jwk.n, &signer.jwk.e).unwrap();
        let mut validation = Validation::new(Algorithm::RS256);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        let data = jsonwebtoken::decode::<Map<String, Value>>(&token, &key, &validation).unwrap();
        assert_eq!(data.claims, claims());
        assert_eq!(data.header.kid.as_deref(), Some(signer.jwk.kid.as_str()));
        assert_eq!(data.header.x5t.as_deref(), Some(signer.jwk.x5t.as_str()));
        assert_eq!(signer.jwk.e, "AQAB");
    }
}
