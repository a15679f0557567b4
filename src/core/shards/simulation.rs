//! Processes on a virtual clock, over a store that delays, drops and reorders; they die, stand still, are cut off, and
//! are replaced by others that want another number of shards.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;

use super::agreement::{Agreed, Agreement};
use super::campaign::{Answer, Campaign, Event, Order};
use crate::core::election::{BootTime, Claimed, Standing, Terms};

mod rollouts;
mod store;

const SECOND: u64 = 1_000;
/// What is under way for a shard ends so soon.
const DRAINS: u64 = 700;
/// A process that is told to stop gives back what it can within this.
const LEAVES: u64 = 5 * SECOND;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The process stands still; its clock doesn't.
    Paused,
    /// Nothing of it reaches the store.
    Cut,
    /// The store hears it, and it hears nothing.
    Deaf,
    /// Requests and answers take up to so long, each another time: they overtake each other.
    Slow(u64),
}

#[derive(Debug, Clone)]
pub struct Fault {
    pub slot: usize,
    pub from: u64,
    pub length: u64,
    pub trouble: Trouble,
}

/// What is done to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// One of so many shards is started there, instead of the one that may run.
    Start(u32),
    /// SIGTERM
    Stop,
    /// SIGKILL
    Kill,
}

#[derive(Debug, Clone)]
enum Happens {
    Wakes,
    Arrives(u64, Order),
    Answered(u64, Answer),
    GivesUp(u64),
    Drained(u32),
    Gone,
    Script(Step),
}

struct Queued {
    at: u64,
    number: u64,
    slot: usize,
    life: u64,
    happens: Happens,
}

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}
impl Eq for Queued {}
impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Queued {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

struct Process {
    campaign: Option<Campaign>,
    count: u32,
    /// Its machine was started so long before.
    offset: u64,
    life: u64,
    pending: BTreeMap<u64, Order>,
    leaving: bool,
    woken_for: u64,
}

pub struct Sim {
    pub now: u64,
    random: u64,
    numbers: u64,
    faults: Vec<Fault>,
    processes: Vec<Process>,
    events: BinaryHeap<Reverse<Queued>>,
    leases: BTreeMap<u32, Standing>,
    pub agreed: Agreed,
    versions: u64,
    /// The numbers that were in force, one after the other.
    pub counts: Vec<u32>,
    /// Since when each bucket is nobody's.
    orphaned: [Option<u64>; 256],
    /// The longest that a bucket was nobody's, from the instant on that is counted.
    pub longest: u64,
    counted_from: u64,
    pub given_back: usize,
}

impl Sim {
    pub fn new(slots: usize, faults: Vec<Fault>, script: &[(u64, usize, Step)], seed: u64) -> Self {
        let mut sim = Self {
            now: 0,
            random: seed,
            numbers: 0,
            faults,
            processes: Vec::new(),
            events: BinaryHeap::new(),
            leases: BTreeMap::new(),
            agreed: Agreed {
                agreement: Agreement::UNWRITTEN,
                version: None,
            },
            versions: 0,
            counts: vec![1],
            orphaned: [Some(0); 256],
            longest: 0,
            counted_from: 0,
            given_back: 0,
        };
        for slot in 0..slots {
            let offset = sim.roll(1_000_000);
            sim.processes.push(Process {
                campaign: None,
                count: 1,
                offset,
                life: 0,
                pending: BTreeMap::new(),
                leaving: false,
                woken_for: 0,
            });
            let _ = slot;
        }
        for (at, slot, step) in script {
            sim.push(*at, *slot, Happens::Script(*step));
        }
        sim
    }

    /// SplitMix64.
    fn roll(&mut self, below: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % below.max(1)
    }

    fn push(&mut self, at: u64, slot: usize, happens: Happens) {
        self.numbers += 1;
        self.events.push(Reverse(Queued {
            at,
            number: self.numbers,
            slot,
            life: self.processes[slot].life,
            happens,
        }));
    }

    fn troubled(&self, slot: usize, trouble: Trouble) -> Option<&Fault> {
        self.faults.iter().find(|fault| {
            fault.slot == slot
                && fault.trouble == trouble
                && (fault.from..fault.from + fault.length).contains(&self.now)
        })
    }

    fn delay(&mut self, slot: usize) -> u64 {
        let here = |fault: &&Fault| {
            fault.slot == slot && (fault.from..fault.from + fault.length).contains(&self.now)
        };
        let slow = self.faults.iter().filter(here);
        let most = slow
            .filter_map(|fault| match fault.trouble {
                Trouble::Slow(most) => Some(most),
                _ => None,
            })
            .max()
            .unwrap_or(20);
        1 + self.roll(most)
    }

    pub fn run_until(&mut self, end: u64) {
        while let Some(Reverse(event)) = self.events.pop() {
            if event.at > end {
                self.events.push(Reverse(event));
                break;
            }
            self.now = event.at;
            self.take(event);
            self.check();
        }
        self.now = end;
        self.check();
    }

    fn take(&mut self, event: Queued) {
        let slot = event.slot;
        // The store does what arrives, whoever still cares.
        if let Happens::Arrives(request, order) = event.happens {
            let answer = self.serve(order);
            if self.troubled(slot, Trouble::Deaf).is_none()
                && event.life == self.processes[slot].life
            {
                let at = self.now + self.delay(slot);
                self.push(at, slot, Happens::Answered(request, answer));
            }
            return;
        }
        if let Happens::Script(step) = event.happens {
            return self.script(slot, step);
        }
        if event.life != self.processes[slot].life || self.processes[slot].campaign.is_none() {
            return;
        }
        if let Some(fault) = self.troubled(slot, Trouble::Paused) {
            let at = fault.from + fault.length;
            return self.push(at, slot, event.happens);
        }
        let boot = self.boot(slot);
        let process = &mut self.processes[slot];
        let Some(campaign) = &mut process.campaign else {
            return;
        };
        match event.happens {
            Happens::Answered(request, answer) if process.pending.remove(&request).is_some() => {
                campaign.answered(answer, boot);
            }
            Happens::GivesUp(request) => {
                let Some(order) = process.pending.remove(&request) else {
                    return;
                };
                campaign.answered(order.unanswered(), boot);
            }
            Happens::Drained(shard) => {
                let kept = campaign.serves().any(|served| served == shard);
                assert!(
                    kept || process.leaving,
                    "given back while something is under way"
                );
                campaign.drained(shard, boot);
            }
            Happens::Gone => {
                process.campaign = None;
                process.life += 1;
                process.pending.clear();
                return;
            }
            Happens::Wakes => {}
            _ => return,
        }
        self.act(slot);
    }

    fn script(&mut self, slot: usize, step: Step) {
        let boot = self.boot(slot);
        let process = &mut self.processes[slot];
        match step {
            Step::Start(count) => {
                process.count = count;
                self.start(slot);
            }
            Step::Kill => {
                process.campaign = None;
                process.life += 1;
                process.pending.clear();
            }
            Step::Stop => {
                let Some(campaign) = &mut process.campaign else {
                    return;
                };
                campaign.leave(boot);
                process.leaving = true;
                self.push(self.now + LEAVES, slot, Happens::Gone);
                self.act(slot);
            }
        }
    }

    /// A new process, as a Deployment starts one.
    fn start(&mut self, slot: usize) {
        let boot = self.boot(slot);
        let process = &mut self.processes[slot];
        process.life += 1;
        process.leaving = false;
        process.woken_for = 0;
        process.pending.clear();
        let me = format!("{slot}-{}", process.life);
        let mut campaign = Campaign::new(me, process.count, Terms::default(), boot);
        campaign.able();
        process.campaign = Some(campaign);
        self.push(self.now, slot, Happens::Wakes);
    }

    fn boot(&self, slot: usize) -> BootTime {
        BootTime(Duration::from_millis(
            self.now + self.processes[slot].offset,
        ))
    }

    /// The process does what its campaign says.
    fn act(&mut self, slot: usize) {
        let boot = self.boot(slot);
        // What a claim says of the time is for people: here each is another.
        self.versions += 1;
        let wall = Timestamp::from_microsecond(i64::try_from(self.versions).unwrap()).unwrap();
        let Some(campaign) = &mut self.processes[slot].campaign else {
            return;
        };
        let next = campaign.next(boot, wall);
        let events = campaign.take_events();
        let left = campaign.has_left();
        let patience: Vec<u64> = next
            .orders
            .iter()
            .map(|order| u64::try_from(campaign.patience(order, boot).as_millis()).unwrap())
            .collect();
        if next.end.is_some() {
            self.processes[slot].life += 1;
            self.processes[slot].campaign = None;
            return self.push_start(slot);
        }
        if self.processes[slot].leaving && left {
            return self.push(self.now, slot, Happens::Gone);
        }
        for event in events {
            if let Event::GiveBack(shard) = event {
                self.given_back += 1;
                self.push(self.now + DRAINS, slot, Happens::Drained(shard));
            }
        }
        for (order, patience) in next.orders.into_iter().zip(patience) {
            self.numbers += 1;
            let request = self.numbers;
            self.processes[slot].pending.insert(request, order.clone());
            self.push(self.now + patience.max(1), slot, Happens::GivesUp(request));
            if self.troubled(slot, Trouble::Cut).is_none() {
                let at = self.now + self.delay(slot);
                self.push(at, slot, Happens::Arrives(request, order));
            }
        }
        let wait = u64::try_from(next.until.since(boot).as_millis()).unwrap() + 1;
        let at = self.now + wait;
        // One timer is enough.
        if self.processes[slot].woken_for <= self.now || at < self.processes[slot].woken_for {
            self.processes[slot].woken_for = at;
            self.push(at, slot, Happens::Wakes);
        }
    }

    fn push_start(&mut self, slot: usize) {
        let count = self.processes[slot].count;
        self.push(self.now + SECOND, slot, Happens::Script(Step::Start(count)));
    }

    /// Who serves what at this instant: slot, number of shards, shard.
    pub fn serving(&self) -> Vec<(usize, u32, u32)> {
        let mut serving = Vec::new();
        for (slot, process) in self.processes.iter().enumerate() {
            let Some(campaign) = &process.campaign else {
                continue;
            };
            let acts = campaign
                .acts_until()
                .is_some_and(|until| self.boot(slot) < until);
            if acts && !process.leaving {
                serving.extend(campaign.serves().map(|shard| (slot, process.count, shard)));
            }
        }
        serving
    }

    fn check(&mut self) {
        let serving = self.serving();
        let counts: BTreeSet<u32> = serving.iter().map(|(_, count, _)| *count).collect();
        assert!(
            counts.len() <= 1,
            "two numbers at {}: {serving:?}",
            self.now
        );
        let shards: BTreeSet<u32> = serving.iter().map(|(_, _, shard)| *shard).collect();
        assert_eq!(
            shards.len(),
            serving.len(),
            "two serve one at {}: {serving:?}",
            self.now
        );
        let mut served = [false; 256];
        for (_, count, shard) in serving {
            for bucket in super::Buckets::of(shard, count).iter() {
                assert!(
                    !served[usize::from(bucket)],
                    "a bucket of two at {}",
                    self.now
                );
                served[usize::from(bucket)] = true;
            }
        }
        for (since, served) in self.orphaned.iter_mut().zip(served) {
            if served {
                *since = None;
                continue;
            }
            let from = (*since.get_or_insert(self.now)).max(self.counted_from);
            self.longest = self.longest.max(self.now.saturating_sub(from));
        }
    }

    /// What was before is forgotten.
    pub fn count_from_now(&mut self) {
        self.counted_from = self.now;
        self.longest = 0;
    }

    /// Whether each shard of the number in force is served.
    pub fn is_whole(&self) -> bool {
        let served: BTreeSet<u32> = self.serving().iter().map(|(_, _, shard)| *shard).collect();
        served == (0..self.agreed.agreement.count).collect()
            && self
                .serving()
                .iter()
                .all(|(_, count, _)| *count == self.agreed.agreement.count)
    }
}
