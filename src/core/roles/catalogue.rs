//! The application roles of each API, and what a name that isn't among them may mean.
//!
//! Advisory: Microsoft adds some now and then, so an unknown name is worth a word and never a refusal.

use std::collections::BTreeSet;
use std::fmt;

use crate::api::cloud::DefenderApi;

/// Of the resource `WindowsDefenderATP`.
pub const ENDPOINT: &[&str] = &[
    "AdvancedQuery.Read.All",
    "Alert.Read.All",
    "Alert.ReadWrite.All",
    "Event.Write",
    "File.Read.All",
    "IntegrationConfiguration.ReadWrite",
    "Ip.Read.All",
    "Library.Manage",
    "Machine.CollectForensics",
    "Machine.Isolate",
    "Machine.LiveResponse",
    "Machine.Offboard",
    "Machine.Read.All",
    "Machine.ReadWrite.All",
    "Machine.RestrictExecution",
    "Machine.Scan",
    "Machine.StopAndQuarantine",
    "RemediationTasks.Read.All",
    "Score.Read.All",
    "SecurityBaselinesAssessment.Read.All",
    "SecurityConfiguration.Read.All",
    "SecurityConfiguration.ReadWrite.All",
    "SecurityRecommendation.Read.All",
    "Software.Read.All",
    "Ti.Read.All",
    "Ti.ReadWrite",
    "Ti.ReadWrite.All",
    "Url.Read.All",
    "User.Read.All",
    "Vulnerability.Read.All",
];

/// Of the resource `Microsoft Threat Protection`.
pub const XDR: &[&str] = &[
    "AdvancedHunting.Read.All",
    "CustomDetections.ReadWrite.All",
    "Incident.Read.All",
    "Incident.ReadWrite.All",
];

/// Those of Microsoft Graph's application permissions that concern security.
pub const GRAPH: &[&str] = &[
    "AttackSimulation.Read.All",
    "AttackSimulation.ReadWrite.All",
    "CustomDetection.Read.All",
    "CustomDetection.ReadWrite.All",
    "IdentityRiskEvent.Read.All",
    "IdentityRiskEvent.ReadWrite.All",
    "IdentityRiskyServicePrincipal.Read.All",
    "IdentityRiskyServicePrincipal.ReadWrite.All",
    "IdentityRiskyUser.Read.All",
    "IdentityRiskyUser.ReadWrite.All",
    "SecurityActions.Read.All",
    "SecurityActions.ReadWrite.All",
    "SecurityAlert.Read.All",
    "SecurityAlert.ReadWrite.All",
    "SecurityAnalyzedMessage.Read.All",
    "SecurityAnalyzedMessage.ReadWrite.All",
    "SecurityEvents.Read.All",
    "SecurityEvents.ReadWrite.All",
    "SecurityIdentitiesHealth.Read.All",
    "SecurityIdentitiesHealth.ReadWrite.All",
    "SecurityIdentitiesSensors.Read.All",
    "SecurityIdentitiesSensors.ReadWrite.All",
    "SecurityIncident.Read.All",
    "SecurityIncident.ReadWrite.All",
    "ThreatAssessment.Read.All",
    "ThreatHunting.Read.All",
    "ThreatIndicators.Read.All",
    "ThreatIndicators.ReadWrite.OwnedBy",
    "ThreatIntelligence.Read.All",
    "ThreatSubmission.Read.All",
    "ThreatSubmission.ReadWrite.All",
    "ThreatSubmissionPolicy.ReadWrite.All",
];

/// The known roles of an API, sorted.
#[must_use]
pub const fn catalogue(api: DefenderApi) -> &'static [&'static str] {
    match api {
        DefenderApi::Endpoint => ENDPOINT,
        DefenderApi::Xdr => XDR,
        DefenderApi::Graph => GRAPH,
    }
}

/// The one API that a role belongs to: by its name, or by its beginning where no other API has such roles.
#[must_use]
pub fn belongs_to(role: &str) -> Option<DefenderApi> {
    let knows = |api: &&DefenderApi| {
        catalogue(**api).contains(&role)
            || api
                .own_roles()
                .iter()
                .any(|beginning| role.starts_with(beginning))
    };
    DefenderApi::ALL.iter().find(knows).copied()
}

/// A name that an API's catalogue doesn't have, and what may have been meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unknown<'a> {
    /// As it was written.
    pub name: &'a str,
    /// The API that has it.
    pub of: Option<DefenderApi>,
    /// A known name that looks like it.
    pub near: Option<&'static str>,
}

impl fmt::Display for Unknown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.of, self.near) {
            (Some(api), _) => write!(f, "{}, a role of api {api}", self.name),
            (None, Some(near)) => write!(f, "{}, perhaps {near} is meant", self.name),
            (None, None) => f.write_str(self.name),
        }
    }
}

/// The names that aren't in the API's catalogue. Sorted, each once.
pub fn unknown<N: AsRef<str>>(names: &[N], api: DefenderApi) -> Vec<Unknown<'_>> {
    let unknown = names
        .iter()
        .map(AsRef::as_ref)
        .filter(|name| !catalogue(api).contains(name))
        .map(|name| Unknown {
            name,
            of: belongs_to(name).filter(|other| *other != api),
            near: nearest(name, api),
        });
    unknown.collect::<BTreeSet<_>>().into_iter().collect()
}

/// As a list to read.
#[must_use]
pub fn listed(unknown: &[Unknown<'_>]) -> String {
    let names: Vec<_> = unknown.iter().map(ToString::to_string).collect();
    names.join("; ")
}

/// A slip of the pen has so many letters at the most.
const SLIP: usize = 3;

fn nearest(name: &str, api: DefenderApi) -> Option<&'static str> {
    catalogue(api)
        .iter()
        .map(|known| (distance(name, known), *known))
        .min()
        .filter(|(distance, _)| *distance <= SLIP)
        .map(|(_, known)| known)
}

/// Letters to add, to take away or to exchange until one is the other, whatever their case (Levenshtein's distance).
fn distance(one: &str, other: &str) -> usize {
    let other = other.as_bytes();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, a) in one.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], line + 1);
        for (column, b) in other.iter().enumerate() {
            let exchanged = diagonal + usize::from(!a.eq_ignore_ascii_case(b));
            diagonal = row[column + 1];
            row[column + 1] = exchanged.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_catalogue_has_each_role_once_and_in_order() {
        assert_eq!((ENDPOINT.len(), XDR.len(), GRAPH.len()), (30, 4, 32));
        for api in DefenderApi::ALL {
            let roles = catalogue(*api);
            assert!(roles.is_sorted());
            assert!(unknown(roles, *api).is_empty());
            for role in roles {
                assert_eq!(belongs_to(role), Some(*api), "{role}");
            }
        }
        assert_eq!(belongs_to("Mail.Read"), None);
        assert_eq!(belongs_to("Incident.Close.All"), Some(DefenderApi::Xdr));
    }

    #[test]
    fn each_beginning_that_the_crd_knows_is_of_a_real_role() {
        for api in DefenderApi::ALL {
            for beginning in api.own_roles() {
                let has = |api: DefenderApi| {
                    let mut roles = catalogue(api).iter();
                    roles.any(|role| role.starts_with(beginning))
                };
                for other in DefenderApi::ALL {
                    assert_eq!(has(*other), other == api, "{beginning} {other}");
                }
            }
        }
    }

    #[test]
    fn an_unknown_name_comes_with_what_may_have_been_meant() {
        let told = |names: &[&str], api| listed(&unknown(names, api));
        for (name, api, text) in [
            (
                "Alerts.Read.All",
                DefenderApi::Endpoint,
                "Alerts.Read.All, perhaps Alert.Read.All is meant",
            ),
            (
                "alert.read.all",
                DefenderApi::Endpoint,
                "alert.read.all, perhaps Alert.Read.All is meant",
            ),
            (
                "Incidents.ReadWrite.All",
                DefenderApi::Xdr,
                "Incidents.ReadWrite.All, perhaps Incident.ReadWrite.All is meant",
            ),
            (
                "Incident.Read.All",
                DefenderApi::Graph,
                "Incident.Read.All, a role of api XDR",
            ),
            (
                "CustomDetections.ReadWrite.All",
                DefenderApi::Graph,
                "CustomDetections.ReadWrite.All, a role of api XDR",
            ),
            (
                "SecurityAlert.Read.All",
                DefenderApi::Endpoint,
                "SecurityAlert.Read.All, a role of api Graph",
            ),
            ("Mail.Read", DefenderApi::Graph, "Mail.Read"),
            ("", DefenderApi::Graph, ""),
        ] {
            assert_eq!(told(&[name], api), text);
        }
        assert_eq!(
            told(
                &["Z.Read", "Alert.Read.All", "A", "A"],
                DefenderApi::Endpoint
            ),
            "A; Z.Read"
        );
    }
}
