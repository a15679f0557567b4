//! Whom a change of an application, of its Secrets or of a namespace concerns: those, and no others.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::*;
use crate::controller::objects::ApplicationObject;
use crate::controller::world::Known;
use crate::core::application::{Denial, Labels};

const CLIENT: &str = "0c4f3a52-9d1b-4c3e-8f57-2a6b9e1d4f88";

fn tenant_id(n: usize) -> String {
    format!("6b1f0f3e-5c0a-4d9b-9a43-{n:012x}")
}

/// Tenants `a/t1`, `a/t2`, `b/t1` and `b/t2` of the application `app`, and one that refers to another.
fn world() -> World {
    let mut world = World::new([LOGIN], Some("operator"));
    for (ns, name, n, app) in [
        ("a", "t1", 1, "app"),
        ("a", "t2", 2, "app"),
        ("b", "t1", 1, "app"),
        ("b", "t2", 2, "app"),
        ("b", "other", 1, "another"),
    ] {
        let object = json!({
            "metadata": {"name": name, "namespace": ns, "uid": format!("{ns}-{name}"), "resourceVersion": "1", "generation": 1},
            "spec": {"tenantId": tenant_id(n), "applicationRef": {"name": app}},
        });
        world
            .tenant_applied(serde_json::from_value(object).unwrap())
            .unwrap();
    }
    world
}

fn application(version: u32, spec: &Value) -> ApplicationObject {
    let mut whole = json!({"clientId": CLIENT, "credentials": [{"name": "one", "clientSecret": {"secretRef": {"name": "partner"}}}]});
    for (key, value) in spec.as_object().unwrap() {
        whole[key] = value.clone();
    }
    serde_json::from_value(json!({
        "metadata": {"name": "app", "uid": "app-uid", "resourceVersion": version.to_string(), "generation": version},
        "spec": whole,
    }))
    .unwrap()
}

fn grant(namespaces: &[&str], tenants: &[usize]) -> Value {
    let ids: Vec<String> = tenants.iter().map(|n| tenant_id(*n)).collect();
    json!({"namespaces": {"names": namespaces}, "tenantIds": ids})
}

fn secret(version: &str, value: &str) -> SecretBody {
    use base64::Engine as _;
    let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    serde_json::from_value(json!({
        "metadata": {"name": "partner", "namespace": "operator", "uid": "c", "resourceVersion": version},
        "data": {"client-secret": encode(value)},
    }))
    .unwrap()
}

/// `a/t1 b/t2`
fn names(keys: impl IntoIterator<Item = Key>) -> String {
    let mut names: Vec<String> = keys.into_iter().map(|key| key.to_string()).collect();
    names.sort();
    names.join(" ")
}

const ALL: &str = "a/t1 a/t2 b/t1 b/t2";

impl World {
    fn tell(&mut self, object: ApplicationObject) -> String {
        names(self.application_applied(object, true, at(0)).unwrap())
    }
}

#[test]
fn a_changed_grant_concerns_those_whose_answer_it_changes() {
    let mut world = world();
    assert_eq!(
        world.tell(application(1, &json!({"grants": [grant(&["a"], &[1])]}))),
        ALL,
        "it is new"
    );
    assert_eq!(
        world.tell(application(2, &json!({"grants": [grant(&["a"], &[1, 2])]}))),
        "a/t2"
    );
    assert_eq!(
        world.tell(application(
            3,
            &json!({"grants": [grant(&["a", "b"], &[2])]})
        )),
        "a/t1 b/t1 b/t2",
        "taken back, another denial, granted"
    );
    assert_eq!(
        world.tell(application(
            4,
            &json!({"grants": [grant(&["b", "a"], &[2])]})
        )),
        "",
        "the same in other words"
    );
    assert_eq!(world.tell(application(3, &json!({}))), "", "older news");
}

#[test]
fn what_changes_for_all_concerns_all_of_its_tenants_and_nobody_else() {
    let mut world = world();
    let grants = json!([grant(&["a"], &[1])]);
    world.tell(application(1, &json!({"grants": grants})));
    for (version, spec) in (2..).zip([
        json!({"suspend": true}),
        json!({"suspend": true, "suspendedSecrets": "Delete"}),
        json!({"requiredRoles": ["Alert.Read.All"]}),
        json!({"consent": {"redirectUri": "https://soc.example/done"}}),
        json!({"clientId": "11111111-2222-4333-8444-555555555555"}),
        json!({"credentials": [{"name": "two", "workloadIdentity": {}}]}),
    ]) {
        let mut spec = spec;
        spec["grants"] = grants.clone();
        assert_eq!(world.tell(application(version, &spec)), ALL, "{version}");
    }
    assert_eq!(names(world.application_deleted(&"app".into())), ALL);
    assert_eq!(
        names(world.application_deleted(&"app".into())),
        "",
        "it was gone"
    );
    assert!(
        world.by_secret.is_empty()
            && world.by_fingerprint.is_empty()
            && world.applications.is_empty()
    );
}

#[test]
fn its_own_status_concerns_nobody() {
    let mut world = world();
    let spec = json!({"grants": [grant(&["a"], &[1])]});
    world.tell(application(1, &spec));
    assert_eq!(world.tell(application(2, &spec)), "");
}

#[test]
fn one_that_cannot_be_read_any_more_denies_and_is_told_once() {
    let mut world = world();
    world.tell(application(1, &json!({"grants": [grant(&["a"], &[1])]})));
    let broken = || application(2, &json!({"clientId": "contoso"}));
    assert_eq!(
        names(
            world
                .application_applied(broken(), true, at(0))
                .unwrap_err()
        ),
        ALL
    );
    assert!(world.application("app").is_none() && world.is_unreadable("app"));
    assert_eq!(
        names(
            world
                .application_applied(broken(), true, at(0))
                .unwrap_err()
        ),
        ""
    );
    assert_eq!(world.tell(application(3, &json!({"grants": []}))), ALL);
    assert!(!world.is_unreadable("app"));
}

#[test]
fn a_list_that_lacks_it_says_that_it_is_gone() {
    let mut world = world();
    world.tell(application(1, &json!({})));
    let here = HashSet::from([Key::new("", "app")]);
    assert_eq!(names(world.applications_listed(&here)), "");
    assert_eq!(names(world.applications_listed(&HashSet::new())), ALL);
}

#[test]
fn a_secret_of_the_operators_namespace_makes_a_credential_by_what_the_application_says() {
    let mut world = world();
    world.tell(application(
        1,
        &json!({"grants": [grant(&["a", "b"], &[1, 2])]}),
    ));
    let known = |world: &World| world.application("app").unwrap().credentials[0].clone();
    assert_eq!(
        known(&world).known,
        Known::Unseen(Key::new("operator", "partner"))
    );
    assert_eq!(
        names(
            world
                .credential_told(&secret("1", "s~1"), true, at(5))
                .unwrap()
        ),
        ALL
    );
    let first = known(&world);
    let Known::Found(found) = &first.known else {
        panic!("{first:?}");
    };
    assert_eq!(first.changed_at, Some(at(5)));
    let fingerprint = found.fingerprint(LOGIN);
    assert_eq!(names(world.fingerprint_users(fingerprint)), ALL);
    assert!(!world.is_alone(fingerprint));
    // Only the resourceVersion is another.
    assert_eq!(
        world.credential_told(&secret("2", "s~1"), true, at(6)),
        None
    );
    assert_eq!(
        names(
            world
                .credential_told(&secret("3", "s~2"), true, at(7))
                .unwrap()
        ),
        ALL
    );
    assert!(!world.has_fingerprint(fingerprint));
    // What doesn't concern the credential leaves it as old as it is.
    world.tell(application(
        2,
        &json!({"suspend": true, "grants": [grant(&["a", "b"], &[1, 2])]}),
    ));
    assert_eq!(known(&world).changed_at, Some(at(7)));
    assert_eq!(
        names(
            world
                .credential_deleted(&Key::new("operator", "partner"), at(8))
                .unwrap()
        ),
        ALL
    );
    assert_eq!(
        known(&world).known,
        Known::Unseen(Key::new("operator", "partner"))
    );
    assert!(world.by_fingerprint.is_empty());
    assert!(!format!("{world:?}").contains("s~"), "nothing secret shows");
}

#[test]
fn a_secret_elsewhere_is_no_credential_of_an_application() {
    let mut world = world();
    world.tell(application(1, &json!({})));
    let mut elsewhere = secret("1", "s~1");
    elsewhere.metadata.namespace = Some("a".into());
    assert_eq!(
        names(world.credential_told(&elsewhere, true, at(0)).unwrap()),
        ""
    );
    let known = &world.application("app").unwrap().credentials[0].known;
    assert!(matches!(known, Known::Unseen(_)), "{known:?}");
}

#[test]
fn a_label_concerns_the_tenants_of_that_namespace_that_it_grants() {
    let labels = |value: &str| Labels::from([("team".to_owned(), value.to_owned())]);
    let by_label = json!({"grants": [{"namespaces": {"selector": {"matchLabels": {"team": "soc"}}}, "tenantIds": [tenant_id(1)]}]});
    let mut blind = world();
    blind.tell(application(1, &by_label));
    assert_eq!(
        names(blind.namespace_applied("a", labels("soc"))),
        "",
        "labels don't count"
    );

    let mut world = world();
    world.look_at_labels();
    world.tell(application(1, &by_label));
    assert_eq!(names(world.namespace_applied("a", labels("red"))), "");
    assert_eq!(names(world.namespace_applied("a", labels("soc"))), "a/t1");
    assert_eq!(
        names(world.namespace_applied("a", labels("soc"))),
        "",
        "nothing new"
    );
    assert_eq!(
        names(world.namespaces_listed(&HashSet::new())),
        "a/t1",
        "the namespace is gone"
    );
    let application = world.application("app").unwrap().application.clone();
    let tenant = world.tenant(&Key::new("a", "t1")).unwrap();
    assert_eq!(world.grant(&application, &*tenant), Err(Denial::Namespace));
}

#[test]
fn three_hundred_applications_and_five_thousand_tenants_in_one_grant_are_each_found() {
    let mut world = World::new([LOGIN], Some("operator"));
    let ids: Vec<String> = (0..5_000).map(tenant_id).collect();
    for n in 0..300 {
        let object = json!({
            "metadata": {"name": format!("app{n}"), "uid": format!("u{n}"), "resourceVersion": "1", "generation": 1},
            "spec": {"clientId": CLIENT, "credentials": [{"name": "a", "workloadIdentity": {}}],
                "grants": [{"namespaces": {"names": ["a"]}, "tenantIds": if n == 7 { ids.clone() } else { vec![tenant_id(n)] }}]},
        });
        let object: ApplicationObject = serde_json::from_value(object).unwrap();
        world.application_applied(object, false, at(0)).unwrap();
    }
    let big = world.application("app7").unwrap().application.clone();
    for n in 0..5_000 {
        let id = tenant_id(n).parse().unwrap();
        assert_eq!(
            big.grants
                .check("a", None, id, crate::api::DefenderApi::Endpoint),
            Ok(())
        );
    }
    let missing = tenant_id(5_000).parse().unwrap();
    assert_eq!(
        big.grants
            .check("a", None, missing, crate::api::DefenderApi::Endpoint),
        Err(Denial::Tenant)
    );
}

#[test]
fn whoever_only_names_an_application_is_no_user_of_its_credential() {
    let mut world = world();
    world.tell(application(1, &json!({"grants": [grant(&["a"], &[1])]})));
    world.credential_told(&secret("1", "s~1"), true, at(0));
    let Known::Found(found) = &world.application("app").unwrap().credentials[0].known else {
        panic!("a credential");
    };
    let fingerprint = found.fingerprint(LOGIN);
    assert_eq!(names(world.fingerprint_users(fingerprint)), "a/t1");
    assert!(
        world.is_alone(fingerprint),
        "three others name it, and mean nothing"
    );
}

#[test]
fn a_role_is_missing_everywhere_if_two_customers_lack_it_whatever_names_they_make_up() {
    let mut world = world();
    let spec =
        json!({"grants": [grant(&["a", "b"], &[1, 2])], "requiredRoles": ["Alert.Read.All"]});
    world.tell(application(1, &spec));
    let told = |world: &mut World,
                ns: &str,
                name: &str,
                version: &str,
                n: usize,
                required: &[&str],
                missing: &[&str]| {
        let object = json!({
            "metadata": {"name": name, "namespace": ns, "uid": format!("{ns}-{name}"), "resourceVersion": version, "generation": 1},
            "spec": {"tenantId": tenant_id(n), "applicationRef": {"name": "app"}, "requiredRoles": required},
            "status": {"token": {"issuedAt": "2026-01-01T00:00:00Z", "expiresAt": "2100-01-01T00:00:00Z", "refreshAt": "2100-01-01T00:00:00Z",
                "missingRoles": missing, "audience": "a", "applicationId": CLIENT}},
        });
        world
            .tenant_applied(serde_json::from_value(object).unwrap())
            .unwrap();
    };
    let everywhere = |world: &World| {
        let application = world.application("app").unwrap().application.clone();
        world.missing_everywhere(&application, at(0))
    };
    assert_eq!(everywhere(&world), None, "nobody has a token");
    // One customer from two namespaces is one customer.
    told(
        &mut world,
        "a",
        "t1",
        "2",
        1,
        &["Machine.Read.All", "Made.Up"],
        &["Machine.Read.All", "Made.Up"],
    );
    told(
        &mut world,
        "b",
        "t1",
        "2",
        1,
        &["Machine.Read.All"],
        &["Machine.Read.All"],
    );
    assert_eq!(everywhere(&world), None);
    told(
        &mut world,
        "a",
        "t2",
        "2",
        2,
        &["Machine.Read.All", "Made.Up"],
        &["Machine.Read.All", "Made.Up"],
    );
    assert_eq!(
        everywhere(&world),
        Some(vec!["Machine.Read.All".to_owned()])
    );
    told(&mut world, "b", "t2", "2", 2, &["Machine.Read.All"], &[]);
    assert_eq!(everywhere(&world), Some(vec![]), "somebody has it");
}

#[test]
fn what_takes_a_token_back_concerns_its_tenant_although_it_asks_for_another_api_by_now() {
    let mut world = world();
    let apis = |apis: &[&str]| {
        let mut grant = grant(&["a"], &[1]);
        grant["apis"] = json!(apis);
        json!({"grants": [grant]})
    };
    world.tell(application(1, &apis(&["Endpoint", "XDR"])));
    let graph = json!({
        "metadata": {"name": "t1", "namespace": "a", "uid": "a-t1", "resourceVersion": "2", "generation": 2},
        "spec": {"tenantId": tenant_id(1), "applicationRef": {"name": "app"}, "api": "Graph"},
    });
    world
        .tenant_applied(serde_json::from_value(graph).unwrap())
        .unwrap();
    assert_eq!(world.tell(application(2, &apis(&["XDR"]))), "a/t1");
    assert_eq!(world.tell(application(3, &apis(&["XDR"]))), "");
}

#[test]
fn the_roles_of_a_token_are_news_for_its_application_whoever_tells_them_first() {
    let told = |version: &str, missing: &[&str]| -> TenantObject {
        serde_json::from_value(json!({
            "metadata": {"name": "t1", "namespace": "a", "uid": "a-t1", "resourceVersion": version, "generation": 1},
            "spec": {"tenantId": tenant_id(1), "applicationRef": {"name": "app"}},
            "status": {"token": {"issuedAt": "2026-11-24T10:00:00Z", "expiresAt": "2026-11-24T11:00:00Z", "refreshAt": "2026-11-24T10:40:00Z",
                "missingRoles": missing, "audience": "https://api.securitycenter.microsoft.com", "applicationId": CLIENT}},
        }))
        .unwrap()
    };
    let mut world = world();
    world.tell(application(1, &json!({"grants": [grant(&["a"], &[1])]})));
    assert_eq!(world.take_changed_applications().len(), 1);
    // Our own write, which the watch tells before its answer is here.
    let written = told("2", &[]).into_tenant().unwrap();
    world.tenant_applied(told("2", &[])).unwrap();
    let key = written.key.clone();
    world.status_written(&key, "a-t1", "2", (*written.status).clone());
    assert_eq!(world.take_changed_applications().len(), 1);
    world
        .tenant_applied(told("3", &["Alert.Read.All"]))
        .unwrap();
    assert_eq!(world.take_changed_applications().len(), 1);
    world
        .tenant_applied(told("4", &["Alert.Read.All"]))
        .unwrap();
    assert_eq!(world.take_changed_applications().len(), 0, "nothing new");
}
