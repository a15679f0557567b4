use crate::api::ExpiredTokenPolicy;
use crate::core::gathered::TargetView;
use crate::core::plan::{MintWhy, Step};
use crate::core::testing::{World, at};

fn suspended() -> World {
    let mut world = World::settled();
    world.spec(|spec| spec.suspend = true);
    world
}

#[test]
fn what_is_there_stays_and_nothing_is_minted() {
    let mut world = suspended();
    assert_eq!(world.reconcile(at(2_400)), (vec![], Some(at(3_600))));
    world.tenant.refresh_request = Some("now".into());
    assert_eq!(world.reconcile(at(2_401)), (vec![], Some(at(3_600))));
    assert_eq!(world.tenant.status.handled_refresh_request, None);
}

#[test]
fn an_expired_token_never_looks_alive() {
    let mut world = suspended();
    assert_eq!(
        world.reconcile(at(3_600)),
        (vec![Step::Retire(ExpiredTokenPolicy::Delete)], None)
    );
    assert_eq!(world.reconcile(at(9_999)), (vec![], None));
}

#[test]
fn a_stolen_secret_is_not_replaced_and_a_changed_one_is_put_right() {
    let mut world = suspended();
    world.restart();
    world.bytes.in_order = false;
    assert_eq!(
        world.reconcile(at(100)).0,
        [Step::ReadTarget, Step::Rewrite]
    );
    world.target = TargetView::Absent;
    assert_eq!(world.reconcile(at(200)).0, [Step::LookAtTarget]);
    assert_eq!(world.mints, []);
}

#[test]
fn resumed_it_goes_on() {
    let mut world = suspended();
    world.reconcile(at(3_600));
    world.spec(|spec| spec.suspend = false);
    assert_eq!(
        world.reconcile(at(9_000)).0,
        [Step::Mint(MintWhy::NoToken), Step::Publish]
    );
}
