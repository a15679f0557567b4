//! The copies against news that come late, twice, or never.

use serde_json::json;

use super::*;
use crate::api::DefenderTenantStatus;
use crate::api::LABEL_BUCKET;
use crate::controller::objects::{SecretBody, SecretMeta, TenantObject};
use crate::core::gathered::TargetView;
use crate::core::shards::Buckets;
use std::collections::HashSet;

const LOGIN: LoginHost = LoginHost("login.microsoftonline.com");
const UID: &str = "5b2a1a3c-0000-4000-8000-000000000001";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + seconds).unwrap()
}

fn tenant_object(
    uid: &str,
    version: &str,
    generation: i64,
    status: &serde_json::Value,
) -> TenantObject {
    serde_json::from_value(json!({
        "metadata": {"name": "contoso", "namespace": "soc", "uid": uid, "resourceVersion": version, "generation": generation,
            "creationTimestamp": "2026-11-24T10:00:00Z"},
        "spec": {"tenantId": "6b1f0f3e-5c0a-4d9b-9a43-0d5f5a1c7e10", "secretRef": {"name": "partner"}},
        "status": status,
    }))
    .unwrap()
}

fn secret(name: &str, uid: &str, version: &str, owner_uid: Option<&str>) -> SecretMeta {
    let owners = owner_uid.map(|uid| {
        json!([{"apiVersion": "defendertenant.io/v1alpha1", "kind": "DefenderTenant", "name": "contoso", "uid": uid, "controller": true}])
    });
    serde_json::from_value(json!({
        "metadata": {"name": name, "namespace": "soc", "uid": uid, "resourceVersion": version,
            "labels": {LABEL_BUCKET: "00"}, "ownerReferences": owners},
    }))
    .unwrap()
}

fn credential(secret: &str) -> SecretBody {
    use base64::Engine as _;
    let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    serde_json::from_value(json!({
        "metadata": {"name": "partner", "namespace": "soc", "uid": "c", "resourceVersion": "1"},
        "data": {"client-id": encode("0c4f3a52-9d1b-4c3e-8f57-2a6b9e1d4f88"), "client-secret": encode(secret)},
    }))
    .unwrap()
}

impl World {
    /// As the watch does.
    fn credential_told(
        &mut self,
        object: &SecretBody,
        seen_changing: bool,
        now: Timestamp,
    ) -> Option<Vec<Key>> {
        let parsed = crate::core::credential::parse_data(&object.data);
        self.credential_applied(object, parsed, seen_changing, now)
    }
}

fn key_of(name: &str) -> Key {
    Key::new("soc", name)
}

fn world() -> World {
    let mut world = World::new([LOGIN], Some("operator"));
    assert_eq!(
        world.tenant_applied(tenant_object(UID, "10", 1, &json!({}))),
        Ok(Some(key_of("contoso")))
    );
    world
}

fn view(world: &World, name: &str) -> TargetView {
    world.target_view(&world.tenant(&key_of("contoso")).unwrap(), name)
}

fn version_of(view: &TargetView) -> Option<(&str, bool)> {
    match view {
        TargetView::Ours(owned) => Some((&owned.resource_version, owned.verified)),
        _ => None,
    }
}

#[test]
fn an_own_status_is_not_undone_by_the_watch_that_comes_after_it() {
    let mut world = world();
    let status = DefenderTenantStatus {
        observed_generation: Some(1),
        ..DefenderTenantStatus::default()
    };
    world.status_written(&key_of("contoso"), UID, "12", status);
    // The watch tells what was before, then the own write: neither is news.
    assert_eq!(
        world.tenant_applied(tenant_object(UID, "11", 1, &json!({}))),
        Ok(None)
    );
    assert_eq!(
        world.tenant_applied(tenant_object(
            UID,
            "12",
            1,
            &json!({"observedGeneration": 1})
        )),
        Ok(None)
    );
    assert_eq!(
        world
            .tenant(&key_of("contoso"))
            .unwrap()
            .status
            .observed_generation,
        Some(1)
    );
    // Ninety-nine is before a hundred.
    assert_eq!(
        world.tenant_applied(tenant_object(UID, "100", 2, &json!({}))),
        Ok(Some(key_of("contoso")))
    );
    assert_eq!(
        world.tenant_applied(tenant_object(UID, "99", 1, &json!({}))),
        Ok(None)
    );
}

#[test]
fn a_status_that_could_not_be_written_is_remembered_until_it_is() {
    let mut world = world();
    let key = key_of("contoso");
    let status = DefenderTenantStatus {
        handled_refresh_request: Some("a".into()),
        ..DefenderTenantStatus::default()
    };
    world.status_unwritten(&key, UID, status.clone());
    assert!(world.is_status_unwritten(&key));
    assert_eq!(
        world.tenant_applied(tenant_object(UID, "11", 2, &json!({}))),
        Ok(Some(key.clone()))
    );
    let tenant = world.tenant(&key).unwrap();
    assert_eq!(
        (
            tenant.generation,
            tenant.status.handled_refresh_request.as_deref()
        ),
        (2, Some("a"))
    );
    world.status_written(&key, UID, "12", status);
    assert!(!world.is_status_unwritten(&key));
}

#[test]
fn a_successor_of_the_same_name_starts_with_nothing() {
    let mut world = world();
    let key = key_of("contoso");
    world.remember(&key, UID, |memo| memo.api_failures = 3);
    world.status_unwritten(&key, UID, DefenderTenantStatus::default());
    let other = "5b2a1a3c-0000-4000-8000-000000000002";
    assert_eq!(
        world.tenant_applied(tenant_object(other, "11", 1, &json!({}))),
        Ok(Some(key.clone()))
    );
    assert!(!world.is_status_unwritten(&key));
    assert_eq!(world.memo(UID), Memo::default());
    // What the predecessor's reconcile still writes reaches nobody.
    world.remember(&key, UID, |memo| memo.api_failures = 9);
    assert_eq!(world.memo(UID), Memo::default());
    let late = DefenderTenantStatus {
        observed_generation: Some(7),
        ..DefenderTenantStatus::default()
    };
    world.status_written(&key, UID, "13", late);
    assert_eq!(world.tenant(&key).unwrap().status.observed_generation, None);
}

#[test]
fn a_written_target_is_verified_until_somebody_changes_it() {
    let mut world = world();
    world.target_written(&secret("t", "s", "20", Some(UID)).metadata, at(0));
    assert_eq!(version_of(&view(&world, "t")), Some(("20", true)));
    assert_eq!(
        world.target_applied(&secret("t", "s", "20", Some(UID))),
        [].into(),
        "the own write is no news"
    );
    assert_eq!(
        world.target_applied(&secret("t", "s", "19", Some(UID))),
        [].into()
    );
    assert_eq!(
        world.target_applied(&secret("t", "s", "21", Some(UID))),
        [key_of("contoso")].into()
    );
    assert_eq!(version_of(&view(&world, "t")), Some(("21", false)));
    world.target_verified(&key_of("t"), "20");
    assert_eq!(
        version_of(&view(&world, "t")),
        Some(("21", false)),
        "another version was checked"
    );
    world.target_verified(&key_of("t"), "21");
    assert_eq!(version_of(&view(&world, "t")), Some(("21", true)));
    // An answer that arrives after the watch told something newer.
    world.target_written(&secret("t", "s", "20", Some(UID)).metadata, at(1));
    assert_eq!(version_of(&view(&world, "t")), Some(("21", true)));
}

#[test]
fn a_restart_trusts_the_version_that_the_status_names_and_no_other() {
    let mut world = World::default();
    let status = json!({"observedGeneration": 1, "target": {"name": "t", "resourceVersion": "20"}});
    assert!(
        world
            .tenant_applied(tenant_object(UID, "30", 1, &status))
            .is_ok()
    );
    world.target_applied(&secret("t", "s", "20", Some(UID)));
    assert_eq!(version_of(&view(&world, "t")), Some(("20", true)));
    world.target_applied(&secret("t", "s", "25", Some(UID)));
    assert_eq!(version_of(&view(&world, "t")), Some(("25", false)));
    world.target_applied(&secret("other", "s2", "20", Some(UID)));
    assert_eq!(
        version_of(&view(&world, "other")),
        Some(("20", false)),
        "the status speaks of another Secret"
    );
}

#[test]
fn deletions_are_believed_of_the_very_object_only() {
    let mut world = world();
    world.target_written(&secret("t", "new", "20", Some(UID)).metadata, at(0));
    assert_eq!(
        world.target_deleted(&secret("t", "old", "21", Some(UID))),
        [].into(),
        "the predecessor's end comes late"
    );
    assert_eq!(version_of(&view(&world, "t")), Some(("20", true)));
    assert_eq!(
        world.target_deleted(&secret("t", "new", "22", Some(UID))),
        [key_of("contoso")].into()
    );
    assert_eq!(view(&world, "t"), TargetView::Absent);
}

#[test]
fn a_list_that_lacks_a_fresh_own_write_makes_it_doubtful_not_gone() {
    let mut world = world();
    world.target_written(&secret("t", "s", "20", Some(UID)).metadata, at(0));
    let none = HashSet::new();
    assert_eq!(
        world.targets_listed(&none, |_| true, at(10)),
        [key_of("contoso")]
    );
    assert_eq!(version_of(&view(&world, "t")), Some(("20", false)));
    assert_eq!(
        world.targets_listed(&none, |_| false, at(100)),
        [],
        "another namespace's list"
    );
    assert_eq!(
        world.targets_listed(&none, |_| true, at(100)),
        [key_of("contoso")]
    );
    assert_eq!(view(&world, "t"), TargetView::Absent);
}

#[test]
fn whose_secret_it_is_follows_from_the_controller_reference_alone() {
    let mut world = world();
    world.target_applied(&secret("t", "s", "20", None));
    assert_eq!(
        view(&world, "t"),
        TargetView::Stranger { predecessor: false }
    );
    world.target_applied(&secret("t", "s", "21", Some("another-uid")));
    assert_eq!(
        view(&world, "t"),
        TargetView::Stranger { predecessor: true }
    );
    world.target_applied(&secret("t", "s", "22", Some(UID)));
    assert_eq!(version_of(&view(&world, "t")), Some(("22", false)));
    let tenant = world.tenant(&key_of("contoso")).unwrap().clone();
    assert_eq!(
        world
            .other_targets(&tenant, "renamed")
            .map(|(name, _)| name),
        Some("t".to_owned())
    );
    assert_eq!(world.other_targets(&tenant, "t"), None);
}

#[test]
fn who_loses_a_secret_is_told_and_who_waits_for_its_name_too() {
    let mut world = world();
    world.target_applied(&secret("t", "s", "20", Some(UID)));
    assert_eq!(
        world.target_applied(&secret("t", "s", "21", None)),
        [key_of("contoso")].into(),
        "its owner reference was taken"
    );
    world.target_conflict(&key_of("other"), &secret("t", "s", "21", None).metadata);
    assert_eq!(
        view(&world, "t"),
        TargetView::Stranger { predecessor: false }
    );
    assert_eq!(
        world.target_deleted(&secret("t", "s", "22", None)),
        [key_of("other")].into()
    );
    // Of a Secret without our label nobody would tell that it has gone.
    let mut unlabelled = secret("t", "s", "23", None).metadata;
    unlabelled.labels = None;
    world.target_conflict(&key_of("other"), &unlabelled);
    assert_eq!(view(&world, "t"), TargetView::Absent);
    assert!(world.waiting.is_empty());
}

#[test]
fn a_changed_credential_wakes_its_users_and_an_unchanged_one_nobody() {
    let mut world = world();
    assert_eq!(
        world.credential_told(&credential("one"), false, at(0)),
        Some(vec![key_of("contoso")])
    );
    assert_eq!(
        world.credential_told(&credential("one"), true, at(1)),
        None,
        "only the resourceVersion changed"
    );
    let known = world.credential(&key_of("partner")).unwrap();
    assert_eq!(known.changed_at, None, "it was there before this process");
    assert_eq!(
        world.credential_told(&credential("two"), true, at(2)),
        Some(vec![key_of("contoso")])
    );
    let known = world.credential(&key_of("partner")).unwrap();
    assert_eq!(known.changed_at, Some(at(2)));
    let fingerprint = known.parsed.as_ref().unwrap().fingerprint(LOGIN);
    assert!(world.has_fingerprint(fingerprint) && world.is_alone(fingerprint));
    assert_eq!(world.fingerprint_users(fingerprint), [key_of("contoso")]);
    world.tenant_deleted(&key_of("contoso"));
    assert_eq!(
        world.credential_deleted(&key_of("partner"), at(3)),
        Some(Vec::new()),
        "nobody uses it"
    );
    assert_eq!(
        world.credential_deleted(&key_of("partner"), at(3)),
        None,
        "it was gone"
    );
    assert!(
        world.by_fingerprint.is_empty()
            && world.by_source.is_empty()
            && world.memos.is_empty()
            && world.credentials.is_empty()
    );
}

#[test]
fn an_object_of_another_shape_is_told_once_and_forgotten_when_it_goes() {
    let mut world = world();
    let broken = || -> TenantObject {
        serde_json::from_value(json!({"metadata": {"name": "odd", "namespace": "soc", "uid": "o", "resourceVersion": "1"}, "spec": {"tenantId": 7}}))
            .unwrap()
    };
    assert_eq!(world.tenant_applied(broken()), Err(key_of("odd")));
    assert_eq!(world.tenant_applied(broken()), Ok(None));
    assert_eq!(world.undecodable(), 1);
    assert!(
        world.tenant(&key_of("contoso")).is_some(),
        "the others go on"
    );
    world.tenant_deleted(&key_of("odd"));
    assert_eq!(world.undecodable(), 0);
}

mod applications;

#[test]
fn with_several_shards_a_watch_that_lags_does_not_bring_a_predecessor_back() {
    let mut world = World::default();
    let _ = world.tenant_applied(tenant_object("second", "20", 1, &json!({})));
    let seen = |uid: &str, version: &str| tenant_object(uid, version, 1, &json!({})).metadata;
    assert!(world.is_tenant_overtaken(&seen("first", "19")));
    assert!(!world.is_tenant_overtaken(&seen("third", "21")));
    // Of the same one the copy itself compares.
    assert!(!world.is_tenant_overtaken(&seen("second", "19")));
    let _ = world.target_applied(&secret("target", "second", "20", Some(UID)));
    let seen = |uid: &str, version: &str| secret("target", uid, version, Some(UID)).metadata;
    assert!(world.is_target_overtaken(&seen("first", "19")));
    assert!(!world.is_target_overtaken(&seen("third", "21")));
}

#[test]
fn what_another_shard_cannot_decode_stays_known_when_this_one_is_listed_or_goes() {
    let buckets = [0, 1].map(|shard| Buckets::of(shard, 2));
    let uid = (0..99)
        .map(|n: u32| n.to_string())
        .find(|uid| buckets[1].has(uid))
        .unwrap();
    let broken: TenantObject = serde_json::from_value(json!({
        "metadata": {"name": "broken", "namespace": "soc", "uid": uid, "resourceVersion": "1"},
        "spec": {"tenantId": 7},
    }))
    .unwrap();
    let mut world = World::default();
    assert!(world.tenant_applied(broken).is_err());
    let others: HashSet<Key> = world.undecodable_outside(&buckets[0]).cloned().collect();
    assert_eq!(others.len(), 1);
    world.tenants_listed(&others, |_| true);
    world.forget_shard(&buckets[0]);
    assert_eq!(world.undecodable(), 1);
    assert_eq!(world.undecodable_outside(&buckets[1]).count(), 0);
    world.forget_shard(&buckets[1]);
    assert_eq!(world.undecodable(), 0);
}
