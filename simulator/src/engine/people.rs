//! Who is served when a run begins, and what a process reads at its start.

use defender_tenant_operator::core::resume::resume;
use defender_tenant_operator::core::schedule::{RefreshPolicy, refresh_at};
use defender_tenant_operator::core::shards::{Buckets, bucket};
use jiff::SignedDuration;

use super::setup::{Lifetimes, Start};
use super::tenant::{Row, mark, write_uid};
use super::world::World;
use crate::clock::{at, at_second, second};
use crate::random::{Random, mix};

impl World {
    /// The tenants of these clusters.
    pub fn people(&mut self, clusters: &std::ops::Range<u16>) {
        let setup = self.setup.clone();
        let policy = RefreshPolicy {
            min_remaining: SignedDuration::from_secs(i64::from(setup.min_remaining)),
            margin: SignedDuration::from_secs(setup.margin),
        };
        let mut uid = String::new();
        let mut counts = vec![0; self.shards.len()];
        let mut parts = [0; 256];
        for shard in 0..u32::from(setup.shards) {
            for bucket in Buckets::of(shard, u32::from(setup.shards)).iter() {
                parts[usize::from(bucket)] = shard as usize;
            }
        }
        for n in 0..setup.tenants {
            let app = u16::try_from(n % u32::from(setup.apps)).unwrap_or(0);
            let cluster = app % setup.clusters;
            if !clusters.contains(&cluster) {
                continue;
            }
            write_uid(setup.seed, n, &mut uid);
            let part = parts[usize::from(bucket(&uid))];
            let shard = usize::from(cluster - clusters.start) * usize::from(setup.shards) + part;
            counts[shard] += 1;
            let mut random = Random::new(mix(u64::from(n)) ^ setup.seed);
            let mut row = Row {
                app,
                shard: u16::try_from(shard).unwrap_or(0),
                region: u8::try_from(random.next() % u64::from(setup.regions)).unwrap_or(0),
                life: setup.lifetimes.of(setup.seed, n),
                ..Row::default()
            };
            match setup.start {
                Start::Together => row.set(mark::NEW, true),
                Start::Settled => {
                    settle(&mut row, &uid, policy, setup.lifetimes, &mut random);
                    row.by = self.parties.app(app).credentials[0];
                }
                Start::Due(within) => {
                    settle(&mut row, &uid, policy, setup.lifetimes, &mut random);
                    row.by = self.parties.app(app).credentials[0];
                    let due = i32::try_from(n % within.unsigned_abs()).unwrap_or(0) + 1;
                    row.postpone(due - row.refresh);
                }
            }
            self.rows.push(row);
            self.numbers.push(n);
        }
        self.tally.operators = vec![0; counts.len()];
        self.tally.shards = counts;
    }

    /// A shard's process begins: it reads what the cluster holds.
    pub fn begin(&mut self, shard: usize) {
        let now = at(self.now);
        self.shards[shard].up = true;
        let mut newest = std::collections::HashMap::new();
        for row in self.rows.iter().filter(|row| row.holds()) {
            let issued = newest.entry(row.by).or_insert(row.issued);
            *issued = row.issued.max(*issued);
        }
        for row in 0..u32::try_from(self.rows.len()).unwrap_or(0) {
            let known = &mut self.rows[row as usize];
            if usize::from(known.shard) != shard {
                continue;
            }
            known.set(mark::VERIFIED | mark::PROVING, false);
            let known = *known;
            if known.attempts != 0 {
                self.scratch
                    .load(self.numbers[row as usize], &known, &self.parties);
                let key = self.key(known.attempt_by);
                let gate = &mut self.shards[shard].gate;
                resume(
                    gate,
                    &self.scratch.tenant.status,
                    key,
                    true,
                    newest
                        .get(&known.attempt_by)
                        .map(|issued| at_second(*issued)),
                    now,
                );
            }
            self.wake(row);
        }
        self.look(shard, self.now);
    }
}

/// A token of some age.
fn settle(
    row: &mut Row,
    uid: &str,
    policy: RefreshPolicy,
    lifetimes: Lifetimes,
    random: &mut Random,
) {
    let life = match lifetimes {
        Lifetimes::Fixed(life) => life,
        Lifetimes::EachToken(..) | Lifetimes::EachTenant(..) => row.life,
    };
    let life = i32::try_from(life).unwrap_or(i32::MAX);
    let zero = at_second(0);
    let due = second(refresh_at(zero, at_second(life), None, policy, uid)).max(1);
    let age = i32::try_from(random.between(0, u32::try_from(due - 1).unwrap_or(0))).unwrap_or(0);
    row.issued = -age;
    row.expires = life - age;
    row.refresh = due - age;
    row.told_issued = row.issued;
    row.told_expires = row.expires;
    row.marks = mark::OBSERVED | mark::NAMED;
}
