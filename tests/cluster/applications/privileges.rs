//! Somebody who may only write DefenderTenants in his namespace, on a real API server with the RBAC of a plain user.

use defender_tenant_operator::api::DefenderTenant;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{GroupVersionKind, TypeMeta};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::support::{CLIENT, Lab, Setup, client, condition, guid, overlay, rbac, run};

const ROLES: &[&str] = &["Alert.Read.All"];
/// The application's credential Secret. The user's namespace has none of this name.
const OPERATORS: &str = "operators-own";

/// A lab whose application grants the user's namespace the first customer, and that user.
async fn lab(name: &str) -> (Lab, Client) {
    let setup = Setup {
        more_namespaces: vec!["other"],
        ..Setup::default()
    };
    let lab = Lab::of_applications(name, setup).await;
    lab.home_credential(OPERATORS, &lab.secret).await;
    lab.application(
        "soc-reader",
        json!({
            "credentials": [{"name": "first", "clientSecret": {"secretRef": {"name": OPERATORS}}}],
            "grants": [{"namespaces": {"names": [lab.ns]}, "tenantIds": [guid(1)]}],
        }),
    )
    .await;
    for n in 1..=2 {
        lab.emulator.consented(&guid(n), CLIENT, ROLES).await;
    }
    let manifest = USER.replace("NAMESPACE", &lab.ns);
    rbac::apply(&lab.arena.admin, &manifest).await;
    let token = rbac::token_of(&lab.arena.admin, &lab.ns, "alice").await;
    let kubeconfig = lab
        .arena
        .cluster
        .lock()
        .await
        .kubeconfig_for_token(lab.arena.server(), &token);
    let user = client(&kubeconfig).await;
    // The authorizer learns of a new role by a watch.
    lab.eventually("the user may write tenants", async || {
        let tenants: Api<DefenderTenant> = Api::namespaced(user.clone(), &lab.ns);
        tenants
            .list(&kube::api::ListParams::default())
            .await
            .ok()
            .map(drop)
    })
    .await;
    (lab, user)
}

const USER: &str = "apiVersion: v1
kind: ServiceAccount
metadata:
  name: alice
  namespace: NAMESPACE
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: alice
  namespace: NAMESPACE
rules:
- apiGroups: [defendertenant.io]
  resources: [defendertenants]
  verbs: [\"*\"]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: alice
  namespace: NAMESPACE
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: alice
subjects:
- kind: ServiceAccount
  name: alice
  namespace: NAMESPACE
";

fn tenants(user: &Client, ns: &str) -> Api<DynamicObject> {
    Api::namespaced_with(user.clone(), ns, &ApiResource::erase::<DefenderTenant>(&()))
}

fn tenant(name: &str, spec: Value) -> DynamicObject {
    let usual = json!({"tenantId": guid(1)});
    serde_json::from_value(json!({
        "apiVersion": "defendertenant.io/v1alpha1", "kind": "DefenderTenant",
        "metadata": {"name": name}, "spec": overlay(usual, spec),
    }))
    .expect("an object")
}

/// As `kubectl apply` asks: unknown fields are an error.
async fn create(user: &Client, ns: &str, object: &DynamicObject) -> Result<(), kube::Error> {
    let body = serde_json::to_vec(object).expect("JSON");
    let path = format!(
        "/apis/defendertenant.io/v1alpha1/namespaces/{ns}/defendertenants?fieldValidation=Strict"
    );
    let request = http::Request::post(path)
        .header("content-type", "application/json")
        .body(body)
        .expect("a request");
    user.request_text(request).await.map(drop)
}

fn code(error: &kube::Error) -> u16 {
    match error {
        kube::Error::Api(status) => status.code,
        _ => 0,
    }
}

#[test]
fn reaches_no_secret_of_another_namespace() {
    run(async {
        let (lab, user) = lab("nosecret").await;
        let other = lab.namespace("other");
        let labels = json!({"defendertenant.io/credential": "true"});
        let keys = [("client-id", CLIENT), ("client-secret", &*lab.secret)];
        lab.secret_in(&other, "theirs", labels, &keys).await;
        // A reference names no namespace: not by a field, not in the name.
        let error = create(
            &user,
            &lab.ns,
            &tenant(
                "field",
                json!({"secretRef": {"name": "theirs", "namespace": other}}),
            ),
        )
        .await
        .expect_err("no such field");
        assert!(error.to_string().contains("secretRef.namespace"), "{error}");
        for name in [format!("{other}/theirs"), "../theirs".to_owned()] {
            let error = create(
                &user,
                &lab.ns,
                &tenant("path", json!({"secretRef": {"name": name}})),
            )
            .await
            .expect_err("no name of a Secret");
            assert_eq!(code(&error), 422, "{error}");
        }
        // The Secrets of the operator's namespace and of the other one aren't found from here.
        let home: Api<Secret> = Api::namespaced(lab.arena.admin.clone(), &lab.home());
        home.get(OPERATORS).await.expect("it is there");
        for name in ["theirs", OPERATORS] {
            create(
                &user,
                &lab.ns,
                &tenant(name, json!({"secretRef": {"name": name}})),
            )
            .await
            .expect("a tenant");
            lab.reason(name, "False", "CredentialSecretNotFound").await;
        }
        // Nor may the user write a tenant where they are.
        for ns in [other, lab.home()] {
            let error = create(
                &user,
                &ns,
                &tenant("there", json!({"secretRef": {"name": "theirs"}})),
            )
            .await
            .expect_err("another namespace");
            assert_eq!(code(&error), 403);
        }
        assert_eq!(lab.emulator.all_token_requests().await.len(), 0);
        lab.finish().await;
    });
}

#[test]
fn gets_no_token_for_a_customer_or_an_api_that_was_not_granted() {
    run(async {
        let (lab, user) = lab("ungranted").await;
        let app = json!({"applicationRef": {"name": "soc-reader"}});
        create(&user, &lab.ns, &tenant("granted", app.clone()))
            .await
            .expect("a tenant");
        lab.ready("granted").await;
        for (name, more) in [
            ("customer", json!({"tenantId": guid(2)})),
            ("xdr", json!({"api": "XDR"})),
            ("graph", json!({"api": "Graph"})),
        ] {
            create(&user, &lab.ns, &tenant(name, overlay(app.clone(), more)))
                .await
                .expect("a tenant");
            lab.reason(name, "False", "NotGranted").await;
        }
        // The very tenant that was granted can't be turned into another.
        let patch = json!({"spec": {"tenantId": guid(2)}});
        let error = tenants(&user, &lab.ns)
            .patch("granted", &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .expect_err("immutable");
        assert_eq!(code(&error), 422, "{error}");
        assert_eq!(lab.emulator.token_requests(&guid(2)).await.len(), 0);
        assert_eq!(lab.emulator.all_token_requests().await.len(), 1);
        lab.finish().await;
    });
}

#[test]
fn cannot_use_the_operators_own_identity_or_grant_himself_anything() {
    run(async {
        let (lab, user) = lab("identity").await;
        let error = create(
            &user,
            &lab.ns,
            &tenant("field", json!({"workloadIdentity": {}})),
        )
        .await
        .expect_err("no such field");
        assert!(error.to_string().contains("workloadIdentity"), "{error}");
        // A credential Secret without a key of its own isn't the operator's identity.
        lab.labelled("bare", &[("client-id", CLIENT)]).await;
        create(
            &user,
            &lab.ns,
            &tenant("bare", json!({"secretRef": {"name": "bare"}})),
        )
        .await
        .expect("a tenant");
        lab.reason("bare", "False", "CredentialMalformed").await;
        for (kind, plural, body) in [
            (
                "DefenderApplication",
                "defenderapplications",
                json!({"spec": {
                "clientId": CLIENT, "credentials": [{"name": "a", "workloadIdentity": {}}],
                "grants": [{"namespaces": {"names": [lab.ns]}, "allTenants": true}]}}),
            ),
            ("Namespace", "namespaces", json!({})),
        ] {
            let version = if kind == "Namespace" {
                "v1"
            } else {
                "defendertenant.io/v1alpha1"
            };
            let types = TypeMeta {
                api_version: version.into(),
                kind: kind.into(),
            };
            let gvk = GroupVersionKind::try_from(types).expect("a kind");
            let api: Api<DynamicObject> = Api::all_with(
                user.clone(),
                &ApiResource::from_gvk_with_plural(&gvk, plural),
            );
            let mut object = body;
            object["apiVersion"] = json!(version);
            object["kind"] = json!(kind);
            object["metadata"] = json!({"name": "mine"});
            let object: DynamicObject = serde_json::from_value(object).expect("an object");
            let error = api
                .create(&PostParams::default(), &object)
                .await
                .expect_err("not his");
            assert_eq!(code(&error), 403, "{kind}");
            // Nor by a change of what is there.
            let patch = json!({"metadata": {"labels": {"soc": "yes"}}});
            let name = if kind == "Namespace" {
                lab.ns.clone()
            } else {
                "soc-reader".to_owned()
            };
            let error = api
                .patch(&name, &PatchParams::default(), &Patch::Merge(&patch))
                .await
                .expect_err("not his");
            assert_eq!(code(&error), 403, "{kind}");
        }
        assert_eq!(lab.emulator.all_token_requests().await.len(), 0);
        lab.finish().await;
    });
}

#[test]
fn sends_no_request_and_no_token_to_another_host() {
    run(async {
        let (lab, user) = lab("nohost").await;
        let app = json!({"applicationRef": {"name": "soc-reader"}});
        for field in [
            "loginHost",
            "authorityHost",
            "apiHost",
            "apiUrl",
            "audience",
            "scope",
            "resource",
            "proxy",
            "caBundle",
            "template",
        ] {
            let error = create(
                &user,
                &lab.ns,
                &tenant(
                    "host",
                    overlay(app.clone(), json!({field: "https://evil.example"})),
                ),
            )
            .await
            .expect_err("no such field");
            assert!(error.to_string().contains(field), "{error}");
        }
        for (field, value) in [
            ("region", "evil.example"),
            ("cloud", "Evil"),
            ("api", "https://evil.example"),
            ("tenantId", "6b1f0f3e@evil.example"),
        ] {
            let error = create(
                &user,
                &lab.ns,
                &tenant("host", overlay(app.clone(), json!({field: value}))),
            )
            .await
            .expect_err("a closed list");
            assert_eq!(code(&error), 422, "{field}: {error}");
        }
        // What the operator says isn't the user's to say.
        create(&user, &lab.ns, &tenant("mine", app))
            .await
            .expect("a tenant");
        lab.ready("mine").await;
        let patch = json!({"status": {"consentUrl": "https://evil.example"}});
        let error = tenants(&user, &lab.ns)
            .patch_status("mine", &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .expect_err("a status");
        assert_eq!(code(&error), 403);
        let reached: Vec<String> = lab
            .emulator
            .journal()
            .await
            .into_iter()
            .map(|entry| entry.host)
            .collect();
        assert!(
            reached
                .iter()
                .all(|host| host == "login.microsoftonline.com"),
            "{reached:?}"
        );
        let tenant = lab.ready("mine").await;
        assert!(condition(&tenant, "Ready").is_some());
        lab.finish().await;
    });
}
