//! A compact JWT, read as tolerantly as Entra does, and not yet believed.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Map, Value};

use super::super::refusal::Refusal;

const TOLERANT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Header and claims are looked up by name: libraries put more into them than anybody has listed, `x5c` as a string or
/// as an array, for one.
pub(crate) struct Jwt<'a> {
    header: Map<String, Value>,
    claims: Map<String, Value>,
    /// Header and claims as they were signed.
    signed: &'a str,
    signature: &'a str,
}

impl<'a> Jwt<'a> {
    /// Reads a token; anything that is none is 50027.
    pub(crate) fn parse(text: &'a str) -> Result<Self, Refusal> {
        Self::read(text).ok_or_else(malformed)
    }

    fn read(text: &'a str) -> Option<Self> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let object = |part: &str| serde_json::from_slice(&decode(part)?).ok();
        (!signature.is_empty()).then_some(())?;
        Some(Self {
            header: object(header)?,
            claims: object(claims)?,
            signed,
            signature: signature.trim_end_matches('='),
        })
    }

    /// A field of the header that is a text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.header.get(name).and_then(Value::as_str)
    }

    /// The algorithm, if it is one of these; else 5002738.
    pub(crate) fn algorithm(
        &self,
        taken: &[(&'static str, Algorithm)],
    ) -> Result<Algorithm, Refusal> {
        let name = self.header("alg").unwrap_or_default();
        let found = taken.iter().find(|(taken, _)| *taken == name);
        let names: Vec<_> = taken.iter().map(|(name, _)| *name).collect();
        found.map(|(_, algorithm)| *algorithm).ok_or_else(|| {
            Refusal::new(5_002_738)
                .with("algorithm", name)
                .with("algorithms", names.join(","))
        })
    }

    /// A claim that must be there (90014) and be a text (50027).
    pub(crate) fn text(&self, name: &'static str) -> Result<&str, Refusal> {
        self.claim(name)?.as_str().ok_or_else(malformed)
    }

    /// The audiences: one text, or a list of them.
    pub(crate) fn audiences(&self) -> Result<Vec<&str>, Refusal> {
        match self.claim("aud")? {
            Value::Array(list) => list
                .iter()
                .map(|audience| audience.as_str().ok_or_else(malformed))
                .collect(),
            _ => self.text("aud").map(|audience| vec![audience]),
        }
    }

    fn claim(&self, name: &'static str) -> Result<&Value, Refusal> {
        let found = self.claims.get(name).filter(|value| !value.is_null());
        found.ok_or_else(|| Refusal::new(90_014).with("parameter", name))
    }

    /// The `jti`, whatever its form.
    pub(crate) fn id(&self) -> Option<String> {
        self.claims.get("jti").map(ToString::to_string)
    }

    /// A time, which libraries write as an integer, a float or a text. Absent: 1970, as Entra says in 700024.
    pub(crate) fn time(&self, name: &str) -> Result<Timestamp, Refusal> {
        let seconds = match self.claims.get(name) {
            None | Some(Value::Null) => Some(0.0),
            Some(Value::Number(number)) => number.as_f64(),
            Some(Value::String(text)) => text.trim().parse().ok(),
            Some(_) => None,
        };
        seconds
            .and_then(|seconds| SignedDuration::try_from_secs_f64(seconds).ok())
            .and_then(|duration| Timestamp::UNIX_EPOCH.checked_add(duration).ok())
            .ok_or_else(malformed)
    }

    /// Whether this key signed it.
    pub(crate) fn is_signed_by(&self, key: &DecodingKey, algorithm: Algorithm) -> bool {
        let signed = self.signed.as_bytes();
        jsonwebtoken::crypto::verify(self.signature, signed, key, algorithm).unwrap_or(false)
    }
}

pub(crate) fn malformed() -> Refusal {
    Refusal::new(50_027)
}

/// Bytes in either alphabet of base64, padded or not: MSAL for Go pads thumbprints, in the standard alphabet.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let text = text.replace('+', "-").replace('/', "_");
    TOLERANT.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(claims: &str) -> String {
        let encode = |text| TOLERANT.encode(text);
        format!("{}.{}.AA", encode(r#"{"alg":"RS256"}"#), encode(claims))
    }

    fn code<T>(result: Result<T, Refusal>) -> u32 {
        result.err().map_or(0, |refusal| refusal.code.number)
    }

    #[test]
    fn what_is_no_token_is_malformed() {
        let good = of("{}");
        assert_eq!(code(Jwt::parse(&good)), 0);
        for text in ["", "a", "a.b", "a.b.c", ".", "..", "e30.e30.", "e30.W10.AA"] {
            assert_eq!(code(Jwt::parse(text)), 50_027, "{text}");
        }
        assert_eq!(code(Jwt::parse(&format!("{good}.AA"))), 50_027);
        assert_eq!(
            code(Jwt::parse(&format!("{good}\n"))),
            0,
            "the signature says"
        );
    }

    #[test]
    fn times_are_integers_floats_or_texts() {
        for (text, second) in [
            ("1800000000", 1_800_000_000),
            ("1800000000.75", 1_800_000_000),
            ("\"1800000000\"", 1_800_000_000),
            ("\"1800000000.5\"", 1_800_000_000),
            ("0", 0),
            ("null", 0),
        ] {
            let token = of(&format!(r#"{{"exp":{text}}}"#));
            let time = Jwt::parse(&token).unwrap().time("exp").unwrap();
            assert_eq!(time.as_second(), second, "{text}");
        }
        for text in ["true", "\"soon\"", "[]", "1e300", "\"NaN\"", "\"inf\""] {
            let token = of(&format!(r#"{{"exp":{text}}}"#));
            let time = Jwt::parse(&token).unwrap().time("exp");
            assert_eq!(code(time), 50_027, "{text}");
        }
        assert_eq!(
            Jwt::parse(&of("{}")).unwrap().time("exp"),
            Ok(Timestamp::UNIX_EPOCH)
        );
    }

    #[test]
    fn base64_is_taken_in_every_form() {
        for text in ["-_-_", "+/+/", "-_8", "+/8=", "-_8="] {
            assert!(decode(text).is_some(), "{text}");
        }
        assert_eq!(decode("-_8="), decode("+/8"));
        assert_eq!(decode("a b"), None);
    }
}
