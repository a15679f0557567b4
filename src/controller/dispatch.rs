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

/// Above the longest way through a turn: 20 s for Microsoft, two minutes for which a fresh token is held when the API
/// server is away, and its last requests of 15 s each.
const TURN_MAX: Duration = Duration::from_mins(4);
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
    let drained =
        tokio::time::timeout(DRAIN, async { while turns.join_next().await.is_some() {} }).await;
    if drained.is_err() {
        tracing::warn!(
            left = turns.len(),
            "what was under way didn't end in time; the next start goes on with it"
        );
    }
}

/// Fills the slots. Returns how long to wait if nothing happens.
fn give_turns(ctx: &Arc<Context>, turns: &mut JoinSet<()>, concurrency: usize) -> Duration {
    let now = ctx.now();
    let mut state = ctx.state();
    let state = &mut *state;
    while let Some(key) = state.discoveries.call(now) {
        state.wake(&key);
    }
    // Who waits with a token in hand for the API server has given its slot away.
    let concurrency = concurrency + ctx.aside();
    let gate = &state.gate;
    let calls = |fingerprint| gate.calls(fingerprint, now);
    while let Some(dispatch) = state.queue.next_slot(concurrency, now, calls) {
        turns.spawn(turn(ctx.clone(), dispatch));
    }
    let next = state.queue.next_slot_at(concurrency, now, calls);
    let next = [next, state.discoveries.wake_at(now)].into_iter().flatten();
    let wait = next.min().map_or(CLOCK_LOOK, |at| {
        Duration::try_from(at.duration_since(now)).unwrap_or_default()
    });
    wait.clamp(Duration::from_millis(1), CLOCK_LOOK)
}

async fn turn(ctx: Arc<Context>, dispatch: Dispatch<Key>) {
    let Dispatch { key, called } = dispatch;
    let uid = ctx.shared_uid(&key);
    let finish = if uid.as_ref().is_some_and(|uid| !ctx.shards.acts(uid)) {
        // Its shard was given back while the tenant waited here.
        Finish::gone()
    } else {
        tokio::select! {
            finish = serve(&ctx, &key, called) => finish,
            () = ctx.shards.dropped(uid.as_deref()) => {
                tracing::warn!(tenant = %key, "its shard is given back: what was under way goes to the successor");
                Finish::gone()
            }
        }
    };
    ctx.state().queue.finish(&key, finish);
    ctx.notify();
}

/// A reconcile, bounded in time, whose panic is its own.
async fn serve(ctx: &Context, key: &Key, called: bool) -> Finish {
    let timer = ctx.metrics.reconcile_timer();
    let work = std::panic::AssertUnwindSafe(reconcile(ctx, key, called)).catch_unwind();
    let broken = || Finish {
        wake_at: Some(saturating_add(ctx.now(), BROKEN_WAIT)),
        ..Finish::default()
    };
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
    finish
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use jiff::Timestamp;
    use kube::{Client, Config};
    use serde_json::json;

    use super::*;
    use crate::controller::context::{Clock, Parts};
    use crate::controller::objects::TenantObject;
    use crate::controller::shards::Shards;
    use crate::controller::{Events, KubeApi};
    use crate::core::gathered::{Policy, SecretRefPolicy};
    use crate::core::queue::Calls;
    use crate::core::shards::Buckets;
    use crate::defender::probe::Prober;
    use crate::entra::client::TokenClient;
    use crate::entra::discovery::DiscoveryClient;
    use crate::lease::Leadership;
    use crate::metrics::Metrics;

    /// Panics once, as a bug anywhere in a reconcile would.
    struct Mine(AtomicBool);

    impl Clock for Mine {
        fn now(&self) -> Timestamp {
            assert!(!self.0.swap(false, Ordering::SeqCst), "on purpose");
            Timestamp::UNIX_EPOCH
        }
    }

    fn context(clock: Arc<Mine>, shards: Shards) -> Arc<Context> {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        // Nobody listens there.
        let kube = Client::try_from(Config::new("http://127.0.0.1:1".parse().unwrap())).unwrap();
        let microsoft = reqwest::Client::builder()
            .tls_certs_only([])
            .build()
            .unwrap();
        let metrics = Metrics::new();
        Arc::new(Context::new(Parts {
            leadership: Leadership::for_good(),
            shards,
            kube: KubeApi::new(kube.clone(), metrics.clone(), Leadership::for_good()),
            entra: TokenClient::new(microsoft.clone()),
            federated: crate::entra::federated::TokenFile::default(),
            discovery: DiscoveryClient::new(microsoft.clone()),
            prober: Prober::new(microsoft, reqwest::header::HeaderValue::from_static("test")),
            events: Events::new(kube, None, Leadership::for_good()),
            metrics,
            clock,
            policy: Policy {
                refresh_margin: SignedDuration::ZERO,
                target_metadata_allow: Vec::new(),
                secret_ref: SecretRefPolicy::Allow,
                namespace_selectors: false,
            },
            operator_namespace: Some("soc".to_owned()),
            serves_cluster: true,
            entra_rate: 1.0,
        }))
    }

    fn tenant(uid: &str, version: u32) -> TenantObject {
        let object = json!({
            "metadata": {"name": "contoso", "namespace": "soc", "uid": uid, "resourceVersion": version.to_string(), "generation": 1},
            "spec": {"tenantId": "6b1f0f3e-5c0a-4d9b-9a43-0d5f5a1c7e10", "secretRef": {"name": "partner"}},
        });
        serde_json::from_value(object).unwrap()
    }

    /// A UID of this shard of two.
    fn uid_of(shard: u32) -> String {
        let buckets = Buckets::of(shard, 2);
        let mut uids = (0..99).map(|n: u32| n.to_string());
        uids.find(|uid| buckets.has(uid)).unwrap()
    }

    #[tokio::test]
    async fn a_turn_that_begins_after_its_shard_was_given_back_does_nothing() {
        let clock = Arc::new(Mine(AtomicBool::new(false)));
        let ctx = context(clock.clone(), Shards::new(2, false));
        let uid = uid_of(0);
        let key = Key::new("soc", "contoso");
        let _ = ctx.state().world.tenant_applied(tenant(&uid, 1));
        ctx.shards.set(0, true);
        ctx.wake([key.clone()]);
        let now = Timestamp::UNIX_EPOCH;
        let dispatch = ctx.state().queue.next(now, |_| Calls::UpTo(1)).unwrap();
        ctx.shards.set(0, false);
        clock.0.store(true, Ordering::SeqCst);
        turn(ctx.clone(), dispatch).await;
        assert!(clock.0.load(Ordering::SeqCst), "nobody asked for the time");
        let state = ctx.state();
        assert_eq!(state.queue.running(), 0);
        assert_eq!(state.queue.wake_at(|_| Calls::UpTo(1), now), None);
    }

    #[tokio::test]
    async fn a_turn_that_outlasts_the_end_of_its_shard_is_dropped() {
        let clock = Arc::new(Mine(AtomicBool::new(false)));
        let ctx = context(clock, Shards::new(2, false));
        let (mine, others) = (uid_of(0), uid_of(1));
        let buckets = Buckets::of(0, 2);
        let mut waiting = Box::pin(ctx.shards.dropped(Some(&mine)));
        assert!(waiting.as_mut().now_or_never().is_none());
        ctx.shards.set_dropping(&buckets, true);
        waiting.await;
        assert!(ctx.shards.dropped(Some(&others)).now_or_never().is_none());
        ctx.shards.set_dropping(&buckets, false);
        assert!(ctx.shards.dropped(Some(&mine)).now_or_never().is_none());
    }

    #[tokio::test]
    async fn a_successor_of_another_shard_is_not_this_process_tenant() {
        let clock = Arc::new(Mine(AtomicBool::new(false)));
        let ctx = context(clock, Shards::new(2, false));
        let key = Key::new("soc", "contoso");
        let known = |uid: &str| ctx.state().world.uid(&key) == Some(uid);
        let tell =
            |uid: &str, version| ctx.tenant_known(tenant(uid, version).into_tenant().unwrap());
        let (mine, others) = (uid_of(0), uid_of(1));
        let _ = ctx.state().world.tenant_applied(tenant(&mine, 1));
        // Also while its shard is being given back: what is under way goes on with what is newest.
        tell(&mine, 2);
        assert!(known(&mine));
        ctx.shards.set(0, true);
        tell(&others, 3);
        assert_eq!(ctx.state().world.uid(&key), None);
        ctx.shards.set(1, true);
        tell(&others, 3);
        assert!(known(&others));
    }

    #[tokio::test]
    async fn a_reconcile_that_panics_is_tried_again_and_frees_its_slot() {
        let clock = Arc::new(Mine(AtomicBool::new(false)));
        let ctx = context(clock.clone(), Shards::new(1, false));
        let key = Key::new("soc", "contoso");
        let _ = ctx.state().world.tenant_applied(tenant("u", 1));
        ctx.wake([key.clone()]);
        let now = Timestamp::UNIX_EPOCH;
        let dispatch = ctx.state().queue.next(now, |_| Calls::UpTo(1)).unwrap();
        assert_eq!(dispatch.key, key);
        clock.0.store(true, Ordering::SeqCst);
        turn(ctx.clone(), dispatch).await;
        assert!(!clock.0.load(Ordering::SeqCst), "it panicked");
        let state = ctx.state();
        assert_eq!(state.queue.running(), 0);
        let next = state.queue.wake_at(|_| Calls::UpTo(1), now);
        assert_eq!(next, Some(saturating_add(now, BROKEN_WAIT)));
    }
}
