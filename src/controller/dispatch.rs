//! The dispatcher: gives turns to tenants, a bounded number at once, each bounded in time and isolated from panics.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use jiff::SignedDuration;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::context::Context;
use super::reconcile::reconcile;
use crate::core::queue::{Dispatch, Finish};
use crate::core::schedule::saturating_add;
use crate::core::tenant::Key;

/// Above the longest way through a turn: a fresh token is held for two minutes when the API server is away.
const TURN_MAX: Duration = Duration::from_mins(3);
/// A turn that panicked or ran out of time is tried again after this.
const BROKEN_WAIT: SignedDuration = SignedDuration::from_secs(30);
/// The runtime's timers stand still while the machine sleeps: the wall clock is looked at this often.
const CLOCK_LOOK: Duration = Duration::from_secs(15);
/// What is under way at SIGTERM gets this long.
const DRAIN: Duration = Duration::from_secs(9);

/// Runs until `stop` says so, then lets what is under way end.
pub async fn run(ctx: Arc<Context>, concurrency: usize, mut stop: watch::Receiver<bool>) {
    let mut turns = JoinSet::new();
    loop {
        while turns.try_join_next().is_some() {}
        let wait = give_turns(&ctx, &mut turns, concurrency);
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            () = ctx.changed() => {}
            _ = turns.join_next(), if !turns.is_empty() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
    let drained = tokio::time::timeout(DRAIN, async { while turns.join_next().await.is_some() {} }).await;
    if drained.is_err() {
        tracing::warn!(left = turns.len(), "what was under way didn't end in time; the next start goes on with it");
    }
}

/// Fills the slots. Returns how long to wait if nothing happens.
fn give_turns(ctx: &Arc<Context>, turns: &mut JoinSet<()>, concurrency: usize) -> Duration {
    let now = ctx.now();
    let mut state = ctx.state();
    let state = &mut *state;
    while state.queue.running() < concurrency {
        let gate = &state.gate;
        let Some(dispatch) = state.queue.next(now, |fingerprint| gate.turn(fingerprint, now)) else { break };
        turns.spawn(turn(ctx.clone(), dispatch));
    }
    if state.queue.running() >= concurrency {
        return CLOCK_LOOK;
    }
    let gate = &state.gate;
    let next = state.queue.wake_at(|fingerprint| gate.turn(fingerprint, now).0, now);
    let wait = next.map_or(CLOCK_LOOK, |at| Duration::try_from(at.duration_since(now)).unwrap_or_default());
    wait.clamp(Duration::from_millis(1), CLOCK_LOOK)
}

async fn turn(ctx: Arc<Context>, dispatch: Dispatch<Key>) {
    let Dispatch { key, called } = dispatch;
    let timer = ctx.metrics.reconcile_timer();
    let work = std::panic::AssertUnwindSafe(reconcile(&ctx, &key, called)).catch_unwind();
    let broken = || Finish { wake_at: Some(saturating_add(ctx.now(), BROKEN_WAIT)), ..Finish::default() };
    let (finish, outcome) = match tokio::time::timeout(TURN_MAX, work).await {
        Ok(Ok(finish)) => (finish, "ok"),
        Ok(Err(_)) => {
            // The payload may quote anything: it is dropped unread.
            tracing::error!(tenant = %key, "a reconcile panicked; the others go on");
            (broken(), "panic")
        }
        Err(_) => {
            tracing::error!(tenant = %key, "a reconcile took too long; it is tried again");
            (broken(), "timeout")
        }
    };
    timer.done(outcome);
    ctx.state().queue.finish(&key, finish);
    ctx.notify();
}
