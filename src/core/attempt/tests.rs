use std::time::Duration;

use super::*;
use crate::core::errors::Failure;
use crate::core::gathered::ProbeResult;
use crate::core::testing::{World, at, code, fingerprint, http, millis, roles, token};

const WRONG: u32 = 7_000_215;
const NO_CONSENT: u32 = 7_000_229;

fn failed(failure: impl Into<Failure>, scope: Scope) -> Minted {
    Minted::Failed {
        failure: failure.into(),
        scope,
        progress: None,
    }
}

fn attempt(count: i32, last: i64, next: i64) -> AttemptStatus {
    AttemptStatus {
        generation: 1,
        fingerprint: fingerprint("s~1").to_string(),
        count,
        last_at: seconds(at(last)),
        next_at: Some(seconds(at(next))),
    }
}

fn error(reason: Reason, scope: Scope, second: i64) -> LastErrorStatus {
    LastErrorStatus {
        code: None,
        reason: reason.as_str().into(),
        scope: scope.as_str().into(),
        correlation_id: None,
        trace_id: None,
        at: seconds(at(second)),
    }
}

/// A wait with this tenant's jitter, in whole seconds rounded up.
#[allow(clippy::cast_possible_truncation, reason = "seconds of a day")]
fn jittered(wait: f64) -> i64 {
    (wait * (1.0 + jitter_fraction(crate::core::testing::UID) / 10.0)).ceil() as i64
}

#[test]
fn each_end_of_a_mint_persists_exactly_this() {
    let asked = Failure {
        retry_after: Some(Duration::from_mins(1)),
        ..Failure::from(http(429))
    };
    let skewed = Minted::Wrong {
        reason: Reason::ClockSkew,
        detail: "",
    };
    let came = |names| {
        Some(Minted::Token {
            token: token(at(100), names),
            skew: None,
        })
    };
    for (name, minted, next) in [
        (
            "service",
            Some(failed(http(503), Scope::Service)),
            Some(jittered(5.0)),
        ),
        (
            "throttled",
            Some(failed(asked, Scope::Service)),
            Some(jittered(60.0)),
        ),
        (
            "throttled without a word",
            Some(failed(http(429), Scope::Service)),
            Some(jittered(60.0)),
        ),
        (
            "no consent",
            Some(failed(code(NO_CONSENT), Scope::Tenant)),
            Some(jittered(60.0)),
        ),
        (
            "a suspect",
            Some(failed(code(WRONG), Scope::Tenant)),
            Some(jittered(30.0)),
        ),
        ("clock", Some(skewed), Some(jittered(60.0))),
        (
            "wrong",
            Some(Minted::Wrong {
                reason: Reason::TokenMismatch,
                detail: "",
            }),
            Some(jittered(600.0)),
        ),
        ("no role", came(&[]), Some(jittered(60.0))),
        ("good", came(&["Alert.Read.All"]), None),
        ("not asked", None, None),
    ] {
        let mut world = World::new();
        world.session.minted = minted;
        let expected = next.map(|next| attempt(1, 100, 100 + next));
        assert_eq!(after(&world.g(), at(100)), expected, "{name}");
    }
}

#[test]
fn a_breaker_s_progress_is_what_a_new_process_reads() {
    let mut world = World::new();
    let progress = Some((4, millis(400_001)));
    world.session.minted = Some(Minted::Failed {
        failure: code(WRONG).into(),
        scope: Scope::Credential,
        progress,
    });
    assert_eq!(
        after(&world.g(), at(100)),
        Some(attempt(4, 100, 401)),
        "never a moment before the probe is due"
    );
}

#[test]
fn the_count_goes_on_and_begins_anew_with_spec_credential_and_force() {
    type Change = fn(&mut World);
    let changes: [(&str, Change, i32); 5] = [
        ("nothing", |_| {}, 6),
        (
            "kind of failure",
            |world| {
                world.status().last_error = Some(error(Reason::ConsentRequired, Scope::Tenant, 0));
            },
            1,
        ),
        ("spec", |world| world.tenant.generation = 2, 1),
        ("credential", |world| world.secret("s~2"), 1),
        (
            "force",
            |world| world.tenant.refresh_request = Some("now".into()),
            1,
        ),
    ];
    for (name, change, count) in changes {
        let mut world = World::new();
        world.status().attempt = Some(attempt(5, 0, 90));
        world.status().last_error = Some(error(Reason::ServiceUnavailable, Scope::Service, 0));
        world.session.minted = Some(failed(http(503), Scope::Service));
        change(&mut world);
        assert_eq!(after(&world.g(), at(100)).unwrap().count, count, "{name}");
    }
}

#[test]
fn a_reconcile_that_asked_nothing_changes_nothing() {
    let mut world = World::new();
    world.status().attempt = Some(attempt(5, 0, 900));
    world.status().last_error = Some(error(Reason::ServiceUnavailable, Scope::Service, 0));
    world.session.failed_write = Some(WriteFailure::Unreachable);
    assert_eq!(after(&world.g(), at(100)), world.tenant.status.attempt);
    assert_eq!(
        error_after(&world.g(), at(100)),
        world.tenant.status.last_error
    );
}

#[test]
fn a_denied_write_is_an_attempt_of_five_minutes_and_over_when_none_is_denied_any_more() {
    let mut world = World::settled();
    world.session.failed_write = Some(WriteFailure::NotPermitted);
    let denied = after(&world.g(), at(100));
    assert_eq!(denied, Some(attempt(1, 100, 400)));
    let told = error_after(&world.g(), at(100));
    assert_eq!(told, Some(error(Reason::NotPermitted, Scope::Service, 100)));
    world.status().attempt = denied;
    world.status().last_error = told;
    world.session = crate::core::gathered::Session::default();
    assert_eq!(denied_until(&world.g(), at(399)), Some(at(400)));
    assert_eq!(standing(&world.g(), at(399)), Some(Reason::NotPermitted));
    assert_eq!(denied_until(&world.g(), at(400)), None);
    assert_eq!(standing(&world.g(), at(400)), None);
    assert_eq!(
        (after(&world.g(), at(400)), error_after(&world.g(), at(400))),
        (None, None)
    );
    world.session.not_admitted = Some(None);
    assert_eq!(
        standing(&world.g(), at(400)),
        Some(Reason::NotPermitted),
        "nothing was tried"
    );
}

#[test]
fn an_error_names_code_and_ids_and_nothing_of_the_answer() {
    let mut world = World::new();
    let id = uuid::Uuid::from_u128(7);
    let failure = Failure {
        correlation_id: Some(id),
        trace_id: Some(id),
        ..Failure::from(code(WRONG))
    };
    world.session.minted = Some(failed(failure, Scope::Credential));
    let expected = LastErrorStatus {
        code: Some("AADSTS7000215".into()),
        correlation_id: Some(id.to_string()),
        trace_id: Some(id.to_string()),
        ..error(Reason::CredentialRejected, Scope::Credential, 100)
    };
    assert_eq!(
        error_after(&world.g(), millis(100_900)),
        Some(expected.clone())
    );
    world.health = Health::Propagating;
    let expected = LastErrorStatus {
        reason: "CredentialPropagating".into(),
        ..expected
    };
    assert_eq!(error_after(&world.g(), at(100)), Some(expected));
}

#[test]
fn a_token_clears_the_error_and_a_probe_only_its_own() {
    let probe = |reason| Some(ProbeResult::Fails { reason, detail: "" });
    for (name, before, probed, after) in [
        (
            "mint's",
            Reason::ServiceUnavailable,
            Some(ProbeResult::Works),
            Some(Reason::ServiceUnavailable),
        ),
        (
            "probe's",
            Reason::NotProvisioned,
            Some(ProbeResult::Works),
            None,
        ),
        (
            "probe's mismatch",
            Reason::TokenMismatch,
            Some(ProbeResult::Works),
            None,
        ),
        (
            "probe unknown",
            Reason::NotProvisioned,
            Some(ProbeResult::Unknown),
            Some(Reason::NotProvisioned),
        ),
        (
            "probe fails",
            Reason::ServiceUnavailable,
            probe(Reason::NotProvisioned),
            Some(Reason::NotProvisioned),
        ),
    ] {
        let mut world = World::settled();
        world.status().last_error = Some(error(before, Scope::Tenant, 0));
        world.session.probed = probed;
        let got = error_after(&world.g(), at(100)).and_then(|e| Reason::parse(&e.reason));
        assert_eq!(got, after, "{name}");
    }
    let mut world = World::settled();
    world.status().last_error = Some(error(Reason::ServiceUnavailable, Scope::Service, 0));
    world.session.minted = Some(Minted::Token {
        token: token(at(100), &["A"]),
        skew: None,
    });
    assert_eq!(error_after(&world.g(), at(100)), None);
    let ahead = Some(SignedDuration::from_mins(9));
    world.session.minted = Some(Minted::Token {
        token: token(at(100), &["A"]),
        skew: ahead,
    });
    world.session.probed = Some(ProbeResult::Works);
    assert_eq!(
        error_after(&world.g(), at(100)),
        Some(error(Reason::ClockSkew, Scope::Service, 100))
    );
}

#[test]
fn an_error_stands_as_long_as_it_speaks_of_this_spec_and_credential() {
    type Change = fn(&mut World);
    let changes: [(&str, Change, bool); 4] = [
        ("nothing", |_| {}, true),
        ("spec", |world| world.tenant.generation = 2, false),
        ("credential", |world| world.secret("s~2"), false),
        (
            "the credential's own, said by its health",
            |world| {
                world.status().last_error.as_mut().unwrap().scope = "Credential".into();
            },
            false,
        ),
    ];
    for (name, change, stands) in changes {
        let mut world = World::new();
        world.status().attempt = Some(attempt(1, 0, 60));
        world.status().last_error = Some(error(Reason::ConsentRequired, Scope::Tenant, 0));
        change(&mut world);
        assert_eq!(standing(&world.g(), at(10)).is_some(), stands, "{name}");
    }
}

#[test]
fn the_persisted_attempt_holds_exactly_so() {
    type Change = fn(&mut World);
    let cases: [(&str, Change, Hold); 9] = [
        ("none", |world| world.status().attempt = None, Hold::Free),
        ("failed", |_| {}, Hold::Until(at(60))),
        (
            "no error: roles are late",
            |world| world.status().last_error = None,
            Hold::RetryAt(at(60)),
        ),
        ("spec", |world| world.tenant.generation = 2, Hold::Retry),
        ("credential", |world| world.secret("s~2"), Hold::Retry),
        (
            "due",
            |world| world.status().attempt = Some(attempt(1, -60, 10)),
            Hold::Retry,
        ),
        (
            "no instant",
            |world| world.status().attempt.as_mut().unwrap().next_at = None,
            Hold::Retry,
        ),
        (
            "breaker closed",
            |world| world.status().last_error.as_mut().unwrap().scope = "Credential".into(),
            Hold::Retry,
        ),
        (
            "breaker open",
            |world| {
                world.status().last_error.as_mut().unwrap().scope = "Credential".into();
                world.health = Health::Refused(Reason::CredentialRejected);
            },
            Hold::Until(at(60)),
        ),
    ];
    for (name, change, expected) in cases {
        let mut world = World::new();
        world.status().attempt = Some(attempt(1, 0, 60));
        world.status().last_error = Some(error(Reason::ServiceUnavailable, Scope::Service, 0));
        change(&mut world);
        assert_eq!(hold(&world.g(), at(10)), expected, "{name}");
    }
}

#[test]
fn roles_that_changed_are_asked_for_after_two_minutes_and_missing_ones_as_consent_is() {
    for (name, before, granted, next) in [
        (
            "the same",
            &["Alert.Read.All"][..],
            &["Alert.Read.All"][..],
            None,
        ),
        (
            "more",
            &["Alert.Read.All"],
            &["Alert.Read.All", "Machine.Isolate"],
            Some(120),
        ),
        (
            "fewer",
            &["Alert.Read.All", "Machine.Isolate"],
            &["Alert.Read.All"],
            Some(120),
        ),
        (
            "missing for long",
            &["Score.Read.All"],
            &["Score.Read.All"],
            Some(jittered(60.0)),
        ),
    ] {
        let mut world = World::settled();
        world.spec(|spec| spec.required_roles = roles(&["Alert.Read.All"]));
        world.status().token.as_mut().unwrap().roles = roles(before);
        world.session.minted = Some(Minted::Token {
            token: token(at(100), granted),
            skew: None,
        });
        let got = after(&world.g(), at(100)).map(|attempt| attempt.next_at.unwrap().0);
        assert_eq!(got, next.map(|next| at(100 + next)), "{name}");
    }
}
