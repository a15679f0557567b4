//! What a long lane costs, counted in comparisons.

use std::cell::Cell;
use std::cmp::Ordering;

use super::*;

thread_local! {
    static COMPARED: Cell<usize> = const { Cell::new(0) };
}

/// A key that counts how often it is looked at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Counted(usize);

impl Ord for Counted {
    fn cmp(&self, other: &Self) -> Ordering {
        COMPARED.with(|count| count.set(count.get() + 1));
        self.0.cmp(&other.0)
    }
}

impl PartialOrd for Counted {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[test]
fn a_lane_of_many_without_a_token_is_not_searched_for_its_best_one() {
    const MANY: usize = 4_000;
    let mut queue = Queue::default();
    for n in 0..MANY {
        queue.wake(&Counted(n), &Arc::from(format!("ns{n}")), None);
        queue.next(at(0), shut);
        queue.finish(&Counted(n), park("a", None));
    }
    COMPARED.with(|count| count.set(0));
    for n in 0..MANY {
        let dispatch = queue.next(at(0), best).unwrap();
        assert_eq!(dispatch.key, Counted(n));
        queue.finish(&dispatch.key, rest(None));
    }
    let each = COMPARED.with(Cell::get) / MANY;
    assert!(each < 200, "{each} comparisons for each of {MANY}");
}
