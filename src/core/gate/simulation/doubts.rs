//! Tenants whose failures look like the credential's.

use super::tests::{HOUR, WRONG, tenants};
use super::*;
use crate::core::testing::{code, unknown_invalid_client};

#[test]
fn one_tenant_that_is_refused_for_a_reason_of_its_own_opens_the_breaker_once() {
    let answer = |n, _, _| match n {
        7 => Reply::Fails(code(WRONG), None),
        _ => Reply::Token,
    };
    let mut sim = Sim::new(tenants(50, "s"), Box::new(answer));
    sim.run_until(at(12 * HOUR));
    let effects: Vec<_> = sim.effects.iter().map(|(_, effect)| *effect).collect();
    assert_eq!(effects, [Effect::Opened, Effect::Closed]);
    let served = sim.tenants.iter().filter(|t| t.expires_at.is_some());
    assert_eq!(served.count(), 49);
}

#[test]
fn tenants_that_are_refused_for_reasons_of_their_own_open_the_breaker_once_each_at_the_most() {
    for verdict in [code(WRONG), unknown_invalid_client()] {
        let answer = move |n, _, _| match n % 10 {
            7 => Reply::Fails(verdict, None),
            _ => Reply::Token,
        };
        let mut sim = Sim::new(tenants(50, "s"), Box::new(answer));
        sim.run_until(at(12 * HOUR));
        assert!(sim.effects.len() <= 10, "{:?}", sim.effects);
        let served = sim.tenants.iter().filter(|t| t.expires_at.is_some());
        assert_eq!(served.count(), 45);
    }
}
