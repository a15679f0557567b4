//! What a path of Graph asks for, and what that takes.

use http::Method;

use crate::defender::access::Feature;
use crate::world::{Api, Bucket};

/// A call that the emulator answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call<'a> {
    Incidents,
    Incident(&'a str),
    Alerts,
    Alert(&'a str),
    Hunting,
}

/// A call and the version that its answer names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Route<'a> {
    pub(crate) version: &'static str,
    pub(crate) call: Call<'a>,
}

impl<'a> Route<'a> {
    /// Reads a path; words in any case, as OData services take them.
    pub(crate) fn parse(path: &'a str) -> Option<Self> {
        let words: Vec<&str> = path.split('/').filter(|word| !word.is_empty()).collect();
        let (version, words) = words.split_first()?;
        let version = ["v1.0", "beta"]
            .into_iter()
            .find(|known| known.eq_ignore_ascii_case(version))?;
        let lower: Vec<String> = words.iter().map(|word| word.to_ascii_lowercase()).collect();
        let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
        let call = match lower.as_slice() {
            ["security", "incidents"] => Call::Incidents,
            ["security", "incidents", _] => Call::Incident(words[2]),
            ["security", "alerts_v2"] => Call::Alerts,
            ["security", "alerts_v2", _] => Call::Alert(words[2]),
            [
                "security",
                "runhuntingquery" | "microsoft.graph.security.runhuntingquery",
            ] => Call::Hunting,
            _ => return None,
        };
        Some(Self { version, call })
    }

    pub(crate) fn method(self) -> Method {
        match self.call {
            Call::Hunting => Method::POST,
            _ => Method::GET,
        }
    }

    pub(crate) fn feature(self) -> Feature {
        match self.call {
            Call::Hunting => Feature::Hunting,
            _ => Feature::Basic,
        }
    }

    /// One of these roles is enough; the names and their order are those of real refusals.
    pub(crate) fn roles(self) -> &'static [&'static str] {
        match self.call {
            Call::Incidents | Call::Incident(_) => &[
                "SecurityIncident.Read.All",
                "SecurityIncident.ReadWrite.All",
            ],
            Call::Alerts | Call::Alert(_) => &[
                "SecurityAlert.Read.All",
                "SecurityAlert.ReadWrite.All",
                "SecurityIncident.Read.All",
                "SecurityIncident.ReadWrite.All",
            ],
            Call::Hunting => &["ThreatHunting.Read.All"],
        }
    }

    pub(crate) fn bucket(self) -> Bucket {
        Bucket {
            api: Api::Graph,
            is_hunting: self.call == Call::Hunting,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_a_version() {
        for (path, version, call) in [
            ("/v1.0/security/incidents", "v1.0", Call::Incidents),
            ("/beta/security/incidents", "beta", Call::Incidents),
            ("/v1.0/security/incidents/7", "v1.0", Call::Incident("7")),
            ("/V1.0/Security/Alerts_V2/Da1", "v1.0", Call::Alert("Da1")),
            ("/v1.0/security/alerts_v2", "v1.0", Call::Alerts),
            ("/v1.0/security/runHuntingQuery", "v1.0", Call::Hunting),
            (
                "/v1.0/security/microsoft.graph.security.runHuntingQuery",
                "v1.0",
                Call::Hunting,
            ),
        ] {
            assert_eq!(Route::parse(path), Some(Route { version, call }), "{path}");
        }
        for path in [
            "/",
            "/v1.0",
            "/v1.0/users",
            "/security/incidents",
            "/v2.0/security/incidents",
            "/v1.0/security/alerts",
            "/v1.0/security/incidents/1/alerts",
        ] {
            assert_eq!(Route::parse(path), None, "{path}");
        }
    }
}
