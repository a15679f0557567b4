//! Which Lease this process claims, and which one it asks for.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Campaign, Seat, Stage, What, index};
use crate::core::election::{BootTime, Claim};
use crate::core::schedule::fnv1a_64;

/// Nobody took a Lease for so long: there are too few processes, and one that holds others takes it.
pub const ABANDONED: Duration = Duration::from_mins(1);
/// Between two of those, so that another process may take the next.
const BETWEEN: Duration = Duration::from_secs(5);
/// A holder looks at the others' Leases, and at the number of shards, so often.
pub(super) const HOLDERS_LOOK: Duration = Duration::from_secs(5);
/// Whoever looks at many Leases makes no more than so many requests a second.
const LOOKS_A_SECOND: u32 = 4;

impl Campaign {
    /// Which Lease may be claimed now, and how often the others are looked at.
    pub(super) fn choose(&mut self, now: BootTime) {
        let claiming = |seat: &Seat| seat.flight.is_some_and(|flight| flight.what == What::Claim);
        let under_way = |seat: &Seat| seat.stage == Stage::Watching && claiming(seat);
        if self.seats.iter().any(under_way) {
            return;
        }
        let chosen = self.chosen(now);
        let every = self.look_every();
        // What was seen before the intent counts no more. Once: an API server that is away isn't asked in vain.
        let hurried = self.is_changing() && self.hurried < self.in_force.told;
        if hurried {
            self.hurried = self.in_force.told;
        }
        for (at, seat) in self.seats.iter_mut().enumerate() {
            if seat.stage != Stage::Watching {
                continue;
            }
            if chosen == Some(index(at)) {
                seat.elector.ready(now);
                continue;
            }
            let asked = self.asked == Some(index(at));
            seat.elector
                .only_look(if asked { self.terms.retry } else { every });
            if hurried {
                seat.elector.hurry(now);
            }
        }
    }

    pub(super) fn chosen(&self, now: BootTime) -> Option<u32> {
        if !self.able || self.leaving || self.in_force() != Some(self.count) {
            return None;
        }
        let busy = |seat: &Seat| !matches!(seat.stage, Stage::Watching | Stage::Serving);
        if self.seats.iter().any(busy) {
            return None;
        }
        // Each begins elsewhere, so that they don't all claim the same.
        let first = u32::try_from(fnv1a_64(&self.me) % u64::from(self.count)).unwrap_or(0);
        let mut all = (0..self.count).map(|n| (first + n) % self.count);
        let free = |shard: &u32| {
            let seat = self.seat(*shard);
            seat.stage == Stage::Watching && seat.elector.is_free(now)
        };
        if self.serves().next().is_none() {
            return all.find(free);
        }
        let waited = |at: Option<BootTime>, wait| at.is_none_or(|at| now.since(at) >= wait);
        if !waited(self.taken_at, BETWEEN) {
            return None;
        }
        all.find(|shard| {
            let since = self.seat(*shard).free_since;
            free(shard) && since.is_some() && waited(since, ABANDONED)
        })
    }

    /// A process that has none asks one that has several.
    pub(super) fn question(&self, now: BootTime) -> Option<(u32, Claim)> {
        let idle = |seat: &Seat| seat.stage == Stage::Watching && seat.flight.is_none();
        let may = self.able && !self.leaving && self.in_force() == Some(self.count);
        if !may || now < self.ask_at || !self.seats.iter().all(idle) {
            return None;
        }
        let mut holdings = BTreeMap::<&str, Vec<u32>>::new();
        for shard in 0..self.count {
            let elector = &self.seat(shard).elector;
            let standing = elector.standing()?;
            if elector.is_free(now) {
                return None;
            }
            let holder = standing.record.holder.as_deref()?;
            let shards = holdings.entry(holder).or_default();
            if standing.wanted_by.is_none() {
                shards.push(shard);
            }
        }
        let (_, shards) = holdings
            .into_iter()
            .max_by_key(|(_, shards)| shards.len())?;
        let shard = *shards.last().filter(|_| shards.len() > 1)?;
        let standing = self.seat(shard).elector.standing()?;
        let claim = Claim {
            over: Some(standing.version.clone()),
            record: standing.record.clone(),
            wanted_by: Some(self.me.clone()),
        };
        Some((shard, claim))
    }

    pub(super) fn look_every(&self) -> Duration {
        let many = Duration::from_secs(1) * self.watched() / LOOKS_A_SECOND;
        let least = if self.serves().next().is_some() {
            HOLDERS_LOOK
        } else {
            self.terms.retry
        };
        // A Lease may lapse between two looks: what was seen must be younger than its term.
        least.max(many).min(self.terms.duration / 3)
    }

    /// The Leases that are looked at: those of the number in force.
    pub(super) fn watched(&self) -> u32 {
        self.in_force().unwrap_or(self.count).max(
            // Those that are still to be given back, or whose answer is to come.
            self.seats
                .iter()
                .rposition(|seat| seat.stage != Stage::Watching)
                .map_or(0, |last| index(last) + 1),
        )
    }
}
