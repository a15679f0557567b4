//! What a path of the API asks for, and what that takes.

use http::Method;

use crate::world::Bucket;

/// A call that the emulator answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route<'a> {
    Alerts,
    Alert(&'a str),
    Machines,
    Machine(&'a str),
    ExposureScore,
    Hunting,
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
        match (first.to_ascii_lowercase().as_str(), second) {
            ("alerts", None) => Some(Self::Alerts),
            ("alerts", Some(id)) => Some(Self::Alert(id)),
            ("machines", None) => Some(Self::Machines),
            ("machines", Some(id)) => Some(Self::Machine(id)),
            ("exposurescore", None) => Some(Self::ExposureScore),
            ("advancedqueries", Some(word)) if word.eq_ignore_ascii_case("run") => {
                Some(Self::Hunting)
            }
            _ => None,
        }
    }

    pub(crate) fn method(self) -> Method {
        match self {
            Self::Hunting => Method::POST,
            _ => Method::GET,
        }
    }

    /// One of these roles is enough.
    pub(crate) fn roles(self) -> &'static [&'static str] {
        match self {
            Self::Alerts | Self::Alert(_) => &["Alert.Read.All", "Alert.ReadWrite.All"],
            Self::Machines | Self::Machine(_) => &["Machine.Read.All", "Machine.ReadWrite.All"],
            Self::ExposureScore => &["Score.Read.All"],
            Self::Hunting => &["AdvancedQuery.Read.All"],
        }
    }

    pub(crate) fn bucket(self) -> Bucket {
        match self {
            Self::Hunting => Bucket::Hunting,
            _ => Bucket::Calls,
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
            ("advancedqueries/run", Route::Hunting),
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
            "/api/incidents",
        ] {
            assert_eq!(Route::parse(path), None, "{path}");
        }
    }
}
