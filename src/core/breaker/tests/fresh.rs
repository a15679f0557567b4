//! Credentials that have just changed, and processes that have.

use super::*;

#[test]
fn a_fresh_credential_is_retried_at_10_20_40_and_60_seconds_before_it_opens() {
    let mut breaker = Breaker::new(Some(at(0)));
    let mut now = at(0);
    let mut asked = Vec::new();
    assert_eq!(
        ask(&mut breaker, "a", &code(WRONG), now),
        (Effect::Opened, Some(Scope::Credential))
    );
    while breaker.health() == Health::Propagating {
        let Some((_, next)) = breaker.progress() else {
            panic!("no next")
        };
        assert_eq!(
            breaker.turn(next - SignedDuration::from_millis(1)),
            Turn::At(next)
        );
        asked.push(next.duration_since(now).as_secs());
        now = next;
        let effect = ask(&mut breaker, "b", &code(WRONG), now).0;
        let opened = breaker.health() != Health::Propagating;
        assert_eq!(effect, if opened { Effect::Opened } else { Effect::None });
    }
    assert_eq!(asked, [10, 20, 40, 60]);
    assert_eq!(
        (breaker.health(), breaker.progress()),
        (REFUSED, Some((1, at(160))))
    );
}

#[test]
fn only_codes_that_may_mean_freshness_and_only_for_three_minutes() {
    for (name, changed_at, asked, verdict, health) in [
        (
            "just changed",
            Some(at(0)),
            at(1),
            code(WRONG),
            Health::Propagating,
        ),
        (
            "the last second",
            Some(at(0)),
            at(179),
            code(WRONG),
            Health::Propagating,
        ),
        ("three minutes", Some(at(0)), at(180), code(WRONG), REFUSED),
        ("nobody saw it change", None, at(1), code(WRONG), REFUSED),
        ("another code", Some(at(0)), at(1), code(NONE_SEEN), REFUSED),
    ] {
        let mut breaker = Breaker::new(changed_at);
        ask(&mut breaker, "a", &verdict, asked);
        assert_eq!(breaker.health(), health, "{name}");
    }
    // It ends where the window does, and where a code says so.
    for (name, verdict, second) in [
        ("window over", code(WRONG), at(200)),
        ("no freshness", code(NONE_SEEN), at(12)),
    ] {
        let mut breaker = Breaker::new(Some(at(0)));
        ask(&mut breaker, "a", &code(WRONG), at(1));
        assert_eq!(
            ask(&mut breaker, "b", &verdict, second).0,
            Effect::Opened,
            "{name}"
        );
        assert_eq!(breaker.health(), REFUSED, "{name}");
    }
}

#[test]
fn a_fresh_credential_that_works_at_last_closes() {
    let mut breaker = Breaker::new(Some(at(0)));
    ask(&mut breaker, "a", &code(WRONG), at(0));
    breaker.begin("b", at(10));
    assert_eq!(
        breaker.report("b", Outcome::Token, false, at(11)),
        (Effect::Closed, None)
    );
    assert_eq!((breaker.health(), breaker.progress()), (Health::Fine, None));
}

#[test]
fn a_new_process_goes_on_where_the_old_one_stopped() {
    let rejected = Reason::CredentialRejected;
    for (name, told, progress) in [
        ("nobody said anything", &[][..], None),
        ("one probe", &[(1, at(30))], Some((1, at(30)))),
        (
            "the latest of several",
            &[(3, at(300)), (4, at(900)), (2, at(60))],
            Some((4, at(900))),
        ),
        ("beyond the last step", &[(99, at(900))], Some((7, at(900)))),
        ("a count that can't be", &[(0, at(30))], Some((1, at(30)))),
    ] {
        let mut breaker = Breaker::new(None);
        for (count, next_at) in told {
            breaker.resume(*count, *next_at, rejected);
        }
        assert_eq!(breaker.progress(), progress, "{name}");
    }
    let mut breaker = Breaker::new(None);
    breaker.resume(4, at(600), rejected);
    assert_eq!(
        (breaker.health(), breaker.turn(at(0))),
        (REFUSED, Turn::At(at(600)))
    );
    ask(&mut breaker, "a", &code(WRONG), at(600));
    assert_eq!(breaker.progress(), Some((5, at(1_200))));
}
