//! A type for each thing that could be mixed up.

use std::fmt;
use std::str::FromStr;

use zeroize::Zeroizing;

/// A GUID in its canonical form: 36 characters, lower case, no braces.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Guid(uuid::Uuid);

/// Why a text isn't a GUID that we take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GuidError {
    /// Not 36 characters of lower-case hexadecimal in five groups.
    #[error("not a canonical lower-case GUID (8-4-4-4-12 hexadecimal digits)")]
    NotCanonical,
    /// `00000000-0000-0000-0000-000000000000`.
    #[error("the nil GUID stands for nothing")]
    Nil,
}

impl FromStr for Guid {
    type Err = GuidError;

    fn from_str(text: &str) -> Result<Self, GuidError> {
        // `uuid` also takes braces, URNs and upper case; one spelling keeps hashes and comparisons honest.
        let guid = uuid::Uuid::try_parse(text).map_err(|_| GuidError::NotCanonical)?;
        let mut canonical = [0_u8; 36];
        if guid.hyphenated().encode_lower(&mut canonical) != text {
            return Err(GuidError::NotCanonical);
        }
        if guid.is_nil() {
            return Err(GuidError::Nil);
        }
        Ok(Self(guid))
    }
}

macro_rules! guid_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Guid);

        impl FromStr for $name {
            type Err = GuidError;
            fn from_str(text: &str) -> Result<Self, GuidError> {
                text.parse().map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.0.hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}

guid_type! {
    /// A customer's Microsoft Entra tenant.
    TenantId
}
guid_type! {
    /// A Microsoft Entra application (client) id.
    ApplicationId
}

/// Login authority host, `login.microsoftonline.com` say. Always one of the compiled-in table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LoginHost(pub &'static str);

/// The resource that a token is asked for (its App ID URI). Always one of the compiled-in table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Audience(pub &'static str);

/// Base URL of the API front door that consumers call. Always one of the compiled-in table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ApiUrl(pub &'static str);

impl fmt::Display for LoginHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Display for ApiUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// An access token. It has no `Debug`, `Display`, `Serialize` or `Clone`, and is wiped when dropped.
pub struct AccessToken(Zeroizing<String>);

impl AccessToken {
    /// Takes the token over.
    #[must_use]
    pub fn new(token: String) -> Self {
        Self(Zeroizing::new(token))
    }

    /// The bytes, for the Secret and for nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_spelling_is_a_tenant_id() {
        let ok = "6b1f0f3e-5c0a-4d9b-9a43-0d5f5a1c7e10";
        assert_eq!(ok.parse::<TenantId>().unwrap().to_string(), ok);
        for bad in [
            "6B1F0F3E-5c0a-4d9b-9a43-0d5f5a1c7e10",
            "{6b1f0f3e-5c0a-4d9b-9a43-0d5f5a1c7e10}",
            "urn:uuid:6b1f0f3e-5c0a-4d9b-9a43-0d5f5a1c7e10",
            "6b1f0f3e5c0a4d9b9a430d5f5a1c7e10",
            "contoso.com",
            "common",
            "",
        ] {
            assert_eq!(
                bad.parse::<TenantId>(),
                Err(GuidError::NotCanonical),
                "{bad}"
            );
        }
        assert_eq!(
            "00000000-0000-0000-0000-000000000000".parse::<TenantId>(),
            Err(GuidError::Nil)
        );
    }
}
