//! The Kubernetes versions that can be run.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;

/// A minor version of Kubernetes; each is pinned to one patch release by its `assets/<minor>/go.mod`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, clap::ValueEnum)]
pub enum Minor {
    /// The newest one.
    #[default]
    #[value(name = "1.37")]
    V1_37,
    /// The oldest one.
    #[value(name = "1.34")]
    V1_34,
}

/// Chooses the minor version in [`Minor::from_env`] and for the command line.
pub const MINOR_VARIABLE: &str = "DEVCLUSTER_MINOR";

impl Minor {
    /// All of them, newest first.
    pub const ALL: [Minor; 2] = [Minor::V1_37, Minor::V1_34];

    /// `1.37`, …
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Minor::V1_37 => "1.37",
            Minor::V1_34 => "1.34",
        }
    }

    /// The one that `DEVCLUSTER_MINOR` names, else the default.
    pub fn from_env() -> Result<Minor, Error> {
        match std::env::var(MINOR_VARIABLE) {
            Ok(text) if !text.is_empty() => text.parse(),
            _ => Ok(Minor::default()),
        }
    }
}

impl fmt::Display for Minor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Minor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Minor, Error> {
        Minor::ALL
            .into_iter()
            .find(|minor| minor.as_str() == text)
            .ok_or_else(|| Error::UnknownMinor(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_minor_is_read_back_from_its_text() {
        for minor in Minor::ALL {
            assert_eq!(minor.to_string().parse::<Minor>().unwrap(), minor);
        }
    }

    #[test]
    fn an_unknown_minor_names_the_known_ones() {
        let message = "1.20".parse::<Minor>().unwrap_err().to_string();
        assert!(
            message.contains("1.20") && message.contains("1.37, 1.34"),
            "{message}"
        );
    }
}
