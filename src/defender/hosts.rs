//! Audiences and API front doors, by cloud and region: one table.

use crate::api::cloud::{Cloud, Region};
use crate::core::ids::{ApiUrl, Audience};

/// Application id of the resource `WindowsDefenderATP`, the same in every cloud. It may stand in a token's `aud`.
pub const RESOURCE_ID: &str = "fc780465-2017-40d4-a0c5-307022471b92";

/// What one cloud has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Row {
    cloud: Cloud,
    audience: Audience,
    front_doors: &'static [(Region, ApiUrl)],
}

/// Commercial: audience and host differ, and the host as audience gets 403 from the API. The government clouds
/// have one front door each, which is the audience as well.
const TABLE: [Row; 4] = [
    Row {
        cloud: Cloud::Commercial,
        audience: Audience("https://api.securitycenter.microsoft.com"),
        front_doors: &[
            (Region::Global, ApiUrl("https://api.security.microsoft.com")),
            (Region::Us, ApiUrl("https://us.api.security.microsoft.com")),
            (Region::Eu, ApiUrl("https://eu.api.security.microsoft.com")),
            (Region::Uk, ApiUrl("https://uk.api.security.microsoft.com")),
            (Region::Au, ApiUrl("https://au.api.security.microsoft.com")),
            (
                Region::Swa,
                ApiUrl("https://swa.api.security.microsoft.com"),
            ),
            (
                Region::Ina,
                ApiUrl("https://ina.api.security.microsoft.com"),
            ),
            (
                Region::Aea,
                ApiUrl("https://aea.api.security.microsoft.com"),
            ),
        ],
    },
    Row {
        cloud: Cloud::Gcc,
        audience: Audience("https://api-gcc.securitycenter.microsoft.us"),
        front_doors: &[(
            Region::Global,
            ApiUrl("https://api-gcc.securitycenter.microsoft.us"),
        )],
    },
    Row {
        cloud: Cloud::GccHigh,
        audience: Audience("https://api-gov.securitycenter.microsoft.us"),
        front_doors: &[(
            Region::Global,
            ApiUrl("https://api-gov.securitycenter.microsoft.us"),
        )],
    },
    Row {
        cloud: Cloud::DoD,
        audience: Audience("https://api-gov.securitycenter.microsoft.us"),
        front_doors: &[(
            Region::Global,
            ApiUrl("https://api-gov.securitycenter.microsoft.us"),
        )],
    },
];

/// One line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrontDoor {
    /// Where the customer lives.
    pub cloud: Cloud,
    /// Which front door.
    pub region: Region,
    /// What a token is asked for.
    pub audience: Audience,
    /// Where it is used.
    pub url: ApiUrl,
}

/// The resource to ask a token for.
#[must_use]
pub const fn audience(cloud: Cloud) -> Audience {
    TABLE[cloud as usize].audience
}

/// The front door of a region; `None` where the cloud doesn't have that one.
#[must_use]
pub fn api_url(cloud: Cloud, region: Region) -> Option<ApiUrl> {
    let doors = TABLE[cloud as usize].front_doors;
    doors
        .iter()
        .find(|(here, _)| *here == region)
        .map(|(_, url)| *url)
}

/// The regions that a cloud has.
pub fn regions(cloud: Cloud) -> impl Iterator<Item = Region> {
    TABLE[cloud as usize]
        .front_doors
        .iter()
        .map(|(region, _)| *region)
}

/// Every front door of every cloud.
pub fn all() -> impl Iterator<Item = FrontDoor> {
    TABLE.iter().flat_map(|row| {
        row.front_doors.iter().map(|(region, url)| FrontDoor {
            cloud: row.cloud,
            region: *region,
            audience: row.audience,
            url: *url,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cloud_finds_its_own_row() {
        assert_eq!(Cloud::ALL.len(), TABLE.len());
        for cloud in Cloud::ALL {
            assert_eq!(TABLE[*cloud as usize].cloud, *cloud);
            assert!(api_url(*cloud, Region::Global).is_some());
        }
    }

    #[test]
    fn only_the_commercial_cloud_has_regions() {
        assert_eq!(regions(Cloud::Commercial).collect::<Vec<_>>(), Region::ALL);
        for cloud in [Cloud::Gcc, Cloud::GccHigh, Cloud::DoD] {
            assert_eq!(regions(cloud).collect::<Vec<_>>(), [Region::Global]);
            assert_eq!(api_url(cloud, Region::Eu), None);
            assert_eq!(api_url(cloud, Region::Global).unwrap().0, audience(cloud).0);
        }
        assert_eq!(all().count(), 11);
    }

    #[test]
    fn a_commercial_token_is_for_the_old_name_and_used_at_the_new_one() {
        assert_eq!(
            audience(Cloud::Commercial).0,
            "https://api.securitycenter.microsoft.com"
        );
        for door in all().filter(|door| door.cloud == Cloud::Commercial) {
            let prefix = match door.region {
                Region::Global => String::new(),
                region => format!("{region}."),
            };
            assert_eq!(
                door.url.0,
                format!("https://{prefix}api.security.microsoft.com")
            );
        }
    }

    #[test]
    fn no_url_ends_in_a_slash() {
        for door in all() {
            assert!(!door.url.0.ends_with('/') && !door.audience.0.ends_with('/'));
        }
    }
}
