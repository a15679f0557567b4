use crate::api::Probe;
use crate::core::gathered::{ProbeResult, TargetView};
use crate::core::plan::{MintWhy, Step};
use crate::core::reason::Reason;
use crate::core::testing::{Microsoft, World, at, http, roles};

const DAY: i64 = 86_400;

fn probing(mode: Probe) -> World {
    let mut world = World::new();
    world.spec(|spec| spec.probe = mode);
    world.reconcile(at(0));
    world
}

#[test]
fn the_first_token_is_tried_and_the_next_ones_are_not() {
    for (mode, first) in [
        (Probe::Never, false),
        (Probe::OnChange, true),
        (Probe::Daily, true),
    ] {
        let mut world = World::new();
        world.spec(|spec| spec.probe = mode);
        let steps = world.reconcile(at(0)).0;
        assert_eq!(steps.contains(&Step::Probe), first, "{mode:?}");
        assert_eq!(
            world.reconcile(at(2_400)).0,
            [Step::Mint(MintWhy::Due), Step::Publish],
            "{mode:?}"
        );
    }
}

#[test]
fn a_changed_spec_and_a_changed_role_set_are_tried() {
    let mut world = probing(Probe::OnChange);
    world.edit(|spec| spec.region = crate::api::Region::Eu);
    assert_eq!(world.reconcile(at(100)).0, [Step::ReadTarget, Step::Probe]);
    assert_eq!(world.reconcile(at(101)).0, []);
    world.microsoft = Microsoft::Token(roles(&["Machine.Read.All"]));
    assert_eq!(
        world.reconcile(at(2_400)).0,
        [Step::Mint(MintWhy::Due), Step::Publish, Step::Probe]
    );
}

#[test]
fn daily_is_once_a_day() {
    let mut world = probing(Probe::Daily);
    // A token that lives for days.
    if let TargetView::Ours(owned) = &mut world.target {
        let held = owned.held.as_mut().unwrap();
        (held.refresh_at, held.expires_at) = (at(5 * DAY), at(6 * DAY));
    }
    assert_eq!(world.reconcile(at(DAY - 1)), (vec![], Some(at(DAY))));
    assert_eq!(
        world.reconcile(at(DAY)),
        (vec![Step::Probe], Some(at(2 * DAY)))
    );
    assert_eq!(world.reconcile(at(DAY + 9)), (vec![], Some(at(2 * DAY))));
}

#[test]
fn a_probe_that_failed_itself_is_repeated_later_and_not_for_ever() {
    let mut world = World::new();
    world.spec(|spec| spec.probe = Probe::OnChange);
    world.probe = ProbeResult::Unknown;
    assert_eq!(
        world
            .reconcile(at(0))
            .0
            .iter()
            .filter(|step| **step == Step::Probe)
            .count(),
        1
    );
    assert_eq!(world.tenant.status.probed_at, None);
    assert_eq!(world.reconcile(at(100)).0, [Step::Probe]);
}

#[test]
fn what_a_probe_found_is_said_until_one_works() {
    let mut world = World::new();
    world.spec(|spec| spec.probe = Probe::OnChange);
    world.probe = ProbeResult::Fails {
        reason: Reason::NotProvisioned,
        detail: "no set-up",
    };
    world.reconcile(at(0));
    let said = |world: &World| {
        world
            .tenant
            .status
            .last_error
            .as_ref()
            .map(|error| error.reason.clone())
    };
    assert_eq!(said(&world).as_deref(), Some("NotProvisioned"));
    assert_eq!(world.reconcile(at(100)), (vec![], Some(at(2_400))));
    world.probe = ProbeResult::Works;
    assert_eq!(
        world.reconcile(at(2_400)).0,
        [Step::Mint(MintWhy::Due), Step::Publish, Step::Probe]
    );
    assert_eq!(said(&world), None);
}

#[test]
fn a_probe_that_works_says_nothing_of_a_mint_that_failed() {
    let mut world = probing(Probe::Daily);
    world.microsoft = Microsoft::Fails(http(503), http(503).scope, None);
    if let TargetView::Ours(owned) = &mut world.target {
        owned.held.as_mut().unwrap().expires_at = at(2 * DAY);
        owned.held.as_mut().unwrap().refresh_at = at(DAY - 1);
    }
    world.reconcile(at(DAY - 1));
    let before = world.tenant.status.last_error.clone();
    assert_eq!(world.reconcile(at(DAY)).0, [Step::Probe]);
    assert!(before.is_some());
    assert_eq!(world.tenant.status.last_error, before);
}

#[test]
fn without_a_live_token_or_with_suspend_nothing_is_tried() {
    let mut world = probing(Probe::Daily);
    world.microsoft = Microsoft::Park;
    assert!(!world.reconcile(at(DAY)).0.contains(&Step::Probe));
    let mut world = probing(Probe::Daily);
    world.edit(|spec| spec.suspend = true);
    assert_eq!(world.reconcile(at(100)).0, [Step::ReadTarget]);
}
