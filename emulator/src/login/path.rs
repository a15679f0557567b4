//! Which of Entra's documents a path names.

/// The endpoints' two generations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    V1,
    V2,
}

/// The ways to the consent page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// `/{tenant}/adminconsent` or `/{tenant}/v2.0/adminconsent`.
    Admin(Version),
    /// A sign-in with `prompt=consent`.
    Authorize,
}

/// A path of the login host. Tenants are as written: they may be anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Path<'a> {
    Token(&'a str, Version),
    OpenId(&'a str, Version),
    Keys(&'a str, Version),
    Instance,
    Consent(&'a str, Link),
    Unknown,
}

impl<'a> Path<'a> {
    /// Reads a path; Entra ignores the case of its own words.
    pub(crate) fn parse(path: &'a str) -> Self {
        let trimmed = path.trim_matches('/');
        let (tenant, rest) = trimmed.split_once('/').unwrap_or((trimmed, ""));
        match rest.to_ascii_lowercase().as_str() {
            "oauth2/v2.0/token" => Self::Token(tenant, Version::V2),
            "oauth2/token" => Self::Token(tenant, Version::V1),
            "v2.0/.well-known/openid-configuration" => Self::OpenId(tenant, Version::V2),
            ".well-known/openid-configuration" => Self::OpenId(tenant, Version::V1),
            "discovery/v2.0/keys" => Self::Keys(tenant, Version::V2),
            "discovery/keys" => Self::Keys(tenant, Version::V1),
            "discovery/instance" => Self::Instance,
            "adminconsent" => Self::Consent(tenant, Link::Admin(Version::V1)),
            "v2.0/adminconsent" => Self::Consent(tenant, Link::Admin(Version::V2)),
            "oauth2/authorize" | "oauth2/v2.0/authorize" => Self::Consent(tenant, Link::Authorize),
            _ => Self::Unknown,
        }
    }

    /// The tenant as written.
    pub(crate) fn tenant(&self) -> Option<&'a str> {
        match self {
            Self::Token(tenant, _)
            | Self::OpenId(tenant, _)
            | Self::Keys(tenant, _)
            | Self::Consent(tenant, _) => Some(tenant),
            Self::Instance | Self::Unknown => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_document_has_its_path() {
        for (path, expected) in [
            ("/t/oauth2/v2.0/token", Path::Token("t", Version::V2)),
            ("/t/oauth2/token", Path::Token("t", Version::V1)),
            ("/t/OAuth2/v2.0/Token/", Path::Token("t", Version::V2)),
            (
                "/t/v2.0/.well-known/openid-configuration",
                Path::OpenId("t", Version::V2),
            ),
            (
                "/common/.well-known/openid-configuration",
                Path::OpenId("common", Version::V1),
            ),
            ("/t/discovery/v2.0/keys", Path::Keys("t", Version::V2)),
            ("/t/discovery/keys", Path::Keys("t", Version::V1)),
            ("/common/discovery/instance", Path::Instance),
            (
                "/t/adminconsent",
                Path::Consent("t", Link::Admin(Version::V1)),
            ),
            (
                "/t/v2.0/adminconsent",
                Path::Consent("t", Link::Admin(Version::V2)),
            ),
            (
                "/common/oauth2/authorize",
                Path::Consent("common", Link::Authorize),
            ),
            ("/t/oauth2/v2.0/devicecode", Path::Unknown),
            ("/", Path::Unknown),
        ] {
            assert_eq!(Path::parse(path), expected, "{path}");
        }
    }
}
