//! What is known of a `DefenderTenant`.

use std::sync::Arc;

use jiff::Timestamp;

use crate::api::{DefenderTenantSpec, DefenderTenantStatus, target_name};

/// Namespace and name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Namespace.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
}

impl Key {
    /// A key.
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A tenant as the API server last told it.
#[derive(Debug, Clone, PartialEq)]
pub struct Tenant {
    /// Namespace and name.
    pub key: Key,
    /// UID.
    pub uid: String,
    /// Version of the object, status included.
    pub resource_version: String,
    /// Version of the spec.
    pub generation: i64,
    /// When it was created.
    pub created_at: Timestamp,
    /// It is being deleted.
    pub deleting: bool,
    /// Value of the annotation that asks for a mint now.
    pub refresh_request: Option<String>,
    /// The spec.
    pub spec: Arc<DefenderTenantSpec>,
    /// The status.
    pub status: Arc<DefenderTenantStatus>,
}

impl Tenant {
    /// Name of its target Secret.
    #[must_use]
    pub fn target_name(&self) -> String {
        target_name(&self.key.name, &self.spec)
    }

    /// The status speaks of this generation.
    #[must_use]
    pub fn is_observed(&self) -> bool {
        self.status.observed_generation == Some(self.generation)
    }
}
