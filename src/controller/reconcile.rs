//! One tenant's turn: gather, plan, do, until there is nothing to do; then one status write.

use jiff::SignedDuration;

use super::context::Context;
use super::execute::{Executor, Hands};
use super::gather::{Gathering, Snapshot, gather};
use super::kubeapi::ApiError;
use crate::api::DefenderTenantStatus;
use crate::core::conditions::{self, compose};
use crate::core::gathered::TargetView;
use crate::core::notices::notices;
use crate::core::plan::{Step, plan};
use crate::core::queue::Finish;
use crate::core::schedule::saturating_add;
use crate::core::tenant::Key;
use crate::core::turn::{STEPS_MAX, TROUBLED, finish, is_told};
use crate::entra::consent;

/// A status that lost against another writer is composed anew so often.
const STATUS_TRIES: usize = 4;
/// When facts that couldn't be had are asked for again.
const SOON: SignedDuration = SignedDuration::from_secs(5);

/// Serves one tenant.
pub async fn reconcile(ctx: &Context, key: &Key, called: bool) -> Finish {
    let mut hands = Hands::default();
    for _ in 0..STEPS_MAX {
        let snapshot = match gather(ctx, key, hands.found.as_ref()).await {
            Gathering::Found(snapshot) => snapshot,
            other => return without_facts(ctx, key, &other),
        };
        hands.keep_up(&snapshot, ctx);
        let now = ctx.now();
        let step = plan(&snapshot.view(&hands.session, ctx), now).step;
        if step == Step::Rest {
            return conclude(ctx, key, *snapshot, &hands).await;
        }
        tracing::debug!(tenant = %key, ?step, "step");
        Executor {
            ctx,
            snapshot: &snapshot,
            called,
        }
        .run(step, &mut hands)
        .await;
    }
    tracing::error!(tenant = %key, "a reconcile came to no end; it is tried again");
    ctx.metrics.endless.inc();
    Finish {
        wake_at: Some(saturating_add(ctx.now(), TROUBLED)),
        ..Finish::default()
    }
}

/// Writes the status if it says anything new, and tells when to come back.
async fn conclude(ctx: &Context, key: &Key, mut snapshot: Snapshot, hands: &Hands) -> Finish {
    let mut troubled = None;
    let mut outrun = false;
    remember_loss(ctx, &snapshot, hands);
    if hands.session.discovery.is_none() {
        // What was to be asked has been settled otherwise.
        ctx.state().discoveries.forget(key);
    }
    if is_told(&snapshot.view(&hands.session, ctx)) {
        for tries_left in (0..STATUS_TRIES).rev() {
            match write_status(ctx, &snapshot, hands, tries_left == 0).await {
                // Somebody was faster: see what it is now, and say it again.
                Err(ApiError::Conflict) => {
                    troubled = Some(TROUBLED);
                    if let Ok(object) = ctx.kube.tenant(key).await
                        && let Some(tenant) = object.into_tenant()
                    {
                        ctx.tenant_known(tenant);
                    }
                    match gather(ctx, key, hands.found.as_ref()).await {
                        Gathering::Found(again) if again.tenant.uid == snapshot.tenant.uid => {
                            outrun |= again.tenant.generation != snapshot.tenant.generation;
                            snapshot = if outrun {
                                snapshot.at_version_of(&again)
                            } else {
                                *again
                            };
                        }
                        other => return without_facts(ctx, key, &other),
                    }
                }
                Ok(()) | Err(ApiError::NotFound) => {
                    troubled = None;
                    break;
                }
                Err(_) => {
                    troubled = Some(TROUBLED);
                    break;
                }
            }
        }
    }
    let mut finish = finish(&snapshot.view(&hands.session, ctx), troubled, ctx.now());
    if outrun {
        // The watch may have told of the new spec already, and then it doesn't tell again.
        finish.wake_at = Some(ctx.now());
    }
    finish
}

fn without_facts(ctx: &Context, key: &Key, gathering: &Gathering) -> Finish {
    match gathering {
        Gathering::Gone => {
            ctx.state().discoveries.forget(key);
            Finish::gone()
        }
        Gathering::Rejected => {
            tracing::error!(tenant = %key, "the spec breaks a rule of the CRD: is an older CRD installed?");
            Finish::default()
        }
        // A successor of the same name, or an API server that is away.
        Gathering::Found(_) | Gathering::Later => Finish {
            wake_at: Some(saturating_add(ctx.now(), SOON)),
            ..Finish::default()
        },
    }
}

/// Somebody took the token, and Microsoft may not be asked for another one yet. The status that is written now no
/// longer promises a token: without this nobody would know, when the mint comes, that it is a repair.
fn remember_loss(ctx: &Context, snapshot: &Snapshot, hands: &Hands) {
    let now = ctx.now();
    let g = snapshot.view(&hands.session, ctx);
    let status = &g.tenant.status;
    let promised = status
        .token
        .as_ref()
        .is_some_and(|token| token.expires_at.0 > now)
        && status
            .target
            .as_ref()
            .is_some_and(|target| target.name == g.tenant.target_name());
    let session = &hands.session;
    // Junk that was cleared away is a loss, too; an expired token was promised to nobody.
    let untouched =
        session.minted.is_none() && session.failed_write.is_none() && session.withdrawn.is_none();
    let holds_one = session
        .body
        .as_ref()
        .is_some_and(|body| body.token.is_some());
    let stranger = matches!(g.target, TargetView::Stranger { .. });
    if promised && untouched && !holds_one && !stranger && g.live(now).is_none() {
        let tenant = &snapshot.tenant;
        ctx.state()
            .world
            .remember_repair(&tenant.key, &tenant.uid, true, now);
    }
}

async fn write_status(
    ctx: &Context,
    snapshot: &Snapshot,
    hands: &Hands,
    last: bool,
) -> Result<(), ApiError> {
    let now = ctx.now();
    let tenant = &snapshot.tenant;
    let g = snapshot.view(&hands.session, ctx);
    let consent_url = || {
        let credential = snapshot.credential()?;
        let endpoints = &snapshot.endpoints;
        Some(consent::url(
            endpoints.login,
            g.tenant_id,
            credential.client_id,
            endpoints.audience,
            snapshot.redirect_uri(),
        ))
    };
    let status = compose(&g, consent_url, now);
    let unwritten = ctx.state().world.is_status_unwritten(&tenant.key);
    if status == *tenant.status && !unwritten {
        return Ok(());
    }
    match ctx.kube.write_status(tenant, &status).await {
        Ok(resource_version) => {
            let before = tenant.status.clone();
            ctx.state().world.status_written(
                &tenant.key,
                &tenant.uid,
                &resource_version,
                status.clone(),
            );
            let said = notices(&g, now);
            tell(ctx, snapshot, &before, &status, said).await;
            Ok(())
        }
        Err(error) => {
            if error != ApiError::NotFound && (last || error != ApiError::Conflict) {
                tracing::warn!(tenant = %tenant.key, %error, "the status couldn't be written; it is tried again");
                ctx.state()
                    .world
                    .status_unwritten(&tenant.key, &tenant.uid, status);
            }
            Err(error)
        }
    }
}

/// A log line and an Event a transition.
async fn tell(
    ctx: &Context,
    snapshot: &Snapshot,
    before: &DefenderTenantStatus,
    after: &DefenderTenantStatus,
    notices: Vec<conditions::Notice>,
) {
    let tenant = &snapshot.tenant;
    let was = conditions::ready_of(before).map(|(status, reason, _)| (status, reason));
    let is = conditions::ready_of(after).map(|(status, reason, _)| (status, reason));
    if let Some((ready, reason)) = is.filter(|_| is != was) {
        tracing::info!(
            namespace = &*tenant.key.namespace,
            name = &*tenant.key.name,
            ready,
            reason,
            was = was.map(|(_, reason)| reason).unwrap_or_default(),
            "transition"
        );
    }
    // With several shards the application's own status and Event tell what the first one's tenants have met.
    let application = ctx.shards.is_single() && tenant.spec.application_ref.is_some();
    let transition = conditions::transition(before, after, application);
    for notice in transition.into_iter().chain(notices) {
        ctx.events.publish(tenant, &notice).await;
    }
}
