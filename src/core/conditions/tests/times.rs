use super::*;
use crate::core::testing::{Microsoft, World, at, code, http, roles};

fn since(world: &World, type_: &str) -> Option<i64> {
    let conditions = &world.tenant.status.conditions;
    let condition = conditions.iter().find(|c| c.type_ == type_)?;
    Some(condition.last_transition_time.0.as_second() - at(0).as_second())
}

#[test]
fn transition_times_move_only_on_a_flip() {
    let mut world = World::settled();
    world.reconcile(at(2_400));
    assert_eq!(since(&world, "Ready"), Some(0), "a refresh is no flip");
    world.microsoft = Microsoft::Fails(http(503), Scope::Service, None);
    world.reconcile(at(4_800));
    assert_eq!(
        shown(&world.tenant.status)[0],
        "Ready=True/ServiceUnavailable"
    );
    assert_eq!(
        (since(&world, "Ready"), since(&world, "Reconciling")),
        (Some(0), Some(4_800))
    );
    world.microsoft = Microsoft::Fails(code(7_000_229), Scope::Tenant, None);
    world.reconcile(at(5_400));
    let times = [
        "Ready",
        "CredentialReady",
        "ConsentGranted",
        "Stalled",
        "Reconciling",
    ]
    .map(|t| since(&world, t));
    assert_eq!(times, [Some(0), Some(0), Some(5_400), Some(5_400), None]);
    world.microsoft = Microsoft::Park;
    world.reconcile(at(6_000));
    assert_eq!(
        (since(&world, "Ready"), since(&world, "ConsentGranted")),
        (Some(6_000), Some(5_400))
    );
    world.microsoft = Microsoft::Token(roles(&["Alert.Read.All"]));
    world.reconcile(at(9_000));
    let times = [
        "Ready",
        "CredentialReady",
        "ConsentGranted",
        "RolesGranted",
        "Stalled",
    ]
    .map(|t| since(&world, t));
    assert_eq!(times, [Some(9_000), Some(0), Some(9_000), Some(0), None]);
}

#[test]
fn what_nobody_learned_anything_about_stays_as_it_was() {
    let mut world = World::new();
    world.microsoft = Microsoft::Fails(code(7_000_229), Scope::Tenant, None);
    world.reconcile(at(0));
    world.microsoft = Microsoft::Fails(http(503), Scope::Service, None);
    world.reconcile(at(120));
    assert_eq!(
        shown(&world.tenant.status),
        [
            "Ready=False/ServiceUnavailable",
            "CredentialReady=True/Usable",
            "ConsentGranted=False/ConsentRequired",
            "Reconciling=True/ServiceUnavailable",
        ]
    );
    assert!(world.tenant.status.consent_url.is_some());
    world.edit(|spec| spec.region = crate::api::Region::Eu);
    let status = world.composed(at(121));
    assert!(
        status
            .conditions
            .iter()
            .all(|c| c.observed_generation == Some(2))
    );
}

#[test]
fn a_token_without_roles_says_nothing_of_the_roles_of_the_older_one() {
    let mut world = World::new();
    world.microsoft = Microsoft::Token(Vec::new());
    world.reconcile(at(0));
    assert_eq!(
        shown(&world.tenant.status),
        [
            "Ready=False/NoRoles",
            "CredentialReady=True/Usable",
            "ConsentGranted=False/NoRoles",
            "Stalled=True/NoRoles"
        ]
    );
}

#[test]
fn an_hour_of_rest_writes_nothing() {
    let mut world = World::settled();
    for second in (1..2_400).step_by(7) {
        world.reconcile(at(second));
    }
    assert_eq!(world.status_writes, 0);
}

#[test]
fn what_is_said_does_not_flip_between_two_attempts() {
    let withheld = Microsoft::Token(roles(&["Score.Read.All"]));
    let none = Microsoft::Token(Vec::new());
    let failing = Microsoft::Fails(http(503), Scope::Service, None);
    let no_consent = Microsoft::Fails(code(7_000_229), Scope::Tenant, None);
    for (name, microsoft) in [
        ("withheld", withheld),
        ("no role", none),
        ("failing", failing),
        ("no consent", no_consent),
    ] {
        for required in ["Alert.Read.All", "Machine.Isolate"] {
            let mut world = World::settled();
            world.spec(|spec| {
                spec.required_roles = roles(&[required]);
                spec.missing_role_policy = MissingRolePolicy::Withhold;
            });
            world.microsoft = microsoft.clone();
            world.reconcile(at(2_400));
            let said = world.tenant.status.clone();
            world.reconcile(at(2_401));
            assert_eq!(world.tenant.status, said, "{name} {required}");
        }
    }
}
