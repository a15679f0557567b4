use std::collections::HashMap;

use super::*;
use crate::core::breaker::STEPS;
use crate::core::testing::{code, fingerprint, http, unknown_invalid_client};

pub(super) const WRONG: u32 = 7_000_215;
const NO_CONSENT: u32 = 7_000_229;
pub(super) const HOUR: i64 = 3_600;

pub(super) fn tenants(count: usize, secret: &str) -> Vec<SimTenant> {
    (0..count)
        .map(|n| SimTenant {
            namespace: Arc::from(format!("ns{}", n % 7)),
            fingerprint: fingerprint(secret),
            next: None,
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
