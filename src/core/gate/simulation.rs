//! Queue, gate and many tenants on a virtual clock: the same state machines as in the operator, and a Microsoft
//! that is a function.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::core::application::choice::choose;
use crate::core::errors::Verdict;
use crate::core::queue::{Finish, Queue};
use crate::core::testing::{AUDIENCE, LIFE, REFRESH, at, millis, tenant_id};

/// What Microsoft answers.
#[derive(Clone)]
pub enum Reply {
    Token,
    Fails(Verdict, Option<Duration>),
    /// The worker dies with the request.
    Lost,
}

pub struct SimTenant {
    pub namespace: Arc<str>,
    pub fingerprint: Fingerprint,
    /// The application's other credential, if it has two.
    pub next: Option<Fingerprint>,
    pub expires_at: Option<Timestamp>,
    pub refresh_at: Timestamp,
    /// Persisted: not before, and whether that was the credential's fault.
    pub hold: Option<(Timestamp, bool)>,
}

pub type Microsoft = Box<dyn Fn(usize, Fingerprint, Timestamp) -> Reply>;

pub struct Sim {
    pub now: Timestamp,
    pub gate: Gate,
    pub tenants: Vec<SimTenant>,
    pub microsoft: Microsoft,
    /// Each request: milliseconds since the beginning, and the tenant.
    pub requests: Vec<(i64, usize)>,
    pub effects: Vec<(i64, Effect)>,
    /// Each call of a lane: milliseconds since the beginning, and the tenant.
    pub calls: Vec<(i64, usize)>,
    /// Turns begin in the reverse of the order in which they were given, as threads may have it.
    pub races: bool,
    queue: Queue<usize>,
    under_way: BTreeMap<(Timestamp, usize), (MintKey, Reply)>,
}

/// Worker slots.
const SLOTS: usize = 32;

impl Sim {
    pub fn new(tenants: Vec<SimTenant>, microsoft: Microsoft) -> Self {
        let mut sim = Self {
            now: at(0),
            gate: Gate::new(500.0),
            tenants,
            microsoft,
            requests: Vec::new(),
            effects: Vec::new(),
            calls: Vec::new(),
            races: false,
            queue: Queue::default(),
            under_way: BTreeMap::new(),
        };
        for n in 0..sim.tenants.len() {
            sim.wake(n);
        }
        sim
    }

    pub fn wake(&mut self, n: usize) {
        let tenant = &self.tenants[n];
        self.queue.wake(&n, &tenant.namespace, tenant.expires_at);
    }

    /// Every tenant gets another credential.
    pub fn rotate(&mut self, fingerprint: Fingerprint) {
        let now = self.now;
        self.gate.learn(fingerprint, Some(now), now);
        for n in 0..self.tenants.len() {
            self.tenants[n].fingerprint = fingerprint;
            self.tenants[n].hold = None;
            self.wake(n);
        }
    }

    /// The credential that counts, as the operator chooses it.
    fn chosen(&mut self, n: usize) -> Fingerprint {
        let now = self.now;
        let tenant = &self.tenants[n];
        let all: Vec<_> = [Some(tenant.fingerprint), tenant.next]
            .into_iter()
            .flatten()
            .collect();
        let standings: Vec<_> = all
            .iter()
            .map(|fingerprint| {
                self.gate.learn(*fingerprint, None, now);
                self.gate.standing(*fingerprint, now)
            })
            .collect();
        choose(&standings, now).map_or(all[0], |choice| all[choice.chosen])
    }

    /// Requests since that millisecond, and the clock with it.
    pub fn since(&self, from: i64) -> Vec<(i64, usize)> {
        self.requests
            .iter()
            .copied()
            .filter(|(when, _)| *when >= from)
            .collect()
    }

    pub fn run_until(&mut self, end: Timestamp) {
        loop {
            let now = self.now;
            while self.give_turns() {}
            let report = self.under_way.keys().next().map(|(when, _)| *when);
            let wake = (self.queue.running() < SLOTS)
                .then(|| {
                    self.queue
                        .wake_at(|fingerprint| self.gate.calls(fingerprint, now), now)
                })
                .flatten();
            assert!(
                wake.is_none_or(|wake| wake > now),
                "somebody is called again and again at {now}"
            );
            let Some(next) = [report, wake].into_iter().flatten().min() else {
                self.now = end;
                return;
            };
            if next > end {
                self.now = end;
                return;
            }
            self.now = next;
            while let Some(((when, n), _)) = self.under_way.first_key_value()
                && *when <= next
            {
                let place = (*when, *n);
                let (key, reply) = self.under_way.remove(&place).unwrap();
                self.report(place.1, key, &reply);
            }
        }
    }

    /// Fills the slots, and only then do those turns begin.
    fn give_turns(&mut self) -> bool {
        let now = self.now;
        let mut turns = Vec::new();
        while self.queue.running() < SLOTS {
            let gate = &self.gate;
            let Some(next) = self
                .queue
                .next(now, |fingerprint| gate.calls(fingerprint, now))
            else {
                break;
            };
            if next.called {
                self.calls.push((self.millis(), next.key));
            }
            turns.push(next);
        }
        if self.races {
            turns.reverse();
        }
        let any = !turns.is_empty();
        for turn in turns {
            self.reconcile(turn.key, turn.called);
        }
        any
    }

    /// Milliseconds since the beginning.
    fn millis(&self) -> i64 {
        let since = self.now.duration_since(millis(0)).as_millis();
        since.try_into().unwrap()
    }

    fn finish(&mut self, n: usize, wake_at: Option<Timestamp>, lane: Option<Fingerprint>) {
        let expires_at = self.tenants[n].expires_at;
        let finish = Finish {
            wake_at,
            lane,
            expires_at,
            gone: false,
        };
        self.queue.finish(&n, finish);
    }

    fn reconcile(&mut self, n: usize, called: bool) {
        let now = self.now;
        let fingerprint = self.chosen(n);
        let tenant = &self.tenants[n];
        if tenant.expires_at.is_some() && tenant.refresh_at > now {
            let wake = tenant.refresh_at;
            return self.finish(n, Some(wake), None);
        }
        if let Some((until, by_credential)) = tenant.hold
            && until > now
            && !(by_credential && self.gate.health(fingerprint) == Health::Fine)
        {
            return self.finish(n, Some(until), None);
        }
        let key = MintKey {
            fingerprint,
            tenant: tenant_id(n),
            audience: AUDIENCE,
        };
        let lane_is_empty = self.queue.lane_is_empty(fingerprint);
        match self
            .gate
            .admit(key, &n.to_string(), called, lane_is_empty, now)
        {
            Admission::Wait(until) => self.finish(n, Some(until), None),
            Admission::Park => self.finish(n, None, Some(fingerprint)),
            Admission::Go => {
                let latency = 50 + i64::try_from(n * 37 % 200).unwrap();
                let reply = (self.microsoft)(n, fingerprint, now);
                self.queue.begun(&n);
                self.requests.push((self.millis(), n));
                self.under_way.insert(
                    (now + SignedDuration::from_millis(latency), n),
                    (key, reply),
                );
            }
        }
    }

    fn report(&mut self, n: usize, key: MintKey, reply: &Reply) {
        let now = self.now;
        let (outcome, retry_after) = match reply {
            Reply::Token => (Outcome::Token, None),
            Reply::Fails(verdict, wait) => (Outcome::Failed(verdict), *wait),
            // Nobody reports; the tenant itself comes back when its worker is missed.
            Reply::Lost => return self.finish(n, Some(now + SignedDuration::from_mins(1)), None),
        };
        let alone = self
            .tenants
            .iter()
            .filter(|t| t.fingerprint == key.fingerprint || t.next == Some(key.fingerprint))
            .count()
            == 1;
        let report = self
            .gate
            .report(key, &n.to_string(), outcome, retry_after, alone, now);
        let tenant = &mut self.tenants[n];
        let wake = match (reply, report.progress) {
            (Reply::Token, _) => {
                tenant.hold = None;
                tenant.expires_at = Some(now + SignedDuration::from_secs(LIFE));
                tenant.refresh_at = now + SignedDuration::from_secs(REFRESH);
                tenant.refresh_at
            }
            (_, Some((_, next))) => {
                tenant.hold = Some((next, true));
                next
            }
            _ => {
                let wait = retry_after.map_or(SignedDuration::from_mins(1), |wait| {
                    wait.try_into().unwrap()
                });
                tenant.hold = Some((now + wait, report.scope == Some(Scope::Credential)));
                now + wait
            }
        };
        self.finish(n, Some(wake), None);
        if report.effect != Effect::None {
            self.effects.push((self.millis(), report.effect));
            for other in 0..self.tenants.len() {
                let tenant = &self.tenants[other];
                if tenant.fingerprint == key.fingerprint || tenant.next == Some(key.fingerprint) {
                    self.wake(other);
                }
            }
        }
    }
}

mod doubts;
mod pairs;
mod races;
mod tests;
