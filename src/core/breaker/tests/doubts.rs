//! Tenants that say of a credential what others don't.

use super::*;

fn succeed(breaker: &mut Breaker, uid: &str, now: Timestamp) -> Effect {
    assert_eq!(breaker.turn(now), Turn::Now);
    breaker.begin(uid, now);
    breaker.report(uid, Outcome::Token, false, now).0
}

const DAY: i64 = 86_400;
const MINE: (Effect, Option<Scope>) = (Effect::None, Some(Scope::Tenant));
const OPENED: (Effect, Option<Scope>) = (Effect::Opened, Some(Scope::Credential));

/// "a" opened it, "b" closed it.
fn contradicted() -> Breaker {
    let mut breaker = open();
    assert_eq!(succeed(&mut breaker, "b", at(30)), Effect::Closed);
    breaker
}

#[test]
fn a_certain_answer_that_another_tenant_contradicted_opens_no_second_time() {
    let mut breaker = contradicted();
    for second in [31, 61, 3_600] {
        assert_eq!(ask(&mut breaker, "a", &code(WRONG), at(second)), MINE);
        assert_eq!(breaker.health(), Health::Fine);
    }
    assert_eq!(
        ask(&mut breaker, "c", &code(WRONG), at(3_601)),
        OPENED,
        "a tenant that nobody contradicted"
    );
    assert_eq!(
        ask(&mut breaker, "a", &code(WRONG), at(3_631)),
        (Effect::None, Some(Scope::Credential)),
        "it is confirmed"
    );
    assert_eq!(breaker.progress(), Some((2, at(3_691))));
    // And whoever failed meanwhile is contradicted.
    assert_eq!(succeed(&mut breaker, "b", at(3_691)), Effect::Closed);
    for uid in ["a", "c"] {
        assert_eq!(ask(&mut breaker, uid, &code(WRONG), at(3_692)), MINE);
    }
    assert_eq!(ask(&mut breaker, "b", &code(WRONG), at(3_693)), OPENED);
}

#[test]
fn its_own_success_the_lack_of_any_other_and_a_day_make_a_tenant_believed_again() {
    let mut breaker = contradicted();
    assert_eq!(succeed(&mut breaker, "a", at(40)), Effect::None);
    assert_eq!(ask(&mut breaker, "a", &code(WRONG), at(50)), OPENED);

    let mut breaker = contradicted();
    breaker.begin("a", at(40));
    let told = breaker.report("a", Outcome::Failed(&code(WRONG)), true, at(40));
    assert_eq!(told, OPENED, "it is alone");

    let mut breaker = contradicted();
    assert_eq!(ask(&mut breaker, "a", &code(WRONG), at(DAY + 29)), MINE);
    assert_eq!(ask(&mut breaker, "a", &code(WRONG), at(DAY + 30)), OPENED);
    // A success after a failure contradicts it anew.
    let mut breaker = contradicted();
    ask(&mut breaker, "a", &code(WRONG), at(DAY));
    succeed(&mut breaker, "b", at(DAY + 10));
    assert_eq!(ask(&mut breaker, "a", &code(WRONG), at(2 * DAY)), MINE);
}

#[test]
fn a_success_from_before_it_opened_contradicts_nobody() {
    let mut breaker = closed();
    breaker.begin("b", at(0));
    ask(&mut breaker, "a", &code(WRONG), at(1));
    assert_eq!(
        breaker.report("b", Outcome::Token, false, at(2)).0,
        Effect::None
    );
    assert_eq!(succeed(&mut breaker, "a", at(31)), Effect::Closed);
    assert_eq!(ask(&mut breaker, "a", &code(WRONG), at(40)), OPENED);
}

#[test]
fn two_ambiguous_failures_ten_minutes_apart_have_nothing_to_do_with_each_other() {
    let verdict = unknown_invalid_client();
    for (second, told) in [(599, OPENED), (600, MINE), (DAY, MINE)] {
        let mut breaker = closed();
        assert_eq!(ask(&mut breaker, "a", &verdict, at(0)), MINE);
        assert_eq!(ask(&mut breaker, "b", &verdict, at(second)), told);
    }
    // The last failure counts, and the later tenant waits for its own second opinion.
    let mut breaker = closed();
    for second in [0, 500, 1_000] {
        assert_eq!(ask(&mut breaker, "a", &verdict, at(second)), MINE);
    }
    assert_eq!(ask(&mut breaker, "b", &verdict, at(1_700)), MINE);
    assert_eq!(ask(&mut breaker, "c", &verdict, at(1_800)), OPENED);
    // Set back by hours, the clock tells nothing of the distance.
    let mut breaker = closed();
    ask(&mut breaker, "a", &verdict, at(0));
    assert_eq!(ask(&mut breaker, "b", &verdict, at(-7_200)), MINE);
}

#[test]
fn two_ambiguous_failures_that_a_success_contradicted_open_no_second_time() {
    let verdict = unknown_invalid_client();
    let mut breaker = closed();
    ask(&mut breaker, "a", &verdict, at(0));
    assert_eq!(ask(&mut breaker, "b", &verdict, at(1)), OPENED);
    assert_eq!(succeed(&mut breaker, "c", at(31)), Effect::Closed);
    for (uid, second) in [("a", 32), ("b", 33), ("a", 62)] {
        assert_eq!(ask(&mut breaker, uid, &verdict, at(second)), MINE);
    }
    // One that nobody contradicted is confirmed by any other.
    assert_eq!(ask(&mut breaker, "c", &verdict, at(70)), MINE);
    assert_eq!(ask(&mut breaker, "b", &verdict, at(71)), OPENED);
}

#[test]
fn who_is_contradicted_is_remembered_within_bounds() {
    let mut breaker = contradicted();
    let name = |n: usize| format!("t{n}");
    for n in 0..1_000 {
        let now = at(100 + 100 * i64::try_from(n).unwrap());
        assert_eq!(ask(&mut breaker, &name(n), &code(WRONG), now), OPENED);
        let now = now + SignedDuration::from_secs(30);
        assert_eq!(succeed(&mut breaker, "b", now), Effect::Closed);
    }
    // A hundred thousand seconds, more than a day: the newest are left.
    let now = at(100_100);
    assert_eq!(ask(&mut breaker, &name(744), &code(WRONG), now), MINE);
    assert_eq!(ask(&mut breaker, &name(743), &code(WRONG), now), OPENED);
}
