//! A thousand tenants in twenty namespaces, of an application with two credentials.

use std::collections::BTreeMap;

use super::tests::{WRONG, tenants};
use super::*;
use crate::core::testing::{code, fingerprint};

fn fleet() -> Vec<SimTenant> {
    let mut all = tenants(1_000, "current");
    for (n, tenant) in all.iter_mut().enumerate() {
        tenant.namespace = Arc::from(format!("ns{}", n % 20));
        tenant.next = Some(fingerprint("next"));
        // All due, in an order of expiry that isn't that of their names.
        tenant.expires_at = Some(at(7_200 + i64::try_from(n * 617 % 1_000).unwrap()));
    }
    all
}

/// `current` is refused always, `next` until it is registered at that second.
fn refused_until(second: i64) -> Microsoft {
    let current = fingerprint("current");
    Box::new(move |_, asked, now| {
        if asked == current || now < at(second) {
            Reply::Fails(code(WRONG), None)
        } else {
            Reply::Token
        }
    })
}

#[test]
fn two_bad_credentials_cost_one_request_each_and_a_step_and_are_told_once() {
    let mut sim = Sim::new(fleet(), refused_until(100_000));
    sim.run_until(at(500));
    // At 0, 30, 90 and 210 s, and not a second later than the answers take.
    let seconds: Vec<i64> = sim.requests.iter().map(|(when, _)| when / 1_000).collect();
    assert_eq!(sim.requests.len(), 8, "{seconds:?}");
    for (pair, step) in seconds.chunks(2).zip([0, 30, 90, 210]) {
        assert!(
            pair.iter().all(|when| (step..step + 3).contains(when)),
            "{seconds:?}"
        );
    }
    let opened = sim
        .effects
        .iter()
        .filter(|(_, effect)| *effect == Effect::Opened);
    assert_eq!(opened.count(), 2, "everybody is told of each, once");
}

#[test]
fn the_recovery_is_paced_serves_namespaces_in_turn_and_the_soonest_expiry_first() {
    let mut sim = Sim::new(fleet(), refused_until(400));
    sim.run_until(at(500));
    let before = sim.requests.len();
    sim.run_until(at(600));
    let mended = sim.requests[before..].to_vec();
    let tokens: Vec<_> = mended
        .iter()
        .filter(|(_, n)| sim.tenants[*n].refresh_at > at(600))
        .collect();
    assert_eq!(tokens.len(), 1_000, "everybody is well");
    assert!(mended.len() <= 1_004, "{}", mended.len());
    let (first, last) = (tokens[0].0, tokens[tokens.len() - 1].0);
    // 500 a second, after the first burst of as many; the answers take up to a quarter of a second each.
    assert!(last - first >= 1_000, "{} ms", last - first);
    let mut served = BTreeMap::<usize, Vec<usize>>::new();
    for (_, n) in &tokens[1..201] {
        served.entry(n % 20).or_default().push(n * 617 % 1_000);
    }
    assert_eq!(served.len(), 20);
    for (namespace, order) in served {
        assert!((9..=11).contains(&order.len()), "{namespace}: {order:?}");
        assert!(order.is_sorted(), "{namespace}: {order:?}");
    }
}

#[test]
fn while_one_of_the_two_is_good_nobody_waits() {
    let good = fingerprint("next");
    let answer = move |_, asked, _| {
        if asked == good {
            Reply::Token
        } else {
            Reply::Fails(code(WRONG), None)
        }
    };
    let mut sim = Sim::new(fleet(), Box::new(answer));
    sim.run_until(at(10));
    assert!(sim.tenants.iter().all(|tenant| tenant.refresh_at > at(10)));
    assert_eq!(sim.requests.len(), 1_001, "one request more than tenants");
}
