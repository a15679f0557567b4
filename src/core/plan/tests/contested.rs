use crate::core::gathered::{BodyFacts, TargetView};
use crate::core::plan::{MintWhy, Step, contested_until};
use crate::core::testing::{World, at};

/// Somebody strips a label each `every` seconds. The seconds at which it was put right.
fn fight(world: &mut World, from: i64, until: i64, every: i64) -> Vec<i64> {
    let mut repaired = Vec::new();
    let mut now = from;
    let mut strikes = from;
    while now <= until {
        if now >= strikes {
            if let TargetView::Ours(owned) = &mut world.target {
                owned.verified = false;
            }
            world.bytes.in_order = false;
            strikes = now + every;
        }
        let (steps, wake) = world.reconcile(at(now));
        if steps.contains(&Step::Rewrite) {
            repaired.push(now);
        }
        let wake = wake.map_or(until + 1, |wake| wake.as_second() - at(0).as_second());
        now = wake.min(strikes).max(now + 1);
    }
    repaired
}

#[test]
fn after_five_repairs_there_is_none_for_ten_minutes_and_then_one_each_ten() {
    let mut world = World::settled();
    let repaired = fight(&mut world, 100, 2_390, 20);
    assert_eq!(repaired, [100, 120, 140, 160, 180, 780, 1_380, 1_980]);
    assert_eq!(world.mints, []);
}

#[test]
fn a_repair_now_and_then_is_no_fight() {
    let mut world = World::settled();
    assert_eq!(
        fight(&mut world, 0, 1_000, 151),
        [0, 151, 302, 453, 604, 755, 906]
    );
}

#[test]
fn a_fight_that_is_over_is_forgotten() {
    let mut world = World::settled();
    fight(&mut world, 100, 190, 20);
    assert_eq!(contested_until(&world.g(), at(200)), Some(at(780)));
    // The status says so until then, and somebody wakes to take it back.
    let (steps, wake) = world.reconcile(at(200));
    assert_eq!((steps, wake), (vec![], Some(at(780))));
    world.reconcile(at(780));
    assert_eq!(contested_until(&world.g(), at(780)), None);
    let ready =
        crate::core::conditions::ready_of(&world.tenant.status).map(|(_, reason, _)| reason);
    assert_eq!(ready, Some("TokenPublished"));
    // An hour later five repairs are allowed again.
    assert_eq!(
        fight(&mut world, 2_000, 2_100, 20),
        [2_000, 2_020, 2_040, 2_060, 2_080]
    );
}

#[test]
fn a_secret_that_is_deleted_again_and_again_is_not_minted_for_ever() {
    let mut world = World::settled();
    let mut minted = Vec::new();
    for now in (100..2_000).step_by(20) {
        world.target = TargetView::Absent;
        world.bytes = BodyFacts {
            junk: false,
            in_order: true,
            token: None,
        };
        let before = world.mints.len();
        world.reconcile(at(now));
        minted.extend(world.mints[before..].iter().map(|(_, why)| (now, *why)));
    }
    let first: Vec<_> = minted.iter().take(6).copied().collect();
    let lost = |now| (now, MintWhy::Lost);
    assert_eq!(first[..5], [100, 120, 140, 160, 180].map(lost));
    assert!(
        minted
            .windows(2)
            .skip(4)
            .all(|pair| pair[1].0 - pair[0].0 >= 600),
        "{minted:?}"
    );
}

#[test]
fn a_clock_that_is_set_back_ends_a_fight() {
    let mut world = World::settled();
    world.memo.repairs = [100, 110, 120, 130, 140].map(at).into();
    assert_eq!(contested_until(&world.g(), at(-7_200)), None);
}
