//! Before a Secret is deleted early: a live look at what took the right to it back.

use std::sync::Arc;

use super::execute::{Executor, Hands};
use super::kubeapi::ApiError;
use crate::core::application::Application;
use crate::core::gathered::TargetView;
use crate::core::ids::TenantId;
use crate::core::target::Held;

impl Executor<'_> {
    /// Sees whether the API server confirms that nothing grants the token any more. Whatever can't be read confirms
    /// nothing.
    pub(super) async fn confirm_withdrawal(&self, hands: &mut Hands) -> Result<(), ApiError> {
        let confirmed = match self.snapshot.lead().application.as_ref() {
            Some(application) => self.is_withdrawn_live(application, hands).await?,
            None => false,
        };
        hands.session.withdrawn = Some(confirmed);
        if confirmed {
            let tenant = &self.snapshot.tenant;
            tracing::info!(
                namespace = &*tenant.key.namespace,
                name = &*tenant.key.name,
                tenant = tenant.spec.tenant_id,
                "the application takes the token back: its Secret goes"
            );
        }
        Ok(())
    }

    async fn is_withdrawn_live(
        &self,
        known: &Application,
        hands: &Hands,
    ) -> Result<bool, ApiError> {
        let Some(live) = self.live_application(known).await? else {
            return Ok(false);
        };
        if live.uid != known.uid || live.deleting {
            return Ok(false);
        }
        if live.deletes_secrets() {
            return Ok(true);
        }
        let tenant = &self.snapshot.tenant;
        let Ok(tenant_id) = tenant.spec.tenant_id.parse::<TenantId>() else {
            return Ok(false);
        };
        let labels = if self.ctx.policy.namespace_selectors && live.grants.use_labels() {
            match self.ctx.kube.labels(&tenant.key.namespace).await {
                Ok(labels) => Some(labels),
                Err(ApiError::Unreachable) => return Err(ApiError::Unreachable),
                Err(_) => return Ok(false),
            }
        } else {
            None
        };
        // What is judged is what the tokens were granted for, whatever the spec asks for by now.
        let g = self.snapshot.view(&hands.session, self.ctx);
        let target = match g.target {
            TargetView::Ours(owned) => owned.held.as_ref(),
            _ => None,
        };
        let old = g
            .old_target
            .as_ref()
            .and_then(|old| old.owned.held.as_ref());
        let is_kept = |held: &Held| {
            held.origin.grant.as_ref().is_none_or(|grant| {
                let namespace = &tenant.key.namespace;
                live.grants
                    .keeps(namespace, labels.as_ref(), tenant_id, grant.api)
            })
        };
        let withdrawn = |held: &&Held| g.is_withdrawn(held);
        Ok(!target.into_iter().chain(old).filter(withdrawn).any(is_kept))
    }

    /// The application as the API server has it. All tenants that lose their tokens at once share one look, as long as
    /// it is as new as what the watch told. `None`: it can't be read.
    async fn live_application(
        &self,
        known: &Application,
    ) -> Result<Option<Arc<Application>>, ApiError> {
        let now = self.ctx.now();
        let recent = self.ctx.state().lookups.application(known, now);
        if let Some(live) = recent {
            return Ok(Some(live));
        }
        let object = match self.ctx.kube.application(&known.name).await {
            Ok(object) => object,
            Err(ApiError::Unreachable) => return Err(ApiError::Unreachable),
            Err(_) => return Ok(None),
        };
        let Some(live) = object.into_application().map(Arc::new) else {
            return Ok(None);
        };
        self.ctx.state().lookups.saw_application(live.clone(), now);
        Ok(Some(live))
    }
}
