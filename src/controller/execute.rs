//! Doing: one step of a plan, and what was learned from it. Nothing is decided here.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::context::Context;
use super::gather::Snapshot;
use super::kubeapi::ApiError;
use super::objects::{SecretBody, controller_of};
use crate::api::ExpiredTokenPolicy;
use crate::core::claims::Expected;
use crate::core::gathered::{BodyFacts, Minted, Session, TargetView, TokenFacts, WriteFailure};
use crate::core::ids::AccessToken;
use crate::core::inspect::{Found, inspect, metadata};
use crate::core::plan::{MintWhy, Step, is_forced};
use crate::core::target::{Held, Origin, render_empty, token_in};
use crate::core::tenant::Key;
use crate::core::turn::is_superseded;

/// What one reconcile has in its hands. Never cached beyond it.
#[derive(Default)]
pub struct Hands {
    /// What a plan may know.
    pub session: Session,
    /// A stranger, or nothing, as a live look found it: no watch tells of these.
    pub found: Option<TargetView>,
    pub(super) token: Option<AccessToken>,
    pub(super) fingerprint: String,
    pub(super) why: Option<MintWhy>,
    /// What the minted token was checked against.
    pub(super) expected: Option<Expected>,
    /// An heir has looked whether its copies are as old as they seem.
    pub(super) confirmed: bool,
    body: Option<SecretBody>,
    /// The object and the generation that all of this was judged for.
    judged: Option<(String, i64)>,
    /// UID of the application that a withdrawal was confirmed of.
    source: Option<String>,
}

impl Hands {
    /// The tenant may have become another since the last step: its spec, its credential, or the very object under its
    /// name. What was judged for what it was must not be said, or published, of what it is.
    pub fn keep_up(&mut self, snapshot: &Snapshot, ctx: &Context) {
        let is = (snapshot.tenant.uid.clone(), snapshot.tenant.generation);
        let judged = self.judged.replace(is.clone());
        // Another credential has taken the place of the one that was refused.
        let stands_in = is_superseded(&snapshot.view(&self.session, ctx), &self.fingerprint);
        if stands_in {
            self.session.minted = None;
        }
        // What was minted under a grant that is gone, or with a credential that may not be used any more, is nobody's.
        if self.is_unpublished()
            && snapshot
                .view(&self.session, ctx)
                .usable_credential()
                .is_err()
        {
            *self = Self {
                judged: Some(is),
                ..Self::default()
            };
            return;
        }
        let source = snapshot
            .lead()
            .application
            .as_ref()
            .map(|application| application.uid.clone());
        if self.source != source {
            self.session.withdrawn = None;
            self.source = source;
        }
        let same_object = judged.as_ref().is_none_or(|(uid, _)| *uid == is.0);
        let same_token = self
            .expected
            .is_none_or(|expected| snapshot.view(&self.session, ctx).expected() == Some(expected));
        if !same_object || !same_token {
            *self = Self {
                judged: Some(is),
                ..Self::default()
            };
        } else if judged.is_some_and(|judged| judged != is) {
            // The same token, perhaps in other keys.
            self.session.withdrawn = None;
            self.session.body = None;
            self.session.published = false;
            self.body = None;
        }
    }
}

impl Hands {
    /// A token came that isn't written yet. (One may also have been read, to be tried.)
    const fn is_unpublished(&self) -> bool {
        matches!(self.session.minted, Some(Minted::Token { .. })) && !self.session.published
    }
}

/// One reconcile's executor.
pub struct Executor<'a> {
    /// What all share.
    pub ctx: &'a Context,
    /// The facts that the plan was made from.
    pub snapshot: &'a Snapshot,
    /// The lane has called.
    pub called: bool,
}

impl Executor<'_> {
    /// Does one step.
    pub async fn run(&self, step: Step, hands: &mut Hands) {
        let result = match step {
            Step::Rest => Ok(()),
            Step::ReadTarget => self.read_target(hands).await,
            Step::LookAtTarget => self.look_at_target(hands).await,
            Step::Mint(why) => self.mint(why, hands).await,
            Step::Publish => self.publish(hands).await,
            Step::Rewrite => self.rewrite(hands).await,
            Step::CopyOld => self.copy_old(hands).await,
            Step::RemoveOld => self.remove_old().await,
            Step::Retire(policy) | Step::Withdraw(policy) => self.retire(policy, hands).await,
            Step::ConfirmWithdrawal => self.confirm_withdrawal(hands).await,
            Step::Discover => self.discover(hands).await,
            Step::Probe => self.probe(hands).await,
        };
        let key = &self.snapshot.tenant.key;
        let uid = &self.snapshot.tenant.uid;
        match result {
            Ok(()) => {}
            Err(error) => {
                hands.session.failed_write = Some(write_failure(error));
                if error == ApiError::Unreachable {
                    self.ctx.state().world.remember(key, uid, |memo| {
                        memo.api_failures = memo.api_failures.saturating_add(1);
                    });
                }
                tracing::debug!(tenant = %key, ?step, %error, "a step failed");
            }
        }
    }

    pub(super) fn target_key(&self) -> Key {
        Key {
            namespace: self.snapshot.tenant.key.namespace.clone(),
            name: self.snapshot.tenant.target_name().into(),
        }
    }

    pub(super) fn remember_repair(&self) {
        let tenant = &self.snapshot.tenant;
        let now = self.ctx.now();
        self.ctx.metrics.repairs.inc();
        self.ctx
            .state()
            .world
            .remember_repair(&tenant.key, &tenant.uid, false, now);
    }

    /// Takes in what a live look found under the target's name.
    pub(super) fn saw(&self, metadata: &ObjectMeta, hands: &mut Hands) {
        let tenant = &self.snapshot.tenant;
        let now = self.ctx.now();
        let mut state = self.ctx.state();
        match controller_of(metadata) {
            Some(owner) if owner.uid == tenant.uid => {
                state.world.target_known(metadata);
                state.world.remember(&tenant.key, &tenant.uid, |memo| {
                    memo.stranger_seen_at = None;
                });
                hands.found = None;
            }
            owner => {
                let predecessor = owner.is_some_and(|owner| *owner.name == *tenant.key.name);
                state.world.target_conflict(&tenant.key, metadata);
                state.world.remember(&tenant.key, &tenant.uid, |memo| {
                    memo.stranger_seen_at = Some(now);
                });
                hands.found = Some(TargetView::Stranger { predecessor });
            }
        }
    }

    pub(super) fn saw_nothing(&self, hands: &mut Hands) {
        let tenant = &self.snapshot.tenant;
        let mut state = self.ctx.state();
        state.world.target_gone(&self.target_key());
        state.world.remember(&tenant.key, &tenant.uid, |memo| {
            memo.stranger_seen_at = None;
        });
        hands.found = Some(TargetView::Absent);
    }

    pub(super) async fn look_at_target(&self, hands: &mut Hands) -> Result<(), ApiError> {
        match self.ctx.kube.look(&self.target_key()).await {
            Ok(metadata) => self.saw(&metadata, hands),
            Err(ApiError::NotFound) => self.saw_nothing(hands),
            Err(error) => return Err(error),
        }
        hands.session.looked = true;
        if matches!(hands.found, Some(TargetView::Stranger { .. }))
            && is_forced(&self.snapshot.view(&hands.session, self.ctx))
        {
            // Asked for, looked, and nothing can be done: that is an answer too.
            hands
                .session
                .served_request
                .clone_from(&self.snapshot.tenant.refresh_request);
        }
        Ok(())
    }

    /// Looks whether tenant and target are as they were gathered. If not, it is planned anew: a predecessor may have
    /// minted a moment ago.
    pub(super) async fn is_outdated(&self, hands: &mut Hands) -> Result<bool, ApiError> {
        let tenant = &self.snapshot.tenant;
        let found = self.ctx.kube.tenant(&tenant.key).await?.into_tenant();
        let newer = found.filter(|found| found.resource_version != tenant.resource_version);
        let mut outdated = newer.is_some();
        if let Some(newer) = newer {
            self.ctx.tenant_known(newer);
        }
        let known = match self.snapshot.view(&hands.session, self.ctx).target {
            TargetView::Ours(owned) => Some(owned.resource_version.clone()),
            TargetView::Absent => None,
            // Looked at by the plan itself.
            TargetView::Stranger { .. } => return Ok(outdated),
        };
        match self.ctx.kube.look(&self.target_key()).await {
            Ok(metadata) if metadata.resource_version != known => {
                outdated = true;
                self.saw(&metadata, hands);
            }
            Err(ApiError::NotFound) if known.is_some() => {
                outdated = true;
                self.saw_nothing(hands);
            }
            Ok(_) | Err(ApiError::NotFound) => {}
            Err(error) => return Err(error),
        }
        Ok(outdated)
    }

    async fn read_target(&self, hands: &mut Hands) -> Result<(), ApiError> {
        let body = match self.ctx.kube.read(&self.target_key()).await {
            Ok(body) => body,
            Err(ApiError::NotFound) => {
                self.saw_nothing(hands);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        self.saw(&body.metadata, hands);
        hands.session.looked = true;
        if hands.found.is_some() {
            return Ok(());
        }
        let facts = self.judge(&body, &hands.session);
        if facts.in_order {
            let version = body.metadata.resource_version.clone().unwrap_or_default();
            self.ctx
                .state()
                .world
                .target_verified(&self.target_key(), &version);
        }
        hands.session.body = Some(facts);
        hands.body = Some(body);
        Ok(())
    }

    fn judge(&self, body: &SecretBody, session: &Session) -> BodyFacts {
        let g = self.snapshot.view(session, self.ctx);
        let none = std::collections::BTreeMap::new();
        let found = Found {
            data: &body.data,
            labels: body.metadata.labels.as_ref().unwrap_or(&none),
            annotations: body.metadata.annotations.as_ref().unwrap_or(&none),
        };
        inspect(&g, &found, self.ctx.now())
    }

    /// Writes the minted token.
    async fn publish(&self, hands: &mut Hands) -> Result<(), ApiError> {
        let Some(Minted::Token { token: facts, .. }) = hands.session.minted.clone() else {
            return Ok(());
        };
        let Some(token) = hands.token.take() else {
            return Ok(());
        };
        let origin = Origin {
            fingerprint: hands.fingerprint.clone(),
            grant: self.snapshot.grant(),
        };
        // What was cleared away before a mint was junk: an expired token goes after it.
        let lost = hands.why == Some(MintWhy::Lost) || hands.session.retired;
        let written = self.write(&token, &facts, origin, true, hands).await;
        hands.token = Some(token);
        if written? {
            hands.session.published = true;
            if lost {
                self.remember_repair();
            }
        }
        Ok(())
    }

    /// Writes the token that the Secret holds, in the shape that it should have.
    async fn rewrite(&self, hands: &mut Hands) -> Result<(), ApiError> {
        let (Some(body), Some(facts)) = (
            hands.body.take(),
            hands.session.body.as_ref().and_then(|b| b.token.clone()),
        ) else {
            return Ok(());
        };
        let Some(token) = token_in(&body.data) else {
            return Ok(());
        };
        if self.write_held(&body, &token, facts, hands).await? {
            // A changed spec is no repair.
            if self.snapshot.tenant.is_observed() {
                hands.session.repaired = true;
                self.remember_repair();
            }
        } else {
            hands.session.body = None;
        }
        Ok(())
    }

    /// Writes a token that a Secret of ours held, with the credential that it came by. `false`: think again.
    async fn write_held(
        &self,
        body: &SecretBody,
        token: &AccessToken,
        facts: TokenFacts,
        hands: &mut Hands,
    ) -> Result<bool, ApiError> {
        let origin = held_of(&body.metadata)
            .map(|held| held.origin)
            .unwrap_or_default();
        let written = self.write(token, &facts, origin, false, hands).await?;
        if written {
            hands.session.body = Some(BodyFacts {
                junk: false,
                in_order: true,
                token: Some(facts),
            });
        }
        Ok(written)
    }

    async fn copy_old(&self, hands: &mut Hands) -> Result<(), ApiError> {
        let g = self.snapshot.view(&hands.session, self.ctx);
        let Some(old) = g.old_target else {
            return Ok(());
        };
        let key = Key {
            namespace: self.snapshot.tenant.key.namespace.clone(),
            name: old.name.as_str().into(),
        };
        let body = match self.ctx.kube.read(&key).await {
            Ok(body) => body,
            Err(ApiError::NotFound) => {
                self.ctx.state().world.target_gone(&key);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let facts = self.judge(&body, &hands.session);
        let sound = facts.token.clone().zip(token_in(&body.data));
        let Some((facts, token)) = sound else {
            hands.session.body = Some(BodyFacts {
                junk: false,
                in_order: false,
                token: None,
            });
            return Ok(());
        };
        self.write_held(&body, &token, facts, hands).await?;
        Ok(())
    }

    async fn remove_old(&self) -> Result<(), ApiError> {
        let session = Session::default();
        let Some(old) = self.snapshot.view(&session, self.ctx).old_target else {
            return Ok(());
        };
        let key = Key {
            namespace: self.snapshot.tenant.key.namespace.clone(),
            name: old.name.as_str().into(),
        };
        self.delete(&key, &old.owned.uid, &old.owned.resource_version)
            .await
    }

    /// Deletes a Secret as it was seen; if it has changed since, takes in what it is now.
    pub(super) async fn delete(
        &self,
        key: &Key,
        uid: &str,
        resource_version: &str,
    ) -> Result<(), ApiError> {
        match self.ctx.kube.delete(key, uid, resource_version).await {
            Ok(()) | Err(ApiError::NotFound) => {
                self.ctx.state().world.target_gone(key);
                Ok(())
            }
            Err(ApiError::Conflict) => match self.ctx.kube.look(key).await {
                Ok(metadata) => {
                    self.ctx.state().world.target_known(&metadata);
                    Ok(())
                }
                Err(ApiError::NotFound) => {
                    self.ctx.state().world.target_gone(key);
                    Ok(())
                }
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    async fn retire(&self, policy: ExpiredTokenPolicy, hands: &mut Hands) -> Result<(), ApiError> {
        let TargetView::Ours(owned) = self.snapshot.view(&hands.session, self.ctx).target else {
            return Ok(());
        };
        let key = self.target_key();
        match policy {
            ExpiredTokenPolicy::Delete => {
                self.delete(&key, &owned.uid, &owned.resource_version)
                    .await?;
                hands.session.retired = true;
                Ok(())
            }
            ExpiredTokenPolicy::Empty => {
                let g = self.snapshot.view(&hands.session, self.ctx);
                let keys = render_empty(
                    g.tenant_id,
                    g.endpoints.api_url,
                    &g.tenant.spec.target.formats,
                );
                let metadata = metadata(&g);
                hands.session.retired = self.write_once(&keys, None, &metadata, hands).await?;
                Ok(())
            }
        }
    }

    /// The token in hand, or the one in the Secret.
    pub(super) async fn token_at_hand(
        &self,
        hands: &mut Hands,
    ) -> Result<Option<AccessToken>, ApiError> {
        if let Some(token) = hands.token.take() {
            return Ok(Some(token));
        }
        match self.ctx.kube.read(&self.target_key()).await {
            Ok(body) => Ok(token_in(&body.data)),
            Err(ApiError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn held_of(metadata: &ObjectMeta) -> Option<Held> {
    let annotations = metadata.annotations.as_ref()?;
    Held::read(|name| annotations.get(name).map(String::as_str))
}

const fn write_failure(error: ApiError) -> WriteFailure {
    match error {
        ApiError::Forbidden => WriteFailure::NotPermitted,
        ApiError::NamespaceTerminating => WriteFailure::NamespaceTerminating,
        ApiError::Unreachable => WriteFailure::Unreachable,
        ApiError::NotFound | ApiError::Conflict | ApiError::Invalid | ApiError::Refused(_) => {
            WriteFailure::Refused
        }
    }
}
