//! The controller: gather, plan, do, one status write.

mod applications;
mod backoff;
pub mod context;
mod discover;
mod dispatch;
mod events;
mod execute;
mod gather;
pub(crate) mod kubeapi;
mod lookups;
mod mint;
pub(crate) mod objects;
mod permissions;
pub mod preflight;
mod present;
mod reconcile;
pub mod scrape;
mod watch;
mod withdraw;
mod world;
mod write;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;

pub use events::Events;
pub use kubeapi::{ApiError, KubeApi, SecretDraft};
use tokio::sync::watch::Receiver;

use crate::core::errors::Scope;
use crate::core::gate::MintKey;
use crate::core::reason::Reason;
use crate::entra::clouds;
use crate::lease::{Election, LeaseLost};
use context::{Context, State};
use watch::Told;
use world::Known;

/// Why the controller ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum ControllerError {
    /// A permission was taken away.
    #[error(transparent)]
    Permission(#[from] preflight::PreflightError),
    /// Another process leads, or the Lease couldn't be renewed in time.
    #[error(transparent)]
    Lease(#[from] LeaseLost),
    /// A watch ended, which none does by itself.
    #[error("a watch has ended")]
    WatchEnded,
}

/// Runs until `stop`, or until it can't go on.
pub async fn run(
    ctx: Arc<Context>,
    scope: preflight::Scope,
    concurrency: usize,
    ready: Arc<AtomicBool>,
    election: &mut Election,
    mut stop: Receiver<bool>,
) -> Result<(), ControllerError> {
    // Before anything is read that depends on whose it is.
    ctx.own_token().await;
    let (mut to_come, mut told) = watch::start(&ctx, &scope.namespaces);
    let mut guard = permissions::Guard::new(ctx.kube.client().clone(), scope);
    while to_come > 0 {
        tokio::select! {
            () = stopped(&mut stop) => return Ok(()),
            denied = guard.denied() => return Err(denied.into()),
            message = told.recv() => to_come -= usize::from(take_in(message, &mut guard)?),
        }
    }
    // Who stands by is ready, too: it could act at any moment.
    ready.store(true, Ordering::Release);
    let (tenants, credentials) = {
        let state = ctx.state();
        (state.world.tenants_len(), state.world.credentials_len())
    };
    tracing::info!(tenants, credentials, "watching");
    election.ready();
    let heir = loop {
        tokio::select! {
            () = stopped(&mut stop) => return Ok(()),
            denied = guard.denied() => return Err(denied.into()),
            won = election.won() => match won {
                Ok(heir) => break heir,
                Err(loss) => return Err(loss.into()),
            },
            message = told.recv() => {
                take_in(message, &mut guard)?;
            }
        }
    };
    if heir {
        ctx.inherit();
    }
    resume_gate(&ctx);
    ctx.wake_all();
    let (end, ended) = tokio::sync::watch::channel(false);
    let dispatcher = dispatch::run(ctx.clone(), concurrency, ended);
    tokio::pin!(dispatcher);
    let mut statuses = tokio::spawn(applications::run(ctx.clone()));
    let result = loop {
        tokio::select! {
            () = stopped(&mut stop) => break Ok(()),
            // Nothing may be begun any more, and what is under way is the successor's to do.
            loss = election.lost() => return Err(loss.into()),
            denied = guard.denied() => break Err(denied.into()),
            () = &mut dispatcher => return Ok(()),
            // It never ends by itself: what it panicked of is in no state that others read.
            _ = &mut statuses => {
                tracing::error!("the applications' statuses panicked; they are begun anew");
                statuses = tokio::spawn(applications::run(ctx.clone()));
            }
            message = told.recv() => if let Err(error) = take_in(message, &mut guard) {
                break Err(error);
            }
        }
    };
    statuses.abort();
    // Whatever the reason, what is under way ends first.
    let _ = end.send(true);
    tokio::select! {
        () = dispatcher => result,
        loss = election.lost() => Err(loss.into()),
    }
}

/// What a watch told. Returns whether its first list is complete.
fn take_in(message: Option<Told>, guard: &mut permissions::Guard) -> Result<bool, ControllerError> {
    match message {
        Some(Told::Listed) => Ok(true),
        Some(Told::Forbidden) => {
            guard.suspect();
            Ok(false)
        }
        None => Err(ControllerError::WatchEnded),
    }
}

/// Its answer, a lock, isn't held while something else is done.
async fn stopped(stop: &mut Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// A breaker that was open when the last process ended is open still: the tenants that probed say how far it was.
/// A pause that Microsoft asked for holds as well, whatever spec or annotation say since.
fn resume_gate(ctx: &Context) {
    let now = ctx.now();
    let mut state = ctx.state();
    let state = &mut *state;
    let newest = state.world.newest_tokens();
    resume_applications(state, &newest, now);
    for tenant in state
        .world
        .troubled()
        .filter(|tenant| !tenant.deleting && !tenant.spec.suspend)
    {
        let (Some(attempt), Some(error)) = (&tenant.status.attempt, &tenant.status.last_error)
        else {
            continue;
        };
        let Some(reason) = Reason::parse(&error.reason) else {
            continue;
        };
        let endpoints = gather::endpoints(&tenant);
        let Some((credential, fingerprint)) =
            state
                .world
                .credential_with(&tenant, endpoints.login, &attempt.fingerprint)
        else {
            continue;
        };
        // Somebody got a token with it since: whatever this tenant met is over, or its own.
        let accepted = newest
            .get(&attempt.fingerprint)
            .is_some_and(|issued| *issued > attempt.last_at.0);
        let next = attempt.next_at.as_ref().map_or(now, |at| at.0);
        if error.scope == Scope::Credential.as_str() {
            let covered = tenant
                .spec
                .tenant_id
                .parse()
                .is_ok_and(|id| credential.covers(id));
            if accepted || !covered {
                continue;
            }
            state.gate.learn(fingerprint, None, now);
            state.gate.resume(
                fingerprint,
                usize::try_from(attempt.count).unwrap_or(1),
                next,
                reason,
            );
        } else if reason == Reason::Throttled
            && let Ok(tenant) = tenant.spec.tenant_id.parse()
        {
            let key = MintKey {
                fingerprint,
                tenant,
                audience: endpoints.audience,
            };
            state.gate.resume_pause(key, next, now);
        }
    }
}

/// A credential that an application's status calls refused is refused still: with another one in its place no tenant has
/// an attempt that tells of it.
fn resume_applications(state: &mut State, newest: &HashMap<String, Timestamp>, now: Timestamp) {
    let mut refused = Vec::new();
    for entry in state.world.applications() {
        let application = &entry.application;
        let login = clouds::login_host_of(application.spec.entra_cloud);
        for credential in &entry.credentials {
            let Known::Found(found) = &credential.known else {
                continue;
            };
            let fingerprint = found.fingerprint(login);
            let said =
                application.status.credentials.iter().find(|said| {
                    said.fingerprint.as_deref() == Some(fingerprint.to_string().as_str())
                });
            let reason = said.and_then(|said| Reason::parse(&said.reason));
            // Somebody got a token with it since nothing of the application was good.
            let bad_since = application
                .status
                .conditions
                .iter()
                .find(|c| c.type_ == "CredentialReady" && c.status == "False")
                .map(|c| c.last_transition_time.0);
            let issued = newest.get(&fingerprint.to_string());
            if bad_since.is_some_and(|since| issued.is_some_and(|issued| *issued > since)) {
                continue;
            }
            if let Some(reason) = reason.filter(|reason| is_refusal(*reason)) {
                refused.push((fingerprint, reason));
            }
        }
    }
    for (fingerprint, reason) in refused {
        state.gate.learn(fingerprint, None, now);
        state.gate.resume(fingerprint, 1, now, reason);
    }
}

/// Microsoft's word on a credential, which the operator can't judge by itself.
const fn is_refusal(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::CredentialRejected
            | Reason::CredentialExpired
            | Reason::FederationMismatch
            | Reason::AppMisconfigured
    )
}
