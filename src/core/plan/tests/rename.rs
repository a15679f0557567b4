use crate::core::gathered::Obstacle;
use crate::core::gathered::{OldTarget, TargetView, WriteFailure};
use crate::core::plan::{MintWhy, Step};
use crate::core::testing::{Lead, OTHER_AUDIENCE, World, at, held, owned};

/// As `settled`, and the target has just got another name.
fn renamed() -> World {
    let mut world = World::settled();
    world.edit(|spec| spec.target.name = Some("other".into()));
    let TargetView::Ours(old) = std::mem::replace(&mut world.target, TargetView::Absent) else {
        panic!("not settled");
    };
    world.old = Some(OldTarget {
        name: "contoso-defender-token".into(),
        owned: old,
    });
    world
}

#[test]
fn the_live_token_is_copied_and_then_the_old_secret_goes() {
    let mut world = renamed();
    let done = world.reconcile(at(100));
    assert_eq!(
        done,
        (vec![Step::CopyOld, Step::RemoveOld], Some(at(2_400)))
    );
    assert_eq!(world.mints, []);
    assert_eq!(world.reconcile(at(101)).0, []);
}

#[test]
fn a_suspended_tenant_and_one_without_a_credential_are_renamed_too() {
    let mut world = renamed();
    world.spec(|spec| spec.suspend = true);
    assert_eq!(world.reconcile(at(100)).0, [Step::CopyOld, Step::RemoveOld]);
    let mut world = renamed();
    world.lead = Lead::Missing(Obstacle::NotFound);
    assert_eq!(world.reconcile(at(100)).0, [Step::CopyOld, Step::RemoveOld]);
}

#[test]
fn a_token_that_would_be_the_wrong_one_is_minted_anew_before_the_old_goes() {
    let mut world = renamed();
    world.endpoints.audience = OTHER_AUDIENCE;
    let steps = world.reconcile(at(100)).0;
    assert!(
        matches!(steps[..], [Step::Mint(_), Step::Publish, Step::RemoveOld]),
        "{steps:?}"
    );
}

#[test]
fn an_expired_old_one_goes_also_where_no_token_comes() {
    let mut world = renamed();
    world.microsoft = crate::core::testing::Microsoft::Park;
    assert_eq!(
        world.reconcile(at(3_600)).0,
        [Step::Mint(MintWhy::NoToken), Step::RemoveOld]
    );
}

#[test]
fn under_a_stranger_s_name_the_old_one_stays_until_it_expires() {
    let mut world = renamed();
    world.target = TargetView::Stranger { predecessor: false };
    world.reality = Some(world.target.clone());
    assert_eq!(
        world.reconcile(at(3_500)),
        (vec![Step::LookAtTarget], Some(at(3_600)))
    );
    assert_eq!(world.reconcile(at(3_600)).0, [Step::RemoveOld]);
}

#[test]
fn a_copy_that_is_not_worth_it_is_not_tried_for_ever() {
    let mut world = renamed();
    world.session.body = Some(crate::core::gathered::BodyFacts {
        junk: false,
        in_order: false,
        token: None,
    });
    let step = world.plan(at(100)).step;
    assert!(matches!(step, Step::Mint(_)), "{step:?}");
}

#[test]
fn whoever_denies_the_deletion_of_the_old_one_stops_no_renewal() {
    let mut world = renamed();
    world.denies = Some((Step::RemoveOld, WriteFailure::NotPermitted));
    let done = world.reconcile(at(100));
    assert_eq!(done, (vec![Step::CopyOld, Step::RemoveOld], Some(at(400))));
    assert_eq!(
        world.reconcile(at(101)),
        (vec![], Some(at(400))),
        "its own status write is no reason to try again"
    );
    let asked = world.run(102, 9_000);
    assert_eq!(asked.len(), 3, "{asked:?}");
    assert!(
        asked.windows(2).all(|pair| pair[1] - pair[0] <= 2_700),
        "{asked:?}"
    );
    world.denies = None;
    world.run(9_001, 9_400);
    assert_eq!(world.old, None);
    assert_eq!(
        (
            &world.tenant.status.attempt,
            &world.tenant.status.last_error
        ),
        (&None, &None)
    );
}

#[test]
fn a_live_token_under_the_new_name_is_enough() {
    let mut world = renamed();
    world.target = TargetView::Ours(owned(Some(held(at(50)))));
    world.bytes.token = Some(crate::core::testing::token(at(50), &["Alert.Read.All"]));
    assert_eq!(
        world.reconcile(at(100)).0,
        [Step::ReadTarget, Step::RemoveOld]
    );
}
