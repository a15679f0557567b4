//! How long a watch that broke waits before it is tried again.

use std::time::Duration;

use kube::runtime::utils::{Backoff, ResetTimerBackoff};

/// kube's own default, client-go's, goes on to a minute and waits that long even after the API server has come back.
/// There are three watches a namespace: one request each few seconds is no load, and new customers are served at once.
const LONGEST: Duration = Duration::from_secs(5);
const SHORTEST: Duration = Duration::from_millis(800);
/// After so long without a failure it begins anew.
const FORGOTTEN_AFTER: Duration = Duration::from_mins(2);

/// Doubles from [`SHORTEST`] to [`LONGEST`], up to a quarter more by chance: replicas lose their watches together.
#[derive(Default)]
pub struct Pauses {
    failures: u32,
}

/// For one watch.
#[must_use]
pub fn backoff() -> ResetTimerBackoff<Pauses> {
    ResetTimerBackoff::new(Pauses::default(), FORGOTTEN_AFTER)
}

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = SHORTEST
            .saturating_mul(1 << self.failures.min(8))
            .min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        let chance = u32::from(uuid::Uuid::new_v4().as_bytes()[0]);
        Some(pause + pause / 4 * chance / 255)
    }
}

impl Backoff for Pauses {
    fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pauses_grow_to_a_few_seconds_and_never_end() {
        let mut pauses = Pauses::default();
        let first = pauses.next().unwrap();
        assert!(first >= SHORTEST && first <= SHORTEST * 5 / 4, "{first:?}");
        for pause in pauses.by_ref().take(1_000).skip(3) {
            assert!(pause >= LONGEST && pause <= LONGEST * 5 / 4, "{pause:?}");
        }
        pauses.reset();
        assert!(pauses.next().unwrap() < SHORTEST * 2);
    }
}
