//! Writing the target: one request, and what it means if it fails.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::execute::{Executor, Hands};
use super::gather::is_allowed;
use super::kubeapi::{ApiError, SecretDraft};
use crate::core::gathered::{TargetView, TokenFacts};
use crate::core::ids::AccessToken;
use crate::core::inspect::{Metadata, desired, metadata};
use crate::core::schedule::saturating_add;
use crate::core::target::{Held, Origin, Rendered};

/// How long a fresh token is held for an API server that is away, so that it needn't be minted again.
const HOLD: SignedDuration = SignedDuration::from_secs(120);
/// Between the attempts to write it.
const HOLD_STEP: Duration = Duration::from_millis(500);
const HOLD_STEP_MAX: Duration = Duration::from_secs(5);

impl Executor<'_> {
    /// Writes a token. `false`: the Secret isn't what it was thought to be; think again.
    pub(super) async fn write(
        &self,
        token: &AccessToken,
        facts: &TokenFacts,
        origin: Origin,
        hold: bool,
        hands: &mut Hands,
    ) -> Result<bool, ApiError> {
        let (keys, held, metadata) = {
            let g = self.snapshot.view(&hands.session, self.ctx);
            let (keys, mut held) = desired(&g, token, facts, origin);
            if let (None, TargetView::Ours(owned)) = (g.client_id(), g.target)
                && let Some(before) = &owned.held
            {
                held.mint_inputs.clone_from(&before.mint_inputs);
            }
            (keys, held, metadata(&g))
        };
        let until = saturating_add(self.ctx.now(), HOLD).min(facts.expires_at);
        let mut pause = HOLD_STEP;
        loop {
            // While it was on its way, or held, its grant may have been taken back.
            if hold && !is_allowed(self.ctx, &self.snapshot.tenant) {
                return Ok(false);
            }
            match self.write_once(&keys, Some(&held), &metadata, hands).await {
                Err(ApiError::Unreachable) if hold && self.ctx.now() < until => {
                    // Who waits for the API server must not keep others from their turns.
                    let Some(_slot) = self.ctx.step_aside() else {
                        return Err(ApiError::Unreachable);
                    };
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(HOLD_STEP_MAX);
                }
                other => return other,
            }
        }
    }

    pub(super) async fn write_once(
        &self,
        keys: &Rendered,
        held: Option<&Held>,
        metadata: &Metadata,
        hands: &mut Hands,
    ) -> Result<bool, ApiError> {
        let key = self.target_key();
        let draft = SecretDraft {
            key: &key,
            owner: &self.snapshot.tenant,
            metadata,
            held,
            keys,
        };
        let target = self.snapshot.view(&hands.session, self.ctx).target;
        let result = match target {
            TargetView::Ours(owned) => {
                self.ctx
                    .kube
                    .patch(&draft, &owned.uid, &owned.resource_version)
                    .await
            }
            _ => self.ctx.kube.create(&draft).await,
        };
        match result {
            Ok(metadata) => {
                let now: Timestamp = self.ctx.now();
                let tenant = &self.snapshot.tenant;
                let mut state = self.ctx.state();
                state.world.target_written(&metadata, now);
                state
                    .world
                    .remember(&tenant.key, &tenant.uid, |memo| memo.api_failures = 0);
                hands.found = None;
                Ok(true)
            }
            Err(ApiError::Invalid) => {
                self.unfreeze(hands).await?;
                Ok(false)
            }
            Err(ApiError::Conflict | ApiError::NotFound) => {
                self.look_at_target(hands).await?;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// 422: a uid that isn't the one seen, or somebody made the Secret immutable. Then it must go first.
    async fn unfreeze(&self, hands: &mut Hands) -> Result<(), ApiError> {
        let body = match self.ctx.kube.read(&self.target_key()).await {
            Ok(body) => body,
            Err(ApiError::NotFound) => {
                self.saw_nothing(hands);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        self.saw(&body.metadata, hands);
        if hands.found.is_some() {
            return Ok(());
        }
        if !body.immutable {
            let seen = match self.snapshot.view(&hands.session, self.ctx).target {
                TargetView::Ours(owned) => Some(&owned.resource_version),
                _ => None,
            };
            // The same object, and still invalid: the object itself is refused.
            return if seen == body.metadata.resource_version.as_ref() {
                Err(ApiError::Refused(422))
            } else {
                Ok(())
            };
        }
        let (uid, version) = (
            body.metadata.uid.unwrap_or_default(),
            body.metadata.resource_version.unwrap_or_default(),
        );
        self.delete(&self.target_key(), &uid, &version).await?;
        self.remember_repair();
        Ok(())
    }
}
