//! Gathering: everything that a decision needs, copied out of the shared state; a live look only where no watch tells.

use std::sync::Arc;

use super::context::Context;
use super::kubeapi::ApiError;
use super::lookups::Look;
use crate::api::LABEL_CREDENTIAL;
use crate::core::breaker::Health;
use crate::core::credential::{Credential, Fault};
use crate::core::gathered::{
    CredentialView, Endpoints, Gathered, Memo, OldTarget, Session, TargetView,
};
use crate::core::ids::TenantId;
use crate::core::tenant::{Key, Tenant};
use crate::defender::hosts;
use crate::entra::clouds;

/// What `secretRef` leads to, owned.
#[derive(Debug, Clone)]
pub enum CredentialFound {
    /// Nothing.
    NotFound,
    /// A Secret without the label.
    NotLabelled,
    /// Not allowed from here.
    Denied,
    /// No credential in it.
    Malformed(Fault),
    /// A credential.
    Found(Arc<Credential>),
}

/// What gathering came to.
pub enum Gathering {
    /// The facts.
    Found(Box<Snapshot>),
    /// There is no such tenant.
    Gone,
    /// A spec that the CRD's rules wouldn't have let in.
    Rejected,
    /// Something can't be told now.
    Later,
}

/// One tenant's facts at one instant.
pub struct Snapshot {
    /// The tenant.
    pub tenant: Arc<Tenant>,
    tenant_id: TenantId,
    /// Where Microsoft is met.
    pub endpoints: Endpoints,
    credential: CredentialFound,
    health: Health,
    unproven: bool,
    target: TargetView,
    old_target: Option<OldTarget>,
    memo: Memo,
}

impl Snapshot {
    /// The facts together with what this reconcile has done.
    #[must_use]
    pub fn view<'a>(&'a self, session: &'a Session, ctx: &'a Context) -> Gathered<'a> {
        Gathered {
            tenant: &self.tenant,
            tenant_id: self.tenant_id,
            endpoints: self.endpoints,
            inherited_roles: &[],
            credential: match &self.credential {
                CredentialFound::NotFound => CredentialView::NotFound,
                CredentialFound::NotLabelled => CredentialView::NotLabelled,
                CredentialFound::Denied => CredentialView::Denied,
                CredentialFound::Malformed(fault) => CredentialView::Malformed(*fault),
                CredentialFound::Found(credential) => CredentialView::Found(credential),
            },
            health: self.health,
            unproven: self.unproven,
            target: self.target.clone(),
            old_target: self.old_target.clone(),
            memo: &self.memo,
            session,
            policy: &ctx.policy,
        }
    }

    /// The same facts, of the spec that was planned for, to be said of the object as it is by now: a spec that changed
    /// meanwhile hasn't been seen to, and its generation mustn't be called observed.
    #[must_use]
    pub fn at_version_of(mut self, newer: &Self) -> Self {
        let mut tenant = (*self.tenant).clone();
        tenant
            .resource_version
            .clone_from(&newer.tenant.resource_version);
        tenant.status = newer.tenant.status.clone();
        self.tenant = Arc::new(tenant);
        self
    }

    /// The credential, if it can be used at all.
    #[must_use]
    pub fn credential(&self) -> Option<&Arc<Credential>> {
        match &self.credential {
            CredentialFound::Found(credential) => Some(credential),
            _ => None,
        }
    }
}

/// Where Microsoft is met for a tenant. A region that there isn't got past an older CRD.
#[must_use]
pub fn endpoints(tenant: &Tenant) -> Endpoints {
    let (cloud, api, region) = (tenant.spec.cloud, tenant.spec.api, tenant.spec.region);
    let door = hosts::front_door(cloud, api, region);
    Endpoints {
        login: clouds::login_host(cloud),
        audience: hosts::audience(cloud, api),
        resource_id: hosts::resource_id(api),
        api_url: door.map_or(hosts::global_url(cloud, api), |door| door.url),
        has_front_door: door.is_some(),
    }
}

/// Gathers. `stranger`: what a live look found under the target's name, which no watch tells.
pub async fn gather(ctx: &Context, key: &Key, stranger: Option<&TargetView>) -> Gathering {
    let (tenant, known) = {
        let state = ctx.state();
        let Some(tenant) = state.world.tenant(key).cloned() else {
            return Gathering::Gone;
        };
        let known = state.world.credential_of(&tenant).cloned();
        (tenant, known)
    };
    let Ok(tenant_id) = tenant.spec.tenant_id.parse() else {
        return Gathering::Rejected;
    };
    let endpoints = endpoints(&tenant);
    let denied = ctx.operator_namespace.as_deref() == Some(&*key.namespace);
    let credential = match known {
        _ if denied => CredentialFound::Denied,
        Some(entry) => match entry.parsed {
            Ok(credential) => CredentialFound::Found(credential),
            Err(fault) => CredentialFound::Malformed(fault),
        },
        None => match look_for_credential(ctx, &tenant).await {
            Some(found) => found,
            None => return Gathering::Later,
        },
    };
    let now = ctx.now();
    let mut state = ctx.state();
    let (health, unproven) = match &credential {
        CredentialFound::Found(credential) => {
            let fingerprint = credential.fingerprint(endpoints.login);
            let changed_at = state
                .world
                .credential_of(&tenant)
                .and_then(|entry| entry.changed_at);
            state.gate.learn(fingerprint, changed_at, now);
            (
                state.gate.health(fingerprint),
                state.gate.is_unproven(fingerprint),
            )
        }
        _ => (Health::Fine, false),
    };
    let name = tenant.target_name();
    let target = match state.world.target_view(&tenant, &name) {
        TargetView::Absent => stranger.cloned().unwrap_or(TargetView::Absent),
        known => known,
    };
    let old_target = state
        .world
        .other_targets(&tenant, &name)
        .map(|(name, owned)| OldTarget { name, owned });
    let memo = state.world.memo(&tenant.uid);
    Gathering::Found(Box::new(Snapshot {
        tenant,
        tenant_id,
        endpoints,
        credential,
        health,
        unproven,
        target,
        old_target,
        memo,
    }))
}

/// No labelled Secret of that name is known: is there one without the label?
/// `None`: nobody can tell now.
async fn look_for_credential(ctx: &Context, tenant: &Tenant) -> Option<CredentialFound> {
    let key = Key {
        namespace: tenant.key.namespace.clone(),
        name: tenant.spec.secret_ref.name.as_str().into(),
    };
    let recent = ctx.state().lookups.recent(&key, ctx.now());
    let look = match recent {
        Some(look) => look,
        None => match ctx.kube.look(&key).await {
            Ok(metadata) => {
                let labels = metadata.labels.unwrap_or_default();
                // Labelled a moment ago: the watch is about to tell.
                if labels
                    .get(LABEL_CREDENTIAL)
                    .is_some_and(|value| value == "true")
                {
                    return None;
                }
                Look::Unlabelled
            }
            Err(ApiError::NotFound) => Look::Nothing,
            Err(_) => return None,
        },
    };
    if recent.is_none() {
        ctx.state().lookups.saw(key, look, ctx.now());
    }
    Some(match look {
        Look::Nothing => CredentialFound::NotFound,
        Look::Unlabelled => CredentialFound::NotLabelled,
    })
}
