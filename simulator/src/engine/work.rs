//! What takes time in a turn: requests to Microsoft and to the API server, and the machines that they keep busy.

use super::entra::Question;
use super::setup::Machines;
use super::tally::Minute;
use super::tenant::Row;
use super::turn::{Doing, Phase, Turn};
use super::world::{Event, World};
use crate::clock::{Micros, second_of};

impl Phase {
    const fn of_operator(host: usize, cpu: Micros) -> Self {
        Self {
            host,
            cpu,
            own: true,
        }
    }

    const fn of_others(host: usize, cpu: Micros) -> Self {
        Self {
            host,
            cpu,
            own: false,
        }
    }
}

impl World {
    pub fn request(&mut self, shard: usize, turn: &mut Turn, row: &Row, credential: u16) {
        let now = second_of(self.now);
        self.tally.asked(row.app, self.now);
        let same = row.by == credential;
        if row.holds() && row.refresh > now && same && row.error == 0 {
            self.tally.undue += 1;
        }
        let question = Question {
            tenant: turn.row,
            app: row.app,
            region: row.region,
            credential,
            life: row.life,
        };
        let (reply, latency) = self.entra.ask(question, self.now);
        turn.reply = Some(reply);
        self.tally.worked(shard, self.costs.mint);
        let own = self.shards[shard].host;
        let cpu = self.costs.mint + self.costs.turn;
        match self.setup.machines {
            Machines::One { .. } => {
                self.tally.used.emulator += self.costs.emulator;
                // Request and answer are the operator's, with the emulator between them.
                turn.phases = vec![
                    Phase::of_operator(own, cpu / 2),
                    Phase::of_others(own, self.costs.emulator),
                    Phase::of_operator(own, cpu - cpu / 2),
                ];
                turn.wait = 0;
            }
            Machines::Apart { .. } => {
                turn.wait = self.hosts[own].run(self.now, cpu) - self.now + latency;
            }
        }
    }

    /// One request to the API server.
    pub fn write(&mut self, shard: usize, turn: &mut Turn, doing: Doing) {
        let costs = self.costs;
        let now = self.now;
        let kind: fn(&mut Minute) -> &mut u32;
        let (own, server) = match doing {
            Doing::Publishing => {
                kind = |minute| &mut minute.secrets;
                (costs.secret, costs.server_secret)
            }
            Doing::Telling(_) => {
                kind = |minute| &mut minute.statuses;
                (costs.status, costs.server_status)
            }
            _ => {
                kind = |minute| &mut minute.others;
                (costs.secret, costs.server_other)
            }
        };
        let etcd = costs.etcd;
        self.tally.wrote(self.shards[shard].cluster, now, kind);
        self.tally.worked(shard, own);
        self.tally.used.server += server;
        self.tally.used.etcd += etcd;
        let (host, cluster) = (self.shards[shard].host, self.shards[shard].server);
        match self.setup.machines {
            Machines::One { .. } => {
                // The last one first.
                turn.phases = vec![
                    Phase::of_others(host, server),
                    Phase::of_others(host, etcd),
                    Phase::of_operator(host, own),
                ];
                turn.wait = costs.commit;
            }
            Machines::Apart { .. } => {
                let sent = self.hosts[host].run(now, own);
                turn.wait = self.hosts[cluster].run(sent, server + etcd) - now + costs.commit;
            }
        }
        turn.doing = Some(doing);
    }

    /// Puts it aside until its work is done.
    pub fn keep(&mut self, shard: usize, slot: Option<u32>, mut turn: Turn) {
        let known = &mut self.shards[shard];
        let slot = slot.or_else(|| known.free.pop()).unwrap_or_else(|| {
            known.turns.push(None);
            u32::try_from(known.turns.len() - 1).unwrap_or(0)
        });
        if !self.works(shard, slot, &mut turn) {
            let (shard, name) = self.name(shard, slot);
            self.schedule(self.now, Event::Done(shard, name));
        }
        self.shards[shard].turns[slot as usize] = Some(turn);
    }

    /// Begins the next piece of work, or the wait. `false`: there is none.
    pub fn works(&mut self, shard: usize, slot: u32, turn: &mut Turn) -> bool {
        let done = if let Some(phase) = turn.phases.last().copied() {
            let known = &mut self.shards[shard];
            if phase.own && known.busy {
                known.queued.push_back(slot);
                return true;
            }
            known.busy |= phase.own;
            turn.on_thread = phase.own;
            turn.phases.pop();
            self.hosts[phase.host].run(self.now, phase.cpu)
        } else if turn.wait > 0 {
            self.now + std::mem::take(&mut turn.wait)
        } else {
            return false;
        };
        let (shard, name) = self.name(shard, slot);
        self.schedule(done, Event::Done(shard, name));
        true
    }

    /// The operator's thread is free: whoever waits for it longest has it.
    pub fn next_on_thread(&mut self, shard: usize) {
        let known = &mut self.shards[shard];
        known.busy = false;
        let Some(slot) = known.queued.pop_front() else {
            return;
        };
        let Some(mut turn) = known.turns[slot as usize].take() else {
            return;
        };
        self.works(shard, slot, &mut turn);
        self.shards[shard].turns[slot as usize] = Some(turn);
    }

    pub fn leave(&mut self, shard: usize, slot: Option<u32>) {
        if let Some(slot) = slot {
            self.shards[shard].turns[slot as usize] = None;
            self.shards[shard].free.push(slot);
        }
    }
}
