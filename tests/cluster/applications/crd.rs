//! Every rule of the DefenderApplication: what is accepted, and with which words the rest is refused.

use kube::Client;
use serde_json::{Value, json};

use crate::support::{Arena, CLIENT, application_crd, guid, overlay, run};

type Verdict = Result<(), &'static str>;

const OK: Verdict = Ok(());
const CLIENT_ID: &str = "clientId must be the application (client) id, a GUID in lower case: it is on the page entra.microsoft.com > App registrations";
const ONE_KIND: &str =
    "a credential is exactly one of clientSecret, certificate and workloadIdentity";
const CREDENTIAL_NAME: &str = "a credential's name has lower-case letters, digits and '-'";
const SECRET_NAME: &str = "secretRef.name must be the name of a Secret";
const WHO: &str = "a grant names tenantIds, or sets allTenants: true, and not both";
const LABELLED: &str = "allTenants and namespaces.selector can't go together: whoever may label a namespace could reach every customer";
const NAMES: &str = "namespaces needs names, or a selector";
const EMPTY_SELECTOR: &str =
    "an empty selector would select every namespace: give it matchLabels or matchExpressions";
const REDIRECT: &str = "redirectUri must be a URI that is registered on the application: https://, or http://localhost";
const HOME: &str =
    "homeTenantId must be a GUID in lower case: the tenant that the application is registered in";
const ROLE: &str = "a role is a name such as Alert.Read.All (the value of the roles claim): letters, digits and dots";
const TOO_MANY: &str = "all grants of one DefenderApplication together may name 5000 tenants: use allTenants, or a second DefenderApplication of the same clientId";
const TOO_MANY_NAMESPACES: &str = "all grants of one DefenderApplication together may name 5000 namespaces: use a selector, or a second DefenderApplication of the same clientId";

fn secret(name: &str) -> Value {
    json!({"name": name, "clientSecret": {"secretRef": {"name": "partner"}}})
}

fn ids(from: u64, to: u64) -> Vec<String> {
    (from..to).map(guid).collect()
}

fn names(from: usize, to: usize) -> Vec<String> {
    (from..to).map(|n| format!("customer-{n}")).collect()
}

#[rustfmt::skip]
fn cases() -> Vec<(Value, Verdict)> {
    let credentials = |credentials: Value| json!({"credentials": credentials});
    let grant = |grant: Value| json!({"grants": [overlay(json!({"namespaces": {"names": ["soc"]}, "tenantIds": [guid(1)]}), grant)]});
    let certificate = |more: Value| overlay(json!({"secretRef": {"name": "c"}}), more);
    let selector = json!({"matchLabels": {"team": "soc"}});
    vec![
        (json!({}), OK),
        (json!({"clientId": "contoso"}), Err(CLIENT_ID)),
        (json!({"clientId": CLIENT.to_uppercase()}), Err(CLIENT_ID)),
        (json!({"clientId": "00000000-0000-0000-0000-000000000000"}), Err(CLIENT_ID)),
        (json!({"entraCloud": "USGovernment"}), OK),
        (json!({"entraCloud": "China"}), Err("supported values: \"Public\", \"USGovernment\"")),
        (credentials(json!([])), Err("should have at least 1 items")),
        (credentials(json!([secret("a"), secret("b")])), OK),
        (credentials(json!([secret("a"), secret("b"), secret("c")])), Err("must have at most 2 items")),
        (credentials(json!([secret("a"), secret("a")])), Err("Duplicate value")),
        (credentials(json!([secret("A")])), Err(CREDENTIAL_NAME)),
        (credentials(json!([secret("-a")])), Err(CREDENTIAL_NAME)),
        (credentials(json!([{"name": "a"}])), Err(ONE_KIND)),
        (credentials(json!([overlay(secret("a"), json!({"workloadIdentity": {}}))])), Err(ONE_KIND)),
        (credentials(json!([{"name": "a", "workloadIdentity": {}}])), OK),
        (credentials(json!([{"name": "a", "workloadIdentity": {}}, secret("b")])), OK),
        (credentials(json!([{"name": "a", "workloadIdentity": {}}, {"name": "b", "workloadIdentity": {}}])), Err("there is one workload identity, the operator's own: remove one of the two")),
        (credentials(json!([{"name": "a", "certificate": certificate(json!({}))}])), OK),
        (credentials(json!([{"name": "a", "certificate": certificate(json!({"algorithm": "RS256"}))}])), OK),
        (credentials(json!([{"name": "a", "certificate": certificate(json!({"algorithm": "ES256"}))}])), Err("supported values: \"PS256\", \"RS256\"")),
        (credentials(json!([{"name": "a", "clientSecret": {"secretRef": {"name": "other/secret"}}}])), Err(SECRET_NAME)),
        (credentials(json!([overlay(secret("a"), json!({"clientSecret": {"secretRef": {"namespace": "x"}}}))])), Err("unknown field \"spec.credentials[0].clientSecret.secretRef.namespace\"")),
        (credentials(json!([overlay(secret("a"), json!({"expiresAt": "2027-01-01T00:00:00Z"}))])), OK),
        (credentials(json!([overlay(secret("a"), json!({"expiresAt": "next year"}))])), Err("must be of type date-time")),
        (grant(json!({})), OK),
        (grant(json!({"tenantIds": []})), Err(WHO)),
        (grant(json!({"allTenants": true})), Err(WHO)),
        (grant(json!({"allTenants": true, "tenantIds": []})), OK),
        (grant(json!({"tenantIds": ["common"]})), Err("spec.grants[0].tenantIds[0]")),
        (grant(json!({"tenantIds": [guid(1).to_uppercase()]})), Err("should match")),
        (grant(json!({"namespaces": {"names": []}})), Err(NAMES)),
        (grant(json!({"namespaces": {"names": ["Soc"]}})), Err("spec.grants[0].namespaces.names[0]")),
        (grant(json!({"namespaces": {"names": [], "selector": selector}})), OK),
        (grant(json!({"namespaces": {"selector": selector}})), OK),
        (grant(json!({"namespaces": {"names": [], "selector": {}}})), Err(EMPTY_SELECTOR)),
        (grant(json!({"namespaces": {"names": [], "selector": {"matchLabels": {}}}})), Err(EMPTY_SELECTOR)),
        (grant(json!({"namespaces": {"names": [], "selector": {"matchExpressions": [{"key": "team", "operator": "Exists"}]}}})), OK),
        (grant(json!({"namespaces": {"selector": selector}, "allTenants": true, "tenantIds": []})), Err(LABELLED)),
        (grant(json!({"apis": ["Endpoint", "XDR", "Graph"]})), OK),
        (grant(json!({"apis": []})), Err("should have at least 1 items")),
        (grant(json!({"apis": ["XDR", "XDR"]})), Err("Duplicate value")),
        (grant(json!({"apis": ["Purview"]})), Err("supported values: \"Endpoint\", \"XDR\", \"Graph\"")),
        (json!({"grants": (0..513).map(|_| json!({"namespaces": {"names": ["a"]}, "allTenants": true})).collect::<Vec<_>>()}), Err("must have at most 512 items")),
        (grant(json!({"tenantIds": ids(0, 5_000)})), OK),
        (grant(json!({"tenantIds": ids(0, 5_001)})), Err(TOO_MANY)),
        (json!({"grants": [
            {"namespaces": {"names": ["a"]}, "tenantIds": ids(0, 2_500)},
            {"namespaces": {"names": ["b"]}, "tenantIds": ids(0, 2_501)},
        ]}), Err(TOO_MANY)),
        (grant(json!({"namespaces": {"names": names(0, 5_000)}})), OK),
        (json!({"grants": [
            {"namespaces": {"names": names(0, 5_000)}, "allTenants": true},
            {"namespaces": {"names": ["b"]}, "allTenants": true},
        ]}), Err(TOO_MANY_NAMESPACES)),
        (json!({"homeTenantId": guid(9)}), OK),
        (json!({"homeTenantId": "contoso.com"}), Err(HOME)),
        (json!({"consent": {"redirectUri": "https://soc.example/done"}}), OK),
        (json!({"consent": {"redirectUri": "http://localhost:8400/done"}}), OK),
        (json!({"consent": {"redirectUri": "http://soc.example/done"}}), Err(REDIRECT)),
        (json!({"consent": {"redirectUri": "http://localhost.evil.example"}}), Err(REDIRECT)),
        (json!({"consent": {"redirectUri": "https://soc.example/a b"}}), Err(REDIRECT)),
        (json!({"consent": {"redirectUri": "javascript:alert(1)"}}), Err(REDIRECT)),
        (json!({"requiredRoles": ["Alert.Read.All", "Incident.Read.All"]}), OK),
        (json!({"requiredRoles": ["Alert Read"]}), Err(ROLE)),
        (json!({"requiredRoles": ["A.B", "A.B"]}), Err("Duplicate value")),
        (json!({"suspend": true, "suspendedSecrets": "Delete"}), OK),
        (json!({"suspendedSecrets": "Shred"}), Err("supported values: \"Keep\", \"Delete\"")),
        (json!({"loginHost": "evil.example"}), Err("unknown field \"spec.loginHost\"")),
    ]
}

async fn ask(admin: &Client, method: &str, path: &str, body: &Value) -> Result<(), String> {
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json")
        .body(body.to_string().into_bytes())
        .expect("a request");
    match admin.request_text(request).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) => Err(status.message),
        Err(other) => panic!("{other}"),
    }
}

fn object(name: &str, changes: Value) -> Value {
    let usual = json!({"clientId": CLIENT, "credentials": [secret("a")]});
    json!({
        "apiVersion": "defendertenant.io/v1alpha1", "kind": "DefenderApplication",
        "metadata": {"name": name}, "spec": overlay(usual, changes),
    })
}

const PATH: &str = "/apis/defendertenant.io/v1alpha1/defenderapplications";

#[test]
fn every_rule_accepts_and_refuses_with_what_to_write_instead() {
    run(async {
        let arena = Arena::shared().await;
        let path = format!("{PATH}?dryRun=All&fieldValidation=Strict");
        for (change, verdict) in cases() {
            let what = change.to_string();
            let what: String = what.chars().take(200).collect();
            match (
                ask(&arena.admin, "POST", &path, &object("rules", change)).await,
                verdict,
            ) {
                (Ok(()), Ok(())) => {}
                (Err(message), Err(expected)) => {
                    assert!(message.contains(expected), "{what}: {message:.600}");
                }
                (Err(message), Ok(())) => panic!("{what} is refused: {message:.600}"),
                (Ok(()), Err(expected)) => {
                    panic!("{what} is accepted, should be refused: {expected}")
                }
            }
        }
    });
}

#[test]
fn what_cannot_be_changed_is_said_and_the_biggest_object_is_stored() {
    run(async {
        let arena = Arena::shared().await;
        let name = format!("big-{}", &uuid::Uuid::new_v4().simple().to_string()[..6]);
        // 5,000 tenants and 5,000 namespaces: near half of what etcd takes.
        let grants =
            json!([{"namespaces": {"names": names(0, 5_000)}, "tenantIds": ids(0, 5_000)}]);
        let spec = json!({"grants": grants});
        ask(&arena.admin, "POST", PATH, &object(&name, spec.clone()))
            .await
            .expect("stored");
        let kube::api::DynamicObject { metadata, .. } = serde_json::from_str(
            &arena
                .admin
                .request_text(
                    http::Request::get(format!("{PATH}/{name}"))
                        .body(Vec::new())
                        .expect("a request"),
                )
                .await
                .expect("it"),
        )
        .expect("an object");
        let mut other = object(&name, overlay(spec, json!({"entraCloud": "USGovernment"})));
        other["metadata"]["resourceVersion"] = json!(metadata.resource_version);
        let refused = ask(&arena.admin, "PUT", &format!("{PATH}/{name}"), &other)
            .await
            .expect_err("immutable");
        assert!(
            refused
                .contains("entraCloud can't be changed: a registration lives in one Entra cloud"),
            "{refused:.600}"
        );
        // A status before the operator has seen it isn't one of a finished object.
        let stored: Value = serde_json::from_str(
            &arena
                .admin
                .request_text(
                    http::Request::get(format!("{PATH}/{name}"))
                        .body(Vec::new())
                        .expect("a request"),
                )
                .await
                .expect("it"),
        )
        .expect("JSON");
        assert_eq!(stored["status"]["observedGeneration"], -1);
        ask(
            &arena.admin,
            "DELETE",
            &format!("{PATH}/{name}"),
            &json!({}),
        )
        .await
        .expect("deleted");
        assert_eq!(application_crd()["spec"]["scope"], "Cluster");
    });
}
