//! What must be there before the operator starts, and how to say what isn't.

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client};

use crate::api::{APPLICATION_KIND, APPLICATION_PLURAL, GROUP, KIND, PLURAL, VERSION};
use crate::lease::{lease_of_count, lease_of_shard};

/// Why the operator can't start. Each text says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PreflightError {
    /// No such API group.
    #[error("the cluster has no {kind} resource: install its CRD first (kubectl apply -f crds/)")]
    NoCrd {
        /// What is missing.
        kind: &'static str,
    },
    /// The group is there, our version isn't.
    #[error(
        "the cluster's DefenderTenant CRD doesn't serve {GROUP}/{VERSION} (it serves {served}): install this operator's CRD, or the operator that belongs to that one"
    )]
    NoVersion {
        /// What it serves.
        served: String,
    },
    /// A permission is missing.
    #[error("the operator lacks permissions: {}", missing.join("; "))]
    Denied {
        /// Each: verb, resource, namespace.
        missing: Vec<String>,
    },
    /// No answer.
    #[error("the API server doesn't answer: {0}")]
    Unreachable(String),
}

/// One permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// `get`
    pub verb: &'static str,
    /// API group; empty for Kubernetes' own.
    pub group: &'static str,
    /// `secrets`
    pub resource: &'static str,
    /// `status`
    pub subresource: Option<&'static str>,
}

impl Need {
    /// `defendertenants.defendertenant.io/status`
    #[must_use]
    pub fn resource_name(&self) -> String {
        let group = if self.group.is_empty() {
            String::new()
        } else {
            format!(".{}", self.group)
        };
        let sub = self.subresource.map(|sub| format!("/{sub}"));
        format!("{}{group}{}", self.resource, sub.unwrap_or_default())
    }
}

/// Whether a permission is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// Which.
    pub need: Need,
    /// Where; everywhere if absent.
    pub namespace: Option<String>,
    /// Of which name; of any if absent.
    pub name: Option<String>,
    /// It is.
    pub allowed: bool,
}

const fn need(
    verb: &'static str,
    group: &'static str,
    resource: &'static str,
    subresource: Option<&'static str>,
) -> Need {
    Need {
        verb,
        group,
        resource,
        subresource,
    }
}

/// What the operator does, in each namespace that it serves. Events are left out: it works without.
const NEEDS: [Need; 10] = [
    need("get", GROUP, PLURAL, None),
    need("list", GROUP, PLURAL, None),
    need("watch", GROUP, PLURAL, None),
    need("update", GROUP, PLURAL, Some("status")),
    need("get", "", "secrets", None),
    need("list", "", "secrets", None),
    need("watch", "", "secrets", None),
    need("create", "", "secrets", None),
    need("patch", "", "secrets", None),
    need("delete", "", "secrets", None),
];

/// What belongs to the cluster; only where the whole cluster is served.
const CLUSTER_NEEDS: [Need; 4] = [
    need("get", GROUP, APPLICATION_PLURAL, None),
    need("list", GROUP, APPLICATION_PLURAL, None),
    need("watch", GROUP, APPLICATION_PLURAL, None),
    need("update", GROUP, APPLICATION_PLURAL, Some("status")),
];

/// For --allow-namespace-selectors.
const SELECTOR_NEEDS: [Need; 3] = [
    need("get", "", "namespaces", None),
    need("list", "", "namespaces", None),
    need("watch", "", "namespaces", None),
];

/// For the election, in the operator's own namespace.
const LEASE_NEEDS: [Need; 3] = [
    need("get", "coordination.k8s.io", "leases", None),
    need("create", "coordination.k8s.io", "leases", None),
    need("update", "coordination.k8s.io", "leases", None),
];

/// What the operator serves.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// The Leases, where there is an election.
    pub leases: Option<Leases>,
    /// `--watch-namespaces`; empty: all.
    pub namespaces: Vec<String>,
    /// `--allow-namespace-selectors`
    pub selectors: bool,
}

/// Where the election takes place.
#[derive(Debug, Clone)]
pub struct Leases {
    /// The operator's own namespace.
    pub namespace: String,
    /// Of each shard.
    pub shards: Vec<String>,
    /// With the number of shards.
    pub count: String,
}

impl Leases {
    /// Of so many shards.
    #[must_use]
    pub fn of(namespace: String, name: &str, shards: u32) -> Self {
        Self {
            namespace,
            shards: (0..shards)
                .map(|shard| lease_of_shard(name, shard))
                .collect(),
            count: lease_of_count(name),
        }
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        let count = std::iter::once(&self.count);
        self.shards.iter().chain(count).map(String::as_str)
    }
}

/// Where a permission is needed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Place<'a> {
    /// `None`: everywhere.
    pub namespace: Option<&'a str>,
    /// `None`: of any name.
    pub name: Option<&'a str>,
}

impl Scope {
    /// Each permission that is needed, and where.
    #[must_use]
    pub fn needs(&self) -> Vec<(&'static Need, Place<'_>)> {
        let mut needs: Vec<(&'static Need, Place<'_>)> = Vec::new();
        for namespace in &self.namespaces {
            let place = Place {
                namespace: Some(namespace),
                name: None,
            };
            needs.extend(NEEDS.iter().map(|need| (need, place)));
        }
        if self.namespaces.is_empty() {
            let selectors: &[Need] = if self.selectors { &SELECTOR_NEEDS } else { &[] };
            let all = NEEDS.iter().chain(&CLUSTER_NEEDS).chain(selectors);
            needs.extend(all.map(|need| (need, Place::default())));
        }
        if let Some(leases) = &self.leases {
            let place = |name| Place {
                namespace: Some(leases.namespace.as_str()),
                name,
            };
            let named = |need: &&Need| need.verb != "create";
            for name in leases.names() {
                let needs_of_it = LEASE_NEEDS.iter().filter(named);
                needs.extend(needs_of_it.map(|need| (need, place(Some(name)))));
            }
            // What doesn't exist yet can't be named by a Role.
            let unnamed = LEASE_NEEDS.iter().filter(|need| !named(need));
            needs.extend(unnamed.map(|need| (need, place(None))));
        }
        needs
    }
}

/// Checks the CRDs and the permissions.
pub async fn check(client: &Client, scope: &Scope) -> Result<(), PreflightError> {
    versions(client, scope).await?;
    permissions(client, scope).await
}

/// Checks that the CRDs are there.
pub async fn versions(client: &Client, scope: &Scope) -> Result<(), PreflightError> {
    let groups = client
        .list_api_groups()
        .await
        .map_err(|error| unreachable(&error))?;
    let Some(group) = groups.groups.iter().find(|group| group.name == GROUP) else {
        return Err(PreflightError::NoCrd { kind: KIND });
    };
    let served: Vec<&str> = group
        .versions
        .iter()
        .map(|version| version.version.as_str())
        .collect();
    if !served.contains(&VERSION) {
        return Err(PreflightError::NoVersion {
            served: served.join(", "),
        });
    }
    let resources = client
        .list_api_group_resources(&format!("{GROUP}/{VERSION}"))
        .await
        .map_err(|error| unreachable(&error))?;
    let wanted = [(KIND, PLURAL), (APPLICATION_KIND, APPLICATION_PLURAL)];
    // Namespaces alone have no use for what belongs to the cluster.
    let wanted = if scope.namespaces.is_empty() {
        &wanted[..]
    } else {
        &wanted[..1]
    };
    for (kind, plural) in wanted {
        if !resources
            .resources
            .iter()
            .any(|resource| resource.name == *plural)
        {
            return Err(PreflightError::NoCrd { kind });
        }
    }
    Ok(())
}

/// Checks the permissions, all of them, so that one round of mending is enough.
pub async fn permissions(client: &Client, scope: &Scope) -> Result<(), PreflightError> {
    let mut missing = Vec::new();
    for (need, place) in scope.needs() {
        if !review(client, *need, place).await?.allowed {
            missing.push(describe(need, place));
        }
    }
    if missing.is_empty() {
        Ok(())
    } else {
        Err(PreflightError::Denied { missing })
    }
}

/// Asks the API server for one permission.
pub async fn review(
    client: &Client,
    need: Need,
    place: Place<'_>,
) -> Result<Review, PreflightError> {
    let api: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                verb: Some(need.verb.to_owned()),
                group: Some(need.group.to_owned()),
                resource: Some(need.resource.to_owned()),
                subresource: need.subresource.map(str::to_owned),
                namespace: place.namespace.map(str::to_owned),
                name: place.name.map(str::to_owned),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let answer = api
        .create(&PostParams::default(), &review)
        .await
        .map_err(|error| unreachable(&error))?;
    Ok(Review {
        need,
        namespace: place.namespace.map(str::to_owned),
        name: place.name.map(str::to_owned),
        allowed: answer.status.is_some_and(|status| status.allowed),
    })
}

fn describe(need: &Need, place: Place<'_>) -> String {
    let name = place
        .name
        .map(|name| format!(" {name}"))
        .unwrap_or_default();
    let place = place.namespace.map_or_else(
        || "in all namespaces".to_owned(),
        |ns| format!("in namespace {ns}"),
    );
    format!("{} {}{name} {place}", need.verb, need.resource_name())
}

pub(crate) fn unreachable(error: &kube::Error) -> PreflightError {
    PreflightError::Unreachable(crate::connect::failure(error))
}
