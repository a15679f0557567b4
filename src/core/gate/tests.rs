use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::simulation::{Reply, Sim, SimTenant};
use super::*;
use crate::core::breaker::STEPS;
use crate::core::testing::{
    AUDIENCE, OTHER_AUDIENCE, at, code, fingerprint, http, millis, tenant_id,
    unknown_invalid_client,
};

const WRONG: u32 = 7_000_215;
const NO_CONSENT: u32 = 7_000_229;
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
        Some(Duration::from_secs(60)),
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
    let (turn, _) = gate.turn(key(1).fingerprint, now);
    assert_eq!(turn, Turn::Now);
    let first = gate.admit(key(3_000), "3000", true, false, now);
    let (turn, _) = gate.turn(key(1).fingerprint, now + SignedDuration::from_secs(1));
    assert_eq!((first, turn), (Admission::Park, Turn::Now));
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
    let (Turn::At(next), false) = gate.turn(key(0).fingerprint, at(0)) else {
        panic!("no wait")
    };
    assert!(next > at(0) && next <= millis(3), "{next}");
    assert_eq!(gate.admit(key(300), "300", true, true, next), Admission::Go);
}

fn tenants(count: usize, secret: &str) -> Vec<SimTenant> {
    (0..count)
        .map(|n| SimTenant {
            namespace: Arc::from(format!("ns{}", n % 7)),
            fingerprint: fingerprint(secret),
            expires_at: None,
            refresh_at: at(0),
            hold: None,
        })
        .collect()
}

/// The instants at which a breaker of these steps asks, each after the answer to the one before.
fn expected(sim: &Sim, steps: &[i64]) -> Vec<i64> {
    let latency = |n: usize| 50 + i64::try_from(n * 37 % 200).unwrap();
    let mut when = sim.requests[0].0;
    let mut all = vec![when];
    for (step, (_, asked)) in steps.iter().zip(&sim.requests) {
        when += latency(*asked) + step * 1_000;
        all.push(when);
    }
    all
}

fn instants(requests: &[(i64, usize)]) -> Vec<i64> {
    requests.iter().map(|(when, _)| *when).collect()
}

#[test]
fn three_hundred_tenants_with_one_wrong_secret_cost_one_request_a_step() {
    let mut sim = Sim::new(
        tenants(300, "wrong"),
        Box::new(|_, _, _| Reply::Fails(code(WRONG), None)),
    );
    sim.run_until(at(2 * HOUR));
    let steps: Vec<_> = STEPS.into_iter().chain([1_800]).collect();
    assert_eq!(instants(&sim.requests), expected(&sim, &steps));
    assert_eq!(
        sim.effects
            .iter()
            .map(|(_, effect)| *effect)
            .collect::<Vec<_>>(),
        [Effect::Opened]
    );
}

#[test]
fn an_unknown_refusal_costs_one_request_more() {
    let mut sim = Sim::new(
        tenants(300, "odd"),
        Box::new(|_, _, _| Reply::Fails(unknown_invalid_client(), None)),
    );
    sim.run_until(at(2 * HOUR));
    assert_eq!(sim.requests.len(), 10);
    assert_ne!(
        sim.requests[0].1, sim.requests[1].1,
        "the second opinion is another tenant's"
    );
    assert_eq!(sim.effects.len(), 1);
}

#[test]
fn a_fresh_secret_is_tried_at_10_20_40_and_60_seconds_before_the_steps_begin() {
    let mut sim = Sim::new(
        tenants(300, "fresh"),
        Box::new(|_, _, _| Reply::Fails(code(WRONG), None)),
    );
    sim.gate.learn(fingerprint("fresh"), Some(at(0)), at(0));
    sim.run_until(at(HOUR));
    let steps = [10, 20, 40, 60, 30, 60, 120, 300, 600, 900];
    assert_eq!(instants(&sim.requests), expected(&sim, &steps));
    assert_eq!(
        sim.effects.len(),
        2,
        "once when it began to wait, once when it gave up"
    );
}

#[test]
fn a_fresh_secret_that_is_known_after_15_seconds_costs_two_requests_more() {
    let known = |_, _, now: Timestamp| {
        if now < at(15) {
            Reply::Fails(code(WRONG), None)
        } else {
            Reply::Token
        }
    };
    let mut sim = Sim::new(tenants(300, "fresh"), Box::new(known));
    sim.gate.learn(fingerprint("fresh"), Some(at(0)), at(0));
    sim.run_until(at(60));
    assert_eq!(sim.requests.len(), 302);
    assert!(sim.tenants.iter().all(|tenant| tenant.expires_at.is_some()));
    assert!(sim.requests[301].0 < 35_000, "{:?}", sim.requests[301]);
}

#[test]
fn after_mending_the_soonest_expiry_goes_first() {
    let (bad, good) = (fingerprint("wrong"), fingerprint("good"));
    let mut all = tenants(60, "wrong");
    for (n, tenant) in all.iter_mut().enumerate() {
        tenant.namespace = Arc::from("one");
        // In an order that is neither that of the keys nor its reverse; all of them are due.
        let expiry = at(2 * HOUR + i64::try_from(n * 17 % 60).unwrap());
        tenant.expires_at = Some(expiry);
    }
    let answer = move |_, asked, _| {
        if asked == bad {
            Reply::Fails(code(WRONG), None)
        } else {
            Reply::Token
        }
    };
    let mut sim = Sim::new(all, Box::new(answer));
    sim.run_until(at(600));
    sim.rotate(good);
    sim.run_until(at(660));
    let order: Vec<_> = sim
        .since(600_000)
        .into_iter()
        .map(|(_, n)| n * 17 % 60)
        .collect();
    assert_eq!(order, (0..60).collect::<Vec<_>>());
}

#[test]
fn a_breaker_that_closes_lets_everybody_go_at_once_by_expiry() {
    let mut all = tenants(60, "wrong");
    for (n, tenant) in all.iter_mut().enumerate() {
        tenant.namespace = Arc::from("one");
        tenant.expires_at = Some(at(2 * HOUR + i64::try_from(n * 17 % 60).unwrap()));
    }
    let mended = |_, _, now: Timestamp| {
        if now < at(100) {
            Reply::Fails(code(WRONG), None)
        } else {
            Reply::Token
        }
    };
    let mut sim = Sim::new(all, Box::new(mended));
    sim.run_until(at(HOUR));
    let mended = sim.since(100_000);
    let mut left: Vec<_> = mended[..60].iter().map(|(_, n)| n * 17 % 60).collect();
    // The probe went to the best candidate that wasn't held by its own failed probe of before.
    left.remove(0);
    assert!(left.is_sorted(), "{left:?}");
    assert!(mended[59].0 - mended[0].0 < 1_000, "{:?}", mended[59]);
}

#[test]
fn tenants_without_consent_stop_nobody() {
    let answer = |n, _, _| {
        if n % 2 == 0 {
            Reply::Fails(code(NO_CONSENT), None)
        } else {
            Reply::Token
        }
    };
    let mut sim = Sim::new(tenants(300, "s"), Box::new(answer));
    sim.run_until(at(30));
    assert_eq!(sim.requests.len(), 300);
    assert!(sim.effects.is_empty());
    let served = sim
        .tenants
        .iter()
        .filter(|tenant| tenant.expires_at.is_some())
        .count();
    assert_eq!(served, 150);
}

#[test]
fn a_junk_secret_does_not_slow_the_good_one_down() {
    let mut all = tenants(200, "junk");
    all.extend(tenants(200, "good"));
    let junk = fingerprint("junk");
    let answer = move |_, asked, _| {
        if asked == junk {
            Reply::Fails(code(WRONG), None)
        } else {
            Reply::Token
        }
    };
    let mut sim = Sim::new(all, Box::new(answer));
    sim.run_until(at(30));
    let good: Vec<_> = sim.requests.iter().filter(|(_, n)| *n >= 200).collect();
    assert_eq!(good.len(), 200);
    assert!(good[199].0 < 3_000, "{:?}", good[199]);
}

#[test]
fn a_lost_worker_costs_minutes_and_not_the_credential() {
    let answer = |_, _, now: Timestamp| match now {
        now if now < at(20) => Reply::Fails(code(WRONG), None),
        now if now < at(60) => Reply::Lost,
        _ => Reply::Token,
    };
    let mut sim = Sim::new(tenants(50, "s"), Box::new(answer));
    sim.run_until(at(5 * 60));
    assert!(sim.tenants.iter().all(|tenant| tenant.expires_at.is_some()));
}

#[test]
fn a_restart_goes_on_with_the_steps_and_takes_no_tenant_by_surprise() {
    let mut sim = Sim::new(
        tenants(300, "wrong"),
        Box::new(|_, _, _| Reply::Fails(code(WRONG), None)),
    );
    // As the statuses of those who probed say.
    sim.gate.learn(fingerprint("wrong"), None, at(0));
    for (count, next_at) in [(1, at(-900)), (4, at(200)), (3, at(-100))] {
        sim.gate.resume(
            fingerprint("wrong"),
            count,
            next_at,
            Reason::CredentialRejected,
        );
    }
    sim.run_until(at(HOUR));
    let begun = sim.requests[0].0;
    assert_eq!(begun, 200_000);
    assert_eq!(instants(&sim.requests), expected(&sim, &[600, 900, 1_800]));
}

#[test]
fn whatever_happens_no_question_is_asked_twice_in_ten_seconds() {
    // Answers of every kind, by tenant and minute.
    let answer = |n: usize, _, now: Timestamp| match (n + usize::try_from(now.as_second() / 60)
        .unwrap())
        % 6
    {
        0 => Reply::Fails(code(WRONG), None),
        1 => Reply::Fails(http(429), Some(Duration::from_secs(2))),
        2 => Reply::Fails(unknown_invalid_client(), None),
        3 => Reply::Fails(http(503), None),
        4 => Reply::Fails(code(NO_CONSENT), None),
        _ => Reply::Token,
    };
    let mut sim = Sim::new(tenants(100, "s"), Box::new(answer));
    for minute in 1..120 {
        sim.run_until(at(minute * 30));
        // Somebody edits everything, twice a minute.
        for n in 0..100 {
            sim.tenants[n].hold = None;
            sim.tenants[n].refresh_at = at(0);
            sim.wake(n);
        }
    }
    assert!(sim.requests.len() > 200, "{}", sim.requests.len());
    let mut last: HashMap<usize, i64> = HashMap::new();
    for (when, n) in sim.requests {
        if let Some(before) = last.insert(n, when) {
            assert!(when - before >= 10_000, "tenant {n} at {before} and {when}");
        }
    }
}
