//! What is counted.

use crate::clock::{MINUTE, Micros};
use crate::engine::costs::Used;

/// One minute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Minute {
    /// Token requests, and what came of those that were answered.
    pub requests: u32,
    pub tokens: u32,
    pub throttled: u32,
    pub failed: u32,
    /// Requests to the API servers.
    pub secrets: u32,
    pub statuses: u32,
    pub others: u32,
    /// Tenants whose refresh is overdue by more than [`OVERDUE`], at the minute's end.
    pub overdue: u32,
    /// Tenants without the token that is promised, at the minute's end.
    pub late: u32,
    /// Tenants that an outage concerns and whose refresh is overdue, at the minute's end.
    pub concerned: u32,
}

impl Minute {
    pub const fn writes(&self) -> u32 {
        self.secrets + self.statuses + self.others
    }
}

/// A refresh that is later than this is overdue.
pub const OVERDUE: i32 = 60;

/// Seconds of lateness that the histogram's steps end at.
pub const STEPS: [i32; 10] = [1, 2, 5, 10, 30, 60, 120, 300, 600, i32::MAX];

/// What became of an outage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Tenants that it concerns, and of these those whose refresh was overdue at its end.
    pub concerned: u32,
    pub backlog: u32,
    /// From its end until nobody whom it concerned was overdue.
    pub took: Option<Micros>,
    /// Tokens late whose time was up while it lasted or its recovery did, of those whom it concerned.
    pub late: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    pub minutes: Vec<Minute>,
    /// Refreshes by how late they came after their instant, outages apart.
    pub lateness: [u64; STEPS.len()],
    pub refreshes: u64,
    /// Tokens late that no outage explains.
    pub late: u64,
    /// First tokens.
    pub first: u64,
    /// Requests for a tenant whose token was neither due nor of another credential.
    pub undue: u64,
    /// Steps that this simulator doesn't know.
    pub unknown: u64,
    pub turns: u64,
    pub events: u64,
    pub used: Used,
    pub recoveries: Vec<Recovery>,
    /// When everybody was well, where the run was to end then.
    pub well_at: Option<Micros>,
    /// Tenants of each shard.
    pub shards: Vec<u32>,
}

impl Tally {
    pub fn new(outages: usize) -> Self {
        Self {
            recoveries: vec![Recovery::default(); outages],
            ..Self::default()
        }
    }

    /// The minute that this instant is in.
    pub fn minute(&mut self, now: Micros) -> &mut Minute {
        let at = usize::try_from(now / MINUTE).unwrap_or(0);
        if self.minutes.len() <= at {
            self.minutes.resize(at + 1, Minute::default());
        }
        &mut self.minutes[at]
    }

    /// A refresh came so many seconds after its instant.
    pub fn refreshed(&mut self, late: i32) {
        let step = STEPS
            .iter()
            .position(|step| late < *step)
            .unwrap_or(STEPS.len() - 1);
        self.lateness[step] += 1;
    }

    /// The shards of another cluster, at the same time.
    pub fn add(&mut self, other: &Self) {
        if self.minutes.len() < other.minutes.len() {
            self.minutes.resize(other.minutes.len(), Minute::default());
        }
        for (into, from) in self.minutes.iter_mut().zip(&other.minutes) {
            into.requests += from.requests;
            into.tokens += from.tokens;
            into.throttled += from.throttled;
            into.failed += from.failed;
            into.secrets += from.secrets;
            into.statuses += from.statuses;
            into.others += from.others;
            into.overdue += from.overdue;
            into.late += from.late;
            into.concerned += from.concerned;
        }
        for (into, from) in self.lateness.iter_mut().zip(&other.lateness) {
            *into += from;
        }
        for (into, from) in self.recoveries.iter_mut().zip(&other.recoveries) {
            into.concerned += from.concerned;
            into.backlog += from.backlog;
            into.late += from.late;
            into.took = match (into.took, from.took) {
                (a, b) if into.concerned == from.concerned || from.concerned == 0 => a.max(b),
                (Some(a), Some(b)) => Some(a.max(b)),
                _ => None,
            };
        }
        self.refreshes += other.refreshes;
        self.late += other.late;
        self.first += other.first;
        self.undue += other.undue;
        self.unknown += other.unknown;
        self.turns += other.turns;
        self.events += other.events;
        self.used += other.used;
        self.well_at = self.well_at.max(other.well_at);
        self.shards.extend(&other.shards);
    }

    /// Highest and mean of a count a minute, in a part of the run.
    pub fn peak_and_mean(
        &self,
        from: Micros,
        until: Micros,
        count: impl Fn(&Minute) -> u32,
    ) -> (f64, f64) {
        let at = |micros: Micros| {
            usize::try_from(micros / MINUTE)
                .unwrap_or(0)
                .min(self.minutes.len())
        };
        let part = &self.minutes[at(from)..at(until)];
        let peak = part.iter().map(&count).max().unwrap_or(0);
        let sum: f64 = part.iter().map(|minute| f64::from(count(minute))).sum();
        #[expect(clippy::cast_precision_loss, reason = "minutes of a week")]
        let mean = sum / part.len().max(1) as f64;
        (f64::from(peak), mean)
    }
}
