//! Required roles, API and region as the spec has them, and what is said of each.

use super::*;
use crate::api::cloud::{Cloud, DefenderApi, Plan, Region};
use crate::core::application::Denial;
use crate::core::gathered::{Obstacle, Session};
use crate::core::ids::Audience;
use crate::core::notices::notices;
use crate::core::plan::{MintWhy, Step};
use crate::core::testing::{Lead, Microsoft, World, application, at, code, roles};

const ENDS: &str = "Advanced hunting ends in this API on 2027-01-31 (Microsoft's MC1220762): move to api Graph, role ThreatHunting.Read.All, POST /v1.0/security/runHuntingQuery.";
const HAS_ENDED: &str = "Advanced hunting has ended in this API on 2027-01-31 (Microsoft's MC1220762): move to api Graph, role ThreatHunting.Read.All, POST /v1.0/security/runHuntingQuery.";
/// 2027-02-01, in seconds after the beginning of the test.
const FEBRUARY: i64 = 1_801_440_000 - 1_790_000_000;

/// Status, reason and message of `RolesGranted`.
fn granted(status: &DefenderTenantStatus) -> (String, String, String) {
    let found = status.conditions.iter().find(|c| c.type_ == "RolesGranted");
    let condition = found.expect("RolesGranted");
    let texts = (&condition.status, &condition.reason, &condition.message);
    (texts.0.clone(), texts.1.clone(), texts.2.clone())
}

fn is(status: &str, reason: &str, message: &str) -> (String, String, String) {
    (status.to_owned(), reason.to_owned(), message.to_owned())
}

fn said(world: &World, second: i64) -> Vec<(&'static str, String)> {
    let notices = notices(&world.g(), at(second));
    assert!(notices.iter().all(|notice| notice.warning));
    notices.into_iter().map(|n| (n.reason, n.note)).collect()
}

#[test]
fn hunting_roles_are_warned_of_beside_what_is_said_of_them() {
    let mut world = World::new();
    world.spec(|spec| spec.required_roles = roles(&["AdvancedQuery.Read.All"]));
    world.microsoft = Microsoft::Token(roles(&["AdvancedQuery.Read.All"]));
    world.reconcile(at(0));
    let told = granted(&world.tenant.status);
    assert_eq!(told, is("True", "Granted", &format!("Note: {ENDS}")));

    world.microsoft = Microsoft::Token(roles(&["Alert.Read.All"]));
    world.reconcile(at(2_400));
    let missing = "Required roles are missing. [AdvancedQuery.Read.All]";
    let told = granted(&world.tenant.status);
    let expected = is("False", "RolesMissing", &format!("{missing} Note: {ENDS}"));
    assert_eq!(told, expected);

    world.reconcile(at(FEBRUARY));
    let told = granted(&world.tenant.status);
    let expected = is(
        "False",
        "RolesMissing",
        &format!("{missing} Note: {HAS_ENDED}"),
    );
    assert_eq!(told, expected);
}

#[test]
fn a_warning_that_is_carried_from_one_reconcile_to_the_next_is_said_once() {
    let mut world = World::settled();
    world.edit(|spec| {
        spec.required_roles = roles(&["AdvancedQuery.Read.All"]);
        spec.missing_role_policy = MissingRolePolicy::Withhold;
    });
    for second in [2_400, 2_401, 2_402, 2_403] {
        world.reconcile(at(second));
        let (_, _, message) = granted(&world.tenant.status);
        assert_eq!(message.matches("MC1220762").count(), 1, "{message}");
        assert!(message.contains("[AdvancedQuery.Read.All]"), "{message}");
    }
}

#[test]
fn the_retirement_is_one_event_a_generation() {
    let mut world = World::new();
    world.spec(|spec| spec.required_roles = roles(&["AdvancedQuery.Read.All"]));
    let event = |text: &str| vec![("AdvancedHuntingRetiring", text.to_owned())];
    assert_eq!(said(&world, 0), event(ENDS));
    assert_eq!(said(&world, FEBRUARY), event(HAS_ENDED));
    world.reconcile(at(0));
    assert_eq!(said(&world, 60), []);
    // A refresh, and a new process.
    world.reconcile(at(2_400));
    world.restart();
    world.session = Session::default();
    assert_eq!(said(&world, 2_460), []);
    world.edit(|spec| spec.suspend = true);
    assert_eq!(said(&world, 2_500), event(ENDS));
    // The successor itself isn't warned of.
    world.spec(|spec| {
        spec.api = DefenderApi::Graph;
        spec.required_roles = roles(&["ThreatHunting.Read.All"]);
    });
    assert_eq!(said(&world, 2_500), []);
}

#[test]
fn an_unknown_role_is_told_with_the_one_that_may_be_meant() {
    let mut world = World::new();
    world.spec(|spec| {
        spec.required_roles = roles(&["Alerts.Read.All", "CustomDetection.Read.All", "X.Read"]);
    });
    let hints = "Alerts.Read.All, perhaps Alert.Read.All is meant; CustomDetection.Read.All, a role of api Graph; X.Read";
    let note = format!("requiredRoles names roles that this API isn't known to have: {hints}.");
    assert_eq!(said(&world, 0), [("UnknownRoles", note)]);
    world.reconcile(at(0));
    let message = format!(
        "Required roles are missing. [Alerts.Read.All, CustomDetection.Read.All, X.Read (not a known role of this API: {hints})]"
    );
    let told = granted(&world.tenant.status);
    assert_eq!(told, is("False", "RolesMissing", &message));
    assert_eq!(said(&world, 60), []);
}

#[test]
fn inherited_roles_count_as_far_as_plan_and_api_can_use_them() {
    let mut world = World::new();
    world.inherited_roles = roles(&[
        "Alert.Read.All",
        "AdvancedQuery.Read.All",
        "Incident.Read.All",
        "Machine.Isolate",
    ]);
    world.spec(|spec| spec.plan = Some(Plan::Business));
    world.reconcile(at(0));
    let note = "Note: The application's required roles that plan Business can't use are left out: AdvancedQuery.Read.All.";
    let missing = format!("Required roles are missing. [Machine.Isolate] {note}");
    assert_eq!(
        granted(&world.tenant.status),
        is("False", "RolesMissing", &missing)
    );
    let token = world.tenant.status.token.clone().unwrap();
    assert_eq!(token.missing_roles, ["Machine.Isolate"]);

    world.inherited_roles.pop();
    world.reconcile(at(60));
    assert_eq!(granted(&world.tenant.status), is("True", "Granted", note));

    // A list of its own stands for itself.
    world.edit(|spec| spec.required_roles = roles(&["Alert.Read.All"]));
    world.reconcile(at(120));
    assert_eq!(granted(&world.tenant.status), is("True", "Granted", ""));
}

#[test]
fn surplus_roles_are_listed_for_every_api() {
    for (api, granted, required, surplus) in [
        (
            DefenderApi::Xdr,
            &["Incident.ReadWrite.All", "CustomDetections.ReadWrite.All"][..],
            "Incident.Read.All",
            "CustomDetections.ReadWrite.All",
        ),
        (
            DefenderApi::Graph,
            &["Mail.Send", "SecurityIncident.Read.All"],
            "SecurityIncident.Read.All",
            "Mail.Send",
        ),
    ] {
        let mut world = World::new();
        world.spec(|spec| {
            spec.api = api;
            spec.required_roles = roles(&[required]);
        });
        world.microsoft = Microsoft::Token(roles(granted));
        world.reconcile(at(0));
        let token = world.tenant.status.token.clone().unwrap();
        assert_eq!(token.surplus_roles, [surplus]);
        assert!(token.missing_roles.is_empty());
    }
}

#[test]
fn another_api_is_another_token_and_the_old_one_is_not_ready() {
    let graph = Audience("https://graph.microsoft.com");
    let mut world = World::settled();
    world.edit(|spec| spec.api = DefenderApi::Graph);
    world.endpoints.audience = graph;
    world.bytes.token = None;
    world.bytes.in_order = false;
    world.microsoft = Microsoft::Fails(code(7_000_229), Scope::Tenant, None);
    let (steps, _) = world.reconcile(at(100));
    assert_eq!(
        steps,
        [Step::ReadTarget, Step::Mint(MintWhy::InputsChanged)]
    );
    let status = world.tenant.status.clone();
    assert_eq!(shown(&status)[0], "Ready=False/ConsentRequired");
    // What still stands in the Secret is told as what it is.
    let token = status.token.clone().unwrap();
    assert_eq!(token.audience, "https://api.securitycenter.microsoft.com");

    world.microsoft = Microsoft::Token(roles(&["SecurityIncident.Read.All"]));
    world.restart();
    let (steps, _) = world.reconcile(at(200));
    assert_eq!(steps.last(), Some(&Step::Publish));
    let status = world.tenant.status.clone();
    assert_eq!(shown(&status)[0], "Ready=True/TokenPublished");
    assert_eq!(status.token.as_ref().unwrap().audience, graph.0);
}

#[test]
fn without_a_front_door_nothing_is_minted_and_the_message_lists_those_that_there_are() {
    let mut world = World::settled();
    world.edit(|spec| {
        spec.cloud = Cloud::Gcc;
        spec.region = Region::Eu;
    });
    world.endpoints.has_front_door = false;
    // What is there stays until it expires.
    for (second, ready) in [(100, "Ready=True"), (2_400, "Ready=True")] {
        let (steps, wake) = world.reconcile(at(second));
        assert_eq!((steps, wake), (vec![], Some(at(3_600))));
        let first = shown(&world.tenant.status).remove(0);
        assert_eq!(first, format!("{ready}/RegionUnavailable"));
    }
    let condition = &world.tenant.status.conditions[0];
    assert_eq!(
        condition.message,
        "spec.api has no front door in spec.region in this cloud, so nothing is minted: set spec.region to one that it has. [api Endpoint in cloud GCC has: global]"
    );
    let (steps, wake) = world.reconcile(at(3_600));
    assert!(matches!(steps[..], [Step::Retire(_)]), "{steps:?}");
    assert_eq!(wake, None);
    let first = shown(&world.tenant.status).remove(0);
    assert_eq!(first, "Ready=False/RegionUnavailable");
    // Mended.
    world.edit(|spec| spec.region = Region::Global);
    world.endpoints.has_front_door = true;
    let (steps, _) = world.reconcile(at(3_700));
    assert_eq!(steps.last(), Some(&Step::Publish));
}

#[test]
fn a_grant_is_withdrawn_without_a_front_door_as_well() {
    let mut world = World::new();
    world.application = Some(application(&serde_json::json!({})));
    world.kept_apis = vec![DefenderApi::Endpoint];
    world.reconcile(at(0));
    world.kept_apis.clear();
    world.edit(|spec| spec.region = Region::Eu);
    world.endpoints.has_front_door = false;
    world.lead = Lead::Missing(Obstacle::NotGranted(Denial::Tenant));
    let (steps, _) = world.reconcile(at(100));
    assert!(
        matches!(steps[..], [Step::ConfirmWithdrawal, Step::Withdraw(_)]),
        "{steps:?}"
    );
}
