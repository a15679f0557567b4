use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::core::testing::{at, code, http, millis, unknown_invalid_client};

mod doubts;
mod fresh;

/// A wrong secret: certain, of the credential, and also what a fresh one gets.
const WRONG: u32 = 7_000_215;
/// No credential in the request: certain, and never a matter of freshness.
const NONE_SEEN: u32 = 7_000_216;
/// No consent: the tenant's own.
const NO_CONSENT: u32 = 7_000_229;

const REFUSED: Health = Health::Refused(Reason::CredentialRejected);

fn closed() -> Breaker {
    let mut breaker = Breaker::new(None);
    breaker.begin("z", at(-10));
    breaker.report("z", Outcome::Token, false, at(-9));
    assert_eq!(breaker.state_name(), "closed");
    breaker
}

fn fail(
    breaker: &mut Breaker,
    uid: &str,
    verdict: &Verdict,
    now: Timestamp,
) -> (Effect, Option<Scope>) {
    breaker.report(uid, Outcome::Failed(verdict), false, now)
}

/// Begins and reports within the same instant.
fn ask(
    breaker: &mut Breaker,
    uid: &str,
    verdict: &Verdict,
    now: Timestamp,
) -> (Effect, Option<Scope>) {
    assert_eq!(breaker.turn(now), Turn::Now);
    breaker.begin(uid, now);
    fail(breaker, uid, verdict, now)
}

fn open() -> Breaker {
    let mut breaker = closed();
    ask(&mut breaker, "a", &code(WRONG), at(0));
    breaker
}

#[test]
fn a_certain_credential_error_opens_at_once() {
    let mut breaker = closed();
    assert_eq!(
        ask(&mut breaker, "a", &code(WRONG), at(0)),
        (Effect::Opened, Some(Scope::Credential))
    );
    assert_eq!(breaker.health(), REFUSED);
    assert_eq!(breaker.progress(), Some((1, at(30))));
    assert_eq!(breaker.turn(at(29)), Turn::At(at(30)));
    assert_eq!(breaker.turn(at(30)), Turn::Now);
    assert!(breaker.wants_candidate());
}

#[test]
fn the_steps_are_half_a_minute_to_half_an_hour_and_the_last_repeats() {
    let mut breaker = open();
    let mut now = at(0);
    let mut waits = Vec::new();
    for probes in 1..10 {
        let Some((count, next)) = breaker.progress() else {
            panic!("closed")
        };
        assert_eq!(count, probes.min(7));
        waits.push(next.duration_since(now).as_secs());
        assert_eq!(
            breaker.turn(next - SignedDuration::from_millis(1)),
            Turn::At(next)
        );
        now = next;
        assert_eq!(
            ask(&mut breaker, "b", &code(WRONG), now),
            (Effect::None, Some(Scope::Credential))
        );
    }
    assert_eq!(waits, [30, 60, 120, 300, 600, 900, 1_800, 1_800, 1_800]);
}

#[test]
fn one_probe_at_a_time_and_its_report_decides() {
    let mut breaker = open();
    breaker.begin("b", at(30));
    assert_eq!(breaker.turn(at(31)), Turn::At(at(33)));
    assert_eq!(
        breaker.report("b", Outcome::Token, false, at(32)),
        (Effect::Closed, None)
    );
    assert_eq!(
        (breaker.turn(at(32)), breaker.health()),
        (Turn::Now, Health::Fine)
    );
}

#[test]
fn a_probe_whose_report_never_comes_holds_nobody_up_for_ever() {
    let mut breaker = open();
    breaker.begin("b", at(30));
    let Turn::At(_) = breaker.turn(at(149)) else {
        panic!("it may still be under way")
    };
    assert_eq!(breaker.turn(at(150)), Turn::Now);
    breaker.begin("c", at(150));
    assert_eq!(
        fail(&mut breaker, "c", &code(WRONG), at(151)),
        (Effect::None, Some(Scope::Credential))
    );
    assert_eq!(
        breaker.progress(),
        Some((2, at(211))),
        "the lost one is forgotten and counts for no step"
    );
    assert_eq!(breaker.turn(at(211)), Turn::Now);
}

#[test]
fn an_abandoned_probe_is_followed_soon_and_never_at_once() {
    let mut breaker = open();
    for _ in 0..6 {
        let Some((_, next)) = breaker.progress() else {
            panic!("closed")
        };
        ask(&mut breaker, "b", &code(WRONG), next);
    }
    let Some((7, due)) = breaker.progress() else {
        panic!("not at the last step")
    };
    breaker.begin("b", due);
    assert_eq!(
        breaker.report("b", Outcome::Abandoned, false, due),
        (Effect::None, None)
    );
    assert_eq!(
        breaker.progress(),
        Some((7, due + SignedDuration::from_secs(30)))
    );
}

#[test]
fn an_unknown_invalid_client_needs_a_second_tenant() {
    let mut breaker = closed();
    let verdict = unknown_invalid_client();
    for n in 0..3 {
        let told = ask(&mut breaker, "a", &verdict, at(n));
        assert_eq!(
            told,
            (Effect::None, Some(Scope::Tenant)),
            "the same tenant again confirms nothing"
        );
    }
    assert_eq!(breaker.health(), Health::Fine);
    assert_eq!(
        ask(&mut breaker, "b", &verdict, at(9)),
        (Effect::Opened, Some(Scope::Credential))
    );
    assert_eq!(breaker.health(), REFUSED);
}

#[test]
fn an_unknown_invalid_client_opens_at_once_where_there_is_no_other_tenant() {
    let mut breaker = closed();
    breaker.begin("a", at(0));
    let told = breaker.report("a", Outcome::Failed(&unknown_invalid_client()), true, at(0));
    assert_eq!(told, (Effect::Opened, Some(Scope::Credential)));
}

#[test]
fn a_success_of_whomever_contradicts_an_ambiguous_failure() {
    for witness in ["a", "b"] {
        let mut breaker = closed();
        let verdict = unknown_invalid_client();
        ask(&mut breaker, "a", &verdict, at(0));
        breaker.begin(witness, at(20));
        breaker.report(witness, Outcome::Token, false, at(21));
        let told = ask(&mut breaker, "c", &verdict, at(30));
        assert_eq!(told, (Effect::None, Some(Scope::Tenant)), "{witness}");
        assert_eq!(breaker.health(), Health::Fine);
    }
}

#[test]
fn a_tenant_s_own_answer_neither_opens_nor_closes() {
    let mut breaker = closed();
    for uid in ["a", "b", "c", "d"] {
        assert_eq!(
            ask(&mut breaker, uid, &code(NO_CONSENT), at(0)),
            (Effect::None, Some(Scope::Tenant))
        );
    }
    assert_eq!(breaker.state_name(), "closed");
    let mut breaker = open();
    ask(&mut breaker, "b", &code(WRONG), at(30));
    assert_eq!(
        ask(&mut breaker, "c", &code(NO_CONSENT), at(90)),
        (Effect::None, Some(Scope::Tenant))
    );
    assert_eq!(
        (breaker.health(), breaker.progress()),
        (REFUSED, Some((2, at(150)))),
        "the next at the same distance"
    );
}

#[test]
fn a_failure_of_the_service_neither_opens_nor_closes() {
    let mut breaker = open();
    assert_eq!(
        ask(&mut breaker, "b", &http(503), at(30)),
        (Effect::None, Some(Scope::Service))
    );
    assert_eq!(breaker.progress(), Some((1, at(60))));
    let mut breaker = closed();
    assert_eq!(
        ask(&mut breaker, "a", &http(429), at(0)),
        (Effect::None, Some(Scope::Service))
    );
    assert_eq!(breaker.state_name(), "closed");
}

#[test]
fn what_was_under_way_when_it_opened_counts_for_no_step_and_proves_nothing() {
    // Out of the closed state.
    let mut breaker = closed();
    for uid in ["a", "b", "c"] {
        breaker.begin(uid, at(0));
    }
    assert_eq!(
        fail(&mut breaker, "a", &code(WRONG), at(1)),
        (Effect::Opened, Some(Scope::Credential))
    );
    assert_eq!(
        fail(&mut breaker, "b", &code(WRONG), at(2)),
        (Effect::None, Some(Scope::Credential))
    );
    assert_eq!(
        breaker.report("c", Outcome::Token, false, at(3)),
        (Effect::None, None)
    );
    assert_eq!(breaker.progress(), Some((1, at(31))));
    // Out of the proving state, where the first answer was slow.
    let mut breaker = Breaker::new(None);
    breaker.begin("a", at(0));
    breaker.begin("b", at(2));
    breaker.begin("c", at(4));
    fail(&mut breaker, "a", &code(WRONG), at(5));
    assert_eq!(
        fail(&mut breaker, "b", &code(WRONG), at(6)),
        (Effect::None, Some(Scope::Credential))
    );
    assert_eq!(
        breaker.report("c", Outcome::Token, false, at(7)),
        (Effect::None, None)
    );
    assert_eq!(breaker.progress(), Some((1, at(35))));
}

#[test]
fn an_untried_credential_gets_one_request_and_another_only_where_the_first_is_slow() {
    let mut breaker = Breaker::new(None);
    assert_eq!(
        (breaker.turn(at(0)), breaker.wants_candidate()),
        (Turn::Now, false)
    );
    breaker.begin("a", at(0));
    assert_eq!(breaker.turn(millis(1_999)), Turn::At(at(2)));
    assert_eq!(breaker.turn(at(2)), Turn::Now);
    breaker.report("a", Outcome::Token, false, at(1));
    assert_eq!(breaker.turn(at(1)), Turn::Now);
    assert_eq!(breaker.state_name(), "closed");
}

#[test]
fn three_tenants_own_failures_prove_an_untried_credential_enough() {
    let mut breaker = Breaker::new(None);
    for (uid, state) in [("a", "proving"), ("b", "proving"), ("c", "closed")] {
        ask(&mut breaker, uid, &code(NO_CONSENT), at(0));
        assert_eq!(breaker.state_name(), state);
    }
}

#[test]
fn what_was_persisted_does_not_shut_a_breaker_that_has_learned_better() {
    let mut breaker = closed();
    breaker.resume(7, at(1_800), Reason::CredentialRejected);
    assert_eq!(
        (breaker.health(), breaker.turn(at(0))),
        (Health::Fine, Turn::Now)
    );
}

#[test]
fn a_clock_that_is_set_back_stops_nothing() {
    let breaker = open();
    assert_eq!(
        breaker.turn(at(-7_200)),
        Turn::Now,
        "the next probe was for a time two hours off"
    );
    let mut breaker = Breaker::new(None);
    breaker.begin("a", at(0));
    assert_eq!(breaker.turn(at(-7_200)), Turn::Now);
    breaker.begin("b", at(-7_200));
    assert_eq!(
        breaker.report("b", Outcome::Token, false, at(-7_199)),
        (Effect::None, None)
    );
    assert_eq!(breaker.state_name(), "closed");
    let mut breaker = open();
    breaker.begin("b", at(30));
    assert_eq!(breaker.turn(at(-7_200)), Turn::Now);
}
