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
mod resume;
pub mod scrape;
mod selecting;
pub mod shards;
mod watch;
mod withdraw;
mod world;
mod write;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use events::Events;
pub use kubeapi::{ApiError, KubeApi, SecretDraft};
use tokio::sync::mpsc;
use tokio::sync::watch::Receiver;

use crate::lease::{Election, LeaseLost, News};
use context::Context;
use shards::Holdings;
use watch::Told;

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
    /// A shard was won, and the API server doesn't list what is in it.
    #[error(
        "the tenants and Secrets of shard {0} couldn't be listed for three minutes: the lines before this one say why"
    )]
    Unlisted(u32),
    /// A panic while a shard was being given back.
    #[error("a shard couldn't be given back")]
    Drain,
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
    let (tell, mut told) = mpsc::channel(16);
    let mut watches = watch::start(&ctx, &scope.namespaces, &tell);
    let mut to_come = watches.len();
    let mut holdings = Holdings::new(ctx.clone(), scope.namespaces.clone(), tell);
    let mut guard = permissions::Guard::new(ctx.kube.client().clone(), scope);
    while to_come > 0 {
        tokio::select! {
            () = stopped(&mut stop) => return Ok(()),
            denied = guard.denied() => return Err(denied.into()),
            () = watch::ended([&mut watches]) => return Err(ControllerError::WatchEnded),
            Some(message) = told.recv() => to_come -= usize::from(take_in(message, &mut guard) == Told::Listed),
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
    let (end, ended) = tokio::sync::watch::channel(false);
    // Nobody is in its queue before a shard is won.
    let dispatcher = dispatch::run(ctx.clone(), concurrency, ended);
    tokio::pin!(dispatcher);
    let result = loop {
        tokio::select! {
            () = stopped(&mut stop) => break Ok(()),
            news = election.news() => match news {
                News::Won { shard, heir } => holdings.won(shard, heir),
                News::GiveBack(shard) => holdings.give_back(shard),
                // Nothing may be begun any more, and what is under way is the successor's to do.
                News::Lost(loss) => return Err(loss.into()),
            },
            shard = holdings.drained() => match shard {
                Ok(shard) => election.drained(shard),
                Err(ended) => break Err(ended),
            },
            () = watch::ended([&mut watches]) => break Err(ControllerError::WatchEnded),
            denied = guard.denied() => break Err(denied.into()),
            () = &mut dispatcher => return Ok(()),
            Some(message) = told.recv() => if let Told::ShardListed(shard) = take_in(message, &mut guard) {
                holdings.listed(shard);
            },
        }
    };
    drop(holdings);
    // Whatever the reason, what is under way ends first.
    let _ = end.send(true);
    tokio::select! {
        () = dispatcher => result,
        loss = election.lost() => Err(loss.into()),
    }
}

/// What a watch told.
fn take_in(told: Told, guard: &mut permissions::Guard) -> Told {
    if told == Told::Forbidden {
        guard.suspect();
    }
    told
}

/// Its answer, a lock, isn't held while something else is done.
async fn stopped(stop: &mut Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
