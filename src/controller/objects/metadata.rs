//! `metadata`, as far as anybody here needs it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// `metadata` as every API server sends it. `managedFields`, most of its text, are skipped unread.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Usual {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    generation: Option<i64>,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
    owner_references: Option<Vec<OwnerReference>>,
}

/// Takes the parts of `metadata` that anybody here needs; whatever has another shape is absent.
/// `keep` chooses annotations: `last-applied-configuration` carries a Secret's data and is never kept.
pub(super) fn read(raw: Option<&RawValue>, keep: impl Fn(&str) -> bool) -> ObjectMeta {
    let text = raw.map_or("null", RawValue::get);
    if let Ok(usual) = serde_json::from_str::<Usual>(text) {
        let mut annotations = usual.annotations;
        if let Some(annotations) = &mut annotations {
            annotations.retain(|name, _| keep(name));
        }
        return ObjectMeta {
            name: usual.name,
            namespace: usual.namespace,
            uid: usual.uid,
            resource_version: usual.resource_version,
            generation: usual.generation,
            creation_timestamp: usual.creation_timestamp,
            deletion_timestamp: usual.deletion_timestamp,
            labels: usual.labels,
            annotations,
            owner_references: usual.owner_references,
            ..ObjectMeta::default()
        };
    }
    of(&serde_json::from_str(text).unwrap_or_default(), keep)
}

/// The same of a value, each part for itself.
pub(super) fn of(value: &Value, keep: impl Fn(&str) -> bool) -> ObjectMeta {
    let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let time = |name: &str| {
        value
            .get(name)
            .and_then(Value::as_str)?
            .parse::<Timestamp>()
            .ok()
            .map(Time)
    };
    let map = |name: &str, keep: &dyn Fn(&str) -> bool| -> Option<BTreeMap<String, String>> {
        let entries = value.get(name)?.as_object()?.iter();
        Some(
            entries
                .filter(|(key, _)| keep(key))
                .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
                .collect(),
        )
    };
    let owners = value
        .get("ownerReferences")
        .and_then(Value::as_array)
        .map(|owners| owners.iter().map(owner).collect::<Vec<_>>());
    ObjectMeta {
        name: text("name"),
        namespace: text("namespace"),
        uid: text("uid"),
        resource_version: text("resourceVersion"),
        generation: value.get("generation").and_then(Value::as_i64),
        creation_timestamp: time("creationTimestamp"),
        deletion_timestamp: time("deletionTimestamp"),
        labels: map("labels", &|_| true),
        annotations: map("annotations", &keep),
        owner_references: owners,
        ..ObjectMeta::default()
    }
}

fn owner(value: &Value) -> OwnerReference {
    let text = |name: &str| {
        value
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    OwnerReference {
        api_version: text("apiVersion"),
        kind: text("kind"),
        name: text("name"),
        uid: text("uid"),
        controller: value.get("controller").and_then(Value::as_bool),
        block_owner_deletion: None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_ways_of_reading_say_the_same() {
        let usual = json!({
            "name": "contoso", "namespace": "soc", "uid": "u", "resourceVersion": "7", "generation": 3,
            "creationTimestamp": "2026-11-24T10:00:00Z", "labels": {"l": "v"},
            "annotations": {"a": "b", "kubectl.kubernetes.io/last-applied-configuration": "canary"},
            "ownerReferences": [{"apiVersion": "a/v1", "kind": "K", "name": "n", "uid": "o", "controller": true}],
            "managedFields": [{"manager": "x", "fieldsV1": {"f:data": {".": {}}}}],
        });
        let keep = |name: &str| name == "a";
        let raw = serde_json::value::to_raw_value(&usual).unwrap();
        let read_usually = read(Some(&raw), keep);
        assert_eq!(read_usually, of(&usual, keep));
        assert_eq!(read_usually.annotations.unwrap().len(), 1);
        assert_eq!(read(None, keep), ObjectMeta::default());
        // One part of another shape: the others are read all the same.
        let mut odd = usual;
        odd["labels"] = json!(7);
        let raw = serde_json::value::to_raw_value(&odd).unwrap();
        let read_oddly = read(Some(&raw), keep);
        assert_eq!(
            (read_oddly.labels, read_oddly.name.as_deref()),
            (None, Some("contoso"))
        );
    }
}
