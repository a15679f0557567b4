//! A token that its owner has no right to any more.

use serde_json::json;

use crate::api::{DefenderApplicationStatus, ExpiredTokenPolicy};
use crate::core::application::{Application, Denial, Version};
use crate::core::gathered::{NoApplication, Obstacle, TargetView};
use crate::core::plan::Step;
use crate::core::testing::{CLIENT, Lead, UID, World, at};

fn application(spec: &serde_json::Value) -> Application {
    let mut whole =
        json!({"clientId": CLIENT, "credentials": [{"name": "a", "workloadIdentity": {}}]});
    for (key, value) in spec.as_object().unwrap() {
        whole[key] = value.clone();
    }
    let version = Version {
        uid: UID.into(),
        resource_version: "1".into(),
        generation: 1,
        deleting: false,
    };
    Application::new(
        "app",
        version,
        serde_json::from_value(whole).unwrap(),
        DefenderApplicationStatus::default(),
    )
    .unwrap()
}

/// A tenant with a live token that its application gave, and what is in the way since.
fn world(obstacle: Obstacle, spec: &serde_json::Value) -> World {
    let mut world = World::settled();
    world.application = Some(application(spec));
    world.lead = Lead::Missing(obstacle);
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
    assert_eq!(wake, Some(at(115)), "it is looked at again");
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
    let other = "11111111-2222-4333-8444-555555555555";
    let mut world = world(
        Obstacle::NotGranted(Denial::Tenant),
        &json!({"clientId": other}),
    );
    let (steps, _) = world.reconcile(at(100));
    assert_eq!(steps, []);
    assert!(matches!(world.target, TargetView::Ours(_)));
}

#[test]
fn a_token_for_the_api_of_before_goes_as_well() {
    let mut world = world(Obstacle::NotGranted(Denial::Api), &json!({}));
    world.endpoints.audience = crate::core::testing::OTHER_AUDIENCE;
    let (steps, _) = world.reconcile(at(100));
    assert!(
        steps.contains(&Step::Withdraw(ExpiredTokenPolicy::Delete)),
        "{steps:?}"
    );
}
