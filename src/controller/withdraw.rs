//! Before a Secret is deleted early: a live look at what took the right to it back.

use super::execute::{Executor, Hands};
use super::kubeapi::ApiError;
use crate::core::application::{Application, Denial};
use crate::core::ids::TenantId;

impl Executor<'_> {
    /// Sees whether the API server confirms that nothing grants the token any more. Whatever can't be read confirms
    /// nothing.
    pub(super) async fn confirm_withdrawal(&self, hands: &mut Hands) -> Result<(), ApiError> {
        let session = &mut hands.session;
        let confirmed = match self.snapshot.lead().application.as_ref() {
            Some(application) => self.is_withdrawn_live(application).await?,
            None => false,
        };
        session.withdrawn = Some(confirmed);
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

    async fn is_withdrawn_live(&self, known: &Application) -> Result<bool, ApiError> {
        let object = match self.ctx.kube.application(&known.name).await {
            Ok(object) => object,
            Err(ApiError::Unreachable) => return Err(ApiError::Unreachable),
            Err(_) => return Ok(false),
        };
        let Some(live) = object.into_application() else {
            return Ok(false);
        };
        if live.deleting {
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
        let granted = live.grants.check(
            &tenant.key.namespace,
            labels.as_ref(),
            tenant_id,
            tenant.spec.api,
        );
        Ok(granted.is_err_and(|denial| denial != Denial::SelectorsOff))
    }
}
