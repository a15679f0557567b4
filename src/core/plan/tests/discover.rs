use crate::api::cloud::Cloud;
use crate::api::{DefenderApi, DefenderTenantStatus};
use crate::core::conditions::ready_of;
use crate::core::discovery::{Answer, Discovery, Home};
use crate::core::errors::Scope;
use crate::core::gathered::{Obstacle, WriteFailure};
use crate::core::plan::{MintWhy, Step};
use crate::core::testing::{Lead, Microsoft, World, at, code, http};

const NOWHERE: u32 = 90_002;
const NO_APPLICATION: u32 = 700_016;
const NO_RESOURCE: u32 = 500_011;
const OTHER_CLOUD: u32 = 900_382;
const NO_CONSENT: u32 = 7_000_229;

const GCC_HIGH: Discovery = Discovery::Answered(Answer::Found(Home::Cloud(Cloud::GccHigh)));
const HERE: Discovery = Discovery::Answered(Answer::Found(Home::Cloud(Cloud::Commercial)));
const NOT_FOUND: Discovery = Discovery::Answered(Answer::NotFound);

fn fails(code_: u32) -> Microsoft {
    Microsoft::Fails(code(code_), Scope::Tenant, None)
}

/// A new tenant whose first mint ended so.
fn failed(code: u32, discovery: Discovery) -> World {
    let mut world = World::new();
    world.microsoft = fails(code);
    world.discovery = discovery;
    world.reconcile(at(0));
    world
}

fn reason(status: &DefenderTenantStatus) -> &str {
    ready_of(status).map_or("", |(_, reason, _)| reason)
}

fn message(status: &DefenderTenantStatus) -> &str {
    ready_of(status).map_or("", |(_, _, message)| message)
}

fn last(world: &World) -> (Option<&str>, &str, &str) {
    let error = world.tenant.status.last_error.as_ref().unwrap();
    (error.code.as_deref(), &error.reason, &error.scope)
}

fn force(world: &mut World, value: &str, now: i64) -> Vec<Step> {
    world.tenant.refresh_request = Some(value.to_owned());
    world.reconcile(at(now)).0
}

#[test]
fn the_codes_that_a_typing_mistake_or_another_cloud_explains_are_followed_by_one_question() {
    for doubtful in [
        NOWHERE,
        NO_APPLICATION,
        NO_RESOURCE,
        OTHER_CLOUD,
        90_038,
        900_432,
    ] {
        assert_eq!(failed(doubtful, HERE).discoveries, [at(0)], "{doubtful}");
    }
    for certain in [NO_CONSENT, 5_000_224, 7_000_112, 900_023, 53_003] {
        assert_eq!(failed(certain, HERE).discoveries, [], "{certain}");
    }
    let mut world = World::new();
    world.microsoft = Microsoft::Fails(http(503), Scope::Service, None);
    world.reconcile(at(0));
    assert_eq!(world.discoveries, []);
}

#[test]
fn the_answer_decides_what_is_said() {
    let cases = [
        (
            NOWHERE,
            NOT_FOUND,
            "TenantNotFound",
            "in none of the clouds",
        ),
        (NOWHERE, GCC_HIGH, "WrongCloud", "set spec.cloud to GCCHigh"),
        (NO_APPLICATION, NOT_FOUND, "TenantNotFound", "spec.tenantId"),
        (
            NO_APPLICATION,
            GCC_HIGH,
            "WrongCloud",
            "delete this resource",
        ),
        (NO_APPLICATION, HERE, "ConsentRequired", "consentUrl"),
        (
            NO_RESOURCE,
            HERE,
            "ResourceNotInTenant",
            "lacks the product",
        ),
        (NO_RESOURCE, GCC_HIGH, "WrongCloud", "GCCHigh"),
        (OTHER_CLOUD, GCC_HIGH, "WrongCloud", "GCCHigh"),
        (OTHER_CLOUD, HERE, "WrongCloud", "another cloud"),
        (
            NOWHERE,
            Discovery::Answered(Answer::Unclear),
            "TenantNotFound",
            "spec.cloud",
        ),
    ];
    for (code, discovery, wanted, text) in cases {
        let world = failed(code, discovery);
        let status = &world.tenant.status;
        let case = format!("{code} {discovery:?}");
        assert_eq!(reason(status), wanted, "{case}");
        assert!(
            message(status).contains(text),
            "{case}: {}",
            message(status)
        );
        let shown = format!("AADSTS{code}");
        assert_eq!(
            last(&world),
            (Some(shown.as_str()), wanted, "Tenant"),
            "{case}"
        );
        assert_eq!(status.discovered_generation, Some(1), "{case}");
        assert_eq!(
            status.consent_url.is_some(),
            matches!(wanted, "ConsentRequired" | "ResourceNotInTenant"),
            "{case}"
        );
    }
}

#[test]
fn between_commercial_and_gcc_nothing_need_be_deleted() {
    let gcc = Discovery::Answered(Answer::Found(Home::Cloud(Cloud::Gcc)));
    let world = failed(NO_RESOURCE, gcc);
    assert!(message(&world.tenant.status).contains("set spec.cloud to GCC and"));
    assert!(!message(&world.tenant.status).contains("delete"));
}

#[test]
fn it_is_asked_once_a_generation_whatever_fails_and_restarts_and_however_often() {
    for (first, discovery, wanted) in [
        (NOWHERE, NOT_FOUND, "TenantNotFound"),
        (NO_APPLICATION, GCC_HIGH, "WrongCloud"),
        (NO_APPLICATION, NOT_FOUND, "TenantNotFound"),
        (NO_APPLICATION, HERE, "ConsentRequired"),
    ] {
        let mut world = failed(first, discovery);
        let said = message(&world.tenant.status).to_owned();
        // Days of retries.
        assert!(world.run(1, 3 * 86_400).len() > 3);
        world.restart();
        assert_eq!(
            force(&mut world, "a", 4 * 86_400),
            [Step::Mint(MintWhy::Forced)]
        );
        assert_eq!(reason(&world.tenant.status), wanted);
        assert_eq!(message(&world.tenant.status), said);
        // A service that was away meanwhile.
        world.microsoft = Microsoft::Fails(http(503), Scope::Service, None);
        force(&mut world, "b", 4 * 86_400 + 60);
        assert_eq!(reason(&world.tenant.status), "ServiceUnavailable");
        world.microsoft = fails(first);
        force(&mut world, "c", 4 * 86_400 + 120);
        assert_eq!(world.discoveries.len(), 1);
        if (first, discovery) != (NO_APPLICATION, NOT_FOUND) {
            assert_eq!(reason(&world.tenant.status), wanted);
            assert_eq!(message(&world.tenant.status), said);
        }
    }
}

#[test]
fn a_tenant_that_came_into_being_is_believed_though_it_was_not_found_before() {
    let mut world = failed(NOWHERE, NOT_FOUND);
    world.microsoft = fails(NO_APPLICATION);
    force(&mut world, "a", 60);
    assert_eq!(reason(&world.tenant.status), "ConsentRequired");
    assert!(world.tenant.status.consent_url.is_some());
    assert_eq!(world.discoveries.len(), 1);
}

#[test]
fn a_changed_spec_asks_again_if_it_fails_so_again() {
    let mut world = failed(NOWHERE, GCC_HIGH);
    world.discovery = NOT_FOUND;
    world.edit(|spec| spec.api = DefenderApi::Xdr);
    let steps = world.reconcile(at(60)).0;
    assert_eq!(steps, [Step::Mint(MintWhy::NoToken), Step::Discover]);
    assert_eq!(reason(&world.tenant.status), "TenantNotFound");
    assert_eq!(world.tenant.status.discovered_generation, Some(2));

    // What was said of another generation isn't said of this one: nobody has answered yet.
    let mut world = failed(NO_APPLICATION, GCC_HIGH);
    world.discovery = Discovery::Failed;
    world.edit(|spec| spec.api = DefenderApi::Xdr);
    world.reconcile(at(60));
    assert_eq!(reason(&world.tenant.status), "ConsentRequired");
    assert_eq!(world.tenant.status.discovered_generation, Some(1));
}

#[test]
fn no_answer_is_no_conclusion_and_is_asked_again_with_the_next_failing_mint_alone() {
    let mut world = failed(NOWHERE, Discovery::Failed);
    assert_eq!(reason(&world.tenant.status), "TenantNotFound");
    assert_eq!(world.tenant.status.discovered_generation, None);
    let next = world
        .tenant
        .status
        .attempt
        .as_ref()
        .unwrap()
        .next_at
        .clone()
        .unwrap()
        .0;
    for second in 1..600 {
        assert_eq!(world.reconcile(at(second)).0, []);
    }
    world.restart();
    assert_eq!(world.reconcile(at(700)).0, []);
    world.discovery = GCC_HIGH;
    let steps = world.reconcile(next).0;
    assert_eq!(steps, [Step::Mint(MintWhy::NoToken), Step::Discover]);
    assert_eq!(reason(&world.tenant.status), "WrongCloud");
}

#[test]
fn who_waits_for_a_turn_asks_when_it_comes_without_another_mint() {
    let mut world = failed(NO_APPLICATION, Discovery::Later);
    assert_eq!(reason(&world.tenant.status), "ConsentRequired");
    let attempt = world.tenant.status.attempt.clone();
    assert_eq!(world.reconcile(at(5)).0, [Step::Discover], "not yet");
    world.discovery = GCC_HIGH;
    assert_eq!(world.reconcile(at(10)).0, [Step::Discover]);
    assert_eq!(last(&world), (Some("AADSTS700016"), "WrongCloud", "Tenant"));
    assert_eq!(reason(&world.tenant.status), "WrongCloud");
    assert_eq!(world.tenant.status.consent_url, None);
    assert_eq!(world.tenant.status.attempt, attempt, "nothing was minted");
    assert_eq!(world.mints.len(), 1);
    assert_eq!(world.reconcile(at(11)).0, []);
    assert_eq!(reason(&world.tenant.status), "WrongCloud");
}

#[test]
fn who_waits_and_has_nothing_to_ask_any_more_asks_nothing() {
    let waiting = || failed(NOWHERE, Discovery::Later);
    let mut world = waiting();
    world.edit(|spec| spec.suspend = true);
    assert_eq!(world.reconcile(at(5)).0, []);

    let mut world = waiting();
    world.lead = Lead::Missing(Obstacle::NotFound);
    assert_eq!(world.reconcile(at(5)).0, []);

    let mut world = waiting();
    world.microsoft = fails(NO_CONSENT);
    assert_eq!(force(&mut world, "a", 60), [Step::Mint(MintWhy::Forced)]);
    assert_eq!(world.reconcile(at(65)).0, []);

    let mut world = waiting();
    world.tenant.deleting = true;
    assert_eq!(world.reconcile(at(5)).0, []);
}

#[test]
fn the_wrong_cloud_is_asked_for_as_rarely_as_one_that_microsoft_named_itself() {
    let waits = |code, discovery| {
        let world = failed(code, discovery);
        world.tenant.status.attempt.clone().unwrap().next_at
    };
    let named = waits(OTHER_CLOUD, Discovery::Failed);
    assert_eq!(waits(NO_APPLICATION, GCC_HIGH), named);
    assert_eq!(waits(NOWHERE, NOT_FOUND), named);
    assert!(waits(NO_APPLICATION, HERE) < named, "consent comes sooner");
}

#[test]
fn a_live_token_stays_and_no_link_is_shown_where_nobody_can_consent() {
    let mut world = World::settled();
    world.spec(|spec| spec.required_roles = vec!["Machine.Read.All".into()]);
    world.tenant.generation = 2;
    world.reconcile(at(60));
    assert!(
        world.tenant.status.consent_url.is_some(),
        "a role is missing"
    );
    world.microsoft = fails(NOWHERE);
    world.discovery = NOT_FOUND;
    force(&mut world, "a", 120);
    let (ready, reason, _) = ready_of(&world.tenant.status).unwrap();
    assert_eq!((ready, reason), ("True", "TenantNotFound"));
    assert_eq!(world.tenant.status.consent_url, None);
}

#[test]
fn an_api_server_that_is_away_asks_nothing_more() {
    let mut world = World::new();
    world.microsoft = fails(NOWHERE);
    world.denies = Some((Step::Discover, WriteFailure::Unreachable));
    world.reconcile(at(0));
    assert_eq!(world.discoveries, []);
    assert_eq!(world.tenant.status.discovered_generation, None);
}
