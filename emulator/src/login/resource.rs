//! Resources (what a token is for) and the scopes that name them.

use super::refusal::Refusal;

/// The application id of `WindowsDefenderATP`.
pub(crate) const ENDPOINT_APP_ID: &str = "fc780465-2017-40d4-a0c5-307022471b92";

/// Its identifiers, each good with and without a trailing slash.
const ENDPOINT_IDENTIFIERS: [&str; 11] = [
    ENDPOINT_APP_ID,
    "https://api.securitycenter.microsoft.com",
    "https://api-us.securitycenter.microsoft.com",
    "https://api-eu.securitycenter.microsoft.com",
    "https://api-uk.securitycenter.microsoft.com",
    "https://api.securitycenter.windows.com",
    "https://api.securitycenter.windows.us",
    "https://api-gcc.securitycenter.microsoft.us",
    "https://api-gov.securitycenter.microsoft.us",
    "https://securitycenter.onmicrosoft.com/windowsatpservice",
    "https://securitycenter.microsoft.com/mtp",
];

/// These ask for sign-in features that this grant does not have; Entra ignores them.
const SIGN_IN_SCOPES: [&str; 3] = ["openid", "offline_access", "profile"];
const DEFAULT: &str = "/.default";

/// Whether this identifier (a resource asked for, or a token's audience) is Defender for Endpoint's.
pub(crate) fn is_endpoint(identifier: &str) -> bool {
    let identifier = identifier.strip_suffix('/').unwrap_or(identifier);
    ENDPOINT_IDENTIFIERS
        .iter()
        .any(|known| known.eq_ignore_ascii_case(identifier))
}

/// The one resource that a v2 scope names, as written: `https://x//.default` is `https://x/`.
pub(crate) fn of_scope(scope: &str) -> Result<String, Refusal> {
    let mut wanted = scope
        .split_whitespace()
        .filter(|word| !SIGN_IN_SCOPES.contains(word));
    let invalid = |number| Refusal::new(number).with("value", scope);
    let first = wanted.next().ok_or_else(|| invalid(70_011))?;
    let resource = first
        .strip_suffix(DEFAULT)
        .ok_or_else(|| invalid(1_002_012))?;
    match wanted.next() {
        // Two resources in one request, or `/.default` beside single permissions.
        Some(_) => Err(invalid(70_011)),
        None if resource.is_empty() => Err(invalid(70_011)),
        None => Ok(resource.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_known_with_and_without_a_slash() {
        for identifier in ENDPOINT_IDENTIFIERS {
            assert!(is_endpoint(identifier));
            assert!(is_endpoint(&format!("{identifier}/")));
            assert!(!is_endpoint(&format!("{identifier}//")));
        }
        assert!(!is_endpoint("https://api.security.microsoft.com"));
        assert!(!is_endpoint("https://graph.microsoft.com"));
    }

    #[test]
    fn a_scope_names_one_resource_as_written() {
        for (scope, resource) in [
            ("https://a/.default", "https://a"),
            ("https://a//.default", "https://a/"),
            (
                "https://a/.default openid offline_access profile",
                "https://a",
            ),
            (
                "fc780465-2017-40d4-a0c5-307022471b92/.default",
                ENDPOINT_APP_ID,
            ),
        ] {
            assert_eq!(of_scope(scope), Ok(resource.to_owned()), "{scope}");
        }
    }

    #[test]
    fn other_scopes_are_refused() {
        for (scope, number) in [
            ("https://a/Alert.Read.All", 1_002_012),
            ("https://a", 1_002_012),
            ("https://a/.default https://b/.default", 70_011),
            ("openid profile", 70_011),
            ("/.default", 70_011),
        ] {
            assert_eq!(of_scope(scope).unwrap_err().code.number, number, "{scope}");
        }
    }
}
