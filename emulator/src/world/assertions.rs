//! Which assertions were used, to count those that come again. Entra takes them, so nothing is refused for it.

use std::collections::HashMap;

use jiff::Timestamp;
use uuid::Uuid;

/// From here on, ids of assertions that nobody can use any more make room.
const MANY: usize = 10_000;

/// An assertion that proved its application: a hash of client and `jti`, and when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UsedAssertion {
    pub(crate) id: Uuid,
    pub(crate) ends: Timestamp,
}

/// The assertions that may come again, and how often one did.
#[derive(Default)]
pub(crate) struct Assertions {
    seen: HashMap<Uuid, Timestamp>,
    /// How many there may be before it is worth looking through them.
    roomy: usize,
    reused: u64,
}

impl Assertions {
    pub(crate) fn add(&mut self, used: UsedAssertion, now: Timestamp) {
        if self.seen.len() >= self.roomy.max(MANY) {
            self.seen.retain(|_, ends| *ends > now);
            self.roomy = 2 * self.seen.len();
        }
        if self.seen.insert(used.id, used.ends).is_some() {
            self.reused += 1;
        }
    }

    /// How many requests came with a `jti` that was used before.
    pub(crate) fn reused(&self) -> u64 {
        self.reused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(id: u128, second: i64) -> UsedAssertion {
        UsedAssertion {
            id: Uuid::from_u128(id),
            ends: Timestamp::from_second(second).unwrap(),
        }
    }

    #[test]
    fn each_further_use_counts() {
        let mut assertions = Assertions::default();
        for (id, reused) in [(1, 0), (2, 0), (1, 1), (1, 2)] {
            assertions.add(used(id, 10), Timestamp::UNIX_EPOCH);
            assert_eq!(assertions.reused(), reused);
        }
    }

    #[test]
    fn what_ended_makes_room() {
        let mut assertions = Assertions::default();
        for id in 0..MANY {
            assertions.add(used(id as u128, 10), Timestamp::UNIX_EPOCH);
        }
        let later = Timestamp::from_second(10).unwrap();
        assertions.add(used(u128::MAX, 20), later);
        assert_eq!(assertions.seen.len(), 1);
    }
}
