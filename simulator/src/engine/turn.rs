//! A tenant's turn, step by step as `src/controller` does it: gather, plan, do, until there is nothing to do; then one
//! status write. What a step leads to is decided by the core; here it is what takes time, and a copy of what the
//! controller weaves into its asynchronous calls: the loop over steps, and whom a mint asks after whom.

use defender_tenant_operator::core::gate::{Admission, MintKey};
use defender_tenant_operator::core::gathered::{Minted, Session};
use defender_tenant_operator::core::plan::{MintWhy, Step, plan};
use defender_tenant_operator::core::queue::{Dispatch, Finish};
use defender_tenant_operator::core::schedule::saturating_add;
use defender_tenant_operator::core::turn::{
    PROOF_PAUSE, STEPS_MAX, TROUBLED, finish, is_superseded, is_told,
};

use super::entra::Reply;
use super::scratch::Told;
use super::tenant::mark;
use super::world::World;
use crate::clock::{Micros, at};

/// Where a credential stands in a mint's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Before,
    Chosen,
    After,
}

/// What takes time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doing {
    Asking(MintKey, Place),
    Publishing,
    Retiring,
    Reading,
    Telling(Told),
}

/// A turn under way.
#[derive(Debug)]
pub struct Turn {
    pub row: u32,
    pub called: bool,
    pub session: Session,
    pub why: MintWhy,
    /// The credential that was asked with last.
    pub by: u16,
    pub asks: Vec<(u16, Place)>,
    pub refusal: Option<(Option<Minted>, u16)>,
    pub doing: Option<Doing>,
    pub reply: Option<Reply>,
    /// Work that the machine has still to do for it, the last first, and a wait after that.
    pub phases: Vec<Phase>,
    pub wait: Micros,
    /// The operator's thread works for it.
    pub on_thread: bool,
}

/// Work on a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Phase {
    pub host: usize,
    pub cpu: Micros,
    /// By the operator's process, which has one thread.
    pub own: bool,
}

impl Turn {
    /// The chosen credential's refusal counts after all.
    pub fn restore(&mut self) {
        if let Some((minted, by)) = self.refusal.take() {
            (self.session.minted, self.by) = (minted, by);
        }
    }

    /// Another credential wouldn't change it.
    pub fn settled(&mut self) {
        self.asks.clear();
        self.refusal = None;
        if self.why == MintWhy::Proof {
            self.session.not_admitted = None;
        }
    }
}

impl World {
    /// Gives a tenant its turn.
    pub fn turn(&mut self, shard: usize, dispatch: &Dispatch<u32>) {
        self.tally.turns += 1;
        self.tally.worked(shard, self.costs.turn);
        let turn = Turn {
            row: dispatch.key,
            called: dispatch.called,
            session: Session::default(),
            why: MintWhy::NoToken,
            by: 0,
            asks: Vec::new(),
            refusal: None,
            doing: None,
            reply: None,
            phases: Vec::new(),
            wait: 0,
            on_thread: false,
        };
        self.go_on(shard, None, turn);
    }

    /// One thing that took time is over.
    pub fn done(&mut self, shard: usize, slot: u32) {
        let Some(mut turn) = self.shards[shard].turns[slot as usize].take() else {
            return;
        };
        if std::mem::take(&mut turn.on_thread) {
            self.next_on_thread(shard);
        }
        if self.works(shard, slot, &mut turn) {
            self.shards[shard].turns[slot as usize] = Some(turn);
            return;
        }
        match turn.doing.take() {
            Some(Doing::Asking(key, place)) => self.answered(shard, &mut turn, key, place),
            Some(Doing::Publishing) => self.published(&mut turn),
            Some(Doing::Retiring) => {
                self.rows[turn.row as usize].clear();
                turn.session.retired = true;
            }
            Some(Doing::Reading) => self.read(&mut turn),
            Some(Doing::Telling(told)) => {
                self.conclude(shard, Some(slot), &turn, Some(told));
                return;
            }
            None => {}
        }
        self.go_on(shard, Some(slot), turn);
    }

    /// Plans and does, until something takes time or there is nothing to do.
    fn go_on(&mut self, shard: usize, slot: Option<u32>, mut turn: Turn) {
        for _ in 0..STEPS_MAX {
            if let Some((credential, place)) = turn.asks.pop() {
                if self.ask(shard, &mut turn, credential, place) {
                    self.keep(shard, slot, turn);
                    return;
                }
                continue;
            }
            if matches!(turn.session.minted, Some(Minted::Failed { .. })) {
                let text = self.parties.credential(turn.by).text.clone();
                if self.see(turn.row, &turn.session, |g, _, _| is_superseded(g, &text)) {
                    turn.session.minted = None;
                }
            }
            let now = at(self.now);
            let step = self.see(turn.row, &turn.session, |g, _, _| plan(g, now).step);
            match step {
                Step::Rest => {
                    self.rest(shard, slot, turn);
                    return;
                }
                Step::Mint(why) => self.mint(&mut turn, why),
                Step::Publish => {
                    self.write(shard, &mut turn, Doing::Publishing);
                    self.keep(shard, slot, turn);
                    return;
                }
                Step::Retire(_) => {
                    self.write(shard, &mut turn, Doing::Retiring);
                    self.keep(shard, slot, turn);
                    return;
                }
                Step::ReadTarget | Step::LookAtTarget => {
                    self.write(shard, &mut turn, Doing::Reading);
                    self.keep(shard, slot, turn);
                    return;
                }
                _ => {
                    self.tally.unknown += 1;
                    break;
                }
            }
        }
        self.tally.unknown += 1;
        let end = Finish {
            wake_at: Some(saturating_add(at(self.now), TROUBLED)),
            ..Default::default()
        };
        self.leave(shard, slot);
        self.shards[shard].queue.finish(&turn.row, end);
    }

    /// In which order the credentials are asked with, as the operator does it.
    fn mint(&mut self, turn: &mut Turn, why: MintWhy) {
        turn.why = why;
        let alone = why == MintWhy::Proof;
        let lead = self.see(turn.row, &turn.session, |_, lead, _| lead.clone());
        let again = alone && !lead.unproven;
        // The last one first.
        if again {
            turn.session.not_admitted = Some(
                lead.fresh_again_at
                    .filter(|next| *next > at(self.now))
                    .or(Some(saturating_add(at(self.now), PROOF_PAUSE))),
            );
        } else {
            if !alone {
                turn.asks
                    .extend(lead.after.iter().rev().map(|after| (*after, Place::After)));
            }
            turn.asks.push((lead.chosen, Place::Chosen));
        }
        if !alone || again {
            turn.asks.extend(
                lead.before
                    .iter()
                    .rev()
                    .map(|before| (*before, Place::Before)),
            );
        }
    }

    /// Asks, if the gate lets it. `false`: nothing takes time.
    fn ask(&mut self, shard: usize, turn: &mut Turn, credential: u16, place: Place) -> bool {
        let row = self.rows[turn.row as usize];
        let number = self.number(turn.row);
        self.scratch.load(number, &row, &self.parties);
        let key = self.key(credential);
        if place == Place::After {
            turn.refusal = Some((turn.session.minted.take(), turn.by));
        }
        let called = turn.called || place != Place::Chosen;
        let now = at(self.now);
        let known = &mut self.shards[shard];
        let lane_is_empty = known.queue.lane_is_empty(key.fingerprint);
        let uid = &self.scratch.tenant.uid;
        let wait = match known.gate.admit(key, uid, called, lane_is_empty, now) {
            Admission::Go => {
                known.queue.begun(&turn.row);
                turn.by = credential;
                self.request(shard, turn, &row, credential);
                turn.doing = Some(Doing::Asking(key, place));
                return true;
            }
            Admission::Wait(until) => Some(until),
            Admission::Park => None,
        };
        match place {
            Place::Chosen => {
                turn.session.not_admitted = Some(wait);
                turn.asks.clear();
            }
            Place::Before => turn.session.minted = None,
            Place::After => turn.restore(),
        }
        false
    }

    /// Nothing is left to do: the status, if it says anything new.
    fn rest(&mut self, shard: usize, slot: Option<u32>, mut turn: Turn) {
        let now = at(self.now);
        let row = self.rows[turn.row as usize];
        let told = self.see(turn.row, &turn.session, |g, _, parties| {
            is_told(g).then(|| Told::after(g, &row, parties, now))
        });
        let told = told.map(|(told, error)| Told {
            error: error.map_or(0, |error| self.parties.number(&error)),
            ..told
        });
        match told.filter(|told| *told != Told::of(&row) || !row.has(mark::OBSERVED)) {
            Some(told) => {
                self.write(shard, &mut turn, Doing::Telling(told));
                self.keep(shard, slot, turn);
            }
            None => self.conclude(shard, slot, &turn, None),
        }
    }

    /// The turn's end.
    fn conclude(&mut self, shard: usize, slot: Option<u32>, turn: &Turn, told: Option<Told>) {
        let now = at(self.now);
        // As the operator does: by what was known before the status was written.
        let end = self.see(turn.row, &turn.session, |g, _, _| finish(g, None, now));
        if let Some(told) = told {
            self.tally.told += u64::from(!self.rows[turn.row as usize].has(mark::OBSERVED));
            told.write(&mut self.rows[turn.row as usize]);
        }
        self.leave(shard, slot);
        self.shards[shard].queue.finish(&turn.row, end);
    }
}
