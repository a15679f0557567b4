//! How a certificate signs.

use std::fmt;
use std::str::FromStr;

use super::cloud::UnknownName;

/// The signature algorithm of a certificate's assertions.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
pub enum Algorithm {
    /// RSASSA-PSS with SHA-256, as Microsoft documents it; names the certificate by `x5t#S256`.
    #[default]
    PS256,
    /// RSASSA-PKCS1-v1_5 with SHA-256, for applications whose certificate Microsoft takes no PSS from; names the
    /// certificate by `x5t`.
    RS256,
}

impl Algorithm {
    /// Name in the API and in a token's header.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PS256 => "PS256",
            Self::RS256 => "RS256",
        }
    }
}

impl FromStr for Algorithm {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        [Self::PS256, Self::RS256]
            .into_iter()
            .find(|known| known.as_str() == text)
            .ok_or(UnknownName)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_same_in_json_in_text_and_back() {
        for (algorithm, name) in [(Algorithm::PS256, "PS256"), (Algorithm::RS256, "RS256")] {
            assert_eq!(algorithm.to_string(), name);
            assert_eq!(name.parse(), Ok(algorithm));
            assert_eq!(serde_json::json!(algorithm), serde_json::json!(name));
        }
        assert_eq!("ES256".parse::<Algorithm>(), Err(UnknownName));
        assert_eq!("ps256".parse::<Algorithm>(), Err(UnknownName));
        assert_eq!(Algorithm::default(), Algorithm::PS256);
    }
}
