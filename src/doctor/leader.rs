//! Who leads.

use std::time::Duration;

use jiff::Timestamp;

use super::report::{Check, Finding};
use crate::core::shards::agreement::Agreement;

/// Its holder renews the Lease every 2 s: it is watched for two renewals and a bit. A time that stands in it says
/// nothing by itself, since its holder's clock isn't this one's.
pub const WATCHED: Duration = Duration::from_secs(5);
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
        /// When it was renewed last, by its holder's clock.
        renewed: Option<Timestamp>,
    },
}

impl LeaseState {
    fn holder(&self) -> Option<String> {
        match self {
            Self::Lease {
                holder: Some(holder),
                ..
            } if !holder.is_empty() => Some(holder.chars().take(SHOWN).collect()),
            _ => None,
        }
    }
}

/// Whether the second look tells all: somebody has written there since, and holds it.
#[must_use]
pub fn is_settled(first: &LeaseState, last: &LeaseState) -> bool {
    first != last && last.holder().is_some()
}

/// Whether somebody leads, by what the Lease was at first and [`WATCHED`] later, or when [`is_settled`] said so.
/// `expected`: the operator has been started, so that there must be one.
#[must_use]
pub fn leader(lease: &str, first: &LeaseState, last: &LeaseState, expected: bool) -> Finding {
    let subject = format!("Lease {lease}");
    let start = "no tenant is served: see whether the operator's pods run, and what they log (kubectl get pods, kubectl logs)";
    let problem =
        |found: &str, advice: &str| Finding::problem(Check::Leader, &subject, found, advice);
    if *last == LeaseState::NoLease {
        let found = "there is none yet";
        let advice = "it is made when the operator starts: see whether its pods run, and whether they have the same --lease-name and namespace as this check";
        return if expected {
            problem(found, advice)
        } else {
            Finding::warning(Check::Leader, &subject, found, advice)
        };
    }
    match (first.holder(), last.holder()) {
        (_, Some(holder)) if is_settled(first, last) => {
            let found = format!("held by {holder}, who renews it");
            Finding::ok(Check::Leader, &subject, &found)
        }
        (_, Some(holder)) => problem(
            &format!(
                "held by {holder}, and not renewed in {} s",
                WATCHED.as_secs()
            ),
            &format!("its holder is gone or cut off, and nobody has taken over: {start}"),
        ),
        (Some(before), None) => Finding::warning(
            Check::Leader,
            &subject,
            &format!("released by {before} just now, and not taken yet"),
            "another process takes it within seconds: run this again",
        ),
        (None, None) => problem(
            "nobody holds it",
            &format!("it was released, and nobody took it: {start}"),
        ),
    }
}

/// Whether the number of shards in force is the one that is wanted; and the one in force, whose Leases count.
#[must_use]
pub fn shards(in_force: Agreement, wanted: u32) -> (Vec<Finding>, u32) {
    let count = in_force.count;
    if count == wanted {
        return (Vec::new(), count);
    }
    let found = format!("{count} in force, and {wanted} wanted (--shards)");
    let advice = "another number is put in force seconds after the last process of the old one is gone: see whether the roll-out goes on (kubectl rollout status)";
    let finding = Finding::warning(Check::Leader, "shards", &found, advice);
    (vec![finding], count)
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

    fn held(holder: &str, renewed: i64) -> LeaseState {
        LeaseState::Lease {
            holder: Some(holder.to_owned()),
            renewed: Some(Timestamp::from_second(renewed).unwrap()),
        }
    }

    #[test]
    fn another_number_than_the_wanted_one_is_told_and_the_one_in_force_counts() {
        let in_force = Agreement {
            count: 2,
            intent: Some(3),
        };
        assert_eq!(shards(in_force, 2), (vec![], 2));
        let (found, count) = shards(in_force, 3);
        assert_eq!(count, 2);
        assert_eq!(found[0].found, "2 in force, and 3 wanted (--shards)");
    }

    #[test]
    fn what_changes_in_the_record_tells_whoever_leads_whatever_time_it_says() {
        use LeaseState::NoLease;
        let start = "no tenant is served: see whether the operator's pods run, and what they log (kubectl get pods, kubectl logs)";
        let ok = |found: &str| Finding::ok(Check::Leader, "Lease op/dto-0", found);
        let problem = |found: &str, advice: &str| {
            Finding::problem(Check::Leader, "Lease op/dto-0", found, advice)
        };
        let warning = |found: &str, advice: &str| {
            Finding::warning(Check::Leader, "Lease op/dto-0", found, advice)
        };
        let renews = || ok("held by a, who renews it");
        let dead = || {
            problem(
                "held by a, and not renewed in 5 s",
                &format!("its holder is gone or cut off, and nobody has taken over: {start}"),
            )
        };
        let nobody = || {
            problem(
                "nobody holds it",
                &format!("it was released, and nobody took it: {start}"),
            )
        };
        let none = "it is made when the operator starts: see whether its pods run, and whether they have the same --lease-name and namespace as this check";
        let never = LeaseState::Lease {
            holder: Some("a".into()),
            renewed: None,
        };
        let free = || held("", 1_000);
        let nameless = LeaseState::Lease {
            holder: None,
            renewed: None,
        };
        // This machine's time isn't among it: the holder's may be hours ahead or behind.
        for (first, last, expected) in [
            (held("a", 1_000), held("a", 1_002), renews()),
            (held("a", 9_000_000), held("a", 9_000_002), renews()),
            (held("a", 1_000), held("a", 900), renews()),
            (held("b", 1_000), held("a", 1_000), renews()),
            (free(), held("a", 1_001), renews()),
            (NoLease, held("a", 1_001), renews()),
            (never.clone(), held("a", 1_001), renews()),
            (held("a", 1_000), held("a", 1_000), dead()),
            (held("a", 9_000_000), held("a", 9_000_000), dead()),
            (never.clone(), never, dead()),
            (free(), free(), nobody()),
            (nameless.clone(), nameless, nobody()),
            (NoLease, free(), nobody()),
            (
                held("a", 1_000),
                free(),
                warning(
                    "released by a just now, and not taken yet",
                    "another process takes it within seconds: run this again",
                ),
            ),
            (NoLease, NoLease, warning("there is none yet", none)),
        ] {
            assert_eq!(leader("op/dto-0", &first, &last, false), expected);
            assert_eq!(
                is_settled(&first, &last),
                expected == renews(),
                "the watch ends early only where all is well"
            );
            let strict = if expected == warning("there is none yet", none) {
                problem("there is none yet", none)
            } else {
                expected
            };
            assert_eq!(leader("op/dto-0", &first, &last, true), strict);
        }
    }
}
