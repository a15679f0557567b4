//! The operator's permissions: those of the manifests in deploy/, and no more.

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind, TypeMeta};
use kube::{Api, Client};
use serde_json::{Value, json};

use super::arena::MANAGER;
use super::wait::{Patience, eventually};

/// Its service account.
pub const ACCOUNT: &str = "defender-tenant-operator";
/// For chosen namespaces.
const NAMESPACED: &str = include_str!("../../../deploy/rbac-namespaced.yaml");
/// For all.
const CLUSTER: &str = include_str!("../../../deploy/rbac.yaml");
/// Beside it, for grants by label.
const SELECTORS: &str = include_str!("../../../deploy/rbac-namespace-selectors.yaml");
/// The namespace that a manifest has for the operator.
const HOME: &str = "namespace: defender-tenant-operator\n";

/// Grants what `deploy/rbac-namespaced.yaml` grants, with the operator at home in `home`, and returns a token for it.
pub async fn grant(admin: &Client, home: &str, namespaces: &[String]) -> String {
    for ns in namespaces {
        let text =
            with_home(NAMESPACED, home).replace("namespace: soc\n", &format!("namespace: {ns}\n"));
        apply(admin, &text).await;
        allowed(admin, home, Some(ns), "delete", "secrets", true).await;
    }
    allowed(admin, home, Some(home), "create", "leases", true).await;
    token(admin, home).await
}

/// Grants what `deploy/rbac.yaml` grants, with the operator at home in `home`, and returns a token for it.
pub async fn grant_cluster(admin: &Client, home: &str) -> String {
    apply(admin, &with_home(CLUSTER, home)).await;
    allowed(admin, home, None, "delete", "secrets", true).await;
    allowed(admin, home, Some(home), "create", "leases", true).await;
    token(admin, home).await
}

/// Grants what `deploy/rbac-namespace-selectors.yaml` grants.
pub async fn grant_selectors(admin: &Client, home: &str) {
    apply(admin, &with_home(SELECTORS, home)).await;
    allowed(admin, home, None, "watch", "namespaces", true).await;
}

fn with_home(manifest: &str, home: &str) -> String {
    // A manifest's end is a line's end like any other.
    manifest.replace(HOME, &format!("namespace: {home}\n"))
}

/// Waits until the authorizer says so: it learns of a changed role by a watch.
pub async fn allowed(
    admin: &Client,
    home: &str,
    ns: Option<&str>,
    verb: &str,
    resource: &str,
    expected: bool,
) {
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let group = match resource {
        "leases" => "coordination.k8s.io",
        _ if resource.starts_with("defender") => "defendertenant.io",
        _ => "",
    };
    let review: SubjectAccessReview = serde_json::from_value(json!({"spec": {
        "user": format!("system:serviceaccount:{home}:{ACCOUNT}"),
        "resourceAttributes": {
            "verb": verb, "group": group, "resource": resource, "subresource": subresource, "namespace": ns,
        },
    }}))
    .expect("a review");
    let api: Api<SubjectAccessReview> = Api::all(admin.clone());
    eventually(
        &format!("{verb} {resource}: {expected}"),
        Patience::default(),
        async || {
            let answer = api.create(&PostParams::default(), &review).await.ok()?;
            (answer.status?.allowed == expected).then_some(())
        },
    )
    .await;
}

/// A token for the operator's account in `home`.
pub async fn token(admin: &Client, home: &str) -> String {
    token_of(admin, home, ACCOUNT).await
}

/// A token for an account.
pub async fn token_of(admin: &Client, home: &str, account: &str) -> String {
    token_for(admin, home, account, &[]).await
}

/// A token for an account and these audiences; without any it is for the API server.
pub async fn token_for(admin: &Client, home: &str, account: &str, audiences: &[&str]) -> String {
    let accounts: Api<ServiceAccount> = Api::namespaced(admin.clone(), home);
    let request = TokenRequest {
        spec: TokenRequestSpec {
            audiences: audiences.iter().map(|name| (*name).to_owned()).collect(),
            expiration_seconds: Some(3600),
            ..TokenRequestSpec::default()
        },
        ..TokenRequest::default()
    };
    let token = accounts
        .create_token_request(account, &PostParams::default(), &request)
        .await
        .expect("a token");
    token.status.expect("a token").token
}

/// Applies a manifest of several documents.
pub async fn apply(admin: &Client, manifest: &str) {
    for document in manifest.split("\n---\n") {
        let object: Value = serde_saphyr::from_str(document).expect("YAML");
        let types: TypeMeta = serde_json::from_value(object.clone()).expect("apiVersion and kind");
        let gvk = GroupVersionKind::try_from(&types).expect("a kind");
        let resource = ApiResource::from_gvk(&gvk);
        let api: Api<DynamicObject> = match object["metadata"]["namespace"].as_str() {
            Some(ns) => Api::namespaced_with(admin.clone(), ns, &resource),
            None => Api::all_with(admin.clone(), &resource),
        };
        let name = object["metadata"]["name"].as_str().expect("a name");
        let params = PatchParams::apply(MANAGER).force();
        // A namespace that was just made may lack what an admission plugin looks for.
        eventually(
            &format!("{name} is applied"),
            Patience::seconds(10),
            async || {
                api.patch(name, &params, &Patch::Apply(&object))
                    .await
                    .ok()
                    .map(drop)
            },
        )
        .await;
    }
}
