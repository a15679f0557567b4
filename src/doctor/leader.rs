//! Who leads.

use jiff::{SignedDuration, Timestamp};

use super::report::{Check, Finding};

/// A Lease that says nothing of its duration has this one.
const USUAL: SignedDuration = SignedDuration::from_secs(15);
/// A holder's name as it is shown; one of ours has a pod's name and a little more.
const SHOWN: usize = 300;

/// What is known of the Lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseState {
    /// There is none.
    NoLease,
    /// It is there.
    Lease {
        /// Who holds it.
        holder: Option<String>,
        /// When it was renewed last.
        renewed: Option<Timestamp>,
        /// How long that is good for.
        duration: Option<i32>,
    },
}

/// Whether somebody leads.
#[must_use]
pub fn leader(lease: &str, found: &LeaseState, now: Timestamp) -> Finding {
    let subject = format!("Lease {lease}");
    let start = "no tenant is served: see whether the operator's pods run, and what they log (kubectl get pods, kubectl logs)";
    let (holder, renewed, duration) = match found {
        LeaseState::NoLease => {
            return Finding::warning(
                Check::Leader,
                &subject,
                "there is none yet",
                "it is made when the operator starts: see whether its pods run, and whether they have the same --lease-name and namespace as this check",
            );
        }
        LeaseState::Lease {
            holder,
            renewed,
            duration,
        } => (holder, *renewed, *duration),
    };
    let Some(holder) = holder.as_deref().filter(|holder| !holder.is_empty()) else {
        return Finding::problem(
            Check::Leader,
            &subject,
            "nobody holds it",
            &format!("it was released, and nobody took it: {start}"),
        );
    };
    let holder: String = holder.chars().take(SHOWN).collect();
    let good_for = duration.map_or(USUAL, |seconds| {
        SignedDuration::from_secs(i64::from(seconds))
    });
    let Some(renewed) = renewed else {
        let found = format!("held by {holder}, never renewed");
        return Finding::problem(Check::Leader, &subject, &found, start);
    };
    let age = now.duration_since(renewed);
    let found = format!("held by {holder}, renewed {} s ago", age.as_secs().max(0));
    if age <= good_for {
        Finding::ok(Check::Leader, &subject, &found)
    } else {
        let advice =
            format!("it has run out, its holder is gone or cut off, and nobody took over: {start}");
        Finding::problem(Check::Leader, &subject, &found, &advice)
    }
}

/// Nobody knows where it would be.
#[must_use]
pub fn no_home() -> Finding {
    Finding::warning(
        Check::Leader,
        "Lease",
        "the operator's own namespace isn't known, so that there is no leader election",
        "set POD_NAMESPACE or --operator-namespace, for the operator as well",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_of_the_lease_is_told() {
        let now = Timestamp::from_second(1_000).unwrap();
        let held = |holder: Option<&str>, renewed: Option<i64>, duration| LeaseState::Lease {
            holder: holder.map(str::to_owned),
            renewed: renewed.map(|second| Timestamp::from_second(second).unwrap()),
            duration,
        };
        let start = "no tenant is served: see whether the operator's pods run, and what they log (kubectl get pods, kubectl logs)";
        let ok = |found: &str| Finding::ok(Check::Leader, "Lease op/dto-0", found);
        let problem = |found: &str, advice: &str| {
            Finding::problem(Check::Leader, "Lease op/dto-0", found, advice)
        };
        let stale =
            format!("it has run out, its holder is gone or cut off, and nobody took over: {start}");
        for (found, expected) in [
            (
                held(Some("pod-a"), Some(998), Some(15)),
                ok("held by pod-a, renewed 2 s ago"),
            ),
            (
                held(Some("pod-a"), Some(1_003), Some(15)),
                ok("held by pod-a, renewed 0 s ago"),
            ),
            (
                held(Some("pod-a"), Some(985), None),
                ok("held by pod-a, renewed 15 s ago"),
            ),
            (
                held(Some("pod-a"), Some(984), None),
                problem("held by pod-a, renewed 16 s ago", &stale),
            ),
            (
                held(Some("pod-a"), Some(995), Some(4)),
                problem("held by pod-a, renewed 5 s ago", &stale),
            ),
            (
                held(Some("pod-a"), None, None),
                problem("held by pod-a, never renewed", start),
            ),
            (
                held(Some(""), Some(999), None),
                problem(
                    "nobody holds it",
                    &format!("it was released, and nobody took it: {start}"),
                ),
            ),
            (
                LeaseState::NoLease,
                Finding::warning(
                    Check::Leader,
                    "Lease op/dto-0",
                    "there is none yet",
                    "it is made when the operator starts: see whether its pods run, and whether they have the same --lease-name and namespace as this check",
                ),
            ),
        ] {
            assert_eq!(leader("op/dto-0", &found, now), expected);
        }
    }
}
