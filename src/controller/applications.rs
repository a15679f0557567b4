//! The applications' own statuses. Their tenants don't wait for them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use super::context::Context;
use super::gather::look_for;
use super::kubeapi::ApiError;
use super::world::{ApplicationEntry, Known, KnownCredential};
use crate::core::application::status::{self, CredentialFacts, Facts, Usable};
use crate::core::credential::{Credential, Kind};
use crate::core::federated::TokenFault;
use crate::core::gathered::Obstacle;
use crate::core::schedule::saturating_add;
use crate::entra::clouds;

/// Changes come in bursts: what those of a moment come to is said once.
const GATHERED_FOR: Duration = Duration::from_millis(300);
/// What no watch tells (a Secret without the label, a clock that was set) is looked at this often.
const LOOK: SignedDuration = SignedDuration::from_mins(1);
/// A status that couldn't be written is tried again after this.
const RETRY: Duration = Duration::from_secs(5);

/// Runs until it is dropped.
pub async fn run(ctx: Arc<Context>) {
    let mut look_at = saturating_add(ctx.now(), LOOK);
    let mut again: Vec<Arc<str>> = Vec::new();
    let mut again_from = Instant::now();
    loop {
        let mut names = ctx.state().world.take_changed_applications();
        if again_from <= Instant::now() {
            names.append(&mut again);
        }
        let now = ctx.now();
        if look_at <= now || look_at > saturating_add(now, LOOK) {
            names = ctx.state().world.application_names();
            look_at = saturating_add(now, LOOK);
        }
        names.sort();
        names.dedup();
        for name in names {
            if let Ok(wake_at) = settle(&ctx, &name).await {
                look_at = wake_at.map_or(look_at, |at| at.min(look_at));
            } else {
                again.push(name);
                again_from = Instant::now() + RETRY;
            }
        }
        let left = Duration::try_from(look_at.duration_since(ctx.now())).unwrap_or_default();
        let wait = if again.is_empty() {
            left
        } else {
            left.min(RETRY)
        };
        tokio::select! {
            () = ctx.told() => tokio::time::sleep(GATHERED_FOR).await,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Brings one status up to date. Returns when it changes by itself; an error means: again.
async fn settle(ctx: &Context, name: &str) -> Result<Option<Timestamp>, ()> {
    let Some(entry) = ctx.state().world.application(name).cloned() else {
        return Ok(None);
    };
    let now = ctx.now();
    let mut credentials = Vec::with_capacity(entry.credentials.len());
    for credential in &entry.credentials {
        credentials.push(facts(ctx, &entry, credential, now).await.ok_or(())?);
    }
    let application = &entry.application;
    let missing_everywhere = ctx.state().world.missing_everywhere(application, now);
    let facts = Facts {
        application,
        selectors_off: application.grants.use_labels() && !ctx.policy.namespace_selectors,
        missing_everywhere,
        credentials,
    };
    let wake_at = status::wake_at(&facts, now);
    let status = status::compose(&facts, now);
    if status == *application.status {
        return Ok(wake_at);
    }
    match ctx
        .kube
        .write_application_status(application, &status)
        .await
    {
        Ok(version) => {
            ctx.state().world.application_status_written(
                name,
                &application.uid,
                version,
                status.clone(),
            );
            for notice in status::notices(&application.status, &status) {
                tracing::info!(application = name, reason = notice.reason, "transition");
                ctx.events.publish_of(application, &notice).await;
            }
            Ok(wake_at)
        }
        // The watch tells what it is by now.
        Err(ApiError::NotFound) => Ok(wake_at),
        Err(error) => {
            if error != ApiError::Conflict {
                tracing::warn!(application = name, %error, "an application's status couldn't be written; it is tried again");
            }
            Err(())
        }
    }
}

/// What is known of one credential. `None`: nobody can tell now.
async fn facts(
    ctx: &Context,
    entry: &ApplicationEntry,
    credential: &KnownCredential,
    now: Timestamp,
) -> Option<CredentialFacts> {
    let spec = &entry.application.spec;
    let name = credential.name.to_string();
    let usable = match &credential.known {
        Known::Unseen(key) => Err(look_for(ctx, key).await?),
        Known::Homeless => Err(Obstacle::NoHome),
        Known::Malformed(fault) => Err(Obstacle::Malformed(*fault)),
        Known::Found(found) if let Some(fault) = token_fault(ctx, found, now).await => {
            Err(Obstacle::NoToken(fault))
        }
        Known::Found(found) => {
            let fingerprint = found.fingerprint(clouds::login_host_of(spec.entra_cloud));
            let mut state = ctx.state();
            state.gate.learn(fingerprint, credential.changed_at, now);
            let usable = Usable {
                fingerprint,
                health: state.gate.health(fingerprint),
                standing: state.gate.standing(fingerprint, now),
                validity: found.validity(now),
            };
            return Some(CredentialFacts {
                name,
                usable: Ok(usable),
                expires_at: status::expires_at(spec, &credential.name, Some(found)),
                endless: found.kind() == Kind::WorkloadIdentity,
                thumbprint: found.thumbprint(),
            });
        }
    };
    Some(CredentialFacts {
        name,
        usable,
        expires_at: status::expires_at(spec, &credential.name, None),
        thumbprint: None,
        endless: matches!(&credential.known, Known::Found(found) if found.kind() == Kind::WorkloadIdentity),
    })
}

/// What keeps the operator's own token from being presented, where it is this credential.
async fn token_fault(ctx: &Context, credential: &Credential, now: Timestamp) -> Option<TokenFault> {
    if credential.kind() != Kind::WorkloadIdentity {
        return None;
    }
    ctx.own_token().await.fault(now)
}
