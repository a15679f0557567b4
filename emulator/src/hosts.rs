//! Microsoft's host names: which of them the emulator plays, and what each is.

use crate::world::Cloud;

/// Entra has two token services here: the public one (Commercial and GCC tenants) and the US Government one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoginCloud {
    Public,
    UsGovernment,
}

impl LoginCloud {
    /// The host that Entra names in its own documents.
    pub(crate) fn canonical(self) -> &'static str {
        match self {
            Self::Public => "login.microsoftonline.com",
            Self::UsGovernment => "login.microsoftonline.us",
        }
    }

    pub(crate) fn of(cloud: Cloud) -> Self {
        match cloud {
            Cloud::Commercial | Cloud::Gcc => Self::Public,
            Cloud::GccHigh | Cloud::DoD => Self::UsGovernment,
        }
    }
}

/// Which tenants an API host serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ApiCloud {
    Commercial,
    Gcc,
    Government,
}

impl ApiCloud {
    pub(crate) fn serves(self, cloud: Cloud) -> bool {
        match self {
            Self::Commercial => cloud == Cloud::Commercial,
            Self::Gcc => cloud == Cloud::Gcc,
            Self::Government => matches!(cloud, Cloud::GccHigh | Cloud::DoD),
        }
    }
}

/// Which tenants a host of Microsoft Graph serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GraphCloud {
    Public,
    GccHigh,
    DoD,
}

impl GraphCloud {
    pub(crate) fn serves(self, cloud: Cloud) -> bool {
        match self {
            Self::Public => matches!(cloud, Cloud::Commercial | Cloud::Gcc),
            Self::GccHigh => cloud == Cloud::GccHigh,
            Self::DoD => cloud == Cloud::DoD,
        }
    }

    /// The token service that its answers point to.
    pub(crate) fn login(self) -> LoginCloud {
        match self {
            Self::Public => LoginCloud::Public,
            Self::GccHigh | Self::DoD => LoginCloud::UsGovernment,
        }
    }
}

/// What answers under a host name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Site {
    Login(LoginCloud),
    Defender(ApiCloud),
    Graph(GraphCloud),
}

const LOGIN_PUBLIC: [&str; 4] = [
    "login.microsoftonline.com",
    "login.windows.net",
    "login.microsoft.com",
    "sts.windows.net",
];
const LOGIN_GOVERNMENT: [&str; 2] = ["login.microsoftonline.us", "login.usgovcloudapi.net"];
/// The regional token services: `westus2.login.microsoft.com` and the like.
const LOGIN_REGIONAL: &str = ".login.microsoft.com";
const API_COMMERCIAL: [&str; 17] = [
    "api.security.microsoft.com",
    "us.api.security.microsoft.com",
    "eu.api.security.microsoft.com",
    "uk.api.security.microsoft.com",
    "au.api.security.microsoft.com",
    "swa.api.security.microsoft.com",
    "ina.api.security.microsoft.com",
    "aea.api.security.microsoft.com",
    "api-us.security.microsoft.com",
    "api-eu.security.microsoft.com",
    "api-uk.security.microsoft.com",
    "api.securitycenter.microsoft.com",
    "api-us.securitycenter.microsoft.com",
    "api-eu.securitycenter.microsoft.com",
    "api-uk.securitycenter.microsoft.com",
    "api-us3.securitycenter.microsoft.com",
    "api.securitycenter.windows.com",
];
const API_GCC: [&str; 2] = [
    "api-gcc.securitycenter.microsoft.us",
    "api-gcc.security.microsoft.us",
];
const API_GOVERNMENT: [&str; 2] = [
    "api-gov.securitycenter.microsoft.us",
    "api-gov.security.microsoft.us",
];
const GRAPH: [(&str, GraphCloud); 3] = [
    ("graph.microsoft.com", GraphCloud::Public),
    ("graph.microsoft.us", GraphCloud::GccHigh),
    ("dod-graph.microsoft.us", GraphCloud::DoD),
];

/// What answers under this (lower-case, port-less) host name; `None`: not one of Microsoft's that the emulator plays.
pub(crate) fn find(host: &str) -> Option<Site> {
    if LOGIN_PUBLIC.contains(&host) || is_regional_login(host) {
        Some(Site::Login(LoginCloud::Public))
    } else if LOGIN_GOVERNMENT.contains(&host) {
        Some(Site::Login(LoginCloud::UsGovernment))
    } else if API_COMMERCIAL.contains(&host) {
        Some(Site::Defender(ApiCloud::Commercial))
    } else if API_GCC.contains(&host) {
        Some(Site::Defender(ApiCloud::Gcc))
    } else if API_GOVERNMENT.contains(&host) {
        Some(Site::Defender(ApiCloud::Government))
    } else {
        let graph = GRAPH.iter().find(|(name, _)| *name == host);
        graph.map(|(_, cloud)| Site::Graph(*cloud))
    }
}

/// A certificate's wildcard stands for one label, so no more than one is accepted here.
fn is_regional_login(host: &str) -> bool {
    host.strip_suffix(LOGIN_REGIONAL)
        .is_some_and(|region| !region.is_empty() && !region.contains('.'))
}

/// Every name for the certificate.
pub(crate) fn certificate_names() -> Vec<String> {
    LOGIN_PUBLIC
        .iter()
        .chain(&LOGIN_GOVERNMENT)
        .chain(&API_COMMERCIAL)
        .chain(&API_GCC)
        .chain(&API_GOVERNMENT)
        .chain(GRAPH.iter().map(|(name, _)| name))
        .map(ToString::to_string)
        .chain([format!("*{LOGIN_REGIONAL}")])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_the_certificate_is_a_site() {
        for name in certificate_names() {
            assert!(find(&name.replace('*', "westus2")).is_some(), "{name}");
        }
    }

    #[test]
    fn strangers_are_no_sites() {
        for name in [
            "example.com",
            "login.microsoftonline.com.example.com",
            ".login.microsoft.com",
            "a.b.login.microsoft.com",
            "security.microsoft.com",
            "",
        ] {
            assert_eq!(find(name), None, "{name}");
        }
    }

    #[test]
    fn only_the_cloud_separates() {
        assert_eq!(
            find("aea.api.security.microsoft.com"),
            Some(Site::Defender(ApiCloud::Commercial))
        );
        assert!(ApiCloud::Government.serves(Cloud::DoD));
        assert!(ApiCloud::Government.serves(Cloud::GccHigh));
        assert!(!ApiCloud::Government.serves(Cloud::Gcc));
        assert!(!ApiCloud::Commercial.serves(Cloud::Gcc));
        assert_eq!(LoginCloud::of(Cloud::Gcc), LoginCloud::Public);
        assert!(GraphCloud::Public.serves(Cloud::Gcc));
        assert!(!GraphCloud::GccHigh.serves(Cloud::DoD));
    }
}
