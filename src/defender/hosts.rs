//! Audiences and API front doors: one table by cloud and API, and the regions of [`regions`].

use std::sync::LazyLock;

use crate::api::cloud::{Cloud, DefenderApi, Region, regions};
use crate::core::ids::{ApiUrl, Audience, LoginHost};
use crate::entra::clouds::login_host;

/// What one API is in one cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Row {
    cloud: Cloud,
    api: DefenderApi,
    audience: Audience,
    global: ApiUrl,
}

const fn row(cloud: Cloud, api: DefenderApi, audience: &'static str, global: &'static str) -> Row {
    Row {
        cloud,
        api,
        audience: Audience(audience),
        global: ApiUrl(global),
    }
}

/// Endpoint, Commercial: audience and host differ, and the host as audience gets 403 from the API. Everywhere else they
/// are the same. GCC High and DoD share Azure Government's hosts; Graph alone keeps DoD apart.
#[rustfmt::skip]
const TABLE: [Row; 12] = {
    use Cloud::{Commercial, DoD, Gcc, GccHigh};
    use DefenderApi::{Endpoint, Graph, Xdr};
    [
        row(Commercial, Endpoint, "https://api.securitycenter.microsoft.com", "https://api.security.microsoft.com"),
        row(Commercial, Xdr, "https://api.security.microsoft.com", "https://api.security.microsoft.com"),
        row(Commercial, Graph, "https://graph.microsoft.com", "https://graph.microsoft.com"),
        row(Gcc, Endpoint, "https://api-gcc.securitycenter.microsoft.us", "https://api-gcc.securitycenter.microsoft.us"),
        row(Gcc, Xdr, "https://api-gcc.security.microsoft.us", "https://api-gcc.security.microsoft.us"),
        row(Gcc, Graph, "https://graph.microsoft.com", "https://graph.microsoft.com"),
        row(GccHigh, Endpoint, "https://api-gov.securitycenter.microsoft.us", "https://api-gov.securitycenter.microsoft.us"),
        row(GccHigh, Xdr, "https://api-gov.security.microsoft.us", "https://api-gov.security.microsoft.us"),
        row(GccHigh, Graph, "https://graph.microsoft.us", "https://graph.microsoft.us"),
        row(DoD, Endpoint, "https://api-gov.securitycenter.microsoft.us", "https://api-gov.securitycenter.microsoft.us"),
        row(DoD, Xdr, "https://api-gov.security.microsoft.us", "https://api-gov.security.microsoft.us"),
        row(DoD, Graph, "https://dod-graph.microsoft.us", "https://dod-graph.microsoft.us"),
    ]
};

/// The commercial regional front doors of Endpoint and XDR, in the order of [`Region::ALL`]: all are named alike, so
/// that a new name in [`Region`] is all that a new region needs.
static REGIONAL: LazyLock<Vec<ApiUrl>> = LazyLock::new(|| {
    let url = |region: &Region| format!("https://{region}.api.security.microsoft.com").leak();
    Region::ALL
        .iter()
        .map(|region| ApiUrl(url(region)))
        .collect()
});

/// One line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrontDoor {
    /// Where the customer lives.
    pub cloud: Cloud,
    /// Which API it is.
    pub api: DefenderApi,
    /// Which front door.
    pub region: Region,
    /// Who issues the token.
    pub login: LoginHost,
    /// What the token is asked for.
    pub audience: Audience,
    /// Where it is used.
    pub url: ApiUrl,
}

/// Application id of the API's resource, the same in every cloud. It may stand in a token's `aud`.
#[must_use]
pub const fn resource_id(api: DefenderApi) -> &'static str {
    match api {
        DefenderApi::Endpoint => "fc780465-2017-40d4-a0c5-307022471b92",
        DefenderApi::Xdr => "8ee8fdad-f234-4243-8f3b-15c294843740",
        DefenderApi::Graph => "00000003-0000-0000-c000-000000000000",
    }
}

/// Name of the API's resource, as it stands on the page of a registration's permissions.
#[must_use]
pub const fn resource_name(api: DefenderApi) -> &'static str {
    match api {
        DefenderApi::Endpoint => "WindowsDefenderATP",
        DefenderApi::Xdr => "Microsoft Threat Protection",
        DefenderApi::Graph => "Microsoft Graph",
    }
}

const fn find(cloud: Cloud, api: DefenderApi) -> Row {
    TABLE[cloud as usize * DefenderApi::ALL.len() + api as usize]
}

/// The resource to ask a token for.
#[must_use]
pub const fn audience(cloud: Cloud, api: DefenderApi) -> Audience {
    find(cloud, api).audience
}

/// The front door that each API has in each cloud.
#[must_use]
pub const fn global_url(cloud: Cloud, api: DefenderApi) -> ApiUrl {
    find(cloud, api).global
}

/// A front door; `None` where there is none in that region.
#[must_use]
pub fn front_door(cloud: Cloud, api: DefenderApi, region: Region) -> Option<FrontDoor> {
    regions(cloud, api).contains(&region).then(|| FrontDoor {
        cloud,
        api,
        region,
        login: login_host(cloud),
        audience: audience(cloud, api),
        url: match region {
            Region::Global => global_url(cloud, api),
            _ => REGIONAL[region as usize],
        },
    })
}

/// Every front door there is.
pub fn front_doors() -> impl Iterator<Item = FrontDoor> {
    TABLE.iter().flat_map(|row| {
        let doors = regions(row.cloud, row.api).iter();
        doors.filter_map(|region| front_door(row.cloud, row.api, *region))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Region and URL.
    type Doors = &'static [(&'static str, &'static str)];

    /// What Microsoft's pages list, written down once more: cloud, API, login host, audience and the URLs by region.
    #[rustfmt::skip]
    const EXPECTED: [(&str, &str, &str, &str, Doors); 12] = [
        ("Commercial", "Endpoint", "login.microsoftonline.com", "https://api.securitycenter.microsoft.com", COMMERCIAL),
        ("Commercial", "XDR", "login.microsoftonline.com", "https://api.security.microsoft.com", COMMERCIAL),
        ("Commercial", "Graph", "login.microsoftonline.com", "https://graph.microsoft.com", &[("global", "https://graph.microsoft.com")]),
        ("GCC", "Endpoint", "login.microsoftonline.com", "https://api-gcc.securitycenter.microsoft.us", &[("global", "https://api-gcc.securitycenter.microsoft.us")]),
        ("GCC", "XDR", "login.microsoftonline.com", "https://api-gcc.security.microsoft.us", &[("global", "https://api-gcc.security.microsoft.us")]),
        ("GCC", "Graph", "login.microsoftonline.com", "https://graph.microsoft.com", &[("global", "https://graph.microsoft.com")]),
        ("GCCHigh", "Endpoint", "login.microsoftonline.us", "https://api-gov.securitycenter.microsoft.us", &[("global", "https://api-gov.securitycenter.microsoft.us")]),
        ("GCCHigh", "XDR", "login.microsoftonline.us", "https://api-gov.security.microsoft.us", &[("global", "https://api-gov.security.microsoft.us")]),
        ("GCCHigh", "Graph", "login.microsoftonline.us", "https://graph.microsoft.us", &[("global", "https://graph.microsoft.us")]),
        ("DoD", "Endpoint", "login.microsoftonline.us", "https://api-gov.securitycenter.microsoft.us", &[("global", "https://api-gov.securitycenter.microsoft.us")]),
        ("DoD", "XDR", "login.microsoftonline.us", "https://api-gov.security.microsoft.us", &[("global", "https://api-gov.security.microsoft.us")]),
        ("DoD", "Graph", "login.microsoftonline.us", "https://dod-graph.microsoft.us", &[("global", "https://dod-graph.microsoft.us")]),
    ];

    const COMMERCIAL: Doors = &[
        ("global", "https://api.security.microsoft.com"),
        ("us", "https://us.api.security.microsoft.com"),
        ("eu", "https://eu.api.security.microsoft.com"),
        ("uk", "https://uk.api.security.microsoft.com"),
        ("au", "https://au.api.security.microsoft.com"),
        ("swa", "https://swa.api.security.microsoft.com"),
        ("ina", "https://ina.api.security.microsoft.com"),
        ("aea", "https://aea.api.security.microsoft.com"),
    ];

    #[test]
    fn each_of_the_96_combinations_is_in_the_table_or_is_not() {
        let mut combinations = 0;
        for cloud in Cloud::ALL {
            for api in DefenderApi::ALL {
                let (_, _, login, audience, doors) = EXPECTED
                    .into_iter()
                    .find(|(c, a, ..)| (*c, *a) == (cloud.as_str(), api.as_str()))
                    .unwrap();
                for region in Region::ALL {
                    let url = doors.iter().find(|(name, _)| *name == region.as_str());
                    let expected = url.map(|(_, url)| FrontDoor {
                        cloud: *cloud,
                        api: *api,
                        region: *region,
                        login: LoginHost(login),
                        audience: Audience(audience),
                        url: ApiUrl(url),
                    });
                    assert_eq!(front_door(*cloud, *api, *region), expected);
                    combinations += 1;
                }
            }
        }
        assert_eq!(combinations, 96);
        assert_eq!(front_doors().count(), 26);
    }

    #[test]
    fn each_row_stands_where_it_is_looked_for() {
        for cloud in Cloud::ALL {
            for api in DefenderApi::ALL {
                let row = find(*cloud, *api);
                assert_eq!((row.cloud, row.api), (*cloud, *api));
            }
        }
    }

    /// What the CRD takes and what the docs list follow from [`Region`] and [`regions`] alone.
    #[test]
    fn a_region_is_one_line_its_name() {
        let regional = regions(Cloud::Commercial, DefenderApi::Endpoint);
        assert_eq!(regional, Region::ALL);
        for region in Region::ALL.iter().filter(|r| **r != Region::Global) {
            for api in [DefenderApi::Endpoint, DefenderApi::Xdr] {
                let door = front_door(Cloud::Commercial, api, *region).unwrap();
                assert_eq!(
                    door.url.0,
                    format!("https://{region}.api.security.microsoft.com")
                );
            }
        }
    }

    #[test]
    fn no_url_ends_in_a_slash() {
        for door in front_doors() {
            assert!(!door.url.0.ends_with('/') && !door.audience.0.ends_with('/'));
        }
    }
}
