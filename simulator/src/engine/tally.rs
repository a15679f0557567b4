//! What is counted.

use crate::clock::{MINUTE, Micros};
use crate::engine::costs::Used;
use crate::engine::setup::Setup;

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

/// Something counted in each minute.
pub type PerMinute = Vec<u32>;

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

impl Recovery {
    /// With that of another cluster: one that the outage doesn't concern says nothing, and one that never recovered is
    /// never hidden by one that did.
    fn join(&mut self, other: Self) {
        self.took = match (self.concerned, other.concerned) {
            (_, 0) if self.concerned > 0 => self.took,
            (0, _) => other.took,
            _ => self.took.zip(other.took).map(|(a, b)| a.max(b)),
        };
        self.concerned += other.concerned;
        self.backlog += other.backlog;
        self.late += other.late;
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    pub minutes: Vec<Minute>,
    /// Requests to each cluster's API server.
    pub servers: Vec<PerMinute>,
    /// Token requests of each application.
    pub apps: Vec<PerMinute>,
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
    /// Tenants that were given their first status.
    pub told: u64,
    /// When everybody was well, or told, where the run was to end then.
    pub over_at: Option<Micros>,
    /// Tenants of each shard, and the CPU that it used.
    pub shards: Vec<u32>,
    pub operators: Vec<Micros>,
}

impl Tally {
    pub fn new(setup: &Setup) -> Self {
        Self {
            recoveries: vec![Recovery::default(); setup.outages.len()],
            servers: vec![PerMinute::new(); usize::from(setup.clusters)],
            apps: vec![PerMinute::new(); usize::from(setup.apps)],
            ..Self::default()
        }
    }

    /// The minute that this instant is in.
    pub fn minute(&mut self, now: Micros) -> &mut Minute {
        slot(&mut self.minutes, now)
    }

    /// A shard used so much CPU.
    pub fn worked(&mut self, shard: usize, cpu: Micros) {
        self.used.operator += cpu;
        self.operators[shard] += cpu;
    }

    /// The tenants of the fullest shard, and the CPU of the busiest one.
    pub fn fullest(&self) -> (u32, Micros) {
        (
            self.shards.iter().copied().max().unwrap_or(0),
            self.operators.iter().copied().max().unwrap_or(0),
        )
    }

    /// An application's token request.
    pub fn asked(&mut self, app: u16, now: Micros) {
        self.minute(now).requests += 1;
        *slot(&mut self.apps[usize::from(app)], now) += 1;
    }

    /// A request to a cluster's API server, of this kind.
    pub fn wrote(&mut self, cluster: u16, now: Micros, kind: fn(&mut Minute) -> &mut u32) {
        *kind(self.minute(now)) += 1;
        *slot(&mut self.servers[usize::from(cluster)], now) += 1;
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
            into.join(*from);
        }
        let ours = self.servers.iter_mut().chain(&mut self.apps);
        for (into, from) in ours.zip(other.servers.iter().chain(&other.apps)) {
            if into.len() < from.len() {
                into.resize(from.len(), 0);
            }
            into.iter_mut().zip(from).for_each(|(a, b)| *a += b);
        }
        self.refreshes += other.refreshes;
        self.late += other.late;
        self.first += other.first;
        self.undue += other.undue;
        self.unknown += other.unknown;
        self.turns += other.turns;
        self.events += other.events;
        self.used += other.used;
        self.told += other.told;
        self.over_at = self.over_at.max(other.over_at);
        self.shards.extend(&other.shards);
        self.operators.extend(&other.operators);
    }

    /// Highest and mean of a count a minute, in a part of the run.
    pub fn peak_and_mean(
        &self,
        from: Micros,
        until: Micros,
        count: impl Fn(&Minute) -> u32,
    ) -> (f64, f64) {
        let part = part(&self.minutes, from, until);
        let peak = part.iter().map(&count).max().unwrap_or(0);
        let sum: f64 = part.iter().map(|minute| f64::from(count(minute))).sum();
        #[expect(clippy::cast_precision_loss, reason = "minutes of a week")]
        let mean = sum / part.len().max(1) as f64;
        (f64::from(peak), mean)
    }
}

/// The place of an instant's minute.
fn slot<T: Clone + Default>(minutes: &mut Vec<T>, now: Micros) -> &mut T {
    let at = usize::try_from(now / MINUTE).unwrap_or(0);
    if minutes.len() <= at {
        minutes.resize(at + 1, T::default());
    }
    &mut minutes[at]
}

/// The minutes of a part of a run.
fn part<T>(minutes: &[T], from: Micros, until: Micros) -> &[T] {
    let at = |micros: Micros| {
        usize::try_from(micros / MINUTE)
            .unwrap_or(0)
            .min(minutes.len())
    };
    &minutes[at(from)..at(until)]
}

/// Of several parties the highest minute, a second, over what that party has when nothing is wrong.
pub fn worst(
    parties: &[PerMinute],
    from: Micros,
    until: Micros,
    steady: impl Fn(u16) -> f64,
) -> f64 {
    let ratios = parties.iter().zip(0..).map(|(minutes, n)| {
        let peak = part(minutes, from, until).iter().copied().max();
        f64::from(peak.unwrap_or(0)) / 60.0 / steady(n)
    });
    ratios.filter(|ratio| ratio.is_finite()).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(parts: &[Recovery]) -> Recovery {
        let mut all = Recovery::default();
        for part in parts {
            all.join(*part);
        }
        all
    }

    #[test]
    fn who_is_not_concerned_hides_neither_a_recovery_nor_that_there_was_none() {
        let part = |concerned, took| Recovery {
            concerned,
            took,
            ..Recovery::default()
        };
        let none = part(0, Some(0));
        let never = part(5, None);
        let late = part(5, Some(9));
        for parts in [
            [never, none, none],
            [none, never, none],
            [none, none, never],
        ] {
            assert_eq!(joined(&parts), never, "{parts:?}");
        }
        for parts in [[late, none, none], [none, late, none], [none, none, late]] {
            assert_eq!(joined(&parts), late, "{parts:?}");
        }
        assert_eq!(joined(&[late, never]), part(10, None));
        assert_eq!(joined(&[never, late]), part(10, None));
        assert_eq!(joined(&[part(5, Some(2)), late]), part(10, Some(9)));
    }

    #[test]
    fn a_peak_is_that_of_the_worst_party_and_measured_by_its_own_rate() {
        let parties = [vec![60, 60, 60], vec![60, 240, 60]];
        let ratio = worst(&parties, 0, 3 * MINUTE, |_| 1.0);
        assert!((ratio - 4.0).abs() < 1e-9, "{ratio}");
        let before = worst(&parties, 0, MINUTE, |_| 1.0);
        assert!((before - 1.0).abs() < 1e-9, "{before}");
    }
}
