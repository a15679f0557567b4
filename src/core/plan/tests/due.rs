use crate::core::gathered::{Denied, Obstacle};
use std::time::Duration;

use crate::api::{DefenderTenantStatus, ExpiredTokenPolicy, MissingRolePolicy};
use crate::core::credential::Fault;
use crate::core::gathered::{BodyFacts, TargetView};
use crate::core::plan::{MintWhy, Step};
use crate::core::testing::{Lead, Microsoft, OTHER_AUDIENCE, World, at, http, roles};

const MINTED: fn(MintWhy) -> Vec<Step> = |why| vec![Step::Mint(why), Step::Publish];

#[test]
fn a_new_tenant_gets_a_token_and_rests_until_it_is_due() {
    let mut world = World::new();
    assert_eq!(
        world.reconcile(at(0)),
        (MINTED(MintWhy::NoToken), Some(at(2_400)))
    );
    for second in [1, 11, 100, 2_399] {
        assert_eq!(
            world.reconcile(at(second)),
            (vec![], Some(at(2_400))),
            "at {second}"
        );
    }
    assert_eq!(world.status_writes, 1);
}

#[test]
fn a_token_is_renewed_when_it_is_due_and_ever_after() {
    let mut world = World::settled();
    assert_eq!(
        world.reconcile(at(2_400)),
        (MINTED(MintWhy::Due), Some(at(4_800)))
    );
    assert_eq!(
        world.run(4_800, 20_000),
        [4_800, 7_200, 9_600, 12_000, 14_400, 16_800, 19_200]
    );
}

#[test]
fn a_restart_with_a_fresh_token_costs_no_request() {
    let mut world = World::settled();
    world.memo = crate::core::gathered::Memo::default();
    assert_eq!(world.reconcile(at(100)), (vec![], Some(at(2_400))));
    // The Secret isn't the one that the status speaks of: one look, and no mint.
    world.restart();
    assert_eq!(
        world.reconcile(at(100)),
        (vec![Step::ReadTarget], Some(at(2_400)))
    );
    assert_eq!((world.status_writes, world.mints.len()), (0, 0));
}

#[test]
fn a_lost_status_never_mints() {
    for (name, status) in [
        ("gone", DefenderTenantStatus::default()),
        (
            "as new",
            DefenderTenantStatus {
                observed_generation: Some(-1),
                ..DefenderTenantStatus::default()
            },
        ),
    ] {
        let mut world = World::settled();
        // Roles are missing all the time, which a status would say.
        world.spec(|spec| spec.required_roles = roles(&["Machine.Isolate"]));
        *world.status() = status;
        world.restart();
        assert_eq!(
            world.reconcile(at(100)),
            (vec![Step::ReadTarget], Some(at(2_400))),
            "{name}"
        );
        assert_eq!(world.run(100, 2_399), Vec::<i64>::new(), "{name}");
    }
}

#[test]
fn a_status_that_cannot_be_written_never_mints_what_is_not_due() {
    let mut world = World::settled();
    world.edit(|spec| spec.required_roles = roles(&["Machine.Isolate"]));
    world.status_writable = false;
    assert_eq!(
        world.run(100, 2_499),
        [100],
        "the changed spec's own mint, once"
    );
    assert_eq!(world.run(2_500, 2_500), [2_500]);
}

#[test]
fn a_clock_that_jumps_two_hours_ahead_finds_the_token_due() {
    let mut world = World::settled();
    assert_eq!(world.reconcile(at(7_200)).0, MINTED(MintWhy::NoToken));
    let mut world = World::settled();
    world.microsoft = Microsoft::Park;
    let steps = world.reconcile(at(7_200)).0;
    assert_eq!(
        steps,
        [
            Step::Mint(MintWhy::NoToken),
            Step::Retire(ExpiredTokenPolicy::Delete)
        ]
    );
}

#[test]
fn another_audience_makes_it_the_wrong_token() {
    let mut world = World::settled();
    world.edit(|spec| spec.cloud = crate::api::Cloud::Gcc);
    world.endpoints.audience = OTHER_AUDIENCE;
    world.bytes = BodyFacts {
        junk: false,
        in_order: false,
        token: None,
    };
    let steps = world.reconcile(at(100)).0;
    assert_eq!(
        steps,
        [
            Step::ReadTarget,
            Step::Mint(MintWhy::InputsChanged),
            Step::Publish
        ]
    );
    assert_eq!(world.reconcile(at(200)).0, []);
}

#[test]
fn another_secret_of_the_same_application_leaves_a_valid_token_alone() {
    let mut world = World::settled();
    world.secret("s~2");
    assert_eq!(world.reconcile(at(100)), (vec![], Some(at(2_400))));
    assert_eq!(world.reconcile(at(2_400)).0, MINTED(MintWhy::Due));
}

#[test]
fn a_changed_spec_that_asks_for_no_more_mints_nothing() {
    let mut world = World::settled();
    world.edit(|spec| {
        spec.region = crate::api::Region::Eu;
        spec.required_roles = roles(&["Alert.Read.All"]);
    });
    world.bytes.in_order = false;
    assert_eq!(
        world.reconcile(at(100)),
        (vec![Step::ReadTarget, Step::Rewrite], Some(at(2_400)))
    );
    assert_eq!(world.memo.repairs.len(), 0, "that was no repair");
    assert_eq!(world.reconcile(at(101)), (vec![], Some(at(2_400))));
}

#[test]
fn a_changed_spec_that_asks_for_more_roles_asks_at_once() {
    let mut world = World::settled();
    world.microsoft = Microsoft::Token(roles(&["Alert.Read.All", "Machine.Isolate"]));
    world.edit(|spec| spec.required_roles = roles(&["Machine.Isolate"]));
    let steps = world.reconcile(at(100)).0;
    assert_eq!(
        steps,
        [Step::ReadTarget, Step::Mint(MintWhy::Retry), Step::Publish]
    );
}

#[test]
fn each_distinct_request_is_served_once() {
    let mut world = World::settled();
    world.tenant.refresh_request = Some("one".into());
    assert_eq!(world.reconcile(at(100)).0, MINTED(MintWhy::Forced));
    assert_eq!(world.reconcile(at(200)).0, []);
    world.restart();
    assert_eq!(world.reconcile(at(300)).0, [Step::ReadTarget]);
    world.tenant.refresh_request = Some("two".into());
    assert_eq!(world.reconcile(at(400)).0, MINTED(MintWhy::Forced));
    world.tenant.refresh_request = None;
    assert_eq!(world.reconcile(at(500)).0, []);
}

#[test]
fn a_request_that_failed_is_served_too() {
    let mut world = World::settled();
    world.microsoft = Microsoft::Fails(http(503), http(503).scope, None);
    world.tenant.refresh_request = Some("one".into());
    assert_eq!(world.reconcile(at(100)).0, [Step::Mint(MintWhy::Forced)]);
    assert_eq!(
        world.tenant.status.handled_refresh_request.as_deref(),
        Some("one")
    );
    assert_eq!(world.reconcile(at(101)).0, []);
}

#[test]
fn a_request_waits_for_the_ten_seconds_and_for_the_gate() {
    let mut world = World::settled();
    world.tenant.refresh_request = Some("one".into());
    // The Secret's whole seconds are rounded down, so the rule keeps one more.
    assert_eq!(world.reconcile(at(5)), (vec![], Some(at(11))));
    world.microsoft = Microsoft::Park;
    assert_eq!(world.reconcile(at(11)).0, [Step::Mint(MintWhy::Forced)]);
    assert_eq!(
        world.tenant.status.handled_refresh_request, None,
        "not asked is not served"
    );
    world.microsoft = Microsoft::Wait(at(60));
    assert_eq!(
        world.reconcile(at(12)),
        (vec![Step::Mint(MintWhy::Forced)], Some(at(60)))
    );
    assert_eq!(world.mints, []);
}

#[test]
fn the_ten_seconds_hold_after_a_restart_and_not_for_a_clock_that_was_set_back() {
    let mut world = World::new();
    world.microsoft = Microsoft::Fails(http(503), http(503).scope, None);
    world.reconcile(at(0));
    world.restart();
    world.edit(|spec| spec.region = crate::api::Region::Eu);
    assert_eq!(world.reconcile(at(5)), (vec![], Some(at(11))));
    assert_eq!(
        world.reconcile(at(-7_200)).0,
        [Step::Mint(MintWhy::NoToken)]
    );
}

#[test]
fn who_has_no_usable_credential_mints_nothing_and_looks_again() {
    let narrow = Box::new(crate::core::credential::Credential::for_test(
        crate::core::testing::CLIENT,
        "s",
    ));
    for (name, lead, now, wake) in [
        (
            "not there, just created",
            Lead::Missing(Obstacle::NotFound),
            10,
            Some(70),
        ),
        (
            "not there, the grace ends first",
            Lead::Missing(Obstacle::NotFound),
            100,
            Some(120),
        ),
        (
            "not there for long",
            Lead::Missing(Obstacle::NotFound),
            9_000,
            Some(9_060),
        ),
        (
            "not labelled",
            Lead::Missing(Obstacle::NotLabelled),
            9_000,
            Some(9_060),
        ),
        (
            "malformed: the watch tells",
            Lead::Missing(Obstacle::Malformed(Fault::NoSecret)),
            10,
            None,
        ),
        (
            "denied",
            Lead::Missing(Obstacle::Denied(Denied::Flag)),
            10,
            None,
        ),
        ("found", Lead::Found(narrow), 10, Some(2_410)),
    ] {
        let mut world = World::new();
        world.lead = lead;
        let (steps, wakes) = world.reconcile(at(now));
        assert_eq!(
            (steps.is_empty(), wakes),
            (name != "found", wake.map(at)),
            "{name}"
        );
    }
}

#[test]
fn without_a_credential_the_token_is_kept_until_it_expires() {
    let mut world = World::settled();
    world.lead = Lead::Missing(Obstacle::Denied(Denied::Flag));
    assert_eq!(world.reconcile(at(3_599)), (vec![], Some(at(3_600))));
    assert_eq!(
        world.reconcile(at(3_600)).0,
        [Step::Retire(ExpiredTokenPolicy::Delete)]
    );
    assert_eq!(world.target, TargetView::Absent);
}

#[test]
fn an_expired_token_goes_as_the_policy_says() {
    for policy in [ExpiredTokenPolicy::Delete, ExpiredTokenPolicy::Empty] {
        let mut world = World::settled();
        world.spec(|spec| spec.target.expired_token_policy = policy);
        world.microsoft = Microsoft::RetryAfter(Duration::from_mins(50));
        world.reconcile(at(2_400));
        assert_eq!(world.reconcile(at(3_600)).0, [Step::Retire(policy)]);
        assert_eq!(
            matches!(&world.target, TargetView::Ours(o) if o.held.is_none()),
            policy == ExpiredTokenPolicy::Empty
        );
        assert_eq!(world.reconcile(at(3_700)).0, [], "once");
        world.microsoft = Microsoft::Token(roles(&["Alert.Read.All"]));
        assert_eq!(world.reconcile(at(9_000)).0, MINTED(MintWhy::NoToken));
    }
}

#[test]
fn a_token_that_policy_withholds_leaves_the_older_one_alone() {
    for (name, policy, granted) in [
        ("no role at all", MissingRolePolicy::Publish, &[][..]),
        (
            "a role missing",
            MissingRolePolicy::Withhold,
            &["Alert.Read.All"],
        ),
    ] {
        let mut world = World::settled();
        world.spec(|spec| {
            spec.missing_role_policy = policy;
            spec.required_roles = roles(&["Machine.Isolate"]);
        });
        let before = world.target.clone();
        world.microsoft = Microsoft::Token(roles(granted));
        assert_eq!(
            world.reconcile(at(2_400)).0,
            [Step::Mint(MintWhy::Due)],
            "{name}"
        );
        assert_eq!(world.target, before, "{name}");
        let wake = world.reconcile(at(2_401)).1.unwrap();
        assert!(
            wake > at(2_401) && wake <= at(2_470),
            "{name}: asked again in a minute, {wake}"
        );
    }
}

#[test]
fn one_that_is_being_deleted_is_left_alone() {
    let mut world = World::settled();
    world.tenant.deleting = true;
    let plan = world.plan(at(9_999));
    assert_eq!((plan.step, plan.wake_at), (Step::Rest, None));
}

#[test]
fn one_that_waits_in_its_lane_still_wakes_for_its_expiry() {
    let mut world = World::settled();
    world.microsoft = Microsoft::Park;
    assert_eq!(
        world.reconcile(at(2_400)),
        (vec![Step::Mint(MintWhy::Due)], Some(at(3_600)))
    );
}

#[test]
fn a_rotated_credential_is_proven_by_one_mint_and_the_others_follow_when_due() {
    let mut world = World::settled();
    world.secret("s~2");
    assert_eq!(
        world.reconcile(at(100)),
        (vec![], Some(at(2_400))),
        "nobody saw it change, or somebody has proven it"
    );
    world.unproven = true;
    assert_eq!(
        world.reconcile(at(200)),
        (MINTED(MintWhy::Proof), Some(at(2_600)))
    );
    assert_eq!(world.reconcile(at(300)), (vec![], Some(at(2_600))));
    // Others that asked at the same time find it proven when their turn comes.
    let mut other = World::settled();
    other.secret("s~2");
    other.unproven = true;
    other.microsoft = Microsoft::Park;
    assert_eq!(
        other.reconcile(at(200)),
        (vec![Step::Mint(MintWhy::Proof)], Some(at(2_400)))
    );
    other.unproven = false;
    assert_eq!(other.reconcile(at(201)), (vec![], Some(at(2_400))));
}

#[test]
fn a_hash_of_another_version_mints_nothing() {
    let mut world = World::settled();
    let TargetView::Ours(owned) = &mut world.target else {
        panic!("there is a target")
    };
    owned.held.as_mut().unwrap().mint_inputs = "v0:123".to_owned();
    assert_eq!(world.reconcile(at(100)), (vec![], Some(at(2_400))));
}

#[test]
fn what_the_application_asks_of_all_its_tenants_is_asked_for_at_once_and_once() {
    let mut world = World::settled();
    world.inherited_roles = roles(&["Machine.Read.All"]);
    world.microsoft = Microsoft::Token(roles(&["Alert.Read.All"]));
    world.reconcile(at(100));
    assert_eq!(
        world.mints,
        [(at(100), MintWhy::Retry)],
        "no generation changed"
    );
    world.mints.clear();
    world.reconcile(at(120));
    assert_eq!(world.mints, [], "it is said, and the schedule goes on");
}

#[test]
fn a_fresh_credential_that_was_not_known_everywhere_is_tried_again_by_who_proved_it() {
    let mut world = World::settled();
    world.proof_at = Some(at(110));
    let (steps, wake) = world.reconcile(at(100));
    assert_eq!((steps, wake), (Vec::new(), Some(at(110))));
    world.reconcile(at(110));
    assert_eq!(world.mints, [(at(110), MintWhy::Proof)]);
}
