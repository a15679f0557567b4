use std::time::Duration;

use crate::core::breaker::Health;
use crate::core::errors::Scope;
use crate::core::plan::{MintWhy, Step};
use crate::core::reason::Reason;
use crate::core::testing::{Microsoft, World, at, code, http, roles};

const WRONG: u32 = 7_000_215;
const NO_CONSENT: u32 = 7_000_229;

fn refused() -> World {
    let mut world = World::settled();
    world.health = Health::Refused(Reason::CredentialRejected);
    world.microsoft = Microsoft::Fails(code(WRONG), Scope::Credential, Some((1, at(2_430))));
    assert_eq!(
        world.reconcile(at(2_400)),
        (vec![Step::Mint(MintWhy::Due)], Some(at(2_430)))
    );
    world
}

#[test]
fn a_refused_credential_waits_for_the_breaker_s_instant() {
    let mut world = refused();
    assert_eq!(world.reconcile(at(2_429)), (vec![], Some(at(2_430))));
    assert_eq!(world.reconcile(at(2_430)).0, [Step::Mint(MintWhy::Due)]);
}

#[test]
fn another_credential_another_spec_and_a_closed_breaker_try_at_once() {
    type Change = fn(&mut World);
    let changes: [(&str, Change); 3] = [
        ("credential", |world| world.secret("s~2")),
        ("spec", |world| {
            world.edit(|spec| spec.region = crate::api::Region::Eu);
        }),
        ("breaker", |world| world.health = Health::Fine),
    ];
    for (name, change) in changes {
        let mut world = refused();
        world.microsoft = Microsoft::Token(roles(&["Alert.Read.All"]));
        change(&mut world);
        let steps = world.reconcile(at(2_415)).0;
        assert!(
            steps.ends_with(&[Step::Mint(MintWhy::Due), Step::Publish]),
            "{name}: {steps:?}"
        );
        assert_eq!(world.tenant.status.attempt, None, "{name}");
        assert_eq!(world.tenant.status.last_error, None, "{name}");
    }
}

#[test]
fn what_failed_is_tried_again_although_the_token_is_not_due() {
    let mut world = World::settled();
    world.microsoft = Microsoft::Fails(code(NO_CONSENT), Scope::Tenant, None);
    world.tenant.refresh_request = Some("now".into());
    world.reconcile(at(100));
    world.microsoft = Microsoft::Token(roles(&["Alert.Read.All"]));
    let next = world
        .tenant
        .status
        .attempt
        .clone()
        .unwrap()
        .next_at
        .unwrap()
        .0;
    assert_eq!(
        world.reconcile(next).0,
        [Step::Mint(MintWhy::Retry), Step::Publish]
    );
}

#[test]
fn retry_after_is_kept_across_a_restart() {
    let mut world = World::new();
    world.microsoft = Microsoft::RetryAfter(Duration::from_mins(10));
    world.reconcile(at(0));
    world.restart();
    assert_eq!(world.run(1, 599), Vec::<i64>::new());
    let asked = world.run(600, 700);
    assert!(
        asked.len() == 1 && (600..=661).contains(&asked[0]),
        "{asked:?}"
    );
}

#[test]
fn a_service_that_fails_is_asked_ever_more_rarely_and_never_within_ten_seconds() {
    let mut world = World::new();
    world.microsoft = Microsoft::Fails(http(503), Scope::Service, None);
    let asked = world.run(0, 3_600);
    let gaps: Vec<_> = asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.is_sorted(), "{gaps:?}");
    assert!(
        gaps[0] >= 10 && gaps.iter().all(|gap| *gap <= 331),
        "{gaps:?}"
    );
    assert!((300..=331).contains(gaps.last().unwrap()), "{gaps:?}");
}

#[test]
fn consent_is_asked_for_after_1_2_5_10_15_minutes_and_then_each_half_hour() {
    let mut world = World::new();
    world.microsoft = Microsoft::Fails(code(NO_CONSENT), Scope::Tenant, None);
    let asked = world.run(0, 3 * 3_600);
    // Jitter adds up to a tenth.
    for (minutes, second) in [0, 1, 2, 5, 10, 15, 45, 75].into_iter().zip(&asked) {
        let plain = minutes * 60;
        assert!(
            (plain..=plain + plain / 10 + 8).contains(second),
            "{minutes}: {asked:?}"
        );
    }
    // A change of the spec begins anew.
    let from = 3 * 3_600;
    world.edit(|spec| spec.region = crate::api::Region::Eu);
    let asked = world.run(from, from + 90);
    assert_eq!(asked.len(), 2, "{asked:?}");
}

#[test]
fn a_published_token_without_all_roles_is_asked_for_again_and_renewed_in_time() {
    let mut world = World::new();
    world.spec(|spec| spec.required_roles = roles(&["Machine.Isolate"]));
    let asked = world.run(0, 6 * 3_600);
    let gaps: Vec<_> = asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(
        gaps.iter().all(|gap| (60..=2_400).contains(gap)),
        "{gaps:?}"
    );
}

#[test]
fn what_a_published_token_is_blamed_for_never_keeps_the_next_one_from_coming() {
    // Roles are missing, so that an attempt is persisted hours ahead, and this machine's clock is off.
    let mut world = World::settled();
    world.microsoft = Microsoft::Skewed(roles(&["Alert.Read.All"]));
    world.spec(|spec| spec.required_roles = roles(&["Machine.Isolate"]));
    world.reconcile(at(2_400));
    let attempt = world.status().attempt.as_mut().unwrap();
    attempt.next_at = Some(crate::core::attempt::seconds(at(2_400 + 6 * 3_600)));
    assert_eq!(
        world.reconcile(at(4_800)).0,
        [Step::Mint(MintWhy::Due), Step::Publish]
    );
}

#[test]
fn a_role_set_that_changed_is_asked_for_once_more_after_two_minutes() {
    let mut world = World::settled();
    world.microsoft = Microsoft::Token(roles(&["Alert.Read.All", "Machine.Isolate"]));
    assert_eq!(world.run(2_400, 4_799), [2_400, 2_520]);
}

#[test]
fn a_persisted_instant_that_cannot_be_is_not_believed() {
    for (name, last, next) in [
        ("a clock that was set back", 9_000, 9_300),
        ("further away than any schedule", 2_400, 2_400 + 28 * 3_600),
    ] {
        let mut world = refused();
        let attempt = world.status().attempt.as_mut().unwrap();
        attempt.last_at = crate::core::attempt::seconds(at(last));
        attempt.next_at = Some(crate::core::attempt::seconds(at(next)));
        assert_eq!(
            world.reconcile(at(2_500)).0,
            [Step::Mint(MintWhy::Due)],
            "{name}"
        );
    }
}

#[test]
fn a_count_that_cannot_be_is_no_reason_to_stop() {
    for count in [i32::MAX, -7] {
        let mut world = World::new();
        world.microsoft = Microsoft::Fails(http(503), Scope::Service, None);
        world.reconcile(at(0));
        world.status().attempt.as_mut().unwrap().count = count;
        world.reconcile(at(3_600));
        let attempt = world.tenant.status.attempt.clone().unwrap();
        assert_eq!(attempt.count, if count < 0 { 1 } else { i32::MAX });
    }
}

#[test]
fn another_credential_does_not_hurry_a_token_that_waits_for_its_roles() {
    let mut world = World::settled();
    world.spec(|spec| spec.required_roles = roles(&["Machine.Read.All"]));
    world.reconcile(at(20));
    assert_eq!(world.mints.len(), 1, "{:?}", world.mints);
    assert!(world.tenant.status.attempt.is_some() && world.tenant.status.last_error.is_none());
    world.mints.clear();
    world.secret("s~2");
    world.reconcile(at(40));
    assert_eq!(world.mints, [], "its schedule goes on");
}
