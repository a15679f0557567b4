//! Leader election: who may act, decided from what the Lease says and for how long it has said so.
//!
//! Clocks of different machines are never compared: a Lease has run out when this process has seen no change of it for
//! its duration. A leader counts from the start of its last accepted request, everybody else from the answer that
//! showed it, so that its own end always comes first.

use std::time::Duration;

use jiff::Timestamp;

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

/// An instant of a clock that also runs while the machine sleeps, and that nobody sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BootTime(pub Duration);

impl BootTime {
    /// So much later.
    #[must_use]
    pub const fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(wait))
    }

    /// From then until now; nothing if that is to come.
    #[must_use]
    pub const fn since(self, then: Self) -> Duration {
        self.0.saturating_sub(then.0)
    }
}

/// The times of an election.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Others wait so long after the last change.
    pub duration: Duration,
    /// The leader ends so long after its last accepted request.
    pub renew_deadline: Duration,
    /// How often the Lease is renewed, or looked at.
    pub retry: Duration,
    /// A request gets so long.
    pub patience: Duration,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry: Duration::from_secs(2),
            patience: Duration::from_secs(3),
        }
    }
}

/// Durations that others wrote are believed within these.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(5);
/// Whoever lost a race looks again after this part of [`Terms::retry`].
const RACE_PARTS: u32 = 10;

/// What a Lease says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Who holds it; nobody after a release.
    pub holder: Option<String>,
    /// For how long after each renewal.
    pub duration: Option<Duration>,
    /// Since when, by its holder's clock.
    pub acquired_at: Option<Timestamp>,
    /// Renewed last, by its holder's clock.
    pub renewed_at: Option<Timestamp>,
    /// How often the holder changed.
    pub transitions: i32,
}

/// A Lease as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// What it says.
    pub record: Record,
    /// Its resourceVersion.
    pub version: String,
    /// Who asks its holder, which has others, for it.
    pub wanted_by: Option<String>,
}

/// A write of the Lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Over exactly this resourceVersion; `None` creates the Lease.
    pub over: Option<String>,
    /// What it is to say.
    pub record: Record,
    /// Who asks its holder for it. What a holder writes answers, and so erases it.
    pub wanted_by: Option<String>,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Move {
    /// Nothing until then.
    Rest(BootTime),
    /// Read the Lease.
    Look,
    /// Write it.
    Claim(Claim),
    /// It was lost, or couldn't be renewed in time.
    End,
}

/// What became of a [`Claim`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// Accepted; the new resourceVersion.
    Accepted(String),
    /// It is another by now, or exists already.
    Conflict,
    /// There is none.
    NotFound,
    /// No answer, or an error: it may have been accepted.
    Failed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Known {
    /// It has to be looked at.
    Nothing,
    /// There is none.
    Absent,
    /// As it stood.
    There(Standing),
}

/// One candidate.
#[derive(Debug, Clone)]
pub struct Elector {
    identity: String,
    terms: Terms,
    known: Known,
    /// What the Lease said last, and since when it was seen to say so.
    observed: Option<(Record, BootTime)>,
    /// The start of the last request of ours that was accepted.
    held_from: Option<BootTime>,
    acquired_at: Option<Timestamp>,
    /// How often somebody else's Lease is looked at.
    look_every: Duration,
    try_at: BootTime,
    ready: bool,
    lost: bool,
    heir: bool,
}

impl Elector {
    /// A candidate. The identity must be another for each process.
    #[must_use]
    pub const fn new(identity: String, terms: Terms, now: BootTime) -> Self {
        Self {
            identity,
            terms,
            known: Known::Nothing,
            observed: None,
            held_from: None,
            acquired_at: None,
            look_every: terms.retry,
            try_at: now,
            ready: false,
            lost: false,
            heir: false,
        }
    }

    /// The candidate is able to lead: from now on it claims the Lease; until then it only looks.
    pub fn ready(&mut self, now: BootTime) {
        if !self.ready {
            self.ready = true;
            self.try_at = now;
        }
    }

    /// From now on it only looks, and so often.
    pub const fn only_look(&mut self, every: Duration) {
        self.ready = false;
        self.look_every = every;
    }

    /// What comes next comes now.
    pub const fn hurry(&mut self, now: BootTime) {
        self.try_at = now;
    }

    /// The Lease as it was seen last.
    #[must_use]
    pub const fn standing(&self) -> Option<&Standing> {
        match &self.known {
            Known::There(standing) => Some(standing),
            Known::Nothing | Known::Absent => None,
        }
    }

    /// It was looked at, and anybody may claim it.
    #[must_use]
    pub fn is_free(&self, now: BootTime) -> bool {
        self.held_from.is_none() && self.known != Known::Nothing && self.free_at() <= now
    }

    /// Until when this candidate leads, if it does.
    #[must_use]
    pub fn leads_until(&self) -> Option<BootTime> {
        self.held_from
            .filter(|_| !self.lost)
            .map(|from| from.after(self.terms.renew_deadline))
    }

    /// Somebody else was seen to lead: what he wrote last may not have been told yet.
    #[must_use]
    pub const fn is_heir(&self) -> bool {
        self.heir
    }

    /// Who held the Lease when it was seen not to be this candidate's any more; an empty name if it was released.
    #[must_use]
    pub fn lost_to(&self) -> Option<&str> {
        let holder = self.holder().unwrap_or_default();
        (self.lost && holder != self.identity).then_some(holder)
    }

    /// Who was seen to hold the Lease last.
    #[must_use]
    pub fn holder(&self) -> Option<&str> {
        self.observed.as_ref()?.0.holder.as_deref()
    }

    /// What to do. `wall` is what a claim says of itself, for people.
    #[must_use]
    pub fn next(&self, now: BootTime, wall: Timestamp) -> Move {
        let until = self.leads_until();
        if self.lost || until.is_some_and(|until| until <= now) {
            return Move::End;
        }
        if now < self.try_at {
            return Move::Rest(until.map_or(self.try_at, |until| until.min(self.try_at)));
        }
        let over = match &self.known {
            Known::Nothing => return Move::Look,
            Known::Absent => None,
            Known::There(standing) => Some(standing.version.clone()),
        };
        if until.is_none() && self.free_at() > now {
            return Move::Look;
        }
        if until.is_none() && !self.ready {
            return Move::Look;
        }
        Move::Claim(Claim {
            over,
            record: self.record(wall),
            wanted_by: None,
        })
    }

    /// How long the next request may take: a leader's ends with its term.
    #[must_use]
    pub fn patience(&self, now: BootTime) -> Duration {
        let left = self.leads_until().map(|until| until.since(now));
        left.map_or(self.terms.patience, |left| left.min(self.terms.patience))
    }

    /// The Lease was read. `None`: there is none.
    pub fn looked(&mut self, found: Option<Standing>, now: BootTime) {
        let late = now.after(self.look_every);
        let soon = if self.ready { now } else { late };
        let Some(standing) = found else {
            // Somebody deleted it: its holder, who doesn't know yet, leads on for what is left of its term.
            self.known = Known::Absent;
            self.try_at = if self.held_from.is_some() {
                now
            } else {
                self.free_at().clamp(soon, late)
            };
            return;
        };
        let ours = standing.record.holder.as_deref() == Some(self.identity.as_str());
        if self.held_from.is_some() && !ours {
            self.lost = true;
        }
        self.observe(standing.record.clone(), now);
        self.known = Known::There(standing);
        let free_at = self.free_at();
        self.heir |= !ours && now < free_at;
        self.try_at = if self.held_from.is_some() {
            now
        } else {
            free_at.clamp(soon, late)
        };
    }

    /// The Lease couldn't be read.
    pub fn blind(&mut self, sent: BootTime, now: BootTime) {
        self.try_at = sent.after(self.terms.retry).max(now);
    }

    /// A claim was answered, or wasn't. `sent`: before its request began.
    pub fn claimed(&mut self, claim: Claim, outcome: Claimed, sent: BootTime, now: BootTime) {
        match outcome {
            Claimed::Accepted(version) => {
                // An answer that comes after the end of the term it should have prolonged comes too late.
                if self.leads_until().is_some_and(|until| until <= now) {
                    self.lost = true;
                }
                self.held_from = Some(sent);
                self.acquired_at = claim.record.acquired_at;
                self.observed = Some((claim.record.clone(), now));
                self.known = Known::There(Standing {
                    record: claim.record,
                    version,
                    wanted_by: None,
                });
                self.try_at = sent.after(self.terms.retry).max(now);
            }
            Claimed::Conflict => {
                self.heir = true;
                self.known = Known::Nothing;
                self.try_at = self.pause(now);
            }
            Claimed::NotFound => {
                self.known = Known::Absent;
                self.try_at = self.pause(now);
            }
            // If it was accepted after all, the next one meets a conflict, and looks.
            Claimed::Failed => self.try_at = sent.after(self.terms.retry).max(now),
        }
    }

    /// The write that gives the Lease back, so that nobody has to wait for its end.
    #[must_use]
    pub fn release(&self, wall: Timestamp) -> Option<Claim> {
        self.leads_until()?;
        let Known::There(standing) = &self.known else {
            return None;
        };
        Some(Claim {
            over: Some(standing.version.clone()),
            record: Record {
                holder: None,
                duration: Some(SHORTEST),
                renewed_at: Some(wall),
                ..standing.record.clone()
            },
            wanted_by: None,
        })
    }

    fn record(&self, wall: Timestamp) -> Record {
        let before = match &self.known {
            Known::There(standing) => Some(&standing.record),
            Known::Nothing | Known::Absent => None,
        };
        let same = before.is_some_and(|record| record.holder.as_ref() == Some(&self.identity));
        let transitions = before.map_or(0, |record| record.transitions);
        Record {
            holder: Some(self.identity.clone()),
            duration: Some(self.terms.duration),
            acquired_at: self.acquired_at.or(Some(wall)),
            renewed_at: Some(wall),
            transitions: if same || before.is_none() {
                transitions
            } else {
                transitions.saturating_add(1)
            },
        }
    }

    fn observe(&mut self, record: Record, now: BootTime) {
        if self
            .observed
            .as_ref()
            .is_none_or(|(known, _)| *known != record)
        {
            self.observed = Some((record, now));
        }
    }

    /// From when on anybody may claim it.
    fn free_at(&self) -> BootTime {
        let Some((record, seen_at)) = &self.observed else {
            return BootTime(Duration::ZERO);
        };
        match record.holder.as_deref() {
            // Released, or an own claim whose answer was lost.
            None | Some("") => BootTime(Duration::ZERO),
            Some(holder) if holder == self.identity => BootTime(Duration::ZERO),
            Some(_) => {
                let duration = record.duration.unwrap_or(self.terms.duration);
                seen_at.after(duration.clamp(SHORTEST, LONGEST))
            }
        }
    }

    fn pause(&self, now: BootTime) -> BootTime {
        now.after(self.terms.retry / RACE_PARTS)
    }
}
