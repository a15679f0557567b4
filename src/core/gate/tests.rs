use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::core::testing::{
    AUDIENCE, OTHER_AUDIENCE, at, code, fingerprint, http, millis, tenant_id,
};

const WRONG: u32 = 7_000_215;
const HOUR: i64 = 3_600;

fn key(n: usize) -> MintKey {
    MintKey {
        fingerprint: fingerprint("s~1"),
        tenant: tenant_id(n),
        audience: AUDIENCE,
    }
}

/// A gate whose credential has proved itself.
fn gate() -> Gate {
    let mut gate = Gate::new(500.0);
    gate.learn(key(999).fingerprint, None, at(-100));
    assert_eq!(
        gate.admit(key(999), "999", false, true, at(-100)),
        Admission::Go
    );
    gate.report(key(999), "999", Outcome::Token, None, false, at(-99));
    gate
}

fn admit(gate: &mut Gate, key: MintKey, now: Timestamp) -> Admission {
    gate.admit(key, &key.tenant.to_string(), false, true, now)
}

fn throttle(gate: &mut Gate, key: MintKey, wait: Option<u64>, now: Timestamp) -> Report {
    let outcome = Outcome::Failed(&http(429));
    gate.report(
        key,
        &key.tenant.to_string(),
        outcome,
        wait.map(Duration::from_secs),
        false,
        now,
    )
}

#[test]
fn the_same_question_is_asked_once_in_ten_seconds() {
    let mut gate = gate();
    assert_eq!(admit(&mut gate, key(1), at(0)), Admission::Go);
    gate.report(key(1), "1", Outcome::Token, None, false, at(1));
    for millisecond in [0, 1, 5_000, 9_999] {
        assert_eq!(
            admit(&mut gate, key(1), millis(millisecond)),
            Admission::Wait(at(10))
        );
    }
    assert_eq!(
        gate.admit(key(1), "1", true, true, at(9)),
        Admission::Wait(at(10)),
        "also when it is called"
    );
    assert_eq!(admit(&mut gate, key(1), at(10)), Admission::Go);
}

#[test]
fn a_429_pauses_that_tenant_and_no_other() {
    let mut gate = gate();
    let other_api = MintKey {
        audience: OTHER_AUDIENCE,
        ..key(1)
    };
    let other_secret = MintKey {
        fingerprint: fingerprint("s~2"),
        ..key(1)
    };
    assert_eq!(admit(&mut gate, key(1), at(0)), Admission::Go);
    let report = throttle(&mut gate, key(1), Some(60), at(1));
    assert_eq!(
        report,
        Report {
            effect: Effect::None,
            scope: Some(Scope::Service),
            progress: None
        }
    );
    assert_eq!(
        admit(&mut gate, key(1), millis(60_999)),
        Admission::Wait(at(61))
    );
    for other in [key(2), other_api, other_secret] {
        assert_eq!(admit(&mut gate, other, at(20)), Admission::Go, "{other:?}");
    }
    assert_eq!(admit(&mut gate, key(1), at(61)), Admission::Go);
}

#[test]
fn a_429_that_does_not_say_for_how_long_pauses_for_a_minute() {
    let mut gate = gate();
    assert_eq!(admit(&mut gate, key(1), at(0)), Admission::Go);
    throttle(&mut gate, key(1), None, at(1));
    assert_eq!(
        admit(&mut gate, key(1), millis(60_999)),
        Admission::Wait(at(61))
    );
    assert_eq!(admit(&mut gate, key(1), at(61)), Admission::Go);
    // A failure of another kind says nothing of a pause.
    let key = key(2);
    let outcome = Outcome::Failed(&http(503));
    gate.report(key, "2", outcome, None, false, at(1));
    assert_eq!(gate.not_before(&key, at(1)), None);
}

#[test]
fn a_lane_calls_as_many_as_may_begin_now() {
    let fingerprint = key(1).fingerprint;
    let mut gate = Gate::new(500.0);
    assert_eq!(gate.calls(fingerprint, at(0)), Calls::UpTo(1), "unknown");
    gate.learn(fingerprint, None, at(0));
    assert_eq!(gate.calls(fingerprint, at(0)), Calls::UpTo(1), "untried");
    let mut gate = self::gate();
    assert_eq!(gate.calls(fingerprint, at(0)), Calls::UpTo(50));
    for n in 0..20 {
        admit(&mut gate, key(n), at(0));
    }
    assert_eq!(gate.calls(fingerprint, at(0)), Calls::UpTo(30));
    let gate = open_gate();
    assert_eq!(gate.calls(fingerprint, at(30)), Calls::From(at(31)));
    assert_eq!(gate.calls(fingerprint, at(31)), Calls::Best);
}

#[test]
fn a_pause_is_an_hour_at_the_most_and_never_shortens_another() {
    let mut gate = gate();
    admit(&mut gate, key(1), at(0));
    throttle(&mut gate, key(1), Some(999_999), at(0));
    assert_eq!(gate.not_before(&key(1), at(0)), Some(at(HOUR)));
    throttle(&mut gate, key(1), Some(5), at(1));
    assert_eq!(gate.not_before(&key(1), at(1)), Some(at(HOUR)));
    throttle(&mut gate, key(2), Some(0), at(1));
    assert_eq!(gate.not_before(&key(2), at(1)), None);
}

#[test]
fn retry_after_beside_a_token_means_nothing() {
    let mut gate = gate();
    gate.report(
        key(1),
        "1",
        Outcome::Token,
        Some(Duration::from_mins(1)),
        false,
        at(0),
    );
    assert_eq!(gate.not_before(&key(1), at(0)), None);
}

#[test]
fn a_clock_that_is_set_back_pauses_nobody_for_hours() {
    let mut gate = gate();
    admit(&mut gate, key(1), at(0));
    assert_eq!(admit(&mut gate, key(1), at(-7_200)), Admission::Go);
    assert_eq!(
        admit(&mut gate, key(1), at(-7_195)),
        Admission::Wait(at(-7_190)),
        "and the rule holds from there"
    );
    // An empty bucket fills again, also for those who only wait to be called.
    for n in 2..200 {
        admit(&mut gate, key(n), at(0));
    }
    let now = at(-7_100);
    assert_eq!(gate.calls(key(1).fingerprint, now), Calls::UpTo(1));
    let first = gate.admit(key(3_000), "3000", true, false, now);
    let calls = gate.calls(key(1).fingerprint, now + SignedDuration::from_secs(1));
    assert_eq!((first, calls), (Admission::Park, Calls::UpTo(50)));
}

#[test]
fn the_sweep_of_old_pauses_forgets_none_that_counts() {
    let mut gate = gate();
    throttle(&mut gate, key(0), Some(HOUR.unsigned_abs()), at(0));
    for n in 1..5_000 {
        throttle(
            &mut gate,
            key(n),
            Some(1),
            at(i64::try_from(n).unwrap() / 10),
        );
    }
    assert_eq!(gate.not_before(&key(0), at(500)), Some(at(HOUR)));
    assert!(gate.not_before.len() <= 1_100, "{}", gate.not_before.len());
}

#[test]
fn who_was_not_called_queues_up_behind_those_who_wait() {
    let mut gate = gate();
    assert_eq!(
        gate.admit(key(1), "1", false, false, at(0)),
        Admission::Park
    );
    assert_eq!(gate.admit(key(1), "1", true, false, at(0)), Admission::Go);
    let mut open = open_gate();
    assert_eq!(
        open.admit(key(2), "2", false, true, at(31)),
        Admission::Park,
        "the lane sends its best"
    );
    assert_eq!(open.admit(key(2), "2", true, true, at(31)), Admission::Go);
    assert_eq!(
        open.admit(key(3), "3", true, true, at(31)),
        Admission::Park,
        "one at a time"
    );
}

fn open_gate() -> Gate {
    let mut gate = gate();
    admit(&mut gate, key(1), at(0));
    let report = gate.report(
        key(1),
        &key(1).tenant.to_string(),
        Outcome::Failed(&code(WRONG)),
        None,
        false,
        at(1),
    );
    let progress = Some((1, at(31)));
    assert_eq!(
        report,
        Report {
            effect: Effect::Opened,
            scope: Some(Scope::Credential),
            progress
        }
    );
    gate
}

#[test]
fn a_junk_secret_beside_the_same_client_id_touches_nobody_else() {
    let mut gate = open_gate();
    let other = MintKey {
        fingerprint: fingerprint("s~2"),
        ..key(1)
    };
    assert_eq!(
        gate.health(key(1).fingerprint),
        Health::Refused(Reason::CredentialRejected)
    );
    assert_eq!(gate.health(other.fingerprint), Health::Fine);
    assert_eq!(admit(&mut gate, other, at(2)), Admission::Go);
    let states = gate.states();
    assert_eq!(
        (
            states["open"],
            states["proving"],
            states["closed"],
            states["propagating"]
        ),
        (1, 1, 0, 0)
    );
    gate.retain(|fingerprint| *fingerprint != key(1).fingerprint);
    assert_eq!(gate.states()["open"], 0);
}

#[test]
fn the_rate_belongs_to_the_fingerprint_and_the_one_who_waits_is_told_when() {
    let mut gate = gate();
    let admitted = (0..200)
        .filter(|n| admit(&mut gate, key(*n), at(0)) == Admission::Go)
        .count();
    assert_eq!(admitted, 50);
    let Calls::From(next) = gate.calls(key(0).fingerprint, at(0)) else {
        panic!("no wait")
    };
    assert!(next > at(0) && next <= millis(3), "{next}");
    assert_eq!(gate.admit(key(300), "300", true, true, next), Admission::Go);
}
