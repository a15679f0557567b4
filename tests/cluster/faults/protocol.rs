//! The write protocol: what the API server makes of the operator's own requests, row by row.

use std::collections::BTreeMap;

use defender_tenant_operator::controller::{ApiError, KubeApi, SecretDraft};
use defender_tenant_operator::core::inspect::Metadata;
use defender_tenant_operator::core::target::{Held, Origin, Rendered};
use defender_tenant_operator::core::tenant::{Key, Tenant};
use defender_tenant_operator::lease::Leadership;
use defender_tenant_operator::metrics::Metrics;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::DeleteParams;
use serde_json::json;
use zeroize::Zeroizing;

use crate::support::{Lab, Setup, client, guid, key, rbac, run, version};

const NAME: &str = "contoso-defender-token";

/// The operator's requests, with the operator's permissions, and nobody else about.
struct Bench {
    lab: Lab,
    api: KubeApi,
    tenant: Tenant,
    key: Key,
}

impl Bench {
    async fn new(name: &str) -> Self {
        let setup = Setup {
            no_operator: true,
            ..Setup::default()
        };
        let lab = Lab::with(name, setup).await;
        let token = rbac::token(&lab.arena.admin, &lab.ns).await;
        let cluster = lab.arena.cluster.lock().await;
        let kubeconfig = cluster.kubeconfig_for_token(lab.arena.server(), &token);
        drop(cluster);
        let api = KubeApi::new(
            client(&kubeconfig).await,
            Metrics::new(),
            Leadership::for_good(),
        );
        lab.tenant("contoso", json!({"tenantId": guid(1)})).await;
        let tenant = tenant(&api, &lab.ns).await;
        let key = Key::new(&lab.ns, NAME);
        Self {
            lab,
            api,
            tenant,
            key,
        }
    }

    async fn create(&self, keys: &[(&'static str, &str)]) -> Result<ObjectMeta, ApiError> {
        let (metadata, held, keys) = (labelled(), held("1"), rendered(keys));
        self.api.create(&self.draft(&metadata, &held, &keys)).await
    }

    async fn patch(
        &self,
        keys: &[(&'static str, &str)],
        digest: &str,
        uid: &str,
        version: &str,
    ) -> Result<ObjectMeta, ApiError> {
        let (metadata, held, keys) = (labelled(), held(digest), rendered(keys));
        let draft = self.draft(&metadata, &held, &keys);
        self.api.patch(&draft, uid, version).await
    }

    fn draft<'a>(
        &'a self,
        metadata: &'a Metadata,
        held: &'a Held,
        keys: &'a Rendered,
    ) -> SecretDraft<'a> {
        SecretDraft {
            key: &self.key,
            owner: &self.tenant,
            metadata,
            held: Some(held),
            keys,
        }
    }

    async fn secret(&self) -> Secret {
        self.lab.secrets().get(NAME).await.expect("a Secret")
    }

    async fn absent(&self) -> bool {
        let found = self.lab.secrets().get_opt(NAME).await;
        found.expect("an answer").is_none()
    }
}

async fn tenant(api: &KubeApi, ns: &str) -> Tenant {
    let object = api.tenant(&Key::new(ns, "contoso")).await;
    object.expect("an answer").into_tenant().expect("a tenant")
}

fn labelled() -> Metadata {
    Metadata {
        labels: BTreeMap::from([("defendertenant.io/bucket".to_owned(), "00".to_owned())]),
        ..Metadata::default()
    }
}

fn held(digest: &str) -> Held {
    let at = "2026-11-24T10:00:00Z".parse().expect("an instant");
    Held {
        issued_at: at,
        expires_at: at,
        refresh_at: at,
        digest: digest.to_owned(),
        mint_inputs: "v1:2".to_owned(),
        origin: Origin {
            fingerprint: "v1:3".to_owned(),
            grant: None,
        },
    }
}

fn rendered(keys: &[(&'static str, &str)]) -> Rendered {
    keys.iter()
        .map(|(name, value)| (*name, Zeroizing::new((*value).to_owned())))
        .collect()
}

fn uid_and_version(metadata: &ObjectMeta) -> (String, String) {
    let text = |text: &Option<String>| text.clone().expect("it has one");
    (text(&metadata.uid), text(&metadata.resource_version))
}

#[test]
fn a_create_is_a_create_and_touches_nothing_that_is_there() {
    run(async {
        let bench = Bench::new("create").await;
        let metadata = bench.create(&[("token", "a")]).await.expect("201");
        let before = bench.secret().await;
        assert_eq!(metadata.uid, before.metadata.uid);
        assert_eq!(before.type_.as_deref(), Some("Opaque"));
        let owners = before.metadata.owner_references.clone().unwrap_or_default();
        assert_eq!(owners.len(), 1);
        assert_eq!(owners[0].uid, bench.tenant.uid);
        assert_eq!(owners[0].controller, Some(true));
        assert_eq!(owners[0].block_owner_deletion, Some(false));
        let again = bench.create(&[("token", "b")]).await;
        assert_eq!(again.err(), Some(ApiError::Conflict));
        assert_eq!(bench.secret().await, before);
        bench.lab.finish().await;
    });
}

#[test]
fn a_patch_of_what_was_seen_changes_our_keys_and_leaves_foreign_ones() {
    run(async {
        let bench = Bench::new("patch").await;
        let created = bench.create(&[("token", "a"), ("json", "{}")]).await;
        let (uid, _) = uid_and_version(&created.expect("201"));
        let foreign = json!({"data": {"theirs": "eA=="}, "metadata": {"labels": {"theirs": "x"}}});
        let seen = bench.lab.meddle(NAME, foreign).await;
        let patched = bench
            .patch(&[("token", "b")], "2", &uid, version(&seen))
            .await
            .expect("200");
        let after = bench.secret().await;
        assert_eq!(key(&after, "token").as_deref(), Some("b"));
        assert_eq!(key(&after, "json"), None, "no longer wanted");
        assert_eq!(key(&after, "theirs").as_deref(), Some("x"));
        let labels = after.metadata.labels.as_ref().expect("labels");
        assert_eq!(labels["theirs"], "x");
        assert_eq!(patched.resource_version, after.metadata.resource_version);

        let same = bench
            .patch(&[("token", "b")], "2", &uid, version(&after))
            .await
            .expect("200");
        assert_eq!(
            same.resource_version, after.metadata.resource_version,
            "what changes nothing writes nothing"
        );
        bench.lab.finish().await;
    });
}

#[test]
fn a_patch_of_what_has_changed_since_is_a_conflict() {
    run(async {
        let bench = Bench::new("stale").await;
        let (uid, old) = uid_and_version(&bench.create(&[("token", "a")]).await.expect("201"));
        let changed = bench
            .lab
            .meddle(NAME, json!({"metadata": {"labels": {"x": "y"}}}))
            .await;
        let stale = bench.patch(&[("token", "b")], "2", &uid, &old).await;
        assert_eq!(stale.err(), Some(ApiError::Conflict));
        assert_eq!(bench.secret().await, changed);

        bench.lab.take_away(NAME).await;
        bench.create(&[("token", "c")]).await.expect("201");
        let successor = bench.secret().await;
        let stale = bench.patch(&[("token", "b")], "2", &uid, &old).await;
        assert_eq!(stale.err(), Some(ApiError::Conflict), "on a successor");
        assert_eq!(bench.secret().await, successor);
        bench.lab.finish().await;
    });
}

#[test]
fn a_patch_of_another_uid_is_invalid() {
    run(async {
        let bench = Bench::new("uid").await;
        let created = bench.create(&[("token", "a")]).await.expect("201");
        let (_, current) = uid_and_version(&created);
        let before = bench.secret().await;
        let other = "6b1f0f3e-5c0a-4d9b-9a43-00000000ffff";
        let wrong = bench.patch(&[("token", "b")], "2", other, &current).await;
        assert_eq!(wrong.err(), Some(ApiError::Invalid));
        assert_eq!(bench.secret().await, before);
        bench.lab.finish().await;
    });
}

#[test]
fn a_patch_of_what_is_gone_brings_nothing_back() {
    run(async {
        let bench = Bench::new("gone").await;
        let (uid, seen) = uid_and_version(&bench.create(&[("token", "a")]).await.expect("201"));
        bench.lab.take_away(NAME).await;
        let gone = bench.patch(&[("token", "b")], "2", &uid, &seen).await;
        assert_eq!(gone.err(), Some(ApiError::NotFound));
        assert!(bench.absent().await);
        bench.lab.finish().await;
    });
}

#[test]
fn a_patch_of_an_immutable_secret_is_invalid() {
    run(async {
        let bench = Bench::new("immutable").await;
        let (uid, _) = uid_and_version(&bench.create(&[("token", "a")]).await.expect("201"));
        let frozen = bench.lab.meddle(NAME, json!({"immutable": true})).await;
        let invalid = bench
            .patch(&[("token", "b")], "2", &uid, version(&frozen))
            .await;
        assert_eq!(invalid.err(), Some(ApiError::Invalid));
        let read = bench.api.read(&bench.key).await.expect("200");
        assert!(read.immutable, "a read tells why");
        bench.lab.finish().await;
    });
}

#[test]
fn a_delete_takes_exactly_what_was_seen() {
    run(async {
        let bench = Bench::new("delete").await;
        let (uid, old) = uid_and_version(&bench.create(&[("token", "a")]).await.expect("201"));
        let changed = bench
            .lab
            .meddle(NAME, json!({"metadata": {"labels": {"x": "y"}}}))
            .await;
        let current = version(&changed);
        let delete =
            async |uid: &str, version: &str| bench.api.delete(&bench.key, uid, version).await;
        assert_eq!(delete(&uid, &old).await, Err(ApiError::Conflict));
        let other = "6b1f0f3e-5c0a-4d9b-9a43-00000000ffff";
        assert_eq!(delete(other, current).await, Err(ApiError::Conflict));
        assert_eq!(bench.secret().await, changed);
        assert_eq!(delete(&uid, current).await, Ok(()));
        assert!(bench.absent().await);
        assert_eq!(delete(&uid, current).await, Err(ApiError::NotFound));
        bench.lab.finish().await;
    });
}

#[test]
fn a_status_write_changes_the_status_alone_and_only_of_what_was_read() {
    run(async {
        let bench = Bench::new("status").await;
        let labels = json!({"metadata": {"labels": {"x": "y"}}});
        let params = kube::api::PatchParams::default();
        let patch = kube::api::Patch::Merge(&labels);
        let api = bench.lab.tenants();
        api.patch("contoso", &params, &patch).await.expect("200");
        let read = tenant(&bench.api, &bench.lab.ns).await;
        let mut status = (*read.status).clone();
        status.observed_generation = Some(7);

        let stale = bench.api.write_status(&bench.tenant, &status).await;
        assert_eq!(stale, Err(ApiError::Conflict), "an older resourceVersion");

        let written = bench.api.write_status(&read, &status).await.expect("200");
        let after = api.get("contoso").await.expect("200");
        assert_eq!(after.metadata.resource_version.as_ref(), Some(&written));
        assert_eq!(after.metadata.labels.as_ref().expect("labels")["x"], "y");
        assert_eq!(after.spec, *read.spec);
        assert_eq!(after.status.expect("a status").observed_generation, Some(7));

        let read = tenant(&bench.api, &bench.lab.ns).await;
        let same = bench.api.write_status(&read, &status).await;
        assert_eq!(same, Ok(written), "what changes nothing writes nothing");

        let mut unversioned = read.clone();
        unversioned.resource_version.clear();
        let missing = bench.api.write_status(&unversioned, &status).await;
        assert_eq!(missing, Err(ApiError::Invalid), "no resourceVersion");

        let params = DeleteParams::default();
        api.delete("contoso", &params).await.expect("200");
        let absent = bench.api.write_status(&read, &status).await;
        assert_eq!(absent, Err(ApiError::NotFound));

        let spec = json!({"tenantId": guid(1)});
        bench.lab.tenant("contoso", spec).await;
        let successor = tenant(&bench.api, &bench.lab.ns).await;
        let mut predecessor = read.clone();
        let stale = bench.api.write_status(&predecessor, &status).await;
        assert_eq!(stale, Err(ApiError::Conflict), "of a predecessor");
        predecessor
            .resource_version
            .clone_from(&successor.resource_version);
        let wrong = bench.api.write_status(&predecessor, &status).await;
        assert_eq!(wrong, Err(ApiError::Conflict), "its uid alone");
        assert_eq!(tenant(&bench.api, &bench.lab.ns).await, successor);
        bench.lab.finish().await;
    });
}

#[test]
fn a_create_in_a_namespace_that_is_being_deleted_is_told_from_a_missing_permission() {
    run(async {
        let bench = Bench::new("terminating").await;
        let secret = bench.create(&[("token", "a")]).await.expect("201");
        // The namespace can't go as long as this stays.
        let hold = json!({"metadata": {"finalizers": ["example.com/hold"]}});
        bench.lab.meddle(NAME, hold).await;
        let namespaces: Api<Namespace> = Api::all(bench.lab.arena.admin.clone());
        let params = DeleteParams::background();
        namespaces
            .delete(&bench.lab.ns, &params)
            .await
            .expect("200");
        let other = Key::new(&bench.lab.ns, "other");
        let (metadata, held, keys) = (labelled(), held("1"), rendered(&[("token", "a")]));
        let draft = SecretDraft {
            key: &other,
            ..bench.draft(&metadata, &held, &keys)
        };
        let denied = bench.api.create(&draft).await;
        // The controller may have taken the RoleBinding away already, but the namespace is looked at first.
        assert_eq!(denied.err(), Some(ApiError::NamespaceTerminating));
        drop(secret);
        let release = json!({"metadata": {"finalizers": null}});
        bench.lab.meddle(NAME, release).await;
    });
}
