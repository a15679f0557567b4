//! The requests about the Lease.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
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

impl LeaseError {
    /// In few words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Forbidden => "not permitted",
            Self::Refused(_) => "the API server refuses it",
            Self::Unreachable => "the API server doesn't answer",
        }
    }
}

/// One Lease of the operator's namespace.
#[derive(Clone)]
pub struct LeaseStore {
    api: Api<Lease>,
    namespace: String,
    name: String,
    /// As it was read or written last: what others wrote into it stays.
    last: Option<Lease>,
}

impl LeaseStore {
    /// By this client.
    #[must_use]
    pub fn new(client: Client, namespace: &str, name: String) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            namespace: namespace.to_owned(),
            name,
            last: None,
        }
    }

    /// The Lease's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reads it.
    pub async fn look(&mut self, patience: Duration) -> Result<Option<Standing>, LeaseError> {
        match tokio::time::timeout(patience, self.api.get_opt(&self.name)).await {
            Ok(Ok(lease)) => {
                self.last.clone_from(&lease);
                Ok(lease.map(standing))
            }
            Ok(Err(error)) => Err(cause(&error)),
            Err(_) => Err(LeaseError::Unreachable),
        }
    }

    /// Writes it over exactly what was seen.
    pub async fn claim(
        &mut self,
        claim: &Claim,
        patience: Duration,
    ) -> Result<Claimed, LeaseError> {
        let lease = self.draft(claim);
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
                let version = lease.metadata.resource_version.clone().unwrap_or_default();
                self.last = Some(lease);
                Ok(Claimed::Accepted(version))
            }
            Ok(Err(kube::Error::Api(status))) if status.code == 409 => Ok(Claimed::Conflict),
            Ok(Err(kube::Error::Api(status))) if status.code == 404 => Ok(Claimed::NotFound),
            Ok(Err(error)) => Err(cause(&error)),
            Err(_) => Err(LeaseError::Unreachable),
        }
    }

    fn draft(&self, claim: &Claim) -> Lease {
        let same =
            |lease: &&Lease| claim.over.is_some() && lease.metadata.resource_version == claim.over;
        let mut lease = self.last.as_ref().filter(same).cloned().unwrap_or_default();
        lease.metadata.name = Some(self.name.clone());
        lease.metadata.namespace = Some(self.namespace.clone());
        lease.metadata.resource_version.clone_from(&claim.over);
        lease.metadata.managed_fields = None;
        let others = lease.spec.take().unwrap_or_default();
        lease.spec = Some(LeaseSpec {
            preferred_holder: others.preferred_holder,
            strategy: others.strategy,
            ..spec(&claim.record)
        });
        lease
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
        wanted_by: None,
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
