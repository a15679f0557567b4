//! What is sent: written straight into one buffer, so that no copy of a token lies about.

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::SecretDraft;
use crate::api::{DefenderTenantStatus, GROUP, KIND, VERSION};
use crate::core::target::{ALL_KEYS, Held};
use crate::core::tenant::Tenant;

/// `apiVersion` of our kinds.
fn api_version() -> String {
    format!("{GROUP}/{VERSION}")
}

/// A new target.
pub(super) fn create(draft: &SecretDraft<'_>) -> Vec<u8> {
    let metadata = NewMetadata {
        name: &draft.key.name,
        namespace: &draft.key.namespace,
        labels: &draft.metadata.labels,
        annotations: Annotations {
            draft,
            nulls: false,
        },
        owner_references: [OwnerReference::of(draft.owner)],
    };
    let secret = Secret {
        api_version: "v1",
        kind: "Secret",
        type_: "Opaque",
        metadata,
        data: Data {
            draft,
            nulls: false,
        },
    };
    written(&secret, room(draft))
}

/// What a target is to become, if it is still this one. What isn't wanted any more is null.
pub(super) fn patch(draft: &SecretDraft<'_>, uid: &str, resource_version: &str) -> Vec<u8> {
    let metadata = ChangedMetadata {
        uid,
        resource_version,
        labels: Labels(draft),
        annotations: Annotations { draft, nulls: true },
    };
    let patch = Patch {
        metadata,
        data: Data { draft, nulls: true },
    };
    written(&patch, room(draft))
}

/// A status over the very object that was read.
pub(super) fn status(tenant: &Tenant, status: &DefenderTenantStatus) -> Vec<u8> {
    let body = StatusOf {
        api_version: api_version(),
        kind: KIND,
        metadata: StatusMetadata {
            name: &tenant.key.name,
            namespace: &tenant.key.namespace,
            uid: &tenant.uid,
            resource_version: &tenant.resource_version,
        },
        status,
    };
    written(&body, 2_048)
}

/// Of one token some three copies, each a third longer in base64; the buffer isn't to move while they are written.
fn room(draft: &SecretDraft<'_>) -> usize {
    let keys: usize = draft.keys.values().map(|value| value.len()).sum();
    keys * 4 / 3 + 4_096
}

fn written(body: &impl Serialize, room: usize) -> Vec<u8> {
    let mut buffer = Vec::with_capacity(room);
    // Maps of text into memory: there is nothing that could fail.
    let _ = serde_json::to_writer(&mut buffer, body);
    buffer
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Secret<'a> {
    api_version: &'static str,
    kind: &'static str,
    #[serde(rename = "type")]
    type_: &'static str,
    metadata: NewMetadata<'a>,
    data: Data<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NewMetadata<'a> {
    name: &'a str,
    namespace: &'a str,
    labels: &'a std::collections::BTreeMap<String, String>,
    annotations: Annotations<'a>,
    owner_references: [OwnerReference<'a>; 1],
}

#[derive(Serialize)]
struct Patch<'a> {
    metadata: ChangedMetadata<'a>,
    data: Data<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ChangedMetadata<'a> {
    uid: &'a str,
    resource_version: &'a str,
    labels: Labels<'a>,
    annotations: Annotations<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StatusOf<'a> {
    api_version: String,
    kind: &'static str,
    metadata: StatusMetadata<'a>,
    status: &'a DefenderTenantStatus,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StatusMetadata<'a> {
    name: &'a str,
    namespace: &'a str,
    uid: &'a str,
    resource_version: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OwnerReference<'a> {
    api_version: String,
    kind: &'static str,
    name: &'a str,
    uid: &'a str,
    controller: bool,
    block_owner_deletion: bool,
}

impl<'a> OwnerReference<'a> {
    fn of(owner: &'a Tenant) -> Self {
        Self {
            api_version: api_version(),
            kind: KIND,
            name: &owner.key.name,
            uid: &owner.uid,
            controller: true,
            block_owner_deletion: false,
        }
    }
}

/// Those that are wanted, and null for those that aren't any more.
struct Labels<'a>(&'a SecretDraft<'a>);

impl Serialize for Labels<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let metadata = self.0.metadata;
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in &metadata.labels {
            if !metadata.unwanted.contains(name) {
                map.serialize_entry(name, value)?;
            }
        }
        for name in &metadata.unwanted {
            map.serialize_entry(name, &())?;
        }
        map.end()
    }
}

/// The token's and others; with `nulls` also null for what isn't wanted any more.
struct Annotations<'a> {
    draft: &'a SecretDraft<'a>,
    nulls: bool,
}

impl Serialize for Annotations<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let metadata = self.draft.metadata;
        let ours = self.draft.held.map(Held::annotations).unwrap_or_default();
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in &metadata.annotations {
            let unwanted = self.nulls && metadata.unwanted.contains(name);
            if !unwanted && !Held::NAMES.contains(&name.as_str()) {
                map.serialize_entry(name, value)?;
            }
        }
        for (name, value) in &ours {
            map.serialize_entry(name, value)?;
        }
        if self.nulls {
            let missing = Held::NAMES
                .iter()
                .filter(|name| !ours.iter().any(|(ours, _)| ours == *name));
            for name in missing {
                map.serialize_entry(name, &())?;
            }
            for name in &metadata.unwanted {
                map.serialize_entry(name, &())?;
            }
        }
        map.end()
    }
}

/// The keys in base64; with `nulls` also null for every other one that we ever write.
struct Data<'a> {
    draft: &'a SecretDraft<'a>,
    nulls: bool,
}

impl Serialize for Data<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let keys = self.draft.keys;
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in keys {
            map.serialize_entry(name, &Encoded(value.as_bytes()))?;
        }
        if self.nulls {
            for name in ALL_KEYS.iter().filter(|name| !keys.contains_key(*name)) {
                map.serialize_entry(name, &())?;
            }
        }
        map.end()
    }
}

struct Encoded<'a>(&'a [u8]);

impl Serialize for Encoded<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Base64Display::new(self.0, &STANDARD))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use zeroize::Zeroizing;

    use super::*;
    use crate::core::inspect::Metadata;
    use crate::core::target::Rendered;
    use crate::core::tenant::Key;
    use crate::core::testing;

    fn bodies(held: Option<&Held>) -> (Value, Value) {
        let key = Key::new("soc", "t");
        let keys = Rendered::from([("token", Zeroizing::new("abc".to_owned()))]);
        let texts = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .map(|(k, v)| ((*k).into(), (*v).into()))
                .collect()
        };
        let metadata = Metadata {
            labels: texts(&[("l", "1")]),
            annotations: texts(&[("a", "2")]),
            unwanted: ["gone".to_owned()].into_iter().collect(),
        };
        let owner = testing::tenant();
        let draft = SecretDraft {
            key: &key,
            owner: &owner,
            metadata: &metadata,
            held,
            keys: &keys,
        };
        let read = |bytes: Vec<u8>| serde_json::from_slice(&bytes).unwrap();
        (read(create(&draft)), read(patch(&draft, "u", "7")))
    }

    #[test]
    fn a_new_target_has_its_keys_its_owner_and_its_annotations() {
        let held = testing::held(testing::at(0));
        let (new, patch) = bodies(Some(&held));
        assert_eq!(new["type"], "Opaque");
        assert_eq!(new["data"], json!({"token": "YWJj"}));
        assert_eq!(
            new["metadata"]["ownerReferences"][0],
            json!({"apiVersion": "defendertenant.io/v1alpha1", "kind": "DefenderTenant", "name": "contoso",
                "uid": testing::UID, "controller": true, "blockOwnerDeletion": false})
        );
        assert_eq!(new["metadata"]["labels"], json!({"l": "1"}));
        let annotations = new["metadata"]["annotations"].as_object().unwrap();
        assert_eq!(annotations["a"], "2");
        for (name, value) in held.annotations() {
            assert_eq!(annotations[name], *value);
            assert_eq!(patch["metadata"]["annotations"][name], *value);
        }
        assert_eq!(annotations.len(), held.annotations().len() + 1);
    }

    #[test]
    fn what_is_not_wanted_any_more_is_null() {
        let (_, patch) = bodies(None);
        assert_eq!(patch["metadata"]["uid"], "u");
        assert_eq!(patch["metadata"]["resourceVersion"], "7");
        assert_eq!(patch["metadata"]["labels"], json!({"l": "1", "gone": null}));
        let annotations = patch["metadata"]["annotations"].as_object().unwrap();
        for name in Held::NAMES {
            assert!(annotations[name].is_null(), "{name}");
        }
        assert!(annotations["gone"].is_null() && annotations["a"] == "2");
        let data = patch["data"].as_object().unwrap();
        assert_eq!(data.len(), ALL_KEYS.len());
        assert!(
            data.iter()
                .all(|(name, value)| value.is_null() == (name != "token"))
        );
    }
}
