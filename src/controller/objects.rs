//! What is decoded from watches and reads: small types that take any JSON, so that no error ever quotes a Secret.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Resource;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use zeroize::{Zeroize as _, Zeroizing};

use crate::api::{
    ANNOTATION_REFRESH_REQUESTED, DefenderTenantSpec, DefenderTenantStatus, GROUP, KIND, PLURAL,
    VERSION,
};
use crate::core::credential::SecretData;
use crate::core::tenant::{Key, Tenant};

/// What kube asks of a type that is decoded leniently.
macro_rules! resource {
    ($type:ty: $scope:ty, $kind:expr, $group:expr, $version:expr, $plural:expr, metadata_only: $metadata_only:literal) => {
        impl Resource for $type {
            type DynamicType = ();
            type Scope = $scope;

            fn kind((): &()) -> Cow<'_, str> {
                $kind.into()
            }
            fn group((): &()) -> Cow<'_, str> {
                $group.into()
            }
            fn version((): &()) -> Cow<'_, str> {
                $version.into()
            }
            fn plural((): &()) -> Cow<'_, str> {
                $plural.into()
            }
            fn metadata_api() -> bool {
                $metadata_only
            }
            fn meta(&self) -> &ObjectMeta {
                &self.metadata
            }
            fn meta_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }
        }
    };
}

mod cluster;
mod metadata;
mod parts;

pub use cluster::{ApplicationObject, NamespaceMeta};
use parts::{Parts, part};

/// Annotations that are ours, or of a kind that the operator's administrator may allow: all but kubectl's copy of the object.
fn harmless(name: &str) -> bool {
    name != "kubectl.kubernetes.io/last-applied-configuration"
}

/// A Secret's metadata, without its bytes.
#[derive(Clone, Debug)]
pub struct SecretMeta {
    /// The parts that are kept.
    pub metadata: ObjectMeta,
}

resource!(SecretMeta: NamespaceResourceScope, "Secret", "", "v1", "secrets", metadata_only: true);

impl<'de> Deserialize<'de> for SecretMeta {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let parts = Parts::deserialize(deserializer)?;
        Ok(Self {
            metadata: metadata::read(parts.metadata.as_deref(), harmless),
        })
    }
}

/// A Secret with its bytes. No `Debug` of them.
#[derive(Clone)]
pub struct SecretBody {
    /// The parts that are kept.
    pub metadata: ObjectMeta,
    /// The bytes by key; what isn't base64 text is left out.
    pub data: SecretData,
    /// `immutable: true`
    pub immutable: bool,
}

resource!(SecretBody: NamespaceResourceScope, "Secret", "", "v1", "secrets", metadata_only: false);

impl fmt::Debug for SecretBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "SecretBody({}/{})",
            self.metadata.namespace.as_deref().unwrap_or_default(),
            self.metadata.name.as_deref().unwrap_or_default()
        )
    }
}

impl<'de> Deserialize<'de> for SecretBody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut object = Value::deserialize(deserializer)?;
        let mut data = SecretData::new();
        if let Some(Value::Object(entries)) = object.get_mut("data").map(Value::take) {
            for (key, value) in entries {
                let Value::String(mut text) = value else {
                    continue;
                };
                if let Ok(bytes) = STANDARD.decode(&text) {
                    data.insert(key, Zeroizing::new(bytes));
                }
                text.zeroize();
            }
        }
        let immutable = object
            .get("immutable")
            .and_then(Value::as_bool)
            .unwrap_or(false);
        Ok(Self {
            metadata: metadata::of(object.get("metadata").unwrap_or(&Value::Null), harmless),
            data,
            immutable,
        })
    }
}

/// A `DefenderTenant` whose spec may have any shape.
#[derive(Clone, Debug)]
pub struct TenantObject {
    /// The parts that are kept.
    pub metadata: ObjectMeta,
    spec: Option<Arc<DefenderTenantSpec>>,
    status: Arc<DefenderTenantStatus>,
}

impl<'de> Deserialize<'de> for TenantObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let parts = Parts::deserialize(deserializer)?;
        let spec = part::<DefenderTenantSpec>(parts.spec.as_deref());
        let status = part::<DefenderTenantStatus>(parts.status.as_deref());
        let metadata = metadata::read(parts.metadata.as_deref(), |name| {
            name == ANNOTATION_REFRESH_REQUESTED
        });
        Ok(Self {
            metadata,
            spec: spec.map(Arc::new),
            status: Arc::new(status.unwrap_or_default()),
        })
    }
}

resource!(TenantObject: NamespaceResourceScope, KIND, GROUP, VERSION, PLURAL, metadata_only: false);

impl TenantObject {
    /// Namespace and name.
    #[must_use]
    pub fn key(&self) -> Key {
        key(&self.metadata)
    }

    /// The tenant, if its spec has the shape of one.
    #[must_use]
    pub fn into_tenant(self) -> Option<Tenant> {
        let key = self.key();
        Some(Tenant {
            key,
            uid: self.metadata.uid.filter(|uid| !uid.is_empty())?,
            resource_version: self.metadata.resource_version?,
            generation: self.metadata.generation.unwrap_or_default(),
            created_at: self
                .metadata
                .creation_timestamp
                .map_or(Timestamp::UNIX_EPOCH, |time| time.0),
            deleting: self.metadata.deletion_timestamp.is_some(),
            refresh_request: self
                .metadata
                .annotations
                .and_then(|mut a| a.remove(ANNOTATION_REFRESH_REQUESTED))
                // It is repeated in the status; a time has 30 characters.
                .map(|value| value.chars().take(REQUEST_MAX).collect()),
            spec: self.spec?,
            status: self.status,
        })
    }
}

/// Longest value of the annotation that counts; what comes after it is another value's beginning to nobody.
const REQUEST_MAX: usize = 128;

/// Namespace and name of an object.
#[must_use]
pub fn key(metadata: &ObjectMeta) -> Key {
    Key::new(
        metadata.namespace.as_deref().unwrap_or_default(),
        metadata.name.as_deref().unwrap_or_default(),
    )
}

/// The owner reference of the controller, if it is one of ours.
#[must_use]
pub fn controller_of(metadata: &ObjectMeta) -> Option<&OwnerReference> {
    let owners = metadata.owner_references.as_deref().unwrap_or_default();
    owners.iter().find(|owner| {
        owner.controller == Some(true)
            && owner.kind == KIND
            && owner
                .api_version
                .split_once('/')
                .is_some_and(|(group, _)| group == GROUP)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANARY: &str = "canary~value";

    /// Every value of a document in turn replaced by one of another type.
    fn misshapen(document: &Value) -> Vec<Value> {
        let mut all = vec![
            Value::Null,
            serde_json::json!(7),
            serde_json::json!([CANARY]),
            serde_json::json!(CANARY),
        ];
        if let Value::Object(map) = document {
            for (key, value) in map {
                for other in misshapen(value) {
                    let mut changed = map.clone();
                    changed.insert(key.clone(), other);
                    all.push(Value::Object(changed));
                }
            }
        }
        all
    }

    #[test]
    fn no_shape_of_an_object_is_an_error_and_debug_shows_no_byte() {
        let secret = serde_json::json!({
            "metadata": {"name": "a", "namespace": "b", "uid": "u", "resourceVersion": "1", "generation": 1,
                "annotations": {"kubectl.kubernetes.io/last-applied-configuration": CANARY, "x": "y"},
                "labels": {"l": "v"}, "ownerReferences": [{"uid": "u"}], "creationTimestamp": "2026-11-24T10:00:00Z"},
            "data": {"client-secret": STANDARD.encode(CANARY)}, "immutable": true
        });
        for document in misshapen(&secret) {
            let text = document.to_string();
            let body: SecretBody = serde_json::from_str(&text).expect("any shape is taken");
            assert!(!format!("{body:?}").contains("data"), "{body:?}");
            let meta: SecretMeta = serde_json::from_str(&text).expect("any shape is taken");
            let annotations = meta.metadata.annotations.unwrap_or_default();
            assert!(!annotations.contains_key("kubectl.kubernetes.io/last-applied-configuration"));
            let tenant: TenantObject = serde_json::from_str(&text).expect("any shape is taken");
            assert!(tenant.into_tenant().is_none(), "there is no spec");
        }
        let body: SecretBody = serde_json::from_value(secret).unwrap();
        assert_eq!(body.data["client-secret"].as_slice(), CANARY.as_bytes());
        assert!(body.immutable);
    }

    #[test]
    fn only_our_controller_reference_makes_a_secret_ours() {
        let owner = |api_version: &str, kind: &str, controller: Option<bool>| OwnerReference {
            api_version: api_version.into(),
            kind: kind.into(),
            name: "contoso".into(),
            uid: "u".into(),
            controller,
            block_owner_deletion: None,
        };
        let meta = |owner| ObjectMeta {
            owner_references: Some(vec![owner]),
            ..ObjectMeta::default()
        };
        assert!(
            controller_of(&meta(owner(
                "defendertenant.io/v1alpha1",
                "DefenderTenant",
                Some(true)
            )))
            .is_some()
        );
        assert!(
            controller_of(&meta(owner(
                "defendertenant.io/v2",
                "DefenderTenant",
                Some(true)
            )))
            .is_some()
        );
        assert!(
            controller_of(&meta(owner(
                "defendertenant.io/v1alpha1",
                "DefenderTenant",
                None
            )))
            .is_none()
        );
        assert!(controller_of(&meta(owner("other.io/v1", "DefenderTenant", Some(true)))).is_none());
        assert!(
            controller_of(&meta(owner(
                "defendertenant.io/v1alpha1",
                "Other",
                Some(true)
            )))
            .is_none()
        );
    }
}
