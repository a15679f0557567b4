//! What other writers do, and what may have come of it.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::audit::Request;
use super::lab::{Lab, Setup, key};
use super::proxy::Proxy;
use super::{Arena, CLIENT};

impl Lab {
    /// A lab whose operator reaches the API server through a holding proxy.
    pub async fn behind_proxy(name: &str, setup: Setup) -> (Self, Proxy) {
        let arena = Arena::shared().await;
        let proxy = Proxy::start(&arena).await;
        let setup = Setup {
            server: Some(proxy.url()),
            ..setup
        };
        (Self::on(arena, name, setup).await, proxy)
    }

    /// The same, with an operator that serves the whole cluster.
    pub async fn of_applications_behind_proxy(name: &str, setup: Setup) -> (Self, Proxy) {
        let (arena, turn) = Arena::cluster_wide().await;
        let proxy = Proxy::start(&arena).await;
        let setup = Setup {
            server: Some(proxy.url()),
            ..setup
        };
        let lab = Self::cluster_wide((arena, turn), name, setup).await;
        (lab, proxy)
    }

    /// A tenant of a customer that has consented.
    pub async fn consented(&self, name: &str, id: &str, spec: Value) {
        self.emulator
            .consented(id, CLIENT, &["Alert.Read.All"])
            .await;
        let spec = super::overlay(json!({"tenantId": id}), spec);
        self.tenant(name, spec).await;
    }

    /// Merges a patch into a Secret.
    pub async fn meddle(&self, secret: &str, patch: Value) -> Secret {
        self.secrets()
            .patch(secret, &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .expect("a change")
    }

    /// Deletes a Secret.
    pub async fn take_away(&self, secret: &str) {
        self.secrets()
            .delete(secret, &DeleteParams::default())
            .await
            .expect("it was there");
    }

    /// Waits until there is no tenant of this name.
    pub async fn until_gone(&self, name: &str) {
        self.eventually("the tenant is gone", async || {
            let found = self.tenants().get_opt(name).await.ok()?;
            found.is_none().then_some(())
        })
        .await;
    }

    /// Changes a tenant in a way that means nothing, so that the operator thinks of it again.
    pub async fn poke(&self, name: &str, n: usize) {
        let labels = json!({"metadata": {"labels": {"poked": n.to_string()}}});
        self.tenants()
            .patch(name, &PatchParams::default(), &Patch::Merge(&labels))
            .await
            .expect("a label");
    }

    /// Wipes a tenant's status.
    pub async fn wipe_status(&self, name: &str) {
        // Nulls, not an empty object: a merge patch with nothing in it changes nothing.
        let fields = [
            "observedGeneration",
            "conditions",
            "token",
            "consentUrl",
            "target",
            "attempt",
            "handledRefreshRequest",
            "probedAt",
            "lastError",
        ];
        let wiped: Value = fields
            .iter()
            .map(|field| ((*field).to_owned(), Value::Null))
            .collect::<serde_json::Map<_, _>>()
            .into();
        self.tenants()
            .patch_status(
                name,
                &PatchParams::default(),
                &Patch::Merge(&json!({"status": wiped})),
            )
            .await
            .expect("a status");
    }

    /// How often Microsoft was asked for a token for one customer.
    pub async fn mints(&self, id: &str) -> usize {
        self.emulator.token_requests(id).await.len()
    }

    /// The writes to Secrets and statuses so far, Events apart.
    pub fn own_writes(&self) -> Vec<Request> {
        let mut writes = self.writes();
        writes.retain(|write| write.resource != "events");
        writes
    }
}

/// `metadata.resourceVersion`
pub fn version(secret: &Secret) -> &str {
    secret
        .metadata
        .resource_version
        .as_deref()
        .unwrap_or_default()
}

/// An annotation of ours that is an instant.
pub fn instant(secret: &Secret, name: &str) -> Option<Timestamp> {
    let annotations = secret.metadata.annotations.as_ref()?;
    annotations
        .get(&format!("defendertenant.io/{name}"))?
        .parse()
        .ok()
}

/// The token in it.
pub fn token(secret: &Secret) -> String {
    key(secret, "token").expect("a token")
}
