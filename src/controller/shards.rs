//! Which tenants this process serves, by the shards that it holds; how one is taken, and given back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use super::context::{Context, State};
use super::watch::{self, Told};
use super::{ControllerError, applications, resume};
use crate::core::shards::{Buckets, bucket};
use crate::core::tenant::Key;

/// What is under way for a shard that is to be given back gets this long; meanwhile nobody else of it is served.
const DRAIN: Duration = Duration::from_secs(9);
/// A shard whose tenants can't be listed for so long is somebody else's to try. A million take a fraction of it.
const LISTED_WITHIN: Duration = Duration::from_mins(3);
/// How often what is under way for a shard is looked at.
const DRAIN_LOOK: Duration = Duration::from_millis(50);

/// The shards of this process.
pub struct Shards {
    count: u32,
    server_side: bool,
    /// The buckets whose tenants get turns.
    acting: [AtomicBool; 256],
    /// Those whose turns end at once.
    dropping: [AtomicBool; 256],
    drop: Notify,
}

impl Shards {
    /// Of so many, none of them this process' own yet. `server_side`: the API server is asked to leave the rest out.
    #[must_use]
    pub fn new(count: u32, server_side: bool) -> Self {
        Self {
            count,
            server_side,
            // A single one is whoever's that leads, and he asks whether he does.
            acting: [const { AtomicBool::new(false) }; 256].map(|_| AtomicBool::new(count == 1)),
            dropping: [const { AtomicBool::new(false) }; 256],
            drop: Notify::new(),
        }
    }

    /// Nobody shares with anybody.
    #[must_use]
    pub const fn is_single(&self) -> bool {
        self.count == 1
    }

    /// The API server is asked to leave out what is others'.
    #[must_use]
    pub const fn is_server_side(&self) -> bool {
        self.server_side
    }

    /// Whether the tenant with this UID gets turns here.
    #[must_use]
    pub fn acts(&self, uid: &str) -> bool {
        self.acting[usize::from(bucket(uid))].load(Ordering::Acquire)
    }

    /// The buckets of a shard.
    #[must_use]
    pub const fn buckets(&self, shard: u32) -> Buckets {
        Buckets::of(shard, self.count)
    }

    /// Waits until a turn of the tenant with this UID must end, whatever it is doing.
    pub async fn dropped(&self, uid: Option<&str>) {
        let Some(uid) = uid else {
            return std::future::pending().await;
        };
        let bucket = usize::from(bucket(uid));
        loop {
            let told = self.drop.notified();
            if self.dropping[bucket].load(Ordering::Acquire) {
                return;
            }
            told.await;
        }
    }

    /// Turns of these buckets' tenants end at once, or go on again.
    pub fn set_dropping(&self, buckets: &Buckets, drops: bool) {
        for bucket in buckets.iter() {
            self.dropping[usize::from(bucket)].store(drops, Ordering::Release);
        }
        self.drop.notify_waiters();
    }

    /// Its tenants get turns, or don't any more.
    pub fn set(&self, shard: u32, acts: bool) {
        if !self.is_single() {
            for bucket in self.buckets(shard).iter() {
                self.acting[usize::from(bucket)].store(acts, Ordering::Release);
            }
        }
    }
}

/// A shard that was won.
struct Held {
    watches: JoinSet<()>,
    /// First lists that aren't complete.
    to_come: usize,
    since: Instant,
    heir: bool,
}

/// The shards that are this process' own, from the win to the end.
pub struct Holdings {
    ctx: Arc<Context>,
    namespaces: Vec<String>,
    tell: mpsc::Sender<Told>,
    held: BTreeMap<u32, Held>,
    drains: JoinSet<u32>,
    /// Of the first shard alone: the applications' statuses.
    statuses: Option<JoinHandle<()>>,
}

impl Holdings {
    /// None yet.
    #[must_use]
    pub fn new(ctx: Arc<Context>, namespaces: Vec<String>, tell: mpsc::Sender<Told>) -> Self {
        Self {
            ctx,
            namespaces,
            tell,
            held: BTreeMap::new(),
            drains: JoinSet::new(),
            statuses: None,
        }
    }

    /// The shard is this process' own: what it has is listed first, unless that is known already.
    pub fn won(&mut self, shard: u32, heir: bool) {
        let mut held = Held {
            watches: JoinSet::new(),
            to_come: 0,
            since: Instant::now(),
            heir,
        };
        let single = self.ctx.shards.is_single();
        if !single {
            let (ctx, tell) = (&self.ctx, &self.tell);
            let watches = &mut held.watches;
            held.to_come = watch::start_shard(ctx, &self.namespaces, shard, tell, watches);
        }
        self.held.insert(shard, held);
        if single {
            self.serve(shard);
        }
    }

    /// One of a shard's first lists is complete.
    pub fn listed(&mut self, shard: u32) {
        let Some(held) = self.held.get_mut(&shard) else {
            return;
        };
        held.to_come = held.to_come.saturating_sub(1);
        if held.to_come == 0 {
            self.serve(shard);
        }
    }

    fn serve(&mut self, shard: u32) {
        let ctx = &self.ctx;
        if self.held.get(&shard).is_some_and(|held| held.heir) {
            ctx.inherit();
        }
        let buckets = ctx.shards.buckets(shard);
        self.share();
        resume::resume_gate(ctx, &buckets);
        ctx.shards.set(shard, true);
        ctx.metrics.shards_held.inc();
        let keys = tenants_of(&ctx.state(), &buckets);
        tracing::info!(shard, tenants = keys.len(), "serving");
        ctx.wake(keys);
        if shard == 0 {
            self.statuses = Some(tokio::spawn(applications::run(ctx.clone())));
        }
    }

    /// Microsoft's limits are for all processes together.
    fn share(&self) {
        let held = u32::try_from(self.held.len()).unwrap_or(u32::MAX);
        self.ctx.share(held, self.ctx.shards.count);
    }

    /// Another process asks for the shard: no turn begins any more, and what is under way ends.
    pub fn give_back(&mut self, shard: u32) {
        let Some(held) = self.held.remove(&shard) else {
            return;
        };
        self.ctx.shards.set(shard, false);
        self.share();
        if held.to_come == 0 {
            self.ctx.metrics.shards_held.dec();
        }
        let statuses = if shard == 0 {
            self.statuses.take()
        } else {
            None
        };
        let ctx = self.ctx.clone();
        self.drains.spawn(drain(ctx, shard, held.watches, statuses));
    }

    /// Waits until a shard that is to be given back is forgotten, and tells which. Fails if a watch of one that is held
    /// ends or doesn't begin.
    pub async fn drained(&mut self) -> Result<u32, ControllerError> {
        loop {
            let unlisted = self.held.iter().filter(|(_, held)| held.to_come > 0);
            let unlisted = unlisted.map(|(shard, held)| (held.since, *shard)).min();
            let watches = self.held.values_mut().map(|held| &mut held.watches);
            tokio::select! {
                shard = drained(&mut self.drains) => return shard,
                shard = overdue(unlisted) => return Err(ControllerError::Unlisted(shard)),
                () = watch::ended(watches) => return Err(ControllerError::WatchEnded),
                () = ended(&mut self.statuses) => {}
            }
            // They never end by themselves: what they panicked of is in no state that others read.
            tracing::error!("the applications' statuses panicked; they are begun anew");
            self.statuses = Some(tokio::spawn(applications::run(self.ctx.clone())));
        }
    }
}

async fn drained(drains: &mut JoinSet<u32>) -> Result<u32, ControllerError> {
    match drains.join_next().await {
        Some(Ok(shard)) => Ok(shard),
        // It panicked: nobody knows what is under way, and only the process' end gives the Lease back.
        Some(Err(_)) => Err(ControllerError::Drain),
        None => std::future::pending().await,
    }
}

/// Waits until the first of those that aren't listed has had its time.
async fn overdue(first: Option<(Instant, u32)>) -> u32 {
    match first {
        Some((since, shard)) => {
            tokio::time::sleep_until(since + LISTED_WITHIN).await;
            shard
        }
        None => std::future::pending().await,
    }
}

async fn ended(task: &mut Option<JoinHandle<()>>) {
    match task {
        Some(task) => drop(task.await),
        None => std::future::pending().await,
    }
}

impl Drop for Holdings {
    fn drop(&mut self) {
        if let Some(statuses) = &self.statuses {
            statuses.abort();
        }
    }
}

fn tenants_of(state: &State, buckets: &Buckets) -> Vec<Key> {
    state.world.tenants_of(buckets).cloned().collect()
}

async fn drain(
    ctx: Arc<Context>,
    shard: u32,
    mut watches: JoinSet<()>,
    statuses: Option<JoinHandle<()>>,
) -> u32 {
    if let Some(statuses) = statuses {
        statuses.abort();
        let _ = statuses.await;
    }
    let buckets = ctx.shards.buckets(shard);
    let until = Instant::now() + DRAIN;
    while retire(&ctx, &buckets) {
        if Instant::now() >= until {
            ctx.shards.set_dropping(&buckets, true);
        }
        tokio::time::sleep(DRAIN_LOOK).await;
    }
    ctx.shards.set_dropping(&buckets, false);
    // Not before: what is under way believes the copies.
    watches.shutdown().await;
    let mut state = ctx.state();
    for key in tenants_of(&state, &buckets) {
        state.queue.retire(&key);
        state.discoveries.forget(&key);
    }
    state.world.forget_shard(&buckets);
    shard
}

/// Takes the shard's tenants out of the queue. Returns whether somebody is still being served.
fn retire(ctx: &Context, buckets: &Buckets) -> bool {
    let mut state = ctx.state();
    let mut under_way = false;
    for key in tenants_of(&state, buckets) {
        under_way |= state.queue.retire(&key);
        state.discoveries.forget(&key);
    }
    under_way
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn a_single_shard_is_everybodys_and_one_of_several_is_nobodys_until_it_is_won() {
        assert!(Shards::new(1, false).acts("foobar"));
        let shards = Shards::new(2, false);
        assert!(!shards.acts("foobar"));
        shards.set(0, true);
        assert!(!shards.acts("foobar"), "bucket 85 is the second one's");
        shards.set(1, true);
        assert!(shards.acts("foobar"));
        shards.set(1, false);
        assert!(!shards.acts("foobar"));
    }
    #[tokio::test(start_paused = true)]
    async fn a_shard_that_is_never_listed_is_given_up_after_three_minutes() {
        let since = Instant::now();
        assert!(overdue(None).now_or_never().is_none());
        assert_eq!(overdue(Some((since, 3))).await, 3);
        assert_eq!(since.elapsed(), LISTED_WITHIN);
    }

    #[tokio::test]
    async fn a_drain_that_panics_is_no_silence() {
        let mut drains = JoinSet::new();
        assert!(drained(&mut drains).now_or_never().is_none());
        drains.spawn(async { panic!("on purpose") });
        let ended = drained(&mut drains).await;
        assert!(matches!(ended, Err(ControllerError::Drain)), "{ended:?}");
    }
}
