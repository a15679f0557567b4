//! A federated identity credential, with the keys that Entra would fetch from its issuer.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jsonwebtoken::DecodingKey;
use serde::Deserialize;

use super::BadRequest;
use super::certificate_body::SMALLEST_KEY_BITS;
use super::either::Object;
use crate::world::{Federated, IssuerKey, later};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct FederatedBody {
    issuer: String,
    subject: String,
    audience: String,
    jwks: Object<JwksBody>,
    #[serde(default)]
    visible_after_seconds: u32,
}

/// What an issuer publishes; it may say more.
#[derive(Deserialize)]
struct JwksBody {
    keys: Vec<Object<JwkBody>>,
}

#[derive(Deserialize)]
struct JwkBody {
    kty: String,
    kid: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

impl FederatedBody {
    pub(crate) fn read(self, now: Timestamp) -> Result<Federated, BadRequest> {
        for (name, value) in [
            ("issuer", &self.issuer),
            ("subject", &self.subject),
            ("audience", &self.audience),
        ] {
            if value.trim().is_empty() {
                return Err(BadRequest(format!("{name}: must not be empty")));
            }
        }
        let mut keys = Vec::new();
        for (index, Object(key)) in self.jwks.0.keys.into_iter().enumerate() {
            keys.extend(
                key.read()
                    .map_err(|error| error.within(&format!("jwks: keys: entry {index}")))?,
            );
        }
        if keys.is_empty() {
            return Err(BadRequest(
                "jwks: must have an RSA key with a kid".to_owned(),
            ));
        }
        Ok(Federated {
            issuer: self.issuer,
            subject: self.subject,
            audience: self.audience,
            keys,
            visible_at: later(now, self.visible_after_seconds),
        })
    }
}

impl JwkBody {
    /// `None`: a key that Entra doesn't use.
    fn read(self) -> Result<Option<IssuerKey>, BadRequest> {
        let (Some(kid), "RSA") = (self.kid, self.kty.as_str()) else {
            return Ok(None);
        };
        let number = |text: Option<String>| URL_SAFE_NO_PAD.decode(text?).ok();
        let (Some(modulus), Some(exponent)) = (number(self.n), number(self.e)) else {
            return Err(BadRequest(
                "n and e must be numbers in base64url, without padding".to_owned(),
            ));
        };
        if modulus.len() * 8 < SMALLEST_KEY_BITS {
            return Err(BadRequest(format!(
                "the key must be of {SMALLEST_KEY_BITS} bits at least"
            )));
        }
        Ok(Some(IssuerKey {
            kid,
            key: DecodingKey::from_rsa_raw_components(&modulus, &exponent),
        }))
    }
}
