//! Turns that are given together and begin in whatever order.

use super::tests::{HOUR, WRONG, tenants};
use super::*;
use crate::core::testing::{code, fingerprint};

#[test]
fn the_probe_is_made_by_the_best_candidate_whoever_wins_a_race() {
    let mut all = tenants(60, "wrong");
    for (n, tenant) in all.iter_mut().enumerate() {
        // In an order that is neither that of the keys nor its reverse; all of them are due.
        let expiry = i64::try_from(n * 17 % 60).unwrap();
        tenant.expires_at = Some(at(48 * HOUR + expiry));
    }
    let mut sim = Sim::new(all, Box::new(|_, _, _| Reply::Fails(code(WRONG), None)));
    sim.races = true;
    sim.run_until(at(6 * HOUR));
    assert!(sim.requests.len() > 10, "{:?}", sim.requests);
    // The first one was nobody's choice; who failed last is held until the very instant of the next probe.
    for (place, (when, n)) in sim.requests.iter().enumerate().skip(1) {
        let before = sim.requests[place - 1].1;
        let best = (0..60)
            .filter(|other| *other != before)
            .min_by_key(|other| other * 17 % 60);
        assert_eq!(Some(*n), best, "at {when}");
        let called = sim.calls.iter().filter(|(at, _)| at == when);
        assert_eq!(called.count(), 1, "at {when}");
    }
}

#[test]
fn a_candidate_that_does_not_ask_lets_the_next_one_go_at_once() {
    let mut sim = Sim::new(
        tenants(60, "wrong"),
        Box::new(|_, _, _| Reply::Fails(code(WRONG), None)),
    );
    sim.races = true;
    sim.run_until(at(20));
    // Those who wait have nothing to ask any more, but for the last of them.
    let first = sim.requests[0].1;
    let last = (0..60).rev().find(|n| *n != first).unwrap();
    for n in (0..60).filter(|n| *n != last) {
        sim.tenants[n].hold = Some((at(HOUR), false));
    }
    sim.run_until(at(40));
    assert_eq!(sim.requests.len(), 2);
    let (when, n) = sim.requests[1];
    assert_eq!(n, last);
    assert!(when < 31_000, "{when}");
}

#[test]
fn a_lane_of_a_good_credential_is_called_at_the_bucket_s_rate_and_nobody_in_vain() {
    let mut sim = Sim::new(tenants(400, "good"), Box::new(|_, _, _| Reply::Token));
    sim.gate = Gate::new(40.0);
    sim.races = true;
    sim.run_until(at(60));
    assert_eq!(sim.requests.len(), 400);
    let (took, _) = sim.requests[399];
    assert!((9_000..11_000).contains(&took), "{took}");
    let in_vain = sim.calls.iter().filter(|call| !sim.requests.contains(call));
    assert_eq!(in_vain.count(), 0);
    assert!(sim.calls.len() > 300, "{}", sim.calls.len());
}

#[test]
fn an_untried_credential_is_tried_by_one_and_then_by_all() {
    let mut sim = Sim::new(tenants(300, "old"), Box::new(|_, _, _| Reply::Token));
    sim.races = true;
    sim.run_until(at(HOUR / 2));
    for tenant in &mut sim.tenants {
        tenant.expires_at = None;
    }
    let calls = sim.calls.len();
    sim.rotate(fingerprint("new"));
    sim.run_until(at(HOUR / 2 + 10));
    let asked = sim.since(HOUR / 2 * 1_000);
    assert_eq!(asked.len(), 300);
    let alone = asked.iter().filter(|(when, _)| *when == HOUR / 2 * 1_000);
    assert_eq!(alone.count(), 1);
    assert!(sim.calls.len() - calls >= 290);
}
