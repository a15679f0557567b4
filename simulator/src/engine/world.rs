//! Clusters, shards and Microsoft on one virtual clock. What happens next is in a heap; who is served next is the
//! operator's own queue and gate.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;

use defender_tenant_operator::core::gate::Gate;
use defender_tenant_operator::core::queue::{Dispatch, Queue};

use super::costs::Costs;
use super::entra::Entra;
use super::host::Host;
use super::parties::Parties;
use super::scratch::Scratch;
use super::setup::{Machines, Setup, Until};
use super::tally::Tally;
use super::tenant::Row;
use super::turn::Turn;
use crate::clock::{MILLI, MINUTE, Micros, at, at_second};
use crate::random::mix;

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// A minute is over.
    Minute,
    /// An outage begins, or ends.
    Begins(usize),
    Ends(usize),
    /// Whether an outage's recovery is over.
    Watch(usize),
    /// A shard's next process has read the cluster.
    Up(u16),
    /// A shard looks at its queue.
    Look(u16),
    /// Something that a turn of a shard waits for is done.
    Done(u16, u32),
}

/// One process of the operator.
pub struct Shard {
    pub cluster: u16,
    /// The machine of its cluster's API server.
    pub server: usize,
    pub gate: Gate,
    pub queue: Queue<u32>,
    pub turns: Vec<Option<Turn>>,
    pub free: Vec<u32>,
    pub looks_at: Micros,
    /// Its process runs.
    pub up: bool,
    /// Its thread works, and who waits for it.
    pub busy: bool,
    pub queued: VecDeque<u32>,
    pub host: usize,
    /// Events of an earlier process of this shard count no more.
    pub life: u32,
}

pub struct World {
    pub setup: Setup,
    pub costs: Costs,
    pub now: Micros,
    pub rows: Vec<Row>,
    /// The number of the first row among all tenants of the run.
    pub numbers: Vec<u32>,
    namespaces: Vec<Arc<str>>,
    pub shards: Vec<Shard>,
    pub hosts: Vec<Host>,
    pub parties: Parties,
    pub scratch: Scratch,
    pub entra: Entra,
    pub tally: Tally,
    /// What Microsoft will answer, and the replies of each event.
    heap: BinaryHeap<Reverse<(Micros, u64, Event)>>,
    order: u64,
}

impl World {
    /// These clusters of a run.
    pub fn new(setup: &Setup, costs: Costs, clusters: std::ops::Range<u16>) -> Self {
        let apps: Vec<u16> = (0..setup.apps)
            .filter(|app| clusters.contains(&(app % setup.clusters)))
            .collect();
        let parties = Parties::new(
            setup.seed,
            apps.iter().copied(),
            setup.credentials,
            setup.min_remaining,
        );
        let mut world = Self {
            scratch: Scratch::new(setup.seed, &parties, setup.margin),
            entra: Entra::new(
                setup.lifetimes,
                setup.limits,
                mix(setup.seed) ^ u64::from(clusters.start),
            ),
            tally: Tally::new(setup),
            costs,
            now: 0,
            rows: Vec::new(),
            numbers: Vec::new(),
            namespaces: (0..setup.namespaces)
                .map(|n| format!("customers-{n}").into())
                .collect(),
            shards: Vec::new(),
            hosts: Vec::new(),
            parties,
            heap: BinaryHeap::new(),
            order: 0,
            setup: setup.clone(),
        };
        world.machines(clusters.clone());
        world.people(&clusters);
        for (n, outage) in setup.outages.iter().enumerate() {
            world.schedule(outage.from, Event::Begins(n));
            world.schedule(outage.until, Event::Ends(n));
        }
        world.schedule(MINUTE, Event::Minute);
        for shard in 0..world.shards.len() {
            world.begin(shard);
        }
        world
    }

    fn machines(&mut self, clusters: std::ops::Range<u16>) {
        for cluster in clusters {
            let (server, own) = match self.setup.machines {
                Machines::One { cores } => (cores, None),
                // The operator has one thread.
                Machines::Apart { server } => (server, Some(1)),
            };
            self.hosts.push(Host::new(server));
            let first = self.hosts.len() - 1;
            for _ in 0..self.setup.shards {
                let host = own.map_or(first, |cores| {
                    self.hosts.push(Host::new(cores));
                    self.hosts.len() - 1
                });
                self.shards.push(Shard {
                    cluster,
                    server: first,
                    gate: Gate::new(self.setup.entra_rate / f64::from(self.setup.shards)),
                    queue: Queue::default(),
                    turns: Vec::new(),
                    free: Vec::new(),
                    looks_at: Micros::MAX,
                    up: false,
                    busy: false,
                    queued: VecDeque::new(),
                    host,
                    life: 0,
                });
            }
        }
    }

    pub fn schedule(&mut self, at: Micros, event: Event) {
        self.order += 1;
        self.heap
            .push(Reverse((at.max(self.now), self.order, event)));
    }

    /// Who this row is in the whole run.
    pub fn number(&self, row: u32) -> u32 {
        self.numbers[row as usize]
    }

    fn namespace(&self, row: u32) -> &Arc<str> {
        let number = self.number(row) / u32::from(self.setup.apps);
        &self.namespaces[(number % self.setup.namespaces) as usize]
    }

    /// Something happened to this tenant.
    pub fn wake(&mut self, row: u32) {
        let known = self.rows[row as usize];
        let namespace = self.namespace(row).clone();
        let expires_at = (known.told_expires != 0).then(|| at_second(known.told_expires));
        let shard = &mut self.shards[usize::from(known.shard)];
        if !shard.up {
            return;
        }
        shard.queue.wake(&row, &namespace, expires_at);
    }

    /// Runs to the end.
    pub fn run(mut self) -> Tally {
        while let Some(Reverse((when, _, event))) = self.heap.pop() {
            if when > self.setup.duration {
                break;
            }
            self.now = when;
            self.tally.events += 1;
            match event {
                Event::Minute => {
                    self.minute();
                    self.schedule(when + MINUTE, Event::Minute);
                }
                Event::Begins(n) => self.outage(n, true),
                Event::Ends(n) => self.outage(n, false),
                Event::Watch(n) => self.watch(n),
                Event::Up(shard) => self.begin(usize::from(shard)),
                Event::Look(shard) => {
                    let shard = usize::from(shard);
                    if self.shards[shard].looks_at == when {
                        self.shards[shard].looks_at = Micros::MAX;
                        self.give_turns(shard);
                    }
                }
                Event::Done(shard, turn) => self.ended(usize::from(shard), turn),
            }
            let over = match self.setup.until {
                Until::TimeIsUp => false,
                Until::AllAreWell => self.is_well(),
                Until::AllAreTold => self.tally.told >= self.rows.len() as u64,
            };
            if over {
                self.tally.over_at = Some(self.now);
                break;
            }
        }
        self.left();
        self.tally
    }

    fn is_well(&self) -> bool {
        let over = self
            .setup
            .outages
            .iter()
            .all(|outage| outage.until <= self.now);
        over && self.tally.first >= self.rows.len() as u64
            && self.shards.iter().all(|shard| {
                shard.queue.running() == 0
                    && shard.queue.ready_len() == 0
                    && shard.queue.parked_len() == 0
            })
            && self.rows.iter().all(|row| row.holds() && row.error == 0)
    }

    fn ended(&mut self, shard: usize, turn: u32) {
        // Its process may be gone: then the event's turn isn't this one.
        let slot = (turn & 0xffff) as usize;
        let life = turn >> 16;
        if !self.shards[shard].up
            || self.shards[shard].life & 0xffff != life
            || self.shards[shard]
                .turns
                .get(slot)
                .is_none_or(Option::is_none)
        {
            return;
        }
        self.done(shard, turn & 0xffff);
        self.give_turns(shard);
    }

    /// How a turn is named in events.
    pub fn name(&self, shard: usize, slot: u32) -> (u16, u32) {
        (
            u16::try_from(shard).unwrap_or(0),
            slot | (self.shards[shard].life & 0xffff) << 16,
        )
    }

    /// As the operator's dispatcher does: fills the slots, and sleeps until there may be something to do.
    pub fn give_turns(&mut self, shard: usize) {
        let now = at(self.now);
        let slots = self.setup.concurrency;
        loop {
            let mut begun: Vec<Dispatch<u32>> = Vec::new();
            {
                let Shard { gate, queue, .. } = &mut self.shards[shard];
                let calls = |fingerprint| gate.calls(fingerprint, now);
                while let Some(dispatch) = queue.next_slot(slots, now, calls) {
                    begun.push(dispatch);
                }
            }
            if begun.is_empty() {
                break;
            }
            for dispatch in begun {
                self.turn(shard, &dispatch);
            }
        }
        let Shard { gate, queue, .. } = &self.shards[shard];
        let next = queue.next_slot_at(slots, now, |fingerprint| gate.calls(fingerprint, now));
        if let Some(next) = next {
            self.look(shard, crate::clock::micros(next).max(self.now + MILLI));
        }
    }

    pub fn look(&mut self, shard: usize, at: Micros) {
        if self.shards[shard].up && at < self.shards[shard].looks_at {
            self.shards[shard].looks_at = at;
            self.schedule(at, Event::Look(u16::try_from(shard).unwrap_or(0)));
        }
    }
}
