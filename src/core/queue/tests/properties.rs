use std::collections::{BTreeMap, HashSet};

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Act {
    Wake(Key, Option<i64>),
    Next(Calls),
    /// Of those being served, the nth.
    Begun(usize),
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
    let calls = prop_oneof![
        2 => Just(Calls::From(at(10_000))),
        2 => Just(Calls::Best),
        3 => (1_usize..4).prop_map(Calls::UpTo),
    ];
    let act = prop_oneof![
        4 => ((0_u8..4, 0_u8..5), expiry()).prop_map(|(key, expiry)| Act::Wake(key, expiry)),
        6 => calls.prop_map(Act::Next),
        2 => (0_usize..8).prop_map(Act::Begun),
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
        // Whom a lane has called, until it began or ended.
        let mut called: BTreeMap<Key, Fingerprint> = BTreeMap::new();
        for act in acts {
            match act {
                Act::Wake(key, expiry) => {
                    wake(&mut queue, key, expiry);
                    known.insert(key);
                    woken.insert(key);
                }
                Act::Next(calls) => {
                    let open = |key: &Key| waits.get(key).and_then(|finish| finish.lane).is_some_and(|lane| {
                        let on_their_way = called.values().filter(|other| **other == lane).count();
                        match calls {
                            Calls::From(_) => false,
                            Calls::Best => on_their_way == 0,
                            Calls::UpTo(most) => on_their_way < most,
                        }
                    });
                    let due = |key: &Key| open(key) || waits.get(key).is_some_and(|finish| {
                        finish.wake_at.is_some_and(|wake| wake <= at(now))
                    });
                    let must = known.iter().any(|key| !running.contains(key) && (woken.contains(key) || due(key)));
                    prop_assert_eq!(queue.wake_at(|_| calls, at(now)).is_some_and(|wake| wake <= at(now)), must);
                    let got = queue.next(at(now), |_| calls);
                    prop_assert_eq!(got.is_some(), must, "at {}", now);
                    if let Some(dispatch) = got {
                        prop_assert!(!running.contains(&dispatch.key));
                        prop_assert!(!dispatch.called || open(&dispatch.key));
                        prop_assert!(dispatch.called || woken.contains(&dispatch.key) || due(&dispatch.key));
                        woken.remove(&dispatch.key);
                        let waited = waits.remove(&dispatch.key);
                        if dispatch.called {
                            called.extend(waited.and_then(|finish| Some((dispatch.key, finish.lane?))));
                        }
                        running.push(dispatch.key);
                    }
                }
                Act::Finish(nth, finish) if !running.is_empty() => {
                    let key = running.swap_remove(nth % running.len());
                    called.remove(&key);
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
                Act::Begun(nth) if !running.is_empty() => {
                    let key = running[nth % running.len()];
                    prop_assert_eq!(queue.begun(&key), called.remove(&key).is_some());
                }
                Act::Finish(..) | Act::Begun(_) => {}
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
        prop_assert_eq!(queue.wake_at(free, at(10_000)), None);
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
