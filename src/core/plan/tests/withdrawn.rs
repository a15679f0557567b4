//! A token that its owner has no right to any more.

use serde_json::json;

use crate::api::{DefenderApi, ExpiredTokenPolicy};
use crate::core::application::Denial;
use crate::core::gathered::{Minted, NoApplication, Obstacle, TargetView};
use crate::core::plan::Step;
use crate::core::testing::{Lead, World, application, at, token};

/// A tenant with a live token that its application gave, and what is in the way since.
fn world(obstacle: Obstacle, spec: &serde_json::Value) -> World {
    let mut world = World::new();
    world.application = Some(application(&json!({})));
    world.kept_apis = vec![DefenderApi::Endpoint];
    world.reconcile(at(0));
    world.mints.clear();
    world.application = Some(application(spec));
    world.lead = Lead::Missing(obstacle);
    if matches!(obstacle, Obstacle::NotGranted(denial) if denial != Denial::SelectorsOff) {
        world.kept_apis.clear();
    }
    world
}

#[test]
fn a_withdrawn_grant_takes_the_secret_after_a_live_look() {
    let mut world = world(Obstacle::NotGranted(Denial::Tenant), &json!({}));
    let (steps, _) = world.reconcile(at(100));
    assert_eq!(
        steps[..2],
        [
            Step::ConfirmWithdrawal,
            Step::Withdraw(ExpiredTokenPolicy::Delete)
        ]
    );
    assert_eq!(world.target, TargetView::Absent);
    assert!(world.tenant.status.token.is_none());
    assert!(world.mints.is_empty());
    let (steps, _) = world.reconcile(at(200));
    assert!(
        !steps.contains(&Step::ConfirmWithdrawal),
        "there is nothing left to take"
    );
}

#[test]
fn what_the_live_look_does_not_confirm_stays() {
    let mut world = world(Obstacle::NotGranted(Denial::Namespace), &json!({}));
    world.withdrawn = false;
    let (steps, wake) = world.reconcile(at(100));
    assert_eq!(steps, [Step::ConfirmWithdrawal]);
    assert_eq!(wake, Some(at(160)), "it is looked at again");
    assert!(matches!(world.target, TargetView::Ours(_)));
}

#[test]
fn what_only_cannot_be_told_takes_nothing() {
    for obstacle in [
        Obstacle::NoApplication(NoApplication::Missing),
        Obstacle::NoApplication(NoApplication::Unreadable),
        Obstacle::Terminating,
        Obstacle::Suspended,
        Obstacle::OtherCloud,
        Obstacle::NotGranted(Denial::SelectorsOff),
        Obstacle::NotFound,
        Obstacle::NotListed,
    ] {
        let mut world = world(obstacle, &json!({"suspend": true}));
        let (steps, _) = world.reconcile(at(100));
        assert_eq!(steps, [], "{obstacle:?}");
        assert!(matches!(world.target, TargetView::Ours(_)), "{obstacle:?}");
    }
}

#[test]
fn in_an_incident_a_suspended_application_takes_its_secrets() {
    let spec = json!({"suspend": true, "suspendedSecrets": "Delete"});
    let mut world = world(Obstacle::Suspended, &spec);
    world.spec(|spec| spec.target.expired_token_policy = ExpiredTokenPolicy::Empty);
    let (steps, _) = world.reconcile(at(100));
    assert_eq!(
        steps[..2],
        [
            Step::ConfirmWithdrawal,
            Step::Withdraw(ExpiredTokenPolicy::Empty)
        ]
    );
    let TargetView::Ours(owned) = &world.target else {
        panic!("the Secret stays, empty");
    };
    assert_eq!(owned.held, None);
}

#[test]
fn a_token_that_came_by_another_way_is_not_this_applications_to_take() {
    // By a credential of the tenant's own namespace.
    let mut own = World::settled();
    own.application = Some(application(&json!({})));
    own.lead = Lead::Missing(Obstacle::NotGranted(Denial::Tenant));
    // By another application of the same client id.
    let mut other = world(Obstacle::NotGranted(Denial::Tenant), &json!({}));
    if let Some(application) = &mut other.application {
        application.uid = "another".into();
    }
    for mut world in [own, other] {
        let (steps, _) = world.reconcile(at(100));
        assert_eq!(steps, []);
        assert!(matches!(world.target, TargetView::Ours(_)));
    }
}

#[test]
fn a_token_whose_own_api_is_granted_stays_when_another_is_asked_for() {
    let mut world = world(Obstacle::NotGranted(Denial::Api), &json!({}));
    world.kept_apis = vec![DefenderApi::Endpoint];
    world.edit(|spec| spec.api = DefenderApi::Graph);
    let (steps, _) = world.reconcile(at(100));
    assert!(!steps.contains(&Step::ConfirmWithdrawal), "{steps:?}");
    // And goes when that is taken back as well, whatever is asked for by now.
    world.kept_apis.clear();
    let (steps, _) = world.reconcile(at(200));
    assert!(
        steps.contains(&Step::Withdraw(ExpiredTokenPolicy::Delete)),
        "{steps:?}"
    );
}

#[test]
fn a_changed_client_id_keeps_nothing_from_being_taken_back() {
    let other = "11111111-2222-4333-8444-555555555555";
    let mut world = world(Obstacle::NotGranted(Denial::Tenant), &json!({}));
    world.application = Some(application(&json!({"clientId": other})));
    let (steps, _) = world.reconcile(at(100));
    assert!(
        steps.contains(&Step::Withdraw(ExpiredTokenPolicy::Delete)),
        "{steps:?}"
    );
}

#[test]
fn an_application_that_is_being_deleted_takes_nothing_back() {
    let mut world = world(Obstacle::NotGranted(Denial::Tenant), &json!({}));
    if let Some(application) = &mut world.application {
        application.deleting = true;
    }
    let (steps, wake) = world.reconcile(at(100));
    assert_eq!(steps, []);
    assert!(
        wake.is_none_or(|at_| at_ > at(160)),
        "nor is it looked at again and again"
    );
}

#[test]
fn a_token_that_lost_its_right_on_the_way_is_not_published() {
    for obstacle in [Obstacle::NotGranted(Denial::Tenant), Obstacle::Suspended] {
        let mut world = World::new();
        world.application = Some(application(&json!({})));
        world.kept_apis = vec![DefenderApi::Endpoint];
        world.session.minted = Some(Minted::Token {
            token: token(at(10), &["Alert.Read.All"]),
            skew: None,
        });
        assert_eq!(world.plan(at(10)).step, Step::Publish);
        world.lead = Lead::Missing(obstacle);
        assert_eq!(world.plan(at(10)).step, Step::Rest, "{obstacle:?}");
    }
}
