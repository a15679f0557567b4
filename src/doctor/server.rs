//! The API server: its version, its clock, and everybody else's.

use jiff::{SignedDuration, Timestamp};

use super::report::{Check, Finding};

/// The oldest minor version of Kubernetes 1 that is supported.
const OLDEST: u32 = 34;
/// A clock that is off by more is told.
const NOTEWORTHY: SignedDuration = SignedDuration::from_secs(30);
/// Entra takes an assertion, and gives a token, with this much between the clocks; beyond, it refuses.
const TOLERATED: SignedDuration = SignedDuration::from_mins(5);

/// What `/version` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// `1`
    pub major: String,
    /// `34`, or `34+`
    pub minor: String,
    /// `v1.34.4`
    pub git: String,
}

/// Whether the version is supported.
#[must_use]
pub fn version(version: &Version) -> Finding {
    let digits: String = version
        .minor
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    let found = format!("Kubernetes {}", version.git);
    match (version.major.parse::<u32>(), digits.parse::<u32>()) {
        (Ok(major), Ok(minor)) if (major, minor) >= (1, OLDEST) => {
            Finding::ok(Check::ApiServer, "version", &found)
        }
        (Ok(_), Ok(_)) => Finding::problem(
            Check::ApiServer,
            "version",
            &found,
            &format!("the operator needs Kubernetes 1.{OLDEST} or later: upgrade the cluster"),
        ),
        _ => Finding::warning(
            Check::ApiServer,
            "version",
            "its version can't be read",
            &format!("the operator needs Kubernetes 1.{OLDEST} or later: see kubectl version"),
        ),
    }
}

/// It didn't answer.
#[must_use]
pub fn unreachable(why: &str) -> Finding {
    Finding::problem(
        Check::ApiServer,
        "connection",
        why,
        "look at the kubeconfig or the service account, at NetworkPolicies and at the API server itself",
    )
}

/// A clock beside this machine's, read in the middle of a request.
#[must_use]
pub fn clock(whose: &str, theirs: Timestamp, here: Timestamp) -> Finding {
    let ahead = here.duration_since(theirs);
    let seconds = ahead.abs().as_secs();
    let found = match ahead {
        _ if ahead.abs() <= NOTEWORTHY => "agrees with this machine's".to_owned(),
        ahead if ahead.is_positive() => format!("this machine's clock is {seconds} s ahead of it"),
        _ => format!("this machine's clock is {seconds} s behind it"),
    };
    let advice = "set the clocks by NTP (of this node first: compare it with the other lines here)";
    if ahead.abs() <= NOTEWORTHY {
        Finding::ok(Check::Clock, whose, &found)
    } else if ahead.abs() <= TOLERATED {
        Finding::warning(Check::Clock, whose, &found, advice)
    } else {
        let advice = format!(
            "{advice}; Microsoft refuses assertions, and tokens are taken for expired, beyond 5 minutes"
        );
        Finding::problem(Check::Clock, whose, &found, &advice)
    }
}

/// It didn't say what time it is.
#[must_use]
pub fn no_clock(whose: &str) -> Finding {
    Finding::skipped(Check::Clock, whose, "it didn't answer with a date")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_from_1_34_on_are_supported() {
        let of = |major: &str, minor: &str, git: &str| {
            version(&Version {
                major: major.into(),
                minor: minor.into(),
                git: git.into(),
            })
        };
        let ok = |found: &str| Finding::ok(Check::ApiServer, "version", found);
        let old = "the operator needs Kubernetes 1.34 or later: upgrade the cluster";
        for (finding, expected) in [
            (of("1", "34", "v1.34.0"), ok("Kubernetes v1.34.0")),
            (of("1", "37+", "v1.37.2-eks"), ok("Kubernetes v1.37.2-eks")),
            (of("2", "0", "v2.0.0"), ok("Kubernetes v2.0.0")),
            (
                of("1", "33", "v1.33.9"),
                Finding::problem(Check::ApiServer, "version", "Kubernetes v1.33.9", old),
            ),
            (
                of("", "", ""),
                Finding::warning(
                    Check::ApiServer,
                    "version",
                    "its version can't be read",
                    "the operator needs Kubernetes 1.34 or later: see kubectl version",
                ),
            ),
        ] {
            assert_eq!(finding, expected);
        }
    }

    #[test]
    fn a_clock_is_told_from_half_a_minute_on_and_is_a_problem_beyond_five() {
        let here = Timestamp::from_second(1_000_000).unwrap();
        let at = |seconds: i64| clock("api", Timestamp::from_second(seconds).unwrap(), here);
        let advice =
            "set the clocks by NTP (of this node first: compare it with the other lines here)";
        let refused = format!(
            "{advice}; Microsoft refuses assertions, and tokens are taken for expired, beyond 5 minutes"
        );
        let ok = Finding::ok(Check::Clock, "api", "agrees with this machine's");
        for (theirs, expected) in [
            (1_000_000, ok.clone()),
            (1_000_030, ok.clone()),
            (999_970, ok),
            (
                1_000_031,
                Finding::warning(
                    Check::Clock,
                    "api",
                    "this machine's clock is 31 s behind it",
                    advice,
                ),
            ),
            (
                999_700,
                Finding::warning(
                    Check::Clock,
                    "api",
                    "this machine's clock is 300 s ahead of it",
                    advice,
                ),
            ),
            (
                1_000_301,
                Finding::problem(
                    Check::Clock,
                    "api",
                    "this machine's clock is 301 s behind it",
                    &refused,
                ),
            ),
        ] {
            assert_eq!(at(theirs), expected, "{theirs}");
        }
    }
}
