//! What a path of the Endpoint and XDR APIs asks for, and what that takes.

use http::Method;

use super::access::Feature;
use crate::world::{Api, Bucket};

/// A call that the emulator answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route<'a> {
    Alerts,
    Alert(&'a str),
    Machines,
    Machine(&'a str),
    ExposureScore,
    Vulnerabilities,
    Vulnerability(&'a str),
    /// Endpoint's.
    Hunting,
    Incidents,
    Incident(&'a str),
    XdrHunting,
}

impl<'a> Route<'a> {
    /// Reads a path, with or without the API's version; words in any case, as OData services take them.
    pub(crate) fn parse(path: &'a str) -> Option<Self> {
        let mut words = path.split('/').filter(|word| !word.is_empty()).peekable();
        if !words.next()?.eq_ignore_ascii_case("api") {
            return None;
        }
        words.next_if(|word| word.eq_ignore_ascii_case("v1.0"));
        let (first, second, rest) = (words.next()?, words.next(), words.next());
        if rest.is_some() {
            return None;
        }
        let is_run = second.is_some_and(|word| word.eq_ignore_ascii_case("run"));
        match (first.to_ascii_lowercase().as_str(), second) {
            ("alerts", None) => Some(Self::Alerts),
            ("alerts", Some(id)) => Some(Self::Alert(id)),
            ("machines", None) => Some(Self::Machines),
            ("machines", Some(id)) => Some(Self::Machine(id)),
            ("exposurescore", None) => Some(Self::ExposureScore),
            ("vulnerabilities", None) => Some(Self::Vulnerabilities),
            ("vulnerabilities", Some(id)) => Some(Self::Vulnerability(id)),
            ("incidents", None) => Some(Self::Incidents),
            ("incidents", Some(id)) => Some(Self::Incident(id)),
            ("advancedqueries", _) if is_run => Some(Self::Hunting),
            ("advancedhunting", _) if is_run => Some(Self::XdrHunting),
            _ => None,
        }
    }

    pub(crate) fn method(self) -> Method {
        match self.feature() {
            Feature::Hunting => Method::POST,
            _ => Method::GET,
        }
    }

    /// Whose token opens it.
    pub(crate) fn api(self) -> Api {
        match self {
            Self::Incidents | Self::Incident(_) | Self::XdrHunting => Api::Xdr,
            _ => Api::Endpoint,
        }
    }

    pub(crate) fn feature(self) -> Feature {
        match self {
            Self::Hunting | Self::XdrHunting => Feature::Hunting,
            Self::ExposureScore | Self::Vulnerabilities | Self::Vulnerability(_) => {
                Feature::Vulnerabilities
            }
            _ => Feature::Basic,
        }
    }

    /// One of these roles is enough.
    pub(crate) fn roles(self) -> &'static [&'static str] {
        match self {
            Self::Alerts | Self::Alert(_) => &["Alert.Read.All", "Alert.ReadWrite.All"],
            Self::Machines | Self::Machine(_) => &["Machine.Read.All", "Machine.ReadWrite.All"],
            Self::ExposureScore => &["Score.Read.All"],
            Self::Vulnerabilities | Self::Vulnerability(_) => &["Vulnerability.Read.All"],
            Self::Hunting => &["AdvancedQuery.Read.All"],
            Self::Incidents | Self::Incident(_) => &["Incident.Read.All", "Incident.ReadWrite.All"],
            Self::XdrHunting => &["AdvancedHunting.Read.All"],
        }
    }

    pub(crate) fn bucket(self) -> Bucket {
        Bucket {
            api: self.api(),
            is_hunting: self.feature() == Feature::Hunting,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_with_and_without_a_version_are_the_same() {
        for (path, route) in [
            ("alerts", Route::Alerts),
            ("Alerts", Route::Alerts),
            ("alerts/da1", Route::Alert("da1")),
            ("machines", Route::Machines),
            ("machines/abc", Route::Machine("abc")),
            ("exposureScore", Route::ExposureScore),
            ("vulnerabilities", Route::Vulnerabilities),
            ("vulnerabilities/CVE-1", Route::Vulnerability("CVE-1")),
            ("advancedqueries/run", Route::Hunting),
            ("incidents", Route::Incidents),
            ("incidents/100", Route::Incident("100")),
            ("advancedHunting/run", Route::XdrHunting),
        ] {
            assert_eq!(Route::parse(&format!("/api/{path}")), Some(route), "{path}");
            assert_eq!(
                Route::parse(&format!("/api/v1.0/{path}")),
                Some(route),
                "{path}"
            );
        }
    }

    #[test]
    fn other_paths_are_unknown() {
        for path in [
            "/",
            "/api",
            "/alerts",
            "/v1.0/alerts",
            "/api/v2.0/alerts",
            "/api/alerts/a/b",
            "/api/advancedhunting",
            "/api/advancedqueries/schema",
        ] {
            assert_eq!(Route::parse(path), None, "{path}");
        }
    }
}
