//! The requests about the Lease.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::{Api, Client};

use crate::core::election::{Claim, Claimed, Record, Standing};

/// Why a request came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LeaseError {
    /// 403
    #[error(
        "not permitted: the operator's Role needs get, create and update of leases in its own namespace"
    )]
    Forbidden,
    /// Another answer of the API server.
    #[error("the API server answers {0}")]
    Refused(u16),
    /// No answer in time.
    #[error("the API server doesn't answer")]
    Unreachable,
}

/// One Lease of the operator's namespace.
#[derive(Clone)]
pub struct LeaseStore {
    api: Api<Lease>,
    namespace: String,
    name: String,
}

impl LeaseStore {
    /// By this client.
    #[must_use]
    pub fn new(client: Client, namespace: &str, name: String) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            namespace: namespace.to_owned(),
            name,
        }
    }

    /// The Lease's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reads it.
    pub async fn look(&self, patience: Duration) -> Result<Option<Standing>, LeaseError> {
        match tokio::time::timeout(patience, self.api.get_opt(&self.name)).await {
            Ok(Ok(lease)) => Ok(lease.map(standing)),
            Ok(Err(error)) => Err(cause(&error)),
            Err(_) => Err(LeaseError::Unreachable),
        }
    }

    /// Writes it over exactly what was seen.
    pub async fn claim(&self, claim: &Claim, patience: Duration) -> Result<Claimed, LeaseError> {
        let lease = Lease {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                namespace: Some(self.namespace.clone()),
                resource_version: claim.over.clone(),
                ..ObjectMeta::default()
            },
            spec: Some(spec(&claim.record)),
        };
        let params = PostParams::default();
        let sent = async {
            if claim.over.is_some() {
                self.api.replace(&self.name, &params, &lease).await
            } else {
                self.api.create(&params, &lease).await
            }
        };
        match tokio::time::timeout(patience, sent).await {
            Ok(Ok(lease)) => {
                let version = lease.metadata.resource_version.unwrap_or_default();
                Ok(Claimed::Accepted(version))
            }
            Ok(Err(kube::Error::Api(status))) if status.code == 409 => Ok(Claimed::Conflict),
            Ok(Err(kube::Error::Api(status))) if status.code == 404 => Ok(Claimed::NotFound),
            Ok(Err(error)) => Err(cause(&error)),
            Err(_) => Err(LeaseError::Unreachable),
        }
    }
}

fn cause(error: &kube::Error) -> LeaseError {
    match error {
        kube::Error::Api(status) if status.code == 403 => LeaseError::Forbidden,
        kube::Error::Api(status) => LeaseError::Refused(status.code),
        _ => LeaseError::Unreachable,
    }
}

fn standing(lease: Lease) -> Standing {
    let spec = lease.spec.unwrap_or_default();
    let seconds = spec.lease_duration_seconds;
    Standing {
        record: Record {
            holder: spec.holder_identity,
            duration: seconds
                .and_then(|seconds| u64::try_from(seconds).ok())
                .map(Duration::from_secs),
            acquired_at: spec.acquire_time.map(|at| at.0),
            renewed_at: spec.renew_time.map(|at| at.0),
            transitions: spec.lease_transitions.unwrap_or_default(),
        },
        version: lease.metadata.resource_version.unwrap_or_default(),
    }
}

fn spec(record: &Record) -> LeaseSpec {
    LeaseSpec {
        holder_identity: record.holder.clone(),
        lease_duration_seconds: record
            .duration
            .and_then(|duration| i32::try_from(duration.as_secs()).ok()),
        acquire_time: record.acquired_at.map(MicroTime),
        renew_time: record.renewed_at.map(MicroTime),
        lease_transitions: Some(record.transitions),
        ..LeaseSpec::default()
    }
}
