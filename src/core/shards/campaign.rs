//! One process' part in the election of all shards: which Leases it looks at, claims, holds and gives back.
//!
//! A process that holds none takes a free one at once. One that holds some takes another only after nobody did for
//! [`ABANDONED`], and gives one back when somebody asks who has none. How many shards there are is decided as
//! [`super::agreement`] says: until a process has read that after its claim, the Lease doesn't count.

use std::time::Duration;

use jiff::Timestamp;

use super::agreement::Agreed;
use crate::core::election::{BootTime, Claim, Claimed, Elector, Move, Standing, Terms};

mod choice;
mod count;
mod orders;

pub use choice::ABANDONED;
use count::Count;
pub use orders::{Answer, End, Event, Next, Order};

/// Nobody promises to wake this process, and it needs to be woken.
const LONG: Duration = Duration::from_mins(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Somebody else's, or nobody's.
    Watching,
    /// Claimed at this step, and not confirmed since.
    Claimed(u64),
    Serving,
    /// What is under way for it ends first.
    Draining,
    /// It is given back as soon as nothing is under way about the Lease itself.
    Releasing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Look,
    Claim,
    Release,
    /// Asking its holder for it.
    Ask,
}

/// A request under way: when it was sent, and at which step.
#[derive(Debug, Clone, Copy)]
struct Flight {
    what: What,
    sent: BootTime,
    step: u64,
}

#[derive(Debug, Clone)]
struct Seat {
    elector: Elector,
    stage: Stage,
    flight: Option<Flight>,
    /// The step at which the last answered look began.
    looked: Option<u64>,
    /// Since when the answers to looks say that nobody leads by it.
    free_since: Option<BootTime>,
}

/// One process.
#[derive(Debug, Clone)]
pub struct Campaign {
    me: String,
    terms: Terms,
    count: u32,
    seats: Vec<Seat>,
    in_force: Count,
    able: bool,
    leaving: bool,
    step: u64,
    taken_at: Option<BootTime>,
    ask_at: BootTime,
    asked: Option<u32>,
    /// The version of the number since which the Leases have been looked at once more.
    hurried: u64,
    events: Vec<Event>,
    end: Option<End>,
}

impl Campaign {
    /// Of a process for so many shards. The identity must be another for each process.
    #[must_use]
    pub fn new(me: String, count: u32, terms: Terms, now: BootTime) -> Self {
        let mut campaign = Self {
            me,
            terms,
            count,
            seats: Vec::new(),
            in_force: Count::new(now),
            able: false,
            leaving: false,
            step: 1,
            taken_at: None,
            ask_at: now,
            asked: None,
            hurried: 0,
            events: Vec::new(),
            end: None,
        };
        campaign.seat_all(count, now);
        campaign
    }

    /// The process is able to serve: from now on it claims; until then it only looks.
    pub const fn able(&mut self) {
        self.able = true;
    }

    /// What was under way for a shard has ended.
    pub fn drained(&mut self, shard: u32, now: BootTime) {
        if self.seat(shard).stage == Stage::Draining {
            self.let_go(shard, now);
        }
    }

    /// The process ends: all Leases are given back, and none is claimed any more.
    pub fn leave(&mut self, now: BootTime) {
        self.leaving = true;
        for shard in 0..self.seats.len() {
            if self.seats[shard].stage != Stage::Watching {
                self.let_go(index(shard), now);
            }
        }
    }

    /// It holds nothing, and nothing of it is under way that could change that.
    #[must_use]
    pub fn has_left(&self) -> bool {
        let claims = |seat: &Seat| seat.flight.is_some_and(|f| f.what == What::Claim);
        let idle = |seat: &Seat| seat.stage == Stage::Watching && !claims(seat);
        self.seats.iter().all(idle)
    }

    /// Until when the process may act: no Lease of those it serves by may be lost. `None`: it serves none.
    #[must_use]
    pub fn acts_until(&self) -> Option<BootTime> {
        if self.end.is_some() {
            return None;
        }
        let serving = self.seats.iter().filter(|seat| seat.serves());
        let ends = serving.map(|seat| seat.elector.leads_until());
        // One that is lost is earlier than all others.
        ends.min().flatten()
    }

    /// The shards that it serves.
    pub fn serves(&self) -> impl Iterator<Item = u32> {
        let all = self.seats.iter().enumerate();
        all.filter(|(_, seat)| seat.serves())
            .map(|(shard, _)| index(shard))
    }

    /// How many shards there are, by the last answer.
    #[must_use]
    pub fn in_force(&self) -> Option<u32> {
        let known = self.in_force.known.as_ref();
        known.map(|known| known.agreement.count)
    }

    /// What the process is to be told.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// A shard's elector, for what is said of it.
    #[must_use]
    pub fn elector(&self, shard: u32) -> Option<&Elector> {
        let seat = self.seats.get(usize::try_from(shard).ok()?);
        seat.map(|seat| &seat.elector)
    }

    /// How long a request about a Lease may take.
    #[must_use]
    pub fn patience(&self, order: &Order, now: BootTime) -> Duration {
        match order {
            Order::Look(shard) | Order::Claim(shard, _) => self.seat(*shard).elector.patience(now),
            Order::LookAtCount | Order::Propose(_) => self.terms.patience,
        }
    }

    /// What to do. `wall` is what a claim says of itself, for people.
    pub fn next(&mut self, now: BootTime, wall: Timestamp) -> Next {
        self.choose(now);
        let mut orders = Vec::new();
        let mut until = now.after(LONG);
        for shard in 0..self.watched() {
            let Some(at) = self.move_of(shard, now, wall, &mut orders) else {
                continue;
            };
            until = until.min(at);
        }
        if self.end.is_none() {
            until = until.min(self.about_count(now, &mut orders));
            if let Some((shard, claim)) = self.question(now) {
                self.send(shard, What::Ask, now);
                orders.push(Order::Claim(shard, claim));
            }
            until = until.min(self.ask_at.max(now.after(self.terms.retry)));
        } else {
            orders.clear();
        }
        Next {
            orders,
            until,
            end: self.end,
        }
    }

    /// What a Lease needs. Returns when it needs something at the soonest, unless it is asked something now.
    fn move_of(
        &mut self,
        shard: u32,
        now: BootTime,
        wall: Timestamp,
        orders: &mut Vec<Order>,
    ) -> Option<BootTime> {
        let seat = self.seat(shard);
        if seat.flight.is_some() {
            return None;
        }
        let releasing = seat.stage == Stage::Releasing;
        let (what, order) = match seat.elector.next(now, wall) {
            Move::Rest(until) => return Some(until),
            Move::End if releasing => {
                self.forget(shard, now);
                return Some(now);
            }
            Move::End => {
                self.end.get_or_insert(End::Lost(shard));
                return None;
            }
            Move::Look => (What::Look, Order::Look(shard)),
            Move::Claim(claim) if releasing => match seat.elector.release(wall) {
                Some(release) => (What::Release, Order::Claim(shard, release)),
                None => (What::Claim, Order::Claim(shard, claim)),
            },
            Move::Claim(claim) => (What::Claim, Order::Claim(shard, claim)),
        };
        self.send(shard, what, now);
        orders.push(order);
        None
    }

    /// An answer came, or doesn't come.
    pub fn answered(&mut self, answer: Answer, now: BootTime) {
        self.step += 1;
        match answer {
            Answer::Looked(shard, found) => self.looked(shard, found, now),
            Answer::Claimed(shard, claim, outcome) => self.claimed(shard, claim, outcome, now),
            Answer::Counted(found) => {
                let Some((sent, from)) = self.in_force.flight.take() else {
                    return;
                };
                match found {
                    Ok(agreed) => self.told(agreed, from, now),
                    Err(()) => self.in_force.try_at = sent.after(self.terms.retry).max(now),
                }
            }
            Answer::Proposed(proposal, outcome) => {
                let Some((sent, from)) = self.in_force.flight.take() else {
                    return;
                };
                match outcome {
                    Claimed::Accepted(version) => {
                        let agreed = Agreed {
                            agreement: proposal.agreement,
                            version: Some(version),
                        };
                        self.told(agreed, from, now);
                    }
                    // Somebody was faster, or may have been accepted.
                    Claimed::Conflict | Claimed::NotFound => self.in_force.forget(now),
                    Claimed::Failed => {
                        self.in_force.forget(sent.after(self.terms.retry).max(now));
                    }
                }
            }
        }
    }

    fn looked(&mut self, shard: u32, found: Result<Option<Standing>, ()>, now: BootTime) {
        let me = self.me.clone();
        let spare = self
            .seats
            .iter()
            .filter(|s| s.stage == Stage::Serving)
            .count()
            > 1;
        let seat = self.seat_mut(shard);
        let Some(flight) = seat.flight.take() else {
            return;
        };
        let Ok(found) = found else {
            seat.elector.blind(flight.sent, now);
            return;
        };
        let asked = found.as_ref().and_then(|standing| {
            let ours = standing.record.holder.as_deref() == Some(&*me);
            standing.wanted_by.clone().filter(|who| ours && *who != me)
        });
        seat.elector.looked(found, now);
        seat.looked = Some(flight.step);
        seat.note_freedom(flight.sent, now);
        if asked.is_some() && spare && seat.stage == Stage::Serving {
            seat.stage = Stage::Draining;
            self.events.push(Event::GiveBack(shard));
        }
    }

    fn claimed(&mut self, shard: u32, claim: Claim, outcome: Claimed, now: BootTime) {
        let step = self.step;
        let leaving = self.leaving;
        let retry = self.terms.retry;
        let seat = self.seat_mut(shard);
        let Some(flight) = seat.flight.take() else {
            return;
        };
        let accepted = matches!(outcome, Claimed::Accepted(_));
        match flight.what {
            What::Look => {}
            What::Ask => {
                seat.elector.hurry(now.after(retry));
                self.asked = accepted.then_some(shard);
                let wait = if accepted { ABANDONED } else { retry };
                self.ask_at = now.after(wait);
            }
            What::Release if accepted => self.forget(shard, now),
            What::Release => seat.elector.claimed(claim, outcome, flight.sent, now),
            What::Claim => {
                seat.elector.claimed(claim, outcome, flight.sent, now);
                if accepted && seat.stage == Stage::Releasing {
                    seat.elector.hurry(now);
                }
                if accepted && seat.stage == Stage::Watching {
                    seat.free_since = None;
                    seat.stage = Stage::Claimed(step);
                    self.taken_at = Some(now);
                    self.asked = None;
                    self.in_force.try_at = now;
                    if leaving {
                        self.let_go(shard, now);
                    }
                }
            }
        }
    }

    fn seat_all(&mut self, count: u32, now: BootTime) {
        while self.seats.len() < usize::try_from(count).unwrap_or(0) {
            self.seats.push(Seat {
                elector: Elector::new(self.me.clone(), self.terms, now),
                stage: Stage::Watching,
                flight: None,
                looked: None,
                free_since: None,
            });
        }
    }

    fn send(&mut self, shard: u32, what: What, now: BootTime) {
        self.step += 1;
        let step = self.step;
        self.seat_mut(shard).flight = Some(Flight {
            what,
            sent: now,
            step,
        });
    }

    fn let_go(&mut self, shard: u32, now: BootTime) {
        let seat = self.seat_mut(shard);
        seat.stage = Stage::Releasing;
        seat.elector.hurry(now);
    }

    /// The Lease is somebody else's from now on.
    fn forget(&mut self, shard: u32, now: BootTime) {
        let elector = Elector::new(self.me.clone(), self.terms, now);
        let seat = self.seat_mut(shard);
        seat.elector = elector;
        seat.stage = Stage::Watching;
        seat.looked = None;
        seat.free_since = None;
    }

    fn seat(&self, shard: u32) -> &Seat {
        &self.seats[usize::try_from(shard).unwrap_or(usize::MAX)]
    }

    fn seat_mut(&mut self, shard: u32) -> &mut Seat {
        &mut self.seats[usize::try_from(shard).unwrap_or(usize::MAX)]
    }
}

impl Seat {
    const fn serves(&self) -> bool {
        matches!(self.stage, Stage::Serving | Stage::Draining)
    }

    /// By the look that has just been answered: it was free when that began. Time that passes without a look proves
    /// nothing, since no claim of ours would fail if somebody has renewed it meanwhile.
    fn note_freedom(&mut self, sent: BootTime, now: BootTime) {
        self.free_since = if self.elector.is_free(sent) {
            self.free_since.or(Some(now))
        } else {
            None
        };
    }
}

fn index(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
