//! The APIs that a tenant may have, and roles by API.

use serde::Deserialize;

/// An API with a service principal of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
pub(crate) enum Api {
    Endpoint,
    #[serde(rename = "XDR")]
    Xdr,
    Graph,
}

/// What stands before the first dot in the names of XDR's roles.
const XDR_ROLES: [&str; 3] = ["AdvancedHunting", "CustomDetections", "Incident"];
/// The same for Graph's roles about security. Names that Endpoint has too (`User.Read.All`) are Endpoint's.
const GRAPH_ROLES: [&str; 13] = [
    "AttackSimulation",
    "CustomDetection",
    "SecurityActions",
    "SecurityAlert",
    "SecurityAnalyzedMessage",
    "SecurityCopilotWorkspaces",
    "SecurityEvents",
    "SecurityIdentitiesHealth",
    "SecurityIncident",
    "ThreatHunting",
    "ThreatIndicators",
    "ThreatIntelligence",
    "ThreatSubmission",
];

impl Api {
    pub(crate) const ALL: [Self; 3] = [Self::Endpoint, Self::Xdr, Self::Graph];

    /// The name of its service principal, which Entra's pages and errors show.
    pub(crate) fn principal(self) -> &'static str {
        match self {
            Self::Endpoint => "WindowsDefenderATP",
            Self::Xdr => "Microsoft Threat Protection",
            Self::Graph => "Microsoft Graph",
        }
    }

    /// The API that a role belongs to; of a role that nobody knows: Endpoint.
    pub(crate) fn of_role(role: &str) -> Self {
        let word = role.split('.').next().unwrap_or_default();
        if XDR_ROLES.contains(&word) {
            Self::Xdr
        } else if GRAPH_ROLES.contains(&word) {
            Self::Graph
        } else {
            Self::Endpoint
        }
    }
}

/// Role names for each API, in the order in which they were given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Roles {
    endpoint: Vec<String>,
    xdr: Vec<String>,
    graph: Vec<String>,
}

impl Roles {
    pub(crate) fn of(&self, api: Api) -> &[String] {
        match api {
            Api::Endpoint => &self.endpoint,
            Api::Xdr => &self.xdr,
            Api::Graph => &self.graph,
        }
    }

    /// Adds a role once.
    pub(crate) fn add(&mut self, api: Api, role: String) {
        let roles = match api {
            Api::Endpoint => &mut self.endpoint,
            Api::Xdr => &mut self.xdr,
            Api::Graph => &mut self.graph,
        };
        if !roles.contains(&role) {
            roles.push(role);
        }
    }

    /// The APIs that have a role here.
    pub(crate) fn apis(&self) -> impl Iterator<Item = Api> {
        Api::ALL.into_iter().filter(|api| !self.of(*api).is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_belongs_to_one_api() {
        for (role, api) in [
            ("Alert.Read.All", Api::Endpoint),
            ("AdvancedQuery.Read.All", Api::Endpoint),
            ("User.Read.All", Api::Endpoint),
            ("Nobody.Knows.It", Api::Endpoint),
            ("Incident.ReadWrite.All", Api::Xdr),
            ("AdvancedHunting.Read.All", Api::Xdr),
            ("CustomDetections.ReadWrite.All", Api::Xdr),
            ("CustomDetection.ReadWrite.All", Api::Graph),
            ("SecurityAlert.Read.All", Api::Graph),
            ("SecurityIncident.Read.All", Api::Graph),
            ("ThreatHunting.Read.All", Api::Graph),
        ] {
            assert_eq!(Api::of_role(role), api, "{role}");
        }
    }

    #[test]
    fn roles_are_kept_once_and_by_api() {
        let mut roles = Roles::default();
        roles.add(Api::Graph, "ThreatHunting.Read.All".to_owned());
        roles.add(Api::Graph, "ThreatHunting.Read.All".to_owned());
        assert_eq!(roles.of(Api::Graph), ["ThreatHunting.Read.All"]);
        assert_eq!(roles.apis().collect::<Vec<_>>(), [Api::Graph]);
    }
}
