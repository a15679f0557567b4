//! Outages, and what is counted of them: each minute, and at the end.

use defender_tenant_operator::core::gate::Gate;
use defender_tenant_operator::core::queue::Queue;

use super::costs::Costs;
use super::setup::{Kind, Outage, Until};
use super::tally::OVERDUE;
use super::tenant::Row;
use super::world::{Event, World};
use crate::clock::{Micros, SECOND, at, second_of};

impl World {
    pub fn outage(&mut self, n: usize, begins: bool) {
        let outage = self.setup.outages[n];
        match outage.kind {
            Kind::Entra(down) => self.entra.down = begins.then_some(down),
            Kind::Region { retry_after } => {
                self.entra.throttled = begins.then_some((0, retry_after));
            }
            Kind::Credential { replaced } => self.credential(begins, replaced),
            Kind::Restart if begins => {
                for shard in 0..self.shards.len() {
                    self.kill(shard);
                }
            }
            Kind::Restart => {}
        }
        if !begins {
            let now = second_of(self.now);
            let concerned = self
                .rows
                .iter()
                .filter(|row| outage.concerns(row.app, row.region));
            let (mut all, mut backlog) = (0, 0);
            for row in concerned {
                all += 1;
                backlog += u32::from(row.refresh <= now);
            }
            let recovery = &mut self.tally.recoveries[n];
            (recovery.concerned, recovery.backlog) = (all, backlog);
            if outage.kind == Kind::Restart {
                self.watch(n);
            }
        }
    }

    /// Whether nobody is overdue any more, each second: minutes are too coarse for a restart.
    pub fn watch(&mut self, n: usize) {
        let outage = self.setup.outages[n];
        let now = second_of(self.now);
        if self.tally.recoveries[n].took.is_some() {
            return;
        }
        if self
            .rows
            .iter()
            .any(|row| row.refresh + outage.overdue() < now)
        {
            self.schedule(self.now + SECOND, Event::Watch(n));
        } else {
            self.tally.recoveries[n].took = Some(self.now - outage.until);
        }
    }

    fn credential(&mut self, begins: bool, replaced: bool) {
        // In one cluster only.
        if !self.rows.iter().any(|row| row.app == 0) {
            return;
        }
        if begins {
            self.entra.dead.push(self.parties.app(0).credentials[0]);
        } else if replaced {
            let old = self.parties.replace_first(0, at(self.now));
            for shard in &mut self.shards {
                shard.gate.retain(|fingerprint| Some(*fingerprint) != old);
            }
            self.wake_users(0, None);
        } else {
            self.entra.dead.clear();
        }
    }

    /// Everybody who has this application's credential, of one shard or of all.
    pub fn wake_users(&mut self, app: u16, of: Option<usize>) {
        for row in 0..u32::try_from(self.rows.len()).unwrap_or(0) {
            let known = &self.rows[row as usize];
            if known.app == app && of.is_none_or(|shard| usize::from(known.shard) == shard) {
                self.wake(row);
            }
        }
        for shard in 0..self.shards.len() {
            if of.is_none_or(|of| of == shard) {
                self.look(shard, self.now);
            }
        }
    }

    /// A shard's process is gone. The next one takes its Lease when that has run out, and reads what the cluster holds.
    fn kill(&mut self, shard: usize) {
        let tenants = self.tally.shards[shard];
        let known = &mut self.shards[shard];
        known.up = false;
        known.life += 1;
        known.gate = Gate::new(self.setup.entra_rate / f64::from(self.setup.shards));
        known.queue = Queue::default();
        known.turns.clear();
        known.free.clear();
        known.busy = false;
        known.queued.clear();
        known.looks_at = Micros::MAX;
        let reads_at = self.now + Costs::lease() + self.costs.start;
        let listing = self.costs.listing(tenants);
        self.tally.worked(shard, listing);
        let up_at = self.hosts[known.host].run(reads_at, listing);
        self.schedule(up_at, Event::Up(u16::try_from(shard).unwrap_or(0)));
    }

    pub fn minute(&mut self) {
        let now = second_of(self.now);
        let promise = self.setup.min_remaining;
        let open: Vec<_> = self
            .setup
            .outages
            .iter()
            .enumerate()
            .filter(|(n, outage)| {
                outage.kind != Kind::Restart
                    && outage.until <= self.now
                    && self.tally.recoveries[*n].took.is_none()
            })
            .map(|(n, outage)| (n, *outage))
            .collect();
        let mut waiting = vec![0_u32; open.len()];
        let (mut overdue, mut late) = (0, 0);
        for row in &self.rows {
            if row.refresh + OVERDUE < now {
                overdue += 1;
                for (at, (_, outage)) in open.iter().enumerate() {
                    waiting[at] += u32::from(outage.concerns(row.app, row.region));
                }
            }
            late += u32::from(row.expires - promise < now);
        }
        let concerned = waiting.iter().copied().max().unwrap_or(0);
        for (waiting, (n, outage)) in waiting.into_iter().zip(open) {
            if waiting == 0 {
                self.tally.recoveries[n].took = Some(self.now - outage.until);
            }
        }
        let minute = self.tally.minute(self.now - SECOND);
        (minute.overdue, minute.late, minute.concerned) = (overdue, late, concerned);
    }

    /// Who has no token at the end that he should have.
    pub fn left(&mut self) {
        if self.setup.until != Until::TimeIsUp {
            return;
        }
        let now = second_of(self.now.min(self.setup.duration));
        for n in 0..self.rows.len() {
            let row = self.rows[n];
            if row.expires - self.setup.min_remaining < now {
                self.late(&row, now);
            }
        }
    }

    /// Lateness counts by now.
    pub const fn counts(&self) -> bool {
        self.now >= self.setup.counts_from
    }

    /// A token that came later than promised, or not at all: whose fault it is.
    pub fn late(&mut self, row: &Row, now: i32) {
        if !self.counts() {
            return;
        }
        // What was promised ended here, whatever became of the token since.
        let missed = row.told_expires.max(row.expires) - self.setup.min_remaining;
        let explains = |(n, outage): &(usize, &Outage)| {
            let began = second_of(outage.from);
            let over = self.tally.recoveries[*n]
                .took
                .map(|took| second_of(outage.until + took));
            outage.concerns(row.app, row.region)
                && began <= now
                && over.is_none_or(|over| missed.min(now) <= over)
        };
        let found = self
            .setup
            .outages
            .iter()
            .enumerate()
            .find(explains)
            .map(|(n, _)| n);
        match found {
            Some(n) => self.tally.recoveries[n].late += 1,
            None => self.tally.late += 1,
        }
    }
}
