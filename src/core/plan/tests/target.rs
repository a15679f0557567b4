use jiff::SignedDuration;

use crate::api::ExpiredTokenPolicy;
use crate::core::gathered::{BodyFacts, TargetView, WriteFailure};
use crate::core::plan::{MintWhy, Step};
use crate::core::testing::{Microsoft, World, at, owned, roles, token};

const STRANGER: TargetView = TargetView::Stranger { predecessor: false };
const PREDECESSOR: TargetView = TargetView::Stranger { predecessor: true };

#[test]
fn a_stranger_is_looked_at_each_five_minutes_and_nothing_is_minted() {
    let mut world = World::new();
    world.target = STRANGER;
    world.reality = Some(STRANGER);
    assert_eq!(
        world.reconcile(at(0)),
        (vec![Step::LookAtTarget], Some(at(300)))
    );
    assert_eq!(
        world.reconcile(at(200)),
        (vec![], Some(at(300))),
        "an event in between costs no look"
    );
    assert_eq!(
        world.reconcile(at(300)),
        (vec![Step::LookAtTarget], Some(at(600)))
    );
    assert_eq!(world.run(600, 7_200), Vec::<i64>::new());
    world.reality = Some(TargetView::Absent);
    let steps = world.reconcile(at(7_500)).0;
    assert_eq!(
        steps,
        [
            Step::LookAtTarget,
            Step::Mint(MintWhy::NoToken),
            Step::Publish
        ]
    );
}

#[test]
fn after_a_restart_a_conflict_is_looked_at_before_any_mint() {
    let mut world = World::new();
    world.target = STRANGER;
    world.reality = Some(STRANGER);
    world.reconcile(at(0));
    // The watch of our own Secrets doesn't know a stranger's.
    world.restart();
    world.target = TargetView::Absent;
    assert_eq!(
        world.reconcile(at(100)),
        (vec![Step::LookAtTarget], Some(at(400)))
    );
    assert_eq!(world.mints, []);
}

#[test]
fn the_secret_of_a_deleted_namesake_is_waited_for() {
    let mut world = World::new();
    world.target = PREDECESSOR;
    world.reality = Some(PREDECESSOR);
    assert_eq!(
        world.reconcile(at(0)),
        (vec![Step::LookAtTarget], Some(at(15)))
    );
    assert_eq!(
        world.reconcile(at(15)),
        (vec![Step::LookAtTarget], Some(at(30)))
    );
    world.reality = Some(TargetView::Absent);
    assert_eq!(
        world.reconcile(at(30)).0,
        [
            Step::LookAtTarget,
            Step::Mint(MintWhy::NoToken),
            Step::Publish
        ]
    );
}

#[test]
fn a_clock_that_is_set_back_looks_at_a_stranger_at_once() {
    let mut world = World::new();
    world.target = STRANGER;
    world.reality = Some(STRANGER);
    world.reconcile(at(7_200));
    assert_eq!(
        world.reconcile(at(0)),
        (vec![Step::LookAtTarget], Some(at(300)))
    );
}

#[test]
fn a_stolen_secret_is_minted_again_after_a_look() {
    let mut world = World::settled();
    world.target = TargetView::Absent;
    let steps = world.reconcile(at(100)).0;
    assert_eq!(
        steps,
        [Step::LookAtTarget, Step::Mint(MintWhy::Lost), Step::Publish]
    );
    assert_eq!(world.memo.repairs, [at(100)]);
}

#[test]
fn a_secret_that_the_watch_does_not_know_yet_is_found_by_the_look() {
    let mut world = World::settled();
    world.reality = Some(world.target.clone());
    world.target = TargetView::Absent;
    assert_eq!(
        world.reconcile(at(100)),
        (vec![Step::LookAtTarget], Some(at(2_400)))
    );
}

#[test]
fn what_was_changed_is_put_right_from_what_it_holds() {
    let mut world = World::settled();
    world.restart();
    world.bytes.in_order = false;
    assert_eq!(
        world.reconcile(at(100)),
        (vec![Step::ReadTarget, Step::Rewrite], Some(at(2_400)))
    );
    assert_eq!(world.memo.repairs, [at(100)]);
}

#[test]
fn a_spoilt_token_is_minted_again() {
    let mut world = World::settled();
    world.restart();
    world.bytes = BodyFacts {
        junk: false,
        in_order: false,
        token: None,
    };
    let steps = world.reconcile(at(100)).0;
    assert_eq!(
        steps,
        [Step::ReadTarget, Step::Mint(MintWhy::Lost), Step::Publish]
    );
}

#[test]
fn a_secret_that_changes_while_it_is_looked_at_is_looked_at_again_and_not_replaced() {
    let mut world = World::settled();
    world.restart();
    world.session.body = Some(BodyFacts {
        junk: false,
        in_order: true,
        token: Some(token(at(0), &["Alert.Read.All"])),
    });
    let plan = world.plan(at(100));
    assert_eq!((plan.step, plan.wake_at), (Step::Rest, Some(at(105))));
}

#[test]
fn a_denied_write_is_tried_again_in_five_minutes() {
    for failure in [
        WriteFailure::NotPermitted,
        WriteFailure::Refused,
        WriteFailure::NamespaceTerminating,
    ] {
        let mut world = World::new();
        world.denies = Some((Step::Publish, failure));
        let (steps, wake) = world.reconcile(at(0));
        assert_eq!(
            (steps, wake),
            (
                vec![Step::Mint(MintWhy::NoToken), Step::Publish],
                Some(at(300))
            )
        );
        assert_eq!(
            world.run(1, 1_400),
            [300, 600, 900, 1_200],
            "a mint each time, and no more"
        );
        world.denies = None;
        assert_eq!(world.run(1_401, 1_600), [1_500]);
        assert_eq!(
            (
                &world.tenant.status.attempt,
                &world.tenant.status.last_error
            ),
            (&None, &None)
        );
    }
}

#[test]
fn an_api_server_that_cannot_be_reached_is_tried_after_1_2_4_up_to_30_seconds() {
    for (failures, wait) in [
        (0, 1),
        (1, 2),
        (2, 4),
        (3, 8),
        (4, 16),
        (5, 30),
        (6, 30),
        (u32::MAX, 30),
    ] {
        let mut world = World::settled();
        world.memo.api_failures = failures;
        world.session.failed_write = Some(WriteFailure::Unreachable);
        let plan = world.plan(at(100));
        assert_eq!(
            (plan.step, plan.wake_at),
            (Step::Rest, Some(at(100 + wait))),
            "{failures}"
        );
    }
}

#[test]
fn an_expiry_that_cannot_be_written_stops_no_mint() {
    let mut world = World::settled();
    world.microsoft = Microsoft::Park;
    world.denies = Some((
        Step::Retire(ExpiredTokenPolicy::Delete),
        WriteFailure::NotPermitted,
    ));
    let steps = world.reconcile(at(3_600)).0;
    assert_eq!(
        steps,
        [
            Step::Mint(MintWhy::NoToken),
            Step::Retire(ExpiredTokenPolicy::Delete)
        ]
    );
    let writes = world.status_writes;
    assert_eq!(
        world.reconcile(at(3_601)).0,
        [],
        "the denial's own status write wakes nobody into another"
    );
    assert_eq!(world.status_writes, writes);
    world.denies = None;
    world.microsoft = Microsoft::Token(roles(&["Alert.Read.All"]));
    assert_eq!(
        world.reconcile(at(3_900)).0,
        [Step::Mint(MintWhy::NoToken), Step::Publish]
    );
}

#[test]
fn a_token_that_no_longer_fits_under_its_stranger_is_thrown_away() {
    // Between mint and POST somebody else took the name.
    let mut world = World::new();
    world.session.minted = Some(crate::core::gathered::Minted::Token {
        token: token(at(0), &["A"]),
        skew: None,
    });
    world.session.looked = true;
    world.target = STRANGER;
    let plan = world.plan(at(0));
    assert_eq!(
        (plan.step, plan.wake_at),
        (Step::Rest, Some(at(0) + SignedDuration::from_mins(5)))
    );
}

#[test]
fn junk_that_cannot_be_replaced_now_is_taken_away_as_an_expired_token_is() {
    for (policy, left) in [
        (ExpiredTokenPolicy::Delete, TargetView::Absent),
        (ExpiredTokenPolicy::Empty, TargetView::Ours(owned(None))),
    ] {
        let mut world = World::settled();
        world.restart();
        world.spec(|spec| spec.target.expired_token_policy = policy);
        world.bytes = BodyFacts {
            in_order: false,
            token: None,
            junk: true,
        };
        world.microsoft = Microsoft::Park;
        let steps = world.reconcile(at(100)).0;
        assert_eq!(
            steps,
            [
                Step::ReadTarget,
                Step::Mint(MintWhy::Lost),
                Step::Retire(policy)
            ]
        );
        assert_eq!(world.target, left);
    }
}

#[test]
fn a_status_that_lost_what_it_knew_of_the_token_gets_it_back_from_the_secret() {
    let mut world = World::settled();
    world.status().token = None;
    assert_eq!(
        world.reconcile(at(100)),
        (vec![Step::ReadTarget], Some(at(2_400)))
    );
    let status = &world.tenant.status;
    assert_eq!(status.conditions[0].status, "True");
    assert_eq!(
        status.token.as_ref().unwrap().roles,
        roles(&["Alert.Read.All"])
    );
    assert_eq!(world.reconcile(at(101)), (vec![], Some(at(2_400))));
}

#[test]
fn a_token_that_could_not_be_written_is_not_asked_for_again_at_once() {
    let mut world = World::new();
    world.denies = Some((Step::Publish, WriteFailure::Unreachable));
    let mints = world.run(0, 1_200);
    let waits: Vec<_> = mints.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(
        waits.windows(2).all(|pair| pair[1] >= pair[0]) && mints.len() < 12,
        "{mints:?}"
    );
    let error = world.tenant.status.last_error.as_ref().unwrap();
    assert_eq!(error.reason, "Pending");
}
