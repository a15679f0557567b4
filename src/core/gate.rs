//! Whether a token request may be made: breaker and rate of the fingerprint, pause of the very request.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::application::choice::Standing;
use super::breaker::{Breaker, Effect, Health, Outcome, Turn};
use super::credential::Fingerprint;
use super::errors::retry::THROTTLED;
use super::errors::{Retry, Scope};
use super::ids::{Audience, TenantId};
use super::pacing::Bucket;
use super::queue::Calls;
use super::reason::Reason;
use super::schedule::saturating_add;

/// Entra answers loops with AADSTS50196; the same question is never asked twice within this time.
pub const SAME_REQUEST_GAP: SignedDuration = SignedDuration::from_secs(10);

/// The longest `Retry-After` that is believed; a pause that lasts longer was begun before the clock was set back.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_hours(1);

/// The same question to Microsoft.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MintKey {
    /// Who asks.
    pub fingerprint: Fingerprint,
    /// For which customer.
    pub tenant: TenantId,
    /// For which resource.
    pub audience: Audience,
}

/// Whether a mint may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Yes, and it counts as begun.
    Go,
    /// This very question not before then.
    Wait(Timestamp),
    /// The fingerprint's turn must be waited for, in its lane.
    Park,
}

struct Lane {
    breaker: Breaker,
    bucket: Bucket,
}

/// What a report changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// For all tenants of the fingerprint.
    pub effect: Effect,
    /// Whom the failure concerns after all.
    pub scope: Option<Scope>,
    /// Failed probes and the next one's instant, where the breaker decides about the retry.
    pub progress: Option<(usize, Timestamp)>,
}

/// All fingerprints' lanes and all pauses. A plain state machine; `now` is an argument.
pub struct Gate {
    rate: f64,
    lanes: HashMap<Fingerprint, Lane>,
    not_before: HashMap<MintKey, Timestamp>,
    sweep_at: usize,
}

impl Gate {
    /// A gate that lets `rate` requests a second and fingerprint pass.
    #[must_use]
    pub fn new(rate: f64) -> Self {
        Self {
            rate,
            lanes: HashMap::new(),
            not_before: HashMap::new(),
            sweep_at: 1_024,
        }
    }

    /// Makes a fingerprint known. `changed_at` is set where a credential was seen to change.
    pub fn learn(
        &mut self,
        fingerprint: Fingerprint,
        changed_at: Option<Timestamp>,
        now: Timestamp,
    ) {
        let rate = self.rate;
        self.lanes.entry(fingerprint).or_insert_with(|| Lane {
            breaker: Breaker::new(changed_at),
            bucket: Bucket::new(rate, now),
        });
    }

    /// From now on so many requests a second and fingerprint.
    pub fn set_rate(&mut self, rate: f64, now: Timestamp) {
        self.rate = rate;
        for lane in self.lanes.values_mut() {
            lane.bucket.set_ceiling(rate, now);
        }
    }

    /// Goes on where an earlier process stopped.
    pub fn resume(
        &mut self,
        fingerprint: Fingerprint,
        count: usize,
        next_at: Timestamp,
        reason: Reason,
    ) {
        if let Some(lane) = self.lanes.get_mut(&fingerprint) {
            lane.breaker.resume(count, next_at, reason);
        }
    }

    /// Microsoft asked an earlier process to wait until then.
    pub fn resume_pause(&mut self, key: MintKey, until: Timestamp, now: Timestamp) {
        self.pause(key, until.min(saturating_add(now, LONGEST_PAUSE)), now);
    }

    /// Forgets fingerprints that no credential has any more.
    pub fn retain(&mut self, keep: impl Fn(&Fingerprint) -> bool) {
        self.lanes.retain(|fingerprint, _| keep(fingerprint));
    }

    /// What is known of a credential.
    #[must_use]
    pub fn health(&self, fingerprint: Fingerprint) -> Health {
        self.lanes
            .get(&fingerprint)
            .map_or(Health::Fine, |lane| lane.breaker.health())
    }

    /// What is known of a credential, for the choice between several.
    #[must_use]
    pub fn standing(&self, fingerprint: Fingerprint, now: Timestamp) -> Standing {
        let Some(lane) = self.lanes.get(&fingerprint) else {
            return Standing::Fine;
        };
        if lane.breaker.health() == Health::Fine {
            return Standing::Fine;
        }
        match lane.breaker.turn(now) {
            Turn::Now => Standing::Refused(now),
            Turn::At(at) => Standing::Refused(at),
        }
    }

    /// A credential that was seen to change, and that nobody has tried yet.
    #[must_use]
    pub fn is_unproven(&self, fingerprint: Fingerprint) -> bool {
        self.lanes
            .get(&fingerprint)
            .is_some_and(|lane| lane.breaker.is_unproven())
    }

    /// The state of a credential's breaker, for metrics.
    #[must_use]
    pub fn state_name(&self, fingerprint: Fingerprint) -> &'static str {
        self.lanes
            .get(&fingerprint)
            .map_or("proving", |lane| lane.breaker.state_name())
    }

    /// How many breakers are in each state.
    #[must_use]
    pub fn states(&self) -> BTreeMap<&'static str, usize> {
        let mut states = BTreeMap::from([
            ("proving", 0),
            ("closed", 0),
            ("propagating", 0),
            ("open", 0),
        ]);
        for lane in self.lanes.values() {
            *states.entry(lane.breaker.state_name()).or_default() += 1;
        }
        states
    }

    /// Whom the fingerprint's lane may call now.
    #[must_use]
    pub fn calls(&self, fingerprint: Fingerprint, now: Timestamp) -> Calls {
        let Some(lane) = self.lanes.get(&fingerprint) else {
            return Calls::UpTo(1);
        };
        if let Turn::At(at) = lane.breaker.turn(now) {
            return Calls::From(at);
        }
        let at = lane.bucket.next_at(now);
        if at > now {
            return Calls::From(at);
        }
        if lane.breaker.wants_candidate() {
            Calls::Best
        } else if lane.breaker.is_closed() {
            Calls::UpTo(lane.bucket.available(now).max(1))
        } else {
            Calls::UpTo(1)
        }
    }

    /// Asks to begin a mint. `called`: its lane has called it; others queue up behind those who wait there.
    pub fn admit(
        &mut self,
        key: MintKey,
        uid: &str,
        called: bool,
        lane_is_empty: bool,
        now: Timestamp,
    ) -> Admission {
        if let Some(at) = self.not_before(&key, now) {
            return Admission::Wait(at);
        }
        self.learn(key.fingerprint, None, now);
        let Some(lane) = self.lanes.get_mut(&key.fingerprint) else {
            return Admission::Park;
        };
        let jumps_queue = !called && (!lane_is_empty || lane.breaker.wants_candidate());
        if jumps_queue || lane.breaker.turn(now) != Turn::Now || lane.bucket.take(now).is_err() {
            return Admission::Park;
        }
        lane.breaker.begin(uid, now);
        self.pause(key, saturating_add(now, SAME_REQUEST_GAP), now);
        Admission::Go
    }

    /// Until when this very question must wait.
    #[must_use]
    pub fn not_before(&self, key: &MintKey, now: Timestamp) -> Option<Timestamp> {
        self.not_before
            .get(key)
            .copied()
            .filter(|at| *at > now && *at <= saturating_add(now, LONGEST_PAUSE))
    }

    fn pause(&mut self, key: MintKey, until: Timestamp, now: Timestamp) {
        if self.not_before.len() >= self.sweep_at {
            self.not_before.retain(|_, at| *at > now);
            self.sweep_at = (self.not_before.len() * 2).max(1_024);
        }
        let at = self.not_before.entry(key).or_insert(until);
        if *at < until || *at > saturating_add(now, LONGEST_PAUSE) {
            *at = until;
        }
    }

    /// A mint has ended.
    pub fn report(
        &mut self,
        key: MintKey,
        uid: &str,
        outcome: Outcome<'_>,
        retry_after: Option<Duration>,
        alone: bool,
        now: Timestamp,
    ) -> Report {
        let throttled = matches!(outcome, Outcome::Failed(v) if v.retry == Retry::Throttle);
        let wait = match outcome {
            Outcome::Failed(v) if throttled && v.reason == Reason::Throttled => {
                Some(retry_after.unwrap_or(THROTTLED))
            }
            Outcome::Failed(_) => retry_after,
            Outcome::Token | Outcome::Abandoned => None,
        };
        if let Some(wait) = wait {
            let wait = SignedDuration::try_from(wait)
                .unwrap_or(LONGEST_PAUSE)
                .min(LONGEST_PAUSE);
            self.pause(key, saturating_add(now, wait), now);
        }
        let Some(lane) = self.lanes.get_mut(&key.fingerprint) else {
            return Report {
                effect: Effect::None,
                scope: None,
                progress: None,
            };
        };
        if throttled {
            lane.bucket.throttled(key.tenant, now);
        } else if outcome == Outcome::Token {
            lane.bucket.accepted(now);
        }
        let (effect, scope) = lane.breaker.report(uid, outcome, alone, now);
        let progress = (scope == Some(Scope::Credential))
            .then(|| lane.breaker.progress())
            .flatten();
        Report {
            effect,
            scope,
            progress,
        }
    }
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
