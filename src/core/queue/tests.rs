use std::collections::{BTreeMap, HashSet};

use proptest::prelude::*;

use super::*;
use crate::core::testing::{at, fingerprint};

type Key = (u8, u8);

fn namespace(key: Key) -> Arc<str> {
    Arc::from(format!("ns{}", key.0))
}

fn wake(queue: &mut Queue<Key>, key: Key, expires_at: Option<i64>) {
    queue.wake(&key, &namespace(key), expires_at.map(at));
}

fn free(_: Fingerprint) -> (Turn, bool) {
    (Turn::Now, false)
}

fn shut(_: Fingerprint) -> (Turn, bool) {
    (Turn::At(at(1_000_000)), true)
}

fn rest(wake_at: Option<i64>) -> Finish {
    Finish {
        wake_at: wake_at.map(at),
        ..Finish::default()
    }
}

fn park(secret: &str, expires_at: Option<i64>) -> Finish {
    Finish {
        lane: Some(fingerprint(secret)),
        expires_at: expires_at.map(at),
        ..Finish::default()
    }
}

/// Puts a key into a lane.
fn parked(queue: &mut Queue<Key>, key: Key, secret: &str, expires_at: Option<i64>) {
    wake(queue, key, expires_at);
    let dispatch = queue.next(at(0), shut).unwrap();
    assert_eq!(dispatch, Dispatch { key, called: false });
    queue.finish(&key, park(secret, expires_at));
}

fn drain(queue: &mut Queue<Key>, now: i64, turn: impl Fn(Fingerprint) -> (Turn, bool)) -> Vec<Key> {
    std::iter::from_fn(|| queue.next(at(now), &turn))
        .map(|dispatch| dispatch.key)
        .collect()
}

#[test]
fn within_a_namespace_the_soonest_expiry_goes_first_and_no_token_before_all() {
    let mut queue = Queue::default();
    for (key, expiry) in [
        ((0, 1), Some(300)),
        ((0, 2), Some(100)),
        ((0, 3), None),
        ((0, 4), Some(200)),
    ] {
        wake(&mut queue, key, expiry);
    }
    assert_eq!(drain(&mut queue, 0, free), [(0, 3), (0, 2), (0, 4), (0, 1)]);
}

#[test]
fn a_namespace_with_one_key_waits_one_turn_of_each_other() {
    let mut queue = Queue::default();
    for n in 0..100 {
        wake(&mut queue, (0, n), None);
        wake(&mut queue, (1, n), None);
    }
    wake(&mut queue, (2, 0), Some(9_999));
    let order = drain(&mut queue, 0, free);
    assert_eq!(order.iter().position(|key| *key == (2, 0)), Some(2));
    assert_eq!(order.len(), 201);
}

#[test]
fn who_is_woken_while_being_served_is_served_once_more_and_never_beside_itself() {
    let mut queue = Queue::default();
    wake(&mut queue, (0, 0), None);
    assert!(queue.next(at(0), free).is_some());
    wake(&mut queue, (0, 0), None);
    wake(&mut queue, (0, 0), None);
    assert_eq!(queue.next(at(0), free), None);
    queue.finish(&(0, 0), rest(Some(50)));
    assert_eq!(queue.wake_at(|_| Turn::Now, at(1)), Some(at(1)));
    assert_eq!(
        queue.next(at(1), free),
        Some(Dispatch {
            key: (0, 0),
            called: false
        })
    );
    queue.finish(&(0, 0), rest(None));
    assert_eq!(
        queue.next(at(99), free),
        None,
        "the first turn's timer is void"
    );
}

#[test]
fn a_timer_rings_at_its_instant_and_only_once() {
    let mut queue = Queue::default();
    wake(&mut queue, (0, 0), None);
    queue.next(at(0), free);
    queue.finish(&(0, 0), rest(Some(10)));
    assert_eq!(queue.wake_at(|_| Turn::Now, at(0)), Some(at(10)));
    assert_eq!(queue.next(at(9), free), None);
    assert_eq!(
        queue.next(at(10), free),
        Some(Dispatch {
            key: (0, 0),
            called: false
        })
    );
    queue.finish(&(0, 0), rest(None));
    assert_eq!(
        (
            queue.next(at(99), free),
            queue.wake_at(|_| Turn::Now, at(99))
        ),
        (None, None)
    );
}

#[test]
fn one_that_is_gone_is_forgotten_unless_it_came_back_meanwhile() {
    let mut queue = Queue::default();
    wake(&mut queue, (0, 0), None);
    queue.next(at(0), free);
    wake(&mut queue, (0, 0), None);
    queue.finish(
        &(0, 0),
        Finish {
            gone: true,
            ..Finish::default()
        },
    );
    assert_eq!((queue.len(), queue.ready_len()), (1, 1));
    queue.next(at(0), free);
    queue.finish(
        &(0, 0),
        Finish {
            gone: true,
            ..Finish::default()
        },
    );
    assert!(queue.is_empty() && queue.running() == 0);
}

#[test]
fn a_lane_waits_for_its_turn_and_says_when() {
    let mut queue = Queue::default();
    parked(&mut queue, (0, 0), "a", None);
    assert_eq!((queue.next(at(0), shut), queue.parked_len()), (None, 1));
    assert_eq!(queue.wake_at(|_| Turn::At(at(30)), at(0)), Some(at(30)));
    assert_eq!(
        queue.next(at(30), free),
        Some(Dispatch {
            key: (0, 0),
            called: true
        })
    );
    assert!(queue.lane_is_empty(fingerprint("a")));
}

#[test]
fn a_parked_one_still_hears_its_timer_and_its_events() {
    let mut queue = Queue::default();
    parked(&mut queue, (0, 0), "a", None);
    wake(&mut queue, (0, 0), None);
    assert_eq!(
        queue.next(at(0), shut),
        Some(Dispatch {
            key: (0, 0),
            called: false
        })
    );
    queue.finish(
        &(0, 0),
        Finish {
            wake_at: Some(at(20)),
            ..park("a", None)
        },
    );
    assert_eq!(queue.wake_at(|_| Turn::At(at(99)), at(0)), Some(at(20)));
    assert_eq!(
        queue.next(at(20), shut),
        Some(Dispatch {
            key: (0, 0),
            called: false
        })
    );
    queue.finish(
        &(0, 0),
        Finish {
            wake_at: Some(at(40)),
            ..park("a", None)
        },
    );
    assert_eq!(
        queue.next(at(30), free),
        Some(Dispatch {
            key: (0, 0),
            called: true
        })
    );
    queue.finish(&(0, 0), rest(None));
    assert_eq!(
        queue.next(at(40), free),
        None,
        "the call took the timer with it"
    );
}

#[test]
fn a_doubtful_credential_is_tried_by_who_last_succeeded_the_soonest_expiry_first() {
    let mut queue = Queue::default();
    for (key, expiry) in [
        ((0, 0), None),
        ((0, 1), Some(500)),
        ((1, 0), Some(200)),
        ((1, 1), None),
        ((2, 0), Some(300)),
    ] {
        parked(&mut queue, key, "a", expiry);
    }
    let order = drain(&mut queue, 0, |_| (Turn::Now, true));
    assert_eq!(order, [(1, 0), (2, 0), (0, 1), (0, 0), (1, 1)]);
}

#[test]
fn a_long_lane_does_not_stop_another() {
    let mut queue = Queue::default();
    for n in 0..50 {
        for lane in ["a", "b", "c"] {
            let key = (lane.as_bytes()[0], n);
            parked(&mut queue, key, lane, None);
        }
    }
    parked(&mut queue, (9, 0), "d", None);
    let order = drain(&mut queue, 0, free);
    let place = order.iter().position(|key| *key == (9, 0)).unwrap();
    assert!(place <= 3, "{place}");
}

#[test]
fn many_junk_credentials_buy_a_namespace_no_turns() {
    let mut queue = Queue::default();
    for n in 0..100 {
        parked(&mut queue, (0, n), &format!("junk~{n}"), None);
    }
    for n in 0..10 {
        parked(&mut queue, (1, n), "good", None);
    }
    let order = drain(&mut queue, 0, free);
    let last = order.iter().rposition(|key| key.0 == 1).unwrap();
    assert!(last <= 20, "{last}");
    assert_eq!(order.len(), 110);
}

#[test]
fn lanes_and_the_ready_take_turns() {
    let mut queue = Queue::default();
    for n in 0..10 {
        parked(&mut queue, (0, n), "a", None);
    }
    for n in 10..20 {
        wake(&mut queue, (0, n), None);
    }
    let called: Vec<_> = std::iter::from_fn(|| queue.next(at(0), free))
        .map(|d| d.called)
        .collect();
    for pair in called.chunks(2) {
        assert_ne!(pair[0], pair[1], "{called:?}");
    }
}

#[derive(Debug, Clone)]
enum Act {
    Wake(Key, Option<i64>),
    Next {
        open: bool,
        candidate: bool,
    },
    /// Of those being served, the nth.
    Finish(usize, Finish),
    Pass(i64),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let expiry = || proptest::option::of(0_i64..50);
    let finish = (
        proptest::option::of(1_i64..40),
        proptest::option::of(0_usize..3),
        expiry(),
        proptest::bool::weighted(0.1),
    );
    let act = prop_oneof![
        4 => ((0_u8..4, 0_u8..5), expiry()).prop_map(|(key, expiry)| Act::Wake(key, expiry)),
        6 => (any::<bool>(), any::<bool>()).prop_map(|(open, candidate)| Act::Next { open, candidate }),
        5 => (0_usize..8, finish).prop_map(|(nth, (wake, lane, expiry, gone))| Act::Finish(nth, Finish {
            wake_at: wake.map(at),
            lane: lane.map(|lane| fingerprint(["a", "b", "c"][lane])),
            expires_at: expiry.map(at),
            gone,
        })),
        1 => (1_i64..10).prop_map(Act::Pass),
    ];
    proptest::collection::vec(act, 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_key_is_lost_and_none_is_served_twice_at_once(acts in acts()) {
        let mut queue = Queue::default();
        let mut now = 0;
        let mut known = HashSet::new();
        let mut running: Vec<Key> = Vec::new();
        // What each key waits for: an event, a timer, a lane.
        let mut woken: HashSet<Key> = HashSet::new();
        let mut waits: BTreeMap<Key, Finish> = BTreeMap::new();
        for act in acts {
            match act {
                Act::Wake(key, expiry) => {
                    wake(&mut queue, key, expiry);
                    known.insert(key);
                    woken.insert(key);
                }
                Act::Next { open, candidate } => {
                    let turn = |_| (if open { Turn::Now } else { Turn::At(at(10_000)) }, candidate);
                    let due = |key: &Key| waits.get(key).is_some_and(|finish| {
                        finish.wake_at.is_some_and(|wake| wake <= at(now)) || (open && finish.lane.is_some())
                    });
                    let must = known.iter().any(|key| !running.contains(key) && (woken.contains(key) || due(key)));
                    let got = queue.next(at(now), turn);
                    prop_assert_eq!(got.is_some(), must, "at {}", now);
                    if let Some(dispatch) = got {
                        prop_assert!(!running.contains(&dispatch.key));
                        prop_assert!(!dispatch.called || (open && waits.get(&dispatch.key).is_some_and(|f| f.lane.is_some())));
                        prop_assert!(dispatch.called || woken.contains(&dispatch.key) || due(&dispatch.key));
                        woken.remove(&dispatch.key);
                        waits.remove(&dispatch.key);
                        running.push(dispatch.key);
                    }
                }
                Act::Finish(nth, finish) if !running.is_empty() => {
                    let key = running.swap_remove(nth % running.len());
                    queue.finish(&key, finish);
                    if woken.contains(&key) {
                        continue;
                    }
                    if finish.gone {
                        known.remove(&key);
                    } else {
                        waits.insert(key, finish);
                    }
                }
                Act::Finish(..) => {}
                Act::Pass(seconds) => now += seconds,
            }
            prop_assert_eq!(queue.running(), running.len());
            prop_assert_eq!(queue.len(), known.len());
        }
        // In the end everybody who waits for anything gets it.
        for key in running.drain(..) {
            queue.finish(&key, rest(None));
        }
        let left: HashSet<_> = drain(&mut queue, 10_000, free).into_iter().collect();
        let expected: HashSet<_> = known
            .iter()
            .copied()
            .filter(|key| woken.contains(key) || waits.get(key).is_some_and(|f| f.wake_at.is_some() || f.lane.is_some()))
            .collect();
        prop_assert_eq!(left, expected);
        prop_assert_eq!((queue.ready_len(), queue.parked_len()), (0, 0));
        prop_assert_eq!(queue.wake_at(|_| Turn::Now, at(10_000)), None);
    }

    #[test]
    fn every_namespace_has_its_turn_and_expiry_orders_within(
        keys in proptest::collection::btree_map((0_u8..6, 0_u8..20), proptest::option::of(0_i64..100), 1..80),
        lane in any::<bool>(),
    ) {
        let mut queue = Queue::default();
        for (key, expiry) in &keys {
            if lane {
                parked(&mut queue, *key, "a", *expiry);
            } else {
                wake(&mut queue, *key, *expiry);
            }
        }
        let order = drain(&mut queue, 0, free);
        prop_assert_eq!(order.len(), keys.len());
        for ns in 0..6 {
            let mine: Vec<_> = order.iter().enumerate().filter(|(_, key)| key.0 == ns).collect();
            let urgency: Vec<_> = mine.iter().map(|(_, key)| keys[*key].map_or(Timestamp::MIN, at)).collect();
            prop_assert!(urgency.is_sorted(), "{:?}", mine);
            // Between two turns of one namespace no other has two.
            for pair in mine.windows(2) {
                let between = &order[pair[0].0 + 1..pair[1].0];
                let distinct: HashSet<_> = between.iter().map(|key| key.0).collect();
                prop_assert_eq!(distinct.len(), between.len());
            }
            if let Some((first, _)) = mine.first() {
                let before: HashSet<_> = order[..*first].iter().map(|key| key.0).collect();
                prop_assert_eq!(before.len(), *first);
            }
        }
    }
}
