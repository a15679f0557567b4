//! The number of shards: whether it is this process' own, and how it comes to be that.

use std::time::Duration;

use super::choice::HOLDERS_LOOK;
use super::{Campaign, End, Event, LONG, Order, Seat, Stage, What, index};
use crate::core::election::BootTime;
use crate::core::shards::agreement::{Agreed, Agreement, Proposal};

#[derive(Debug, Clone)]
pub(super) struct Count {
    pub(super) known: Option<Agreed>,
    /// The step at which this very version was first known.
    pub(super) told: u64,
    /// Since when it says so.
    pub(super) since: BootTime,
    pub(super) flight: Option<(BootTime, u64)>,
    pub(super) try_at: BootTime,
}

impl Count {
    pub(super) const fn new(now: BootTime) -> Self {
        Self {
            known: None,
            told: 0,
            since: now,
            flight: None,
            try_at: now,
        }
    }

    pub(super) fn forget(&mut self, try_at: BootTime) {
        self.known = None;
        self.try_at = try_at;
    }
}

impl Campaign {
    /// What the number of shards needs, and when at the soonest.
    pub(super) fn about_count(&mut self, now: BootTime, orders: &mut Vec<Order>) -> BootTime {
        if self.in_force.flight.is_some() {
            return now.after(LONG);
        }
        let proposal = self.proposal(now);
        if now < self.in_force.try_at && proposal.is_none() {
            return self.in_force.try_at;
        }
        let order = match proposal {
            Some(proposal) => Order::Propose(proposal),
            None => Order::LookAtCount,
        };
        self.step += 1;
        self.in_force.flight = Some((now, self.step));
        orders.push(order);
        now.after(LONG)
    }

    /// How many shards there are, by a request that began at this step.
    pub(super) fn told(&mut self, agreed: Agreed, from: u64, now: BootTime) {
        let news = self.in_force.known.as_ref() != Some(&agreed);
        if news {
            self.in_force.told = self.step;
            self.in_force.since = now;
        }
        let Agreement { count, intent } = agreed.agreement;
        let unwritten = agreed.version.is_none();
        self.in_force.known = Some(agreed);
        self.seat_all(count, now);
        for shard in 0..self.seats.len() {
            let Stage::Claimed(at) = self.seats[shard].stage else {
                continue;
            };
            if from <= at {
                continue;
            }
            if count != self.count {
                self.let_go(index(shard), now);
            } else if intent.is_none() {
                self.seats[shard].stage = Stage::Serving;
                let heir = self.seats[shard].elector.is_heir();
                let shard = index(shard);
                self.events.push(Event::Won { shard, heir });
            }
        }
        let serves = self.serves().next().is_some();
        if serves && count != self.count && !unwritten {
            self.end.get_or_insert(End::Overruled);
        }
        let wait = if self.proposal(now).is_some() || self.unconfirmed() {
            Duration::ZERO
        } else if serves {
            HOLDERS_LOOK * 2
        } else {
            self.terms.retry
        };
        self.in_force.try_at = now.after(wait);
    }

    /// Whether a claim waits for an answer about the number that was asked for after it.
    pub(super) fn unconfirmed(&self) -> bool {
        let waits = |seat: &Seat| matches!(seat.stage, Stage::Claimed(_));
        self.seats.iter().any(waits)
    }

    /// What the number of shards ought to be, if this process has a say.
    pub(super) fn proposal(&self, now: BootTime) -> Option<Proposal> {
        let known = self.in_force.known.as_ref()?;
        if self.leaving {
            return None;
        }
        let say = |count: u32, intent: Option<u32>| {
            Some(Proposal {
                over: known.version.clone(),
                agreement: Agreement { count, intent },
            })
        };
        let Agreement { count, intent } = known.agreement;
        if count == self.count {
            // The old number lives: what is intended comes to nothing.
            return if self.unconfirmed() && intent.is_some() {
                say(count, None)
            } else {
                None
            };
        }
        if self.serves().next().is_some() {
            // Somebody deleted it.
            return if known.version.is_none() {
                say(self.count, None)
            } else {
                None
            };
        }
        if !self.able || !self.all_free(count) {
            return None;
        }
        match intent {
            Some(intent) if intent == self.count => {
                let after = |shard: &u32| self.seat(*shard).looked > Some(self.in_force.told);
                (0..count)
                    .all(|shard| after(&shard))
                    .then(|| say(intent, None))?
            }
            // Somebody else is about to do it.
            Some(_) if now.since(self.in_force.since) < self.terms.duration => None,
            _ => say(count, Some(self.count)),
        }
    }

    /// Nobody led by any Lease of so many shards when it was looked at last.
    pub(super) fn all_free(&self, count: u32) -> bool {
        let free = |shard: u32| {
            let seat = self.seat(shard);
            let writes = seat.flight.is_some_and(|flight| flight.what != What::Look);
            seat.stage == Stage::Watching && !writes && seat.free_since.is_some()
        };
        (0..count).all(free)
    }

    /// This number is intended, and the Leases of the other one have to be looked at once more.
    pub(super) fn is_changing(&self) -> bool {
        let known = self.in_force.known.as_ref();
        known.is_some_and(|known| {
            known.agreement.count != self.count && known.agreement.intent == Some(self.count)
        })
    }
}
