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
    /// Somebody else wrote there.
    #[error(
        "its annotation defendertenant.io/shards isn't a number from 1 to 64: somebody has edited it. Put it right, or delete the object"
    )]
    Garbled,
}

impl LeaseError {
    /// In few words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Forbidden => "not permitted",
            Self::Refused(_) => "the API server refuses it",
            Self::Unreachable => "the API server doesn't answer",
            Self::Garbled => "somebody has edited it",
        }
    }

    pub(super) const fn of(error: &kube::Error) -> Self {
        match error {
            kube::Error::Api(status) if status.code == 403 => Self::Forbidden,
            kube::Error::Api(status) => Self::Refused(status.code),
            _ => Self::Unreachable,
        }
    }
}

/// Writes a Lease over exactly what it was made from. The inner error: it is another by now.
pub(super) async fn write(
    api: &Api<Lease>,
    name: &str,
    new: bool,
    lease: Lease,
    patience: Duration,
) -> Result<Result<Lease, Claimed>, LeaseError> {
    let params = PostParams::default();
    let sent = async {
        if new {
            api.create(&params, &lease).await
        } else {
            api.replace(name, &params, &lease).await
        }
    };
    match tokio::time::timeout(patience, sent).await {
        Ok(Ok(lease)) => Ok(Ok(lease)),
        Ok(Err(kube::Error::Api(status))) if status.code == 409 => Ok(Err(Claimed::Conflict)),
        Ok(Err(kube::Error::Api(status))) if status.code == 404 => Ok(Err(Claimed::NotFound)),
        Ok(Err(error)) => Err(LeaseError::of(&error)),
        Err(_) => Err(LeaseError::Unreachable),
    }
}

/// Annotation on a Lease: who asks its holder, which has others, for it.
const ANNOTATION_WANTED_BY: &str = "defendertenant.io/wanted-by";

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
            Ok(Err(error)) => Err(LeaseError::of(&error)),
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
        let new = claim.over.is_none();
        Ok(
            match write(&self.api, &self.name, new, lease, patience).await? {
                Ok(lease) => {
                    let version = lease.metadata.resource_version.clone().unwrap_or_default();
                    self.last = Some(lease);
                    Claimed::Accepted(version)
                }
                Err(refused) => refused,
            },
        )
    }

    fn draft(&self, claim: &Claim) -> Lease {
        let same =
            |lease: &&Lease| claim.over.is_some() && lease.metadata.resource_version == claim.over;
        let mut lease = self.last.as_ref().filter(same).cloned().unwrap_or_default();
        lease.metadata.name = Some(self.name.clone());
        lease.metadata.namespace = Some(self.namespace.clone());
        lease.metadata.resource_version.clone_from(&claim.over);
        lease.metadata.managed_fields = None;
        match &claim.wanted_by {
            Some(who) => {
                let annotations = lease.metadata.annotations.get_or_insert_default();
                annotations.insert(ANNOTATION_WANTED_BY.to_owned(), who.clone());
            }
            None => {
                if let Some(annotations) = &mut lease.metadata.annotations {
                    annotations.remove(ANNOTATION_WANTED_BY);
                }
            }
        }
        let others = lease.spec.take().unwrap_or_default();
        lease.spec = Some(LeaseSpec {
            preferred_holder: others.preferred_holder,
            strategy: others.strategy,
            ..spec(&claim.record)
        });
        lease
    }
}

fn standing(lease: Lease) -> Standing {
    let annotations = lease.metadata.annotations.unwrap_or_default();
    let wanted_by = annotations.get(ANNOTATION_WANTED_BY).cloned();
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
        wanted_by,
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
