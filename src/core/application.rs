//! What is known of a `DefenderApplication`.

use std::sync::Arc;

use jiff::Timestamp;

use super::ids::{ApplicationId, TenantId};
use crate::api::{DefenderApplicationSpec, DefenderApplicationStatus, SuspendedSecrets};

pub mod choice;
pub mod grants;
pub mod status;

pub use grants::{Denial, Grants, Labels};

/// An application as the API server last told it.
#[derive(Debug, Clone, PartialEq)]
pub struct Application {
    /// Its name.
    pub name: Arc<str>,
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
    /// `spec.clientId`, parsed.
    pub client_id: ApplicationId,
    /// The grants, ready to be asked.
    pub grants: Grants,
    /// The spec, without its grants.
    pub spec: Arc<DefenderApplicationSpec>,
    /// The status.
    pub status: Arc<DefenderApplicationStatus>,
}

/// The identity and the two versions of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
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
}

impl Application {
    /// From its parts; `None` for what the CRD's rules wouldn't have let in.
    #[must_use]
    pub fn new(
        name: &str,
        version: Version,
        mut spec: DefenderApplicationSpec,
        status: DefenderApplicationStatus,
    ) -> Option<Self> {
        let home: Option<TenantId> = match &spec.home_tenant_id {
            Some(id) => Some(id.parse().ok()?),
            None => None,
        };
        let grants = Grants::new(std::mem::take(&mut spec.grants), home)?;
        Some(Self {
            name: name.into(),
            uid: version.uid,
            resource_version: version.resource_version,
            generation: version.generation,
            created_at: version.created_at,
            deleting: version.deleting,
            client_id: spec.client_id.parse().ok()?,
            grants,
            spec: Arc::new(spec),
            status: Arc::new(status),
        })
    }

    /// Its tenants' Secrets are to be deleted now.
    #[must_use]
    pub fn deletes_secrets(&self) -> bool {
        self.spec.suspend && self.spec.suspended_secrets == SuspendedSecrets::Delete
    }

    /// Something changed that concerns every tenant, whatever its grant.
    #[must_use]
    pub fn differs_for_all(&self, other: &Self) -> bool {
        self.uid != other.uid || self.deleting != other.deleting || self.spec != other.spec
    }
}
