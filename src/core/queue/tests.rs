use super::*;
use crate::core::testing::{at, fingerprint};

mod cost;
mod properties;

type Key = (u8, u8);

fn namespace(key: Key) -> Arc<str> {
    Arc::from(format!("ns{}", key.0))
}

fn wake(queue: &mut Queue<Key>, key: Key, expires_at: Option<i64>) {
    queue.wake(&key, &namespace(key), expires_at.map(at));
}

fn free(_: Fingerprint) -> Calls {
    Calls::UpTo(usize::MAX)
}

fn shut(_: Fingerprint) -> Calls {
    Calls::From(at(1_000_000))
}

fn best(_: Fingerprint) -> Calls {
    Calls::Best
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

fn drain(queue: &mut Queue<Key>, now: i64, calls: impl Fn(Fingerprint) -> Calls) -> Vec<Key> {
    std::iter::from_fn(|| queue.next(at(now), &calls))
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
    assert_eq!(queue.wake_at(free, at(1)), Some(at(1)));
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
    assert_eq!(queue.wake_at(free, at(0)), Some(at(10)));
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
        (queue.next(at(99), free), queue.wake_at(free, at(99))),
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
    assert_eq!(queue.wake_at(|_| Calls::From(at(30)), at(0)), Some(at(30)));
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
    assert_eq!(queue.wake_at(|_| Calls::From(at(99)), at(0)), Some(at(20)));
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
    let mut order = Vec::new();
    while let Some(dispatch) = queue.next(at(0), best) {
        queue.finish(&dispatch.key, rest(None));
        order.push(dispatch.key);
    }
    assert_eq!(order, [(1, 0), (2, 0), (0, 1), (0, 0), (1, 1)]);
}

#[test]
fn the_best_candidate_is_called_alone_and_the_next_one_when_it_began_or_ended() {
    let mut queue = Queue::default();
    for n in 0..4 {
        parked(&mut queue, (0, n), "a", Some(100 + i64::from(n)));
    }
    let called = |n| {
        Some(Dispatch {
            key: (0, n),
            called: true,
        })
    };
    assert_eq!(queue.next(at(0), best), called(0));
    assert_eq!(
        (queue.next(at(0), best), queue.wake_at(best, at(0))),
        (None, None),
        "it may be about to ask"
    );
    assert_eq!(
        queue.wake_at(|_| Calls::From(at(30)), at(0)),
        Some(at(30)),
        "its lane opens at an instant all the same"
    );
    // It is woken meanwhile, and has nothing to ask.
    wake(&mut queue, (0, 0), None);
    assert_eq!(queue.next(at(0), best), None);
    queue.finish(&(0, 0), rest(None));
    let _ready = queue.next(at(0), shut).unwrap();
    assert_eq!(queue.wake_at(best, at(0)), Some(at(0)));
    assert_eq!(queue.next(at(0), best), called(1));
    // It asks: from now on the gate says whom to call.
    assert!(queue.begun(&(0, 1)));
    assert!(!queue.begun(&(0, 1)), "once");
    assert_eq!(queue.next(at(0), best), called(2));
    queue.finish(&(0, 1), rest(None));
    assert_eq!(queue.next(at(0), best), None, "the second is on its way");
    // One that wasn't called holds nobody up.
    queue.finish(&(0, 0), rest(None));
    assert!(!queue.begun(&(0, 0)));
    assert_eq!(queue.next(at(0), best), None);
    queue.finish(
        &(0, 2),
        Finish {
            gone: true,
            ..Finish::default()
        },
    );
    assert_eq!(queue.next(at(0), best), called(3));
}

#[test]
fn a_lane_calls_no_more_than_may_begin_and_stops_no_other_lane() {
    let mut queue = Queue::default();
    for n in 0..10 {
        parked(&mut queue, (0, n), "a", None);
        parked(&mut queue, (1, n), "b", None);
    }
    let calls = |of| {
        if of == fingerprint("a") {
            Calls::UpTo(3)
        } else {
            Calls::UpTo(4)
        }
    };
    let order = drain(&mut queue, 0, calls);
    let count = |ns| order.iter().filter(|key| key.0 == ns).count();
    assert_eq!((count(0), count(1)), (3, 4));
    assert_eq!(queue.wake_at(calls, at(0)), None);
    // Who began is counted by the gate.
    assert!(queue.begun(&(0, 0)));
    assert_eq!(queue.wake_at(calls, at(0)), Some(at(0)));
    assert_eq!(drain(&mut queue, 0, calls), [(0, 3)]);
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

#[test]
fn a_kept_slot_serves_only_a_namespace_that_has_nobody_being_served() {
    let mut queue = Queue::default();
    parked(&mut queue, (2, 1), "s~1", None);
    for key in [(0, 1), (0, 2), (0, 3), (1, 1), (1, 2)] {
        wake(&mut queue, key, None);
    }
    // The parked one was served and rests in its lane; its namespace is idle again.
    assert_eq!(queue.next(at(0), shut).map(|d| d.key), Some((0, 1)));
    assert_eq!(queue.next_idle(at(0), free).map(|d| d.key), Some((2, 1)));
    assert_eq!(queue.next_idle(at(0), free).map(|d| d.key), Some((1, 1)));
    assert_eq!(queue.next_idle(at(0), free), None, "all have somebody");
    queue.finish(&(0, 1), rest(None));
    assert_eq!(queue.next_idle(at(0), free).map(|d| d.key), Some((0, 2)));
    assert_eq!(queue.running(), 3);
}

#[test]
fn an_overdue_timer_is_no_reason_to_look_again_while_every_slot_is_taken() {
    let mut queue = Queue::default();
    // Four slots, and one more that is kept for a namespace that has nobody being served.
    for namespace in 0..7 {
        wake(&mut queue, (namespace, 0), None);
    }
    let served = std::iter::from_fn(|| queue.next_slot(4, at(0), free)).count();
    assert_eq!(served, 6);
    queue.finish(&(0, 0), rest(Some(5)));
    // A kept slot is free.
    assert_eq!(queue.next_slot_at(4, at(9), free), Some(at(5)));
    assert!(queue.next_slot(4, at(1), free).is_some(), "the seventh");
    assert_eq!(queue.next_slot_at(4, at(9), free), None);
}
