//! The mint and the probe: the only steps that talk to Microsoft.

use jiff::{SignedDuration, Timestamp};

use super::context::Context;
use super::execute::{Executor, Hands};
use super::kubeapi::ApiError;
use super::present::ask_microsoft;
use crate::core::assertion::Purpose;
use crate::core::breaker::{Effect, Outcome};
use crate::core::claims::{self, Claims, Mismatch};
use crate::core::credential::Credential;
use crate::core::errors::{Failure, Scope};
use crate::core::gate::{Admission, MintKey, Report};
use crate::core::gathered::{Minted, ProbeResult};
use crate::core::inspect::token_facts;
use crate::core::plan::MintWhy;
use crate::core::schedule::{saturating_add, saturating_sub};
use crate::core::token_response::clock_skew;
use crate::core::turn::PROOF_PAUSE;
use crate::defender::probe::check_for;
use crate::entra::client::Minted as Answer;

/// A mint that the gate counts as begun. Dropped without a report (a panic, a time-out), it says so.
struct Begun<'a> {
    ctx: &'a Context,
    key: MintKey,
    uid: &'a str,
    alone: bool,
    reported: bool,
}

impl Begun<'_> {
    fn report(&mut self, outcome: Outcome<'_>, retry_after: Option<std::time::Duration>) -> Report {
        self.reported = true;
        let now = self.ctx.now();
        self.ctx
            .state()
            .gate
            .report(self.key, self.uid, outcome, retry_after, self.alone, now)
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        if !self.reported {
            self.report(Outcome::Abandoned, None);
        }
        self.ctx.notify();
    }
}

/// What came of one credential's try.
enum Asked {
    /// Microsoft answered something that another credential wouldn't change.
    Settled,
    /// It refused the credential.
    Refused,
    /// It wasn't asked: not before this instant, or not before the lane calls.
    NotAdmitted(Option<Timestamp>),
}

impl Executor<'_> {
    /// Asks Microsoft for a token, if the gate lets it: with the credential that counts; before it with one whose time
    /// has come to be tried again, after it with another one that may help.
    pub(super) async fn mint(&self, why: MintWhy, hands: &mut Hands) -> Result<(), ApiError> {
        let lead = self.snapshot.lead();
        let Ok(chosen) = &lead.credential else {
            return Ok(());
        };
        if self.ctx.is_heir() && !std::mem::replace(&mut hands.confirmed, true) {
            let outdated = self.is_outdated(hands).await?;
            if outdated {
                return Ok(());
            }
        }
        // A proof is one credential's: the new one that counts, or a newer one that wasn't known everywhere.
        let alone = why == MintWhy::Proof;
        let again = alone && !self.snapshot.view(&hands.session, self.ctx).unproven;
        for credential in lead.before.iter().filter(|_| !alone || again) {
            if let Asked::Settled = self.ask(credential, why, true, hands).await? {
                return Ok(());
            }
            // Somebody's request isn't served by that.
            hands.session.minted = None;
            hands.session.served_request = None;
        }
        if again {
            // Whatever came of it, this turn tries it once.
            hands.session.not_admitted = Some(
                lead.fresh_again_at
                    .filter(|at| *at > self.ctx.now())
                    .or(Some(saturating_add(self.ctx.now(), PROOF_PAUSE))),
            );
            return Ok(());
        }
        match self.ask(chosen, why, self.called, hands).await? {
            Asked::Settled => return Ok(()),
            Asked::NotAdmitted(until) => {
                hands.session.not_admitted = Some(until);
                return Ok(());
            }
            Asked::Refused => {}
        }
        for credential in lead.after.iter().filter(|_| !alone) {
            let refusal = (hands.session.minted.take(), hands.fingerprint.clone());
            if let Asked::Settled = self.ask(credential, why, true, hands).await? {
                return Ok(());
            }
            (hands.session.minted, hands.fingerprint) = refusal;
        }
        Ok(())
    }

    async fn ask(
        &self,
        credential: &Credential,
        why: MintWhy,
        called: bool,
        hands: &mut Hands,
    ) -> Result<Asked, ApiError> {
        let (ctx, snapshot) = (self.ctx, self.snapshot);
        let tenant = &snapshot.tenant;
        let (tenant_id, expected) = {
            let g = snapshot.view(&hands.session, ctx);
            let Some(expected) = g.expected() else {
                return Ok(Asked::Settled);
            };
            (g.tenant_id, expected)
        };
        let fingerprint = credential.fingerprint(snapshot.endpoints.login);
        let key = MintKey {
            fingerprint,
            tenant: tenant_id,
            audience: snapshot.endpoints.audience,
        };
        let mut begun = match self.begin(key, called).await? {
            Ok(begun) => begun,
            Err(until) => return Ok(Asked::NotAdmitted(until)),
        };
        let purpose = Purpose {
            login: snapshot.endpoints.login,
            tenant: tenant_id,
            application: credential.client_id,
        };
        let Some(answer) = ask_microsoft(ctx, credential, purpose, key.audience).await else {
            return Ok(Asked::Settled);
        };
        if why == MintWhy::Forced {
            hands
                .session
                .served_request
                .clone_from(&tenant.refresh_request);
        }
        let trail = Trail {
            ns: &tenant.key.namespace,
            name: &tenant.key.name,
            tenant: tenant_id.to_string(),
            client: credential.client_id.to_string(),
            credential: credential.kind().as_str(),
            why,
        };
        hands.why = Some(why);
        hands.expected = Some(expected);
        hands.fingerprint = fingerprint.to_string();
        match answer {
            Ok(answer) => {
                let report = begun.report(Outcome::Token, None);
                drop(begun);
                self.announce(report, fingerprint);
                ctx.state()
                    .world
                    .remember(&tenant.key, &tenant.uid, |memo| memo.proving = false);
                self.take_in(answer, expected, &trail, hands);
                Ok(Asked::Settled)
            }
            Err(failure) => {
                let report = begun.report(Outcome::Failed(&failure.verdict), failure.retry_after);
                drop(begun);
                self.announce(report, fingerprint);
                let scope = report.scope.unwrap_or(failure.verdict.scope);
                ctx.metrics
                    .mint(failure.verdict.reason.as_str(), scope.as_str());
                trail.failed(&failure);
                let asked = if failure.verdict.scope == Scope::Credential {
                    let proving = why == MintWhy::Proof;
                    ctx.state()
                        .world
                        .remember(&tenant.key, &tenant.uid, |memo| memo.proving |= proving);
                    Asked::Refused
                } else {
                    Asked::Settled
                };
                hands.session.minted = Some(Minted::Failed {
                    failure,
                    scope,
                    progress: report.progress,
                });
                Ok(asked)
            }
        }
    }

    /// Begins a mint, or says until when it must wait.
    async fn begin(
        &self,
        key: MintKey,
        called: bool,
    ) -> Result<Result<Begun<'_>, Option<Timestamp>>, ApiError> {
        let (ctx, tenant) = (self.ctx, &self.snapshot.tenant);
        // A token that can't be written would be minted again: see first whether the API server is back.
        if !ctx.kube.is_reachable()
            && ctx.kube.look(&self.target_key()).await == Err(ApiError::Unreachable)
        {
            return Err(ApiError::Unreachable);
        }
        let (alone, called) = {
            let mut state = ctx.state();
            let lane_is_empty = state.queue.lane_is_empty(key.fingerprint);
            match state
                .gate
                .admit(key, &tenant.uid, called, lane_is_empty, ctx.now())
            {
                Admission::Go => (
                    // Of other shards' tenants nothing is known here.
                    ctx.shards.is_single() && state.world.is_alone(key.fingerprint),
                    state.queue.begun(&tenant.key),
                ),
                Admission::Wait(at) => return Ok(Err(Some(at))),
                Admission::Park => return Ok(Err(None)),
            }
        };
        if called {
            // Its lane may call the next one.
            ctx.notify();
        }
        Ok(Ok(Begun {
            ctx,
            key,
            uid: &tenant.uid,
            alone,
            reported: false,
        }))
    }

    /// Everybody who has the credential must say so in its status, once.
    fn announce(&self, report: Report, fingerprint: crate::core::credential::Fingerprint) {
        if report.effect == Effect::None {
            return;
        }
        let users = {
            let mut state = self.ctx.state();
            state.world.fingerprint_changed(fingerprint);
            state.world.fingerprint_users(fingerprint)
        };
        if report.effect == Effect::Opened {
            tracing::warn!(%fingerprint, tenants = users.len(), "the credential is refused: one request a step until it is mended");
        } else {
            tracing::info!(%fingerprint, tenants = users.len(), "the credential is accepted again");
        }
        self.ctx.wake(users);
    }

    /// Checks a token before anybody may publish it.
    fn take_in(
        &self,
        answer: Answer,
        expected: claims::Expected,
        trail: &Trail<'_>,
        hands: &mut Hands,
    ) {
        let Answer {
            answer,
            correlation_id,
            received_at,
        } = answer;
        // One clock decides, for the token as for what is due; what the body took to arrive is the token's loss.
        let took = Timestamp::now()
            .duration_since(received_at)
            .max(SignedDuration::ZERO);
        let received_at = saturating_sub(self.ctx.now(), took);
        let skew = clock_skew(answer.server_date, received_at);
        let checked = Claims::decode(answer.token.expose())
            .and_then(|claims| claims::check(&claims, &expected, answer.expires_in, received_at));
        match checked {
            Ok(checked) => {
                self.ctx.metrics.mint("ok", "None");
                trail.minted(&checked, correlation_id);
                let refresh_in = answer
                    .refresh_in
                    .and_then(|d| SignedDuration::try_from(d).ok());
                let g = self.snapshot.view(&hands.session, self.ctx);
                let token = token_facts(
                    &g,
                    received_at,
                    checked.expires_at,
                    refresh_in,
                    checked.roles,
                );
                hands.token = Some(answer.token);
                hands.session.minted = Some(Minted::Token { token, skew });
            }
            Err(mismatch) => {
                self.ctx.metrics.mint("mismatch", "Tenant");
                trail.wrong(mismatch, correlation_id);
                let detail = mismatch_text(mismatch);
                hands.session.minted = Some(Minted::Wrong {
                    reason: mismatch.reason(skew),
                    detail,
                });
            }
        }
    }

    /// Tries the token with one call.
    pub(super) async fn probe(&self, hands: &mut Hands) -> Result<(), ApiError> {
        let now = self.ctx.now();
        let roles: Vec<String> = self
            .snapshot
            .view(&hands.session, self.ctx)
            .live_roles(now)
            .unwrap_or_default()
            .to_vec();
        let (Some(check), Some(token)) = (
            check_for(self.snapshot.tenant.spec.api, &roles),
            self.token_at_hand(hands).await?,
        ) else {
            hands.session.probed = Some(ProbeResult::Works);
            return Ok(());
        };
        let result = self
            .ctx
            .prober
            .probe(self.snapshot.endpoints.api_url, check, &token)
            .await;
        hands.token = Some(token);
        hands.session.probed = Some(match result {
            Ok(()) => ProbeResult::Works,
            Err(failure) if failure.verdict.scope == Scope::Tenant => ProbeResult::Fails {
                reason: failure.verdict.reason,
                detail: failure.verdict.detail,
            },
            Err(_) => ProbeResult::Unknown,
        });
        let outcome = match hands.session.probed {
            Some(ProbeResult::Works) => "ok",
            Some(ProbeResult::Fails { .. }) => "fails",
            _ => "unknown",
        };
        self.ctx.metrics.probe(outcome);
        Ok(())
    }
}

const fn mismatch_text(mismatch: Mismatch) -> &'static str {
    match mismatch {
        Mismatch::Undecodable => "it can't be decoded",
        Mismatch::Tenant => "its tenant (tid) is another",
        Mismatch::Audience => "its audience (aud) is another",
        Mismatch::Application => "its application (appid) is another",
        Mismatch::Issuer => "its issuer (iss) doesn't name the tenant",
        Mismatch::Delegated => "it is a delegated one (scp)",
        Mismatch::Expired => "it has expired already (exp)",
        Mismatch::TooLong => "it expires too late (exp)",
        Mismatch::ExpiryDisagrees => "exp and expires_in disagree",
    }
}

/// One line a mint, for an audit: who got a token for whom, under which names Microsoft knows it.
struct Trail<'a> {
    ns: &'a str,
    name: &'a str,
    tenant: String,
    client: String,
    credential: &'static str,
    why: MintWhy,
}

impl Trail<'_> {
    fn minted(&self, checked: &claims::Checked, correlation_id: uuid::Uuid) {
        let expires_at: Timestamp = checked.expires_at;
        tracing::info!(
            namespace = self.ns, name = self.name, tenant = self.tenant, client_id = self.client, credential = self.credential, why = self.why.as_str(),
            uti = checked.uti.as_deref().unwrap_or_default(), %correlation_id, %expires_at, outcome = "ok", "mint"
        );
    }

    fn wrong(&self, mismatch: Mismatch, correlation_id: uuid::Uuid) {
        tracing::warn!(
            namespace = self.ns, name = self.name, tenant = self.tenant, client_id = self.client, credential = self.credential, why = self.why.as_str(),
            %correlation_id, outcome = "TokenMismatch", detail = mismatch_text(mismatch), "mint"
        );
    }

    fn failed(&self, failure: &Failure) {
        let verdict = &failure.verdict;
        tracing::info!(
            namespace = self.ns,
            name = self.name,
            tenant = self.tenant,
            client_id = self.client,
            credential = self.credential,
            why = self.why.as_str(),
            correlation_id = failure
                .correlation_id
                .map(|id| id.to_string())
                .unwrap_or_default(),
            code = verdict.code.unwrap_or_default(),
            scope = verdict.scope.as_str(),
            outcome = verdict.reason.as_str(),
            "mint"
        );
    }
}
