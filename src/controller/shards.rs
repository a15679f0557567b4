//! Which tenants this process serves, by the shards that it holds; how one is taken, and given back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};

use super::context::{Context, State};
use super::watch::{self, Told};
use super::{ControllerError, applications, resume};
use crate::core::shards::{Buckets, bucket};
use crate::core::tenant::Key;

/// How often what is under way for a shard is looked at.
const DRAIN_LOOK: Duration = Duration::from_millis(50);

/// The shards of this process.
pub struct Shards {
    count: u32,
    server_side: bool,
    /// The buckets whose tenants get turns.
    acting: [AtomicBool; 256],
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

    fn set(&self, shard: u32, acts: bool) {
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
        let statuses = if shard == 0 {
            self.statuses.take()
        } else {
            None
        };
        let ctx = self.ctx.clone();
        self.drains.spawn(drain(ctx, shard, held.watches, statuses));
    }

    /// Waits until a shard that is to be given back is forgotten, and tells which. Fails if a watch of one that is held
    /// ends.
    pub async fn drained(&mut self) -> Result<u32, ControllerError> {
        loop {
            let watches = self.held.values_mut().map(|held| &mut held.watches);
            tokio::select! {
                shard = drained(&mut self.drains) => return Ok(shard),
                () = watch::ended(watches) => return Err(ControllerError::WatchEnded),
                () = ended(&mut self.statuses) => {}
            }
            // They never end by themselves: what they panicked of is in no state that others read.
            tracing::error!("the applications' statuses panicked; they are begun anew");
            self.statuses = Some(tokio::spawn(applications::run(self.ctx.clone())));
        }
    }
}

async fn drained(drains: &mut JoinSet<u32>) -> u32 {
    match drains.join_next().await {
        Some(Ok(shard)) => shard,
        // It panicked: nobody knows what is under way, and the Lease stays until the process ends.
        Some(Err(_)) | None => std::future::pending().await,
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
    while retire(&ctx, &buckets) {
        tokio::time::sleep(DRAIN_LOOK).await;
    }
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
    }
    under_way
}

#[cfg(test)]
mod tests {
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
}
