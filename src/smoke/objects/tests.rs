use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, OwnerReference, Time};

use super::*;

const ID: &str = "6b1f0f3e-5c0a-4d9b-9a43-0d5f5a1c7e10";
const CLIENT: &str = "0c4f3a52-9d1b-4c3e-8f57-2a6b9e1d4f88";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

#[test]
fn names_are_names_of_kubernetes_and_differ() {
    let one = name(uuid::Uuid::new_v4());
    assert_ne!(one, name(uuid::Uuid::new_v4()));
    let letters = one.strip_prefix("smoke-test-").unwrap();
    assert_eq!(letters.len(), 5);
    assert!(
        letters
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    );
}

#[test]
fn the_objects_grant_and_ask_for_one_customer_and_are_labelled() {
    let id: TenantId = ID.parse().unwrap();
    let key = Key::new("soc", "smoke-test-abcde");
    for (credential, field, name) in [
        (Credential::Secret("partner"), "secretRef", "partner"),
        (Credential::Application("app"), "applicationRef", "app"),
    ] {
        let made = serde_json::to_value(tenant(&key, id, credential, "run-1").unwrap()).unwrap();
        assert_eq!(made["metadata"]["namespace"], "soc");
        assert_eq!(made["metadata"]["labels"], json!({LABEL: "true"}));
        assert_eq!(made["metadata"]["annotations"], json!({RUN: "run-1"}));
        assert_eq!(made["spec"]["tenantId"], ID);
        assert_eq!(made["spec"]["requiredRoles"], json!([ROLE]));
        assert_eq!(made["spec"][field]["name"], name);
    }
    let made = application(
        "app",
        CLIENT.parse().unwrap(),
        "partner",
        "soc",
        id,
        "run-1",
    )
    .unwrap();
    let made = serde_json::to_value(made).unwrap();
    assert_eq!(made["metadata"]["labels"], json!({LABEL: "true"}));
    assert_eq!(made["spec"]["clientId"], CLIENT);
    assert_eq!(
        made["spec"]["grants"],
        json!([{"namespaces": {"names": ["soc"]}, "tenantIds": [ID], "allTenants": false, "apis": ["Endpoint"]}])
    );
}

fn refused(code: u16, message: &str, kind: &str) -> kube::Error {
    let status = json!({
        "code": code, "message": message, "reason": "x", "status": "Failure", "details": {"kind": kind},
    });
    kube::Error::Api(Box::new(serde_json::from_value(status).unwrap()))
}

#[test]
fn each_refusal_says_what_to_do() {
    for (error, namespace, expected) in [
        (
            refused(404, "the server could not find the requested resource", ""),
            Some("soc"),
            "the cluster has no defendertenants.defendertenant.io: install the CRDs first (kubectl apply --server-side -f crds/)",
        ),
        (
            refused(404, "namespaces \"soc\" not found", "namespaces"),
            Some("soc"),
            "there is no namespace soc",
        ),
        (
            refused(403, "forbidden", "defendertenants"),
            Some("soc"),
            "the account that runs this may not create defendertenants in namespace soc: grant it apiGroups: [defendertenant.io], resources: [defendertenants], verbs: [create]",
        ),
        (
            refused(403, "forbidden", "defendertenants"),
            None,
            "the account that runs this may not create defendertenants in the whole cluster (ClusterRole): grant it apiGroups: [defendertenant.io], resources: [defendertenants], verbs: [create]",
        ),
        (
            refused(422, "tenantId must be a GUID", "defendertenants"),
            Some("soc"),
            "the API server refuses to create defendertenants with status 422: tenantId must be a GUID",
        ),
    ] {
        assert_eq!(
            refusal(&error, "create", "defendertenants", namespace),
            expected
        );
    }
}

fn status(ready: Option<(&str, &str)>, observed: i64) -> DefenderTenantStatus {
    let condition = ready.map(|(status, reason)| Condition {
        type_: "Ready".into(),
        status: status.into(),
        reason: reason.into(),
        message: "what to do".into(),
        last_transition_time: Time(at(0)),
        observed_generation: None,
    });
    DefenderTenantStatus {
        observed_generation: Some(observed),
        conditions: condition.into_iter().collect(),
        ..DefenderTenantStatus::default()
    }
}

#[test]
fn ready_is_ready_for_this_generation() {
    assert!(is_ready(&status(Some(("True", "TokenPublished")), 1), 1));
    assert!(!is_ready(&status(Some(("True", "TokenPublished")), 1), 2));
    let not = status(Some(("False", "ConsentRequired")), 1);
    assert!(!is_ready(&not, 1));
    assert_eq!(not_ready(&not), "Ready=False ConsentRequired: what to do");
    assert!(not_ready(&status(None, -1)).starts_with("nobody has looked at it"));
}

#[test]
fn a_leftover_is_named_labelled_old_and_nobodys_and_deleted_as_it_was_seen() {
    let leftover_of = |change: fn(&mut ObjectMeta), now: i64| {
        let mut metadata = ObjectMeta {
            creation_timestamp: Some(Time(at(0))),
            uid: Some("u-1".into()),
            resource_version: Some("7".into()),
            ..metadata("smoke-test-abcde", Some("soc"), "run-1")
        };
        change(&mut metadata);
        leftover(&metadata, at(now))
    };
    let seen = Preconditions {
        uid: Some("u-1".into()),
        resource_version: Some("7".into()),
    };
    assert_eq!(leftover_of(|_| {}, 1_201), Some(seen));
    assert_eq!(leftover_of(|_| {}, 1_200), None);
    let others: [fn(&mut ObjectMeta); 7] = [
        |m| m.labels = None,
        |m| m.name = Some("contoso".into()),
        |m| m.owner_references = Some(vec![OwnerReference::default()]),
        |m| m.deletion_timestamp = Some(Time(at(1))),
        |m| m.creation_timestamp = None,
        |m| m.uid = None,
        |m| m.resource_version = None,
    ];
    for (n, change) in others.into_iter().enumerate() {
        assert_eq!(leftover_of(change, 9_999), None, "{n}");
    }
}
