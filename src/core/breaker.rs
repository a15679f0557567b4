//! One breaker a credential fingerprint: a bad credential is one failing request a step, not one a tenant.

use jiff::{SignedDuration, Timestamp};

use super::errors::{Certainty, Scope, Verdict};
use super::reason::Reason;
use super::schedule::saturating_add;

mod doubts;

use doubts::Doubts;

/// Seconds between the probes of an open breaker; the last one repeats.
pub const STEPS: [i64; 7] = [30, 60, 120, 300, 600, 900, 1_800];

/// The longest of [`STEPS`].
const LONGEST: i64 = STEPS[STEPS.len() - 1];

/// Seconds between the requests of a credential that changed minutes ago. Entra needs 4–18 s for a new secret.
pub const FRESH_STEPS: [i64; 4] = [10, 20, 40, 60];

/// How long a credential counts as fresh after it changed.
pub const FRESH_FOR: SignedDuration = SignedDuration::from_mins(3);

/// An unproven credential gets a second request when the first is this old: one slow tenant must not hold up all others.
const PATIENCE: SignedDuration = SignedDuration::from_secs(2);

/// A request without a report after this long has been lost with its worker: six times the token client's timeout.
const LOST_AFTER: SignedDuration = SignedDuration::from_mins(2);

/// So many tenants' own failures in a row say that the credential is at least not refused.
const TENANT_ANSWERS: u8 = 3;

/// What is known of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Nothing bad.
    Fine,
    /// Fresh, and not known everywhere at Microsoft.
    Propagating,
    /// Refused, and why.
    Refused(Reason),
}

/// Whether a mint may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Yes.
    Now,
    /// Not before this instant, and then one.
    At(Timestamp),
}

/// What a report changed for all tenants of the fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    None,
    /// It is refused (or propagating) from now on.
    Opened,
    /// It is fine again.
    Closed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No answer yet: one request, until there is one.
    Proving,
    /// Free.
    Closed,
    /// Fresh and refused so often.
    Propagating { refused: usize, next_at: Timestamp },
    /// Refused.
    Open {
        step: usize,
        next_at: Timestamp,
        reason: Reason,
    },
}

/// How a request ended, as far as a breaker cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// A token came.
    Token,
    /// None came.
    Failed(&'a Verdict),
    /// The request was never made, or its answer is lost.
    Abandoned,
}

/// A fingerprint's breaker.
#[derive(Debug)]
pub struct Breaker {
    state: State,
    /// Requests under way that count, by tenant uid and beginning.
    probes: Vec<(String, Timestamp)>,
    /// What single tenants said of the credential, and others didn't.
    doubts: Doubts,
    tenant_answers: u8,
    /// When the credential changed, if this process saw it change.
    changed_at: Option<Timestamp>,
}

impl Breaker {
    /// A credential that nobody has tried. `changed_at` is set where it was seen to change.
    #[must_use]
    pub const fn new(changed_at: Option<Timestamp>) -> Self {
        Self {
            state: State::Proving,
            probes: Vec::new(),
            doubts: Doubts::new(),
            tenant_answers: 0,
            changed_at,
        }
    }

    /// Goes on where an earlier process stopped: `count` failed probes, the next one at `next_at`.
    pub fn resume(&mut self, count: usize, next_at: Timestamp, reason: Reason) {
        let step = count.saturating_sub(1).min(STEPS.len() - 1);
        let later = match self.state {
            State::Open { next_at: known, .. } => known < next_at,
            State::Proving => true,
            State::Closed | State::Propagating { .. } => false,
        };
        if later {
            self.state = State::Open {
                step,
                next_at,
                reason,
            };
        }
    }

    /// What is known of the credential.
    #[must_use]
    pub const fn health(&self) -> Health {
        match self.state {
            State::Proving | State::Closed => Health::Fine,
            State::Propagating { .. } => Health::Propagating,
            State::Open { reason, .. } => Health::Refused(reason),
        }
    }

    /// The state's name, for metrics.
    #[must_use]
    pub const fn state_name(&self) -> &'static str {
        match self.state {
            State::Proving => "proving",
            State::Closed => "closed",
            State::Propagating { .. } => "propagating",
            State::Open { .. } => "open",
        }
    }

    /// It was seen to change, and nobody has tried it yet.
    #[must_use]
    pub const fn is_unproven(&self) -> bool {
        matches!(self.state, State::Proving) && self.changed_at.is_some()
    }

    /// Only the next candidate may go, not whoever comes.
    #[must_use]
    pub const fn wants_candidate(&self) -> bool {
        matches!(self.state, State::Propagating { .. } | State::Open { .. })
    }

    /// It has proved itself, and nobody has refused it since.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Whether a mint may begin now.
    #[must_use]
    pub fn turn(&self, now: Timestamp) -> Turn {
        let last = self
            .probes
            .iter()
            .map(|(_, began)| *began)
            .filter(|began| under_way(*began, now))
            .max();
        match self.state {
            State::Closed => Turn::Now,
            State::Proving => match last.map(|last| saturating_add(last, PATIENCE)) {
                Some(at) if at > now => Turn::At(at),
                _ => Turn::Now,
            },
            // A probe is under way: its report says when the next one is due.
            State::Propagating { .. } | State::Open { .. } if last.is_some() => {
                Turn::At(saturating_add(now, PATIENCE))
            }
            State::Propagating { next_at, .. } | State::Open { next_at, .. } => {
                // An instant beyond the longest step was set before the clock was set back.
                if next_at > now && next_at <= after(now, LONGEST) {
                    Turn::At(next_at)
                } else {
                    Turn::Now
                }
            }
        }
    }

    /// A mint of this tenant begins.
    pub fn begin(&mut self, uid: &str, now: Timestamp) {
        if self.state != State::Closed {
            self.probes.retain(|(_, began)| under_way(*began, now));
            self.probes.push((uid.to_owned(), now));
        }
    }

    /// A mint of this tenant has ended. `alone`: no other tenant uses the credential.
    /// Returns what changed for all, and whom the failure concerns after all.
    pub fn report(
        &mut self,
        uid: &str,
        outcome: Outcome<'_>,
        alone: bool,
        now: Timestamp,
    ) -> (Effect, Option<Scope>) {
        let probe = self.probes.iter().position(|(probe, _)| probe == uid);
        if let Some(probe) = probe {
            self.probes.swap_remove(probe);
        }
        match outcome {
            Outcome::Abandoned => {
                if probe.is_some() {
                    self.try_soon(now);
                }
                (Effect::None, None)
            }
            Outcome::Token => (self.succeeded(uid, probe.is_some(), now), None),
            Outcome::Failed(verdict) => self.failed(uid, verdict, probe.is_some(), alone, now),
        }
    }

    fn succeeded(&mut self, uid: &str, probe: bool, now: Timestamp) -> Effect {
        self.doubts.succeeded(uid);
        let effect = match self.state {
            State::Closed | State::Proving => Effect::None,
            // A request from before the breaker opened proves nothing.
            State::Open { .. } | State::Propagating { .. } if !probe => return Effect::None,
            State::Open { .. } | State::Propagating { .. } => Effect::Closed,
        };
        self.state = State::Closed;
        self.doubts.contradict(now);
        effect
    }

    fn failed(
        &mut self,
        uid: &str,
        verdict: &Verdict,
        probe: bool,
        alone: bool,
        now: Timestamp,
    ) -> (Effect, Option<Scope>) {
        match verdict.scope {
            Scope::Service => {
                self.put_off(probe, now);
                (Effect::None, Some(Scope::Service))
            }
            Scope::Tenant => {
                self.put_off(probe, now);
                if self.state == State::Proving {
                    self.tenant_answers += 1;
                    if self.tenant_answers >= TENANT_ANSWERS {
                        self.state = State::Closed;
                    }
                }
                (Effect::None, Some(Scope::Tenant))
            }
            Scope::Credential if !self.settled(uid, verdict, alone, now) => {
                self.doubts.suspect(uid, now);
                (Effect::None, Some(Scope::Tenant))
            }
            Scope::Credential => {
                self.doubts.accuse(uid, now);
                (self.refuse(verdict, probe, now), Some(Scope::Credential))
            }
        }
    }

    /// An open breaker, the lack of any other tenant or another one's recent failure settles every answer;
    /// else only a certain one counts, of a tenant whom no other contradicts.
    fn settled(&self, uid: &str, verdict: &Verdict, alone: bool, now: Timestamp) -> bool {
        alone
            || self.wants_candidate()
            || self.doubts.suspects_other(uid, now)
            || (verdict.certainty == Certainty::Certain && !self.doubts.is_contradicted(uid, now))
    }

    /// A probe that told nothing of the credential: the next candidate at the same distance.
    fn put_off(&mut self, probe: bool, now: Timestamp) {
        if !probe {
            return;
        }
        match &mut self.state {
            State::Open { step, next_at, .. } => *next_at = after(now, STEPS[*step]),
            State::Propagating { refused, next_at } => {
                *next_at = after(
                    now,
                    FRESH_STEPS[(*refused).saturating_sub(1).min(FRESH_STEPS.len() - 1)],
                );
            }
            State::Proving | State::Closed => {}
        }
    }

    /// A probe that perhaps was never made: another one soon, never at once.
    fn try_soon(&mut self, now: Timestamp) {
        match &mut self.state {
            State::Open { next_at, .. } => *next_at = after(now, STEPS[0]),
            State::Propagating { next_at, .. } => *next_at = after(now, FRESH_STEPS[0]),
            State::Proving | State::Closed => {}
        }
    }

    fn refuse(&mut self, verdict: &Verdict, probe: bool, now: Timestamp) -> Effect {
        let fresh = self
            .changed_at
            .is_some_and(|at| now.duration_since(at) < FRESH_FOR);
        let may_be_fresh = fresh && verdict.may_be_fresh_credential();
        match self.state {
            State::Open { step, .. } if probe => {
                let step = (step + 1).min(STEPS.len() - 1);
                self.state = State::Open {
                    step,
                    next_at: after(now, STEPS[step]),
                    reason: verdict.reason,
                };
                Effect::None
            }
            State::Propagating { refused, .. }
                if probe && may_be_fresh && refused < FRESH_STEPS.len() =>
            {
                self.state = State::Propagating {
                    refused: refused + 1,
                    next_at: after(now, FRESH_STEPS[refused]),
                };
                Effect::None
            }
            // Others that were under way when it opened say the same thing again.
            State::Open { .. } => Effect::None,
            State::Propagating { .. } if !probe => Effect::None,
            State::Proving | State::Closed if may_be_fresh => {
                self.probes.clear();
                self.state = State::Propagating {
                    refused: 1,
                    next_at: after(now, FRESH_STEPS[0]),
                };
                Effect::Opened
            }
            State::Proving | State::Closed | State::Propagating { .. } => {
                // What else is under way began before it opened: it proves nothing and counts for no step.
                self.probes.clear();
                self.state = State::Open {
                    step: 0,
                    next_at: after(now, STEPS[0]),
                    reason: verdict.reason,
                };
                Effect::Opened
            }
        }
    }

    /// When the next probe is due, and how many have failed, for a status that outlives the process.
    #[must_use]
    pub const fn progress(&self) -> Option<(usize, Timestamp)> {
        match self.state {
            State::Open { step, next_at, .. } => Some((step + 1, next_at)),
            State::Propagating { refused, next_at } => Some((refused, next_at)),
            State::Proving | State::Closed => None,
        }
    }
}

/// What began later than now began before the clock was set back, and is as lost as what never reported.
fn under_way(began: Timestamp, now: Timestamp) -> bool {
    began <= now && now < saturating_add(began, LOST_AFTER)
}

fn after(now: Timestamp, seconds: i64) -> Timestamp {
    saturating_add(now, SignedDuration::from_secs(seconds))
}

#[cfg(test)]
mod tests;
