//! Resources (what a token is for) and the scopes that name them.

use super::refusal::Refusal;
use crate::world::Api;

/// The application id of Microsoft Graph.
pub(crate) const GRAPH_APP_ID: &str = "00000003-0000-0000-c000-000000000000";

/// Identifiers of `WindowsDefenderATP`, its application id first. All are good with and without a trailing slash.
const ENDPOINT_IDENTIFIERS: [&str; 11] = [
    "fc780465-2017-40d4-a0c5-307022471b92",
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

/// Identifiers of Microsoft Threat Protection, which is Defender XDR.
const XDR_IDENTIFIERS: [&str; 7] = [
    "8ee8fdad-f234-4243-8f3b-15c294843740",
    "https://api.security.microsoft.com",
    "https://api-us.security.microsoft.com",
    "https://api-eu.security.microsoft.com",
    "https://api-uk.security.microsoft.com",
    "https://api-gcc.security.microsoft.us",
    "https://api-gov.security.microsoft.us",
];

/// Identifiers of Microsoft Graph: its hosts.
const GRAPH_IDENTIFIERS: [&str; 4] = [
    GRAPH_APP_ID,
    "https://graph.microsoft.com",
    "https://graph.microsoft.us",
    "https://dod-graph.microsoft.us",
];

/// These ask for sign-in features that this grant does not have; Entra ignores them.
const SIGN_IN_SCOPES: [&str; 3] = ["openid", "offline_access", "profile"];
const DEFAULT: &str = "/.default";

fn identifiers(api: Api) -> &'static [&'static str] {
    match api {
        Api::Endpoint => &ENDPOINT_IDENTIFIERS,
        Api::Xdr => &XDR_IDENTIFIERS,
        Api::Graph => &GRAPH_IDENTIFIERS,
    }
}

/// Whose identifier (a resource asked for, or a token's audience) it is.
pub(crate) fn api(identifier: &str) -> Option<Api> {
    Api::ALL.into_iter().find(|api| {
        identifiers(*api)
            .iter()
            .any(|known| is_same(known, identifier))
    })
}

/// Whether an identifier is this known one, with or without a trailing slash.
pub(crate) fn is_same(known: &str, identifier: &str) -> bool {
    known.eq_ignore_ascii_case(identifier.strip_suffix('/').unwrap_or(identifier))
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
        for owner in Api::ALL {
            for identifier in identifiers(owner) {
                assert_eq!(api(identifier), Some(owner), "{identifier}");
                assert_eq!(api(&format!("{identifier}/")), Some(owner), "{identifier}");
                assert_eq!(api(&format!("{identifier}//")), None, "{identifier}");
            }
        }
        assert_eq!(api("https://example.com"), None);
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
                "fc780465-2017-40d4-a0c5-307022471b92",
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
