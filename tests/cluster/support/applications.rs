//! What the partner's platform team applies: applications, their credentials, and tenants that refer to them.

use defender_tenant_operator::api::{DefenderApplication, DefenderTenant};
use kube::Api;
use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::arena::MANAGER;
use super::lab::Lab;
use super::make::{CLIENT, overlay};
use super::wait::{Patience, eventually};

impl Lab {
    /// The applications.
    pub fn applications(&self) -> Api<DefenderApplication> {
        Api::all(self.arena.admin.clone())
    }

    /// Applies an application of [`CLIENT`] whose credential is the Secret `partner` of the operator's namespace,
    /// unless `spec` says otherwise.
    pub async fn application(&self, name: &str, spec: Value) {
        let usual = json!({"clientId": CLIENT, "credentials": [
            {"name": "first", "clientSecret": {"secretRef": {"name": "partner"}}},
        ]});
        let body = json!({
            "apiVersion": "defendertenant.io/v1alpha1", "kind": "DefenderApplication",
            "metadata": {"name": name}, "spec": overlay(usual, spec),
        });
        // Untyped: what isn't said stays unsaid.
        let kind = ApiResource::erase::<DefenderApplication>(&());
        let api: Api<DynamicObject> = Api::all_with(self.arena.admin.clone(), &kind);
        let params = PatchParams::apply(MANAGER).force();
        api.patch(name, &params, &Patch::Apply(&body))
            .await
            .expect("an application");
    }

    /// Applies a credential Secret in the operator's namespace.
    pub async fn home_credential(&self, name: &str, secret: &str) {
        let labels = json!({"defendertenant.io/credential": "true"});
        self.secret_in(&self.home(), name, labels, &[("client-secret", secret)])
            .await;
    }

    /// Applies a tenant that refers to an application.
    pub async fn granted(&self, ns: &str, name: &str, application: &str, spec: Value) {
        let spec = overlay(json!({"applicationRef": {"name": application}}), spec);
        let body = json!({
            "apiVersion": "defendertenant.io/v1alpha1", "kind": "DefenderTenant",
            "metadata": {"name": name, "namespace": ns}, "spec": spec,
        });
        let kind = ApiResource::erase::<DefenderTenant>(&());
        let api: Api<DynamicObject> = Api::namespaced_with(self.arena.admin.clone(), ns, &kind);
        let params = PatchParams::apply(MANAGER).force();
        api.patch(name, &params, &Patch::Apply(&body))
            .await
            .expect("a tenant");
    }

    /// Waits until an application's condition has this status and reason; returns its message.
    pub async fn application_says(
        &self,
        name: &str,
        type_: &str,
        status: &str,
        reason: &str,
    ) -> String {
        let what = format!("{name}: {type_}={status}/{reason}");
        eventually(&what, Patience::default(), async || {
            let application = self.applications().get_opt(name).await.ok()??;
            let condition = application
                .status?
                .conditions
                .into_iter()
                .find(|c| c.type_ == type_)?;
            (condition.status == status && condition.reason == reason).then_some(condition.message)
        })
        .await
    }

    /// Deletes what outlives namespaces, and tenants so that the next operator doesn't meet them. Returns the
    /// applications' text.
    pub(super) async fn clear_applications(&self) -> String {
        let all = self.applications();
        let found = all
            .list(&ListParams::default())
            .await
            .expect("applications");
        let text = serde_json::to_string(&found.items).expect("JSON");
        let params = DeleteParams::default();
        let _ = all.delete_collection(&params, &ListParams::default()).await;
        for ns in &self.namespaces {
            let tenants = self.tenants_in(ns);
            let _ = tenants
                .delete_collection(&params, &ListParams::default())
                .await;
        }
        text
    }
}
