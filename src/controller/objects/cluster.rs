//! What belongs to the cluster: applications and namespaces.

use std::borrow::Cow;

use k8s_openapi::ClusterResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::{Deserialize, Deserializer};

use super::metadata;
use super::parts::{Parts, part};
use crate::api::{
    APPLICATION_KIND, APPLICATION_PLURAL, DefenderApplicationSpec, DefenderApplicationStatus,
    GROUP, VERSION,
};
use crate::core::application::{Application, Version};

/// A `DefenderApplication` whose spec may have any shape.
#[derive(Clone, Debug)]
pub struct ApplicationObject {
    /// The parts that are kept.
    pub metadata: ObjectMeta,
    spec: Option<DefenderApplicationSpec>,
    status: DefenderApplicationStatus,
}

resource!(ApplicationObject: ClusterResourceScope, APPLICATION_KIND, GROUP, VERSION, APPLICATION_PLURAL, metadata_only: false);

impl<'de> Deserialize<'de> for ApplicationObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let parts = Parts::deserialize(deserializer)?;
        Ok(Self {
            metadata: metadata::read(parts.metadata.as_deref(), |_| false),
            spec: part(parts.spec.as_deref()),
            status: part(parts.status.as_deref()).unwrap_or_default(),
        })
    }
}

impl ApplicationObject {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    /// The application, if its spec has the shape of one.
    #[must_use]
    pub fn into_application(self) -> Option<Application> {
        let metadata = self.metadata;
        let version = Version {
            uid: metadata.uid.filter(|uid| !uid.is_empty())?,
            resource_version: metadata.resource_version?,
            generation: metadata.generation.unwrap_or_default(),
            created_at: metadata
                .creation_timestamp
                .map_or(jiff::Timestamp::UNIX_EPOCH, |time| time.0),
            deleting: metadata.deletion_timestamp.is_some(),
        };
        Application::new(metadata.name.as_deref()?, version, self.spec?, self.status)
    }
}

/// A namespace's metadata.
#[derive(Clone, Debug)]
pub struct NamespaceMeta {
    /// The parts that are kept.
    pub metadata: ObjectMeta,
}

resource!(NamespaceMeta: ClusterResourceScope, "Namespace", "", "v1", "namespaces", metadata_only: true);

impl<'de> Deserialize<'de> for NamespaceMeta {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let parts = Parts::deserialize(deserializer)?;
        Ok(Self {
            metadata: metadata::read(parts.metadata.as_deref(), |_| false),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::core::testing::{CLIENT, TENANT};

    #[test]
    fn a_spec_of_another_shape_is_no_application_and_no_error() {
        let good = serde_json::json!({
            "metadata": {"name": "soc-reader", "uid": "u", "resourceVersion": "1", "generation": 1},
            "spec": {"clientId": CLIENT, "credentials": [{"name": "a", "workloadIdentity": {}}],
                "grants": [{"namespaces": {"names": ["soc"]}, "tenantIds": [TENANT]}]},
        });
        let decode = |value: &Value| {
            serde_json::from_str::<ApplicationObject>(&value.to_string())
                .unwrap()
                .into_application()
        };
        assert!(decode(&good).is_some());
        for (pointer, other) in [
            ("/spec/clientId", serde_json::json!("contoso")),
            ("/spec/clientId", serde_json::json!(7)),
            ("/spec/grants", serde_json::json!({})),
            ("/spec/grants/0/tenantIds/0", serde_json::json!("common")),
            ("/spec/grants/0/apis", serde_json::json!(["Other"])),
            ("/spec", Value::Null),
            ("/metadata/uid", Value::Null),
        ] {
            let mut bad = good.clone();
            match bad.pointer_mut(pointer) {
                Some(value) => *value = other,
                None => bad["spec"]["grants"][0]["apis"] = other,
            }
            assert_eq!(decode(&bad), None, "{pointer}");
        }
    }
}
