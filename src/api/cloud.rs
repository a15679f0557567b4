//! Where a customer lives, which API is called and what has been bought, by the names of the API.

use std::fmt;
use std::str::FromStr;

/// The text isn't one of the names of a closed list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not one of the known names")]
pub struct UnknownName;

/// A plain enum with the names that it has in the API: one list for serde, `as_str` and parsing.
macro_rules! named_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord,
            serde::Serialize, serde::Deserialize, schemars::JsonSchema,
        )]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $text)] $variant,)+
        }

        impl $name {
            /// Every value, in the order of the API.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Name in the API.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl FromStr for $name {
            type Err = UnknownName;
            fn from_str(text: &str) -> Result<Self, UnknownName> {
                Self::ALL.iter().copied().find(|value| value.as_str() == text).ok_or(UnknownName)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

named_enum! {
    /// The Microsoft cloud that the customer's tenant lives in.
    Cloud {
        /// Worldwide.
        #[default]
        Commercial = "Commercial",
        /// US Government Community Cloud; signs in at the worldwide login host.
        Gcc = "GCC",
        /// US Government Community Cloud High.
        GccHigh = "GCCHigh",
        /// US Department of Defense.
        DoD = "DoD",
    }
}

named_enum! {
    /// The Entra cloud that an application is registered in.
    EntraCloud {
        /// Worldwide; customers in Commercial and GCC sign in here.
        #[default]
        Public = "Public",
        /// Azure Government; customers in GCCHigh and DoD sign in here.
        UsGovernment = "USGovernment",
    }
}

impl Cloud {
    /// Where the applications are registered that its tenants can consent to.
    #[must_use]
    pub const fn entra_cloud(self) -> EntraCloud {
        match self {
            Self::Commercial | Self::Gcc => EntraCloud::Public,
            Self::GccHigh | Self::DoD => EntraCloud::UsGovernment,
        }
    }
}

named_enum! {
    /// The Defender API that a token is for: it chooses audience and host together.
    DefenderApi {
        /// Microsoft Defender for Endpoint.
        #[default]
        Endpoint = "Endpoint",
        /// Microsoft Defender XDR (incidents).
        Xdr = "XDR",
        /// Security in Microsoft Graph (incidents, alerts, hunting).
        Graph = "Graph",
    }
}

impl DefenderApi {
    /// Beginnings of the roles that this API has and no other.
    #[must_use]
    pub const fn own_roles(self) -> &'static [&'static str] {
        match self {
            Self::Endpoint => &["AdvancedQuery."],
            Self::Xdr => &["AdvancedHunting.", "Incident."],
            Self::Graph => &["SecurityAlert.", "SecurityIncident.", "ThreatHunting."],
        }
    }
}

/// Beginnings of the roles for advanced hunting, which comes with [`Plan::Plan2`] alone.
pub const HUNTING_ROLES: &[&str] = &["AdvancedHunting.", "AdvancedQuery.", "ThreatHunting."];

named_enum! {
    /// The API front door to use. It decides about latency, never about authorization.
    Region {
        /// The geo-balanced front door.
        #[default]
        Global = "global",
        /// United States.
        Us = "us",
        /// European Union.
        Eu = "eu",
        /// United Kingdom.
        Uk = "uk",
        /// Australia.
        Au = "au",
        /// Switzerland.
        Swa = "swa",
        /// India.
        Ina = "ina",
        /// United Arab Emirates.
        Aea = "aea",
    }
}

/// The front doors that an API has in a cloud: the commercial ones stand in every region, each other API stands alone.
#[must_use]
pub const fn regions(cloud: Cloud, api: DefenderApi) -> &'static [Region] {
    match (cloud, api) {
        (Cloud::Commercial, DefenderApi::Endpoint | DefenderApi::Xdr) => Region::ALL,
        _ => &[Region::Global],
    }
}

named_enum! {
    /// The customer's Microsoft Defender for Endpoint plan.
    Plan {
        /// Defender for Endpoint Plan 1.
        Plan1 = "Plan1",
        /// Defender for Endpoint Plan 2.
        #[default]
        Plan2 = "Plan2",
        /// Defender for Business.
        Business = "Business",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_same_in_json_in_text_and_back() {
        fn round_trip<T>(all: &[T], names: &[&str])
        where
            T: Copy + PartialEq + fmt::Debug + fmt::Display + FromStr<Err = UnknownName>,
            T: serde::Serialize + serde::de::DeserializeOwned,
        {
            let shown: Vec<String> = all.iter().map(ToString::to_string).collect();
            assert_eq!(shown, names);
            for value in all {
                let name = value.to_string();
                assert_eq!(name.parse::<T>(), Ok(*value));
                assert_eq!(
                    serde_json::to_value(value).unwrap(),
                    serde_json::json!(name)
                );
                assert_eq!(
                    serde_json::from_value::<T>(serde_json::json!(name)).unwrap(),
                    *value
                );
                assert_eq!(
                    name.to_uppercase()
                        .replace("GCC", "Gcc")
                        .replace("XDR", "Xdr")
                        .parse::<T>(),
                    Err(UnknownName)
                );
            }
        }
        round_trip(Cloud::ALL, &["Commercial", "GCC", "GCCHigh", "DoD"]);
        round_trip(
            Region::ALL,
            &["global", "us", "eu", "uk", "au", "swa", "ina", "aea"],
        );
        round_trip(DefenderApi::ALL, &["Endpoint", "XDR", "Graph"]);
        round_trip(Plan::ALL, &["Plan1", "Plan2", "Business"]);
        round_trip(EntraCloud::ALL, &["Public", "USGovernment"]);
    }

    #[test]
    fn the_defaults_are_those_of_the_api() {
        assert_eq!(Cloud::default(), Cloud::Commercial);
        assert_eq!(Region::default(), Region::Global);
        assert_eq!(DefenderApi::default(), DefenderApi::Endpoint);
    }
}
