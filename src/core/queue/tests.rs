use super::*;
use crate::core::testing::{at, fingerprint};

mod properties;

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
