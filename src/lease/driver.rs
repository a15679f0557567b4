//! Does what the campaign says: its requests, each beside the others, and what the rest of the process is told.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::task::JoinSet;

use super::store::LeaseError;
use super::{
    BootClock, CountStore, Leadership, LeaseLost, LeaseStore, Leases, News, lease_of_shard,
};
use crate::core::election::{BootTime, Claimed};
use crate::core::shards::campaign::{Answer, Campaign, End, Event, Order};
use crate::metrics::Metrics;

/// What the process tells its election.
pub enum Command {
    /// It is able to serve.
    Able,
    /// What was under way for a shard has ended.
    Drained(u32),
    /// It ends.
    Leave,
}

/// An object that was asked about: a shard's Lease, or the number of shards.
type About = Option<u32>;

/// A request that has ended, and the store that it was made by.
enum Done {
    Lease(LeaseStore, u32, Answer, Option<LeaseError>),
    Count(CountStore, Answer, Option<LeaseError>),
}

/// The election's task.
pub struct Driver {
    campaign: Campaign,
    leases: Leases,
    stores: HashMap<u32, LeaseStore>,
    count: Option<CountStore>,
    clock: Arc<dyn BootClock>,
    leadership: Arc<Leadership>,
    metrics: Metrics,
    tell: UnboundedSender<News>,
    requests: JoinSet<Done>,
    failing: HashMap<About, LeaseError>,
    holders: HashMap<u32, String>,
    held: HashSet<u32>,
}

impl Driver {
    pub fn new(
        campaign: Campaign,
        leases: Leases,
        identity: String,
        clock: Arc<dyn BootClock>,
        leadership: Arc<Leadership>,
        metrics: Metrics,
        tell: UnboundedSender<News>,
    ) -> Self {
        let Leases {
            client,
            namespace,
            name,
        } = &leases;
        let count = CountStore::new(client.clone(), namespace, name, identity);
        Self {
            campaign,
            leases,
            stores: HashMap::new(),
            count: Some(count),
            clock,
            leadership,
            metrics,
            tell,
            requests: JoinSet::new(),
            failing: HashMap::new(),
            holders: HashMap::new(),
            held: HashSet::new(),
        }
    }

    pub async fn run(mut self, mut commands: UnboundedReceiver<Command>) {
        let mut leaving = false;
        loop {
            let now = self.clock.now();
            let next = self.campaign.next(now, Timestamp::now());
            if let Some(end) = next.end {
                self.resign();
                let _ = self.tell.send(News::Lost(self.loss(end)));
                return;
            }
            self.publish(now);
            if leaving && self.campaign.has_left() {
                return;
            }
            for order in next.orders {
                self.send(order, now);
            }
            tokio::select! {
                Some(done) = self.requests.join_next() => {
                    if let Ok(done) = done {
                        self.done(done);
                    }
                }
                () = tokio::time::sleep(next.until.since(now)) => {}
                command = commands.recv(), if !leaving => match command {
                    Some(Command::Able) => self.campaign.able(),
                    Some(Command::Drained(shard)) => self.campaign.drained(shard, self.clock.now()),
                    Some(Command::Leave) | None => {
                        leaving = true;
                        self.resign();
                        self.campaign.leave(self.clock.now());
                    }
                },
            }
        }
    }

    fn send(&mut self, order: Order, now: BootTime) {
        let patience = self.campaign.patience(&order, now);
        match order {
            Order::Look(shard) => {
                let mut store = self.store(shard);
                self.requests.spawn(async move {
                    let found = store.look(patience).await;
                    let error = found.as_ref().err().copied();
                    let answer = Answer::Looked(shard, found.map_err(drop));
                    Done::Lease(store, shard, answer, error)
                });
            }
            Order::Claim(shard, claim) => {
                let mut store = self.store(shard);
                self.requests.spawn(async move {
                    let outcome = store.claim(&claim, patience).await;
                    let error = outcome.as_ref().err().copied();
                    let outcome = outcome.unwrap_or(Claimed::Failed);
                    Done::Lease(store, shard, Answer::Claimed(shard, claim, outcome), error)
                });
            }
            Order::LookAtCount | Order::Propose(_) => {
                // There is never more than one request about it.
                let Some(store) = self.count.take() else {
                    return;
                };
                self.requests.spawn(about_count(store, order, patience));
            }
        }
    }

    fn store(&mut self, shard: u32) -> LeaseStore {
        self.stores.remove(&shard).unwrap_or_else(|| {
            let Leases {
                client,
                namespace,
                name,
            } = &self.leases;
            LeaseStore::new(client.clone(), namespace, lease_of_shard(name, shard))
        })
    }

    fn done(&mut self, done: Done) {
        let now = self.clock.now();
        let (about, name, answer, error) = match done {
            Done::Lease(store, shard, answer, error) => {
                let name = store.name().to_owned();
                self.stores.insert(shard, store);
                (Some(shard), name, answer, error)
            }
            Done::Count(store, answer, error) => {
                let name = store.name().to_owned();
                self.count = Some(store);
                (None, name, answer, error)
            }
        };
        match error {
            None => {
                if self.failing.remove(&about).is_some() {
                    tracing::info!(lease = name, "the Lease is reached again");
                }
            }
            Some(error) => {
                if self.failing.insert(about, error) != Some(error) {
                    tracing::warn!(lease = name, %error, "the Lease isn't reached; it is tried again");
                }
            }
        }
        let before = self.campaign.in_force();
        self.campaign.answered(answer, now);
        let in_force = self.campaign.in_force();
        if before != in_force
            && let Some(shards) = in_force
        {
            tracing::info!(shards, "this number of shards is in force");
            self.metrics.shards.set(i64::from(shards));
        }
        if let Some(shard) = about {
            self.name_holder(shard, &name);
        }
    }

    /// A line for each change of somebody else's Lease.
    fn name_holder(&mut self, shard: u32, lease: &str) {
        let elector = self.campaign.elector(shard);
        let Some(elector) = elector.filter(|elector| elector.leads_until().is_none()) else {
            return;
        };
        let holder = elector.holder().unwrap_or_default();
        if self.holders.get(&shard).map(String::as_str) != Some(holder) {
            tracing::info!(lease, holder, "standing by");
            self.holders.insert(shard, holder.to_owned());
        }
    }

    /// The fence, what is measured, and what the process is told, in this order: nothing is begun without it.
    fn publish(&mut self, now: BootTime) {
        let until = self.campaign.acts_until().filter(|until| now < *until);
        self.leadership.set(until);
        let held: HashSet<u32> = self.campaign.serves().collect();
        if held != self.held {
            for shard in held.difference(&self.held) {
                let lease = lease_of_shard(&self.leases.name, *shard);
                tracing::info!(lease, "leading");
                self.holders.remove(shard);
            }
            for shard in self.held.difference(&held) {
                let lease = lease_of_shard(&self.leases.name, *shard);
                tracing::info!(lease, "the Lease is given back");
            }
            self.metrics.leader.set(i64::from(!held.is_empty()));
            self.held = held;
        }
        for event in self.campaign.take_events() {
            let news = match event {
                Event::Won { shard, heir } => News::Won { shard, heir },
                Event::GiveBack(shard) => {
                    let lease = lease_of_shard(&self.leases.name, shard);
                    tracing::info!(
                        lease,
                        "another process has none: what is under way ends first"
                    );
                    News::GiveBack(shard)
                }
            };
            let _ = self.tell.send(news);
        }
    }

    /// Whatever this process would still begin, it begins no more.
    fn resign(&self) {
        self.leadership.set(None);
        self.metrics.leader.set(0);
        self.metrics.shards_held.set(0);
    }

    fn loss(&self, end: End) -> LeaseLost {
        let End::Lost(shard) = end else {
            return LeaseLost::Overruled;
        };
        if let Some(error) = self.failing.get(&Some(shard)) {
            return LeaseLost::NotRenewed(error.as_str());
        }
        match self.campaign.elector(shard).and_then(|e| e.lost_to()) {
            Some("") => LeaseLost::Released,
            Some(holder) => LeaseLost::Taken(holder.to_owned()),
            None => LeaseLost::NotRenewed("this process or its machine stood still"),
        }
    }
}

async fn about_count(mut store: CountStore, order: Order, patience: Duration) -> Done {
    match order {
        Order::Propose(proposal) => {
            let outcome = store.propose(&proposal, patience).await;
            let error = outcome.as_ref().err().copied();
            let outcome = outcome.unwrap_or(Claimed::Failed);
            Done::Count(store, Answer::Proposed(proposal, outcome), error)
        }
        Order::LookAtCount | Order::Look(_) | Order::Claim(..) => {
            let found = store.look(patience).await;
            let error = found.as_ref().err().copied();
            Done::Count(store, Answer::Counted(found.map_err(drop)), error)
        }
    }
}
