//! What a lab's users and administrators apply.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use defender_tenant_operator::api::DefenderTenant;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use super::arena::MANAGER;
use super::lab::Lab;
use super::make::{CLIENT, overlay};

impl Lab {
    /// The tenants of a namespace.
    pub fn tenants_in(&self, ns: &str) -> Api<DefenderTenant> {
        Api::namespaced(self.arena.admin.clone(), ns)
    }

    /// The tenants.
    pub fn tenants(&self) -> Api<DefenderTenant> {
        self.tenants_in(&self.ns)
    }

    /// The Secrets.
    pub fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.arena.admin.clone(), &self.ns)
    }

    /// Applies a tenant: `secretRef` is `partner` unless `spec` says otherwise.
    pub async fn tenant(&self, name: &str, spec: Value) {
        self.tenant_in(&self.ns, name, spec).await;
    }

    /// The same in another namespace.
    pub async fn tenant_in(&self, ns: &str, name: &str, spec: Value) {
        let applied = self.try_tenant_in(ns, name, spec).await;
        applied.expect("a tenant");
    }

    /// Applies a tenant, or tells why the API server refuses it.
    pub async fn try_tenant(&self, name: &str, spec: Value) -> Result<(), String> {
        let applied = self.try_tenant_in(&self.ns, name, spec).await;
        applied.map_err(|error| error.to_string())
    }

    async fn try_tenant_in(&self, ns: &str, name: &str, spec: Value) -> kube::Result<()> {
        let spec = overlay(json!({"secretRef": {"name": "partner"}}), spec);
        let body = json!({
            "apiVersion": "defendertenant.io/v1alpha1", "kind": "DefenderTenant",
            "metadata": {"name": name, "namespace": ns}, "spec": spec,
        });
        // Untyped: the spec may have a shape that no `DefenderTenant` has.
        let kind = ApiResource::erase::<DefenderTenant>(&());
        let api: Api<DynamicObject> = Api::namespaced_with(self.arena.admin.clone(), ns, &kind);
        let params = PatchParams::apply(MANAGER).force();
        api.patch(name, &params, &Patch::Apply(&body))
            .await
            .map(drop)
    }

    /// Changes fields of a tenant's spec.
    pub async fn change(&self, name: &str, spec: Value) {
        let patch = json!({"spec": spec});
        self.tenants()
            .patch(name, &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .expect("a change");
    }

    /// Deletes a tenant of any shape.
    pub async fn delete(&self, name: &str) {
        let kind = ApiResource::erase::<DefenderTenant>(&());
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.arena.admin.clone(), &self.ns, &kind);
        api.delete(name, &DeleteParams::default())
            .await
            .expect("deleted");
    }

    /// Asks for a mint by the annotation.
    pub async fn force(&self, name: &str, value: &str) {
        let annotations = json!({"defendertenant.io/refresh-requested-at": value});
        let patch = json!({"metadata": {"annotations": annotations}});
        self.tenants()
            .patch(name, &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .expect("an annotation");
    }

    /// Applies a credential Secret of [`CLIENT`].
    pub async fn credential(&self, name: &str, secret: &str) {
        self.labelled(name, &[("client-id", CLIENT), ("client-secret", secret)])
            .await;
    }

    /// Applies a Secret with the credential label and these keys.
    pub async fn labelled(&self, name: &str, keys: &[(&str, &str)]) {
        let labels = json!({"defendertenant.io/credential": "true"});
        self.secret_in(&self.ns, name, labels, keys).await;
    }

    /// Applies a Secret with exactly these labels and keys.
    pub async fn secret_in(&self, ns: &str, name: &str, labels: Value, keys: &[(&str, &str)]) {
        let data: BTreeMap<&str, String> = keys
            .iter()
            .map(|(key, value)| (*key, STANDARD.encode(value)))
            .collect();
        let body = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": name, "namespace": ns, "labels": labels}, "data": data,
        });
        let api: Api<Secret> = Api::namespaced(self.arena.admin.clone(), ns);
        let params = PatchParams::apply(MANAGER).force();
        api.patch(name, &params, &Patch::Apply(&body))
            .await
            .expect("a Secret");
    }

    /// The target Secret of a tenant that didn't choose a name, if it is there.
    pub async fn target(&self, name: &str) -> Option<Secret> {
        self.secrets()
            .get_opt(&format!("{name}-defender-token"))
            .await
            .expect("an answer")
    }

    /// The token in it.
    pub async fn token(&self, name: &str) -> Option<String> {
        key(&self.target(name).await?, "token")
    }
}

/// A key of a Secret, as text.
pub fn key(secret: &Secret, name: &str) -> Option<String> {
    let bytes = secret.data.as_ref()?.get(name)?;
    String::from_utf8(bytes.0.clone()).ok()
}
