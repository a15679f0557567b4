//! Gathering: everything that a decision needs, copied out of the shared state; a live look only where no watch tells.

use std::sync::Arc;

use super::context::Context;
use super::world::Source;
use crate::core::breaker::Health;
use crate::core::credential::Credential;
use crate::core::gathered::{
    ApplicationView, CredentialView, Endpoints, Gathered, Memo, OldTarget, Session, TargetView,
};
use crate::core::ids::TenantId;
use crate::core::target::Grant;
use crate::core::tenant::{Key, Tenant};
use crate::defender::hosts;
use crate::entra::clouds;

mod lead;

pub use lead::Lead;
use lead::lead;
pub(super) use lead::{is_allowed, look_for};

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
    lead: Lead,
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
            inherited_roles: self.inherited_roles(),
            application: self
                .lead
                .application
                .as_ref()
                .map(|application| ApplicationView {
                    application,
                    fingerprints: &self.lead.fingerprints,
                    kept_apis: &self.lead.kept_apis,
                }),
            credential: match &self.lead.credential {
                Ok(credential) => CredentialView::Found(credential),
                Err(obstacle) => CredentialView::Missing(*obstacle),
            },
            federated: self.lead.federated.as_deref(),
            health: self.health,
            unproven: self.unproven,
            changes_at: self.lead.changes_at,
            proof_at: self.lead.fresh_again_at.filter(|_| self.memo.proving),
            target: &self.target,
            old_target: self.old_target.as_ref(),
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
        self.lead.credential.as_ref().ok()
    }

    /// Where consent sends the customer's administrator afterwards.
    #[must_use]
    pub fn redirect_uri(&self) -> Option<&str> {
        match &self.lead.application {
            Some(application) => application.spec.consent.redirect_uri.as_deref(),
            None => self.credential()?.redirect_uri.as_deref(),
        }
    }

    /// What the application grants here.
    #[must_use]
    pub fn grant(&self) -> Option<Grant> {
        let application = self.lead.application.as_ref()?;
        Some(Grant {
            application: application.uid.clone(),
            api: self.tenant.spec.api,
        })
    }

    fn inherited_roles(&self) -> &[String] {
        let application = self.lead.application.as_ref();
        application.map_or(&[], |application| &application.spec.required_roles)
    }

    /// What the tenant refers to.
    #[must_use]
    pub fn lead(&self) -> &Lead {
        &self.lead
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
    let Some(tenant) = ctx.state().world.tenant(key) else {
        return Gathering::Gone;
    };
    let Ok(tenant_id) = tenant.spec.tenant_id.parse() else {
        return Gathering::Rejected;
    };
    let endpoints = endpoints(&tenant);
    let Some(source) = Source::of(&tenant) else {
        return Gathering::Rejected;
    };
    let Some(lead) = lead(ctx, &tenant, &source, endpoints.login).await else {
        return Gathering::Later;
    };
    let state = ctx.state();
    let (health, unproven) = match &lead.credential {
        Ok(credential) => {
            let fingerprint = credential.fingerprint(endpoints.login);
            (
                state.gate.health(fingerprint),
                state.gate.is_unproven(fingerprint),
            )
        }
        Err(_) => (Health::Fine, false),
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
    let memo = Memo {
        owes_discovery: state.discoveries.owes(&tenant.key),
        ..state.world.memo(&tenant.uid)
    };
    Gathering::Found(Box::new(Snapshot {
        tenant,
        tenant_id,
        endpoints,
        lead,
        health,
        unproven,
        target,
        old_target,
        memo,
    }))
}
