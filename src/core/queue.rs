//! In which order tenants are served: round robin between namespaces, the soonest expiry first within one.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::Arc;

use jiff::Timestamp;

use super::credential::Fingerprint;

pub(super) mod fair;

use fair::Fair;

/// Whom a lane may call now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Calls {
    /// Nobody before this instant.
    From(Timestamp),
    /// The best candidate, and no other beside it.
    Best,
    /// Whoever's turn it is, so many at once.
    UpTo(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Resting,
    Ready,
    Lane(Fingerprint),
    Running {
        again: bool,
        /// The lane that called it, until it has asked there.
        called: Option<Fingerprint>,
    },
}

#[derive(Debug)]
struct Item {
    namespace: Arc<str>,
    urgency: Timestamp,
    place: Place,
    timer: Option<Timestamp>,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub struct Dispatch<K> {
    /// The tenant.
    pub key: K,
    /// Its lane has called it: it may mint now.
    pub called: bool,
}

/// How a tenant's turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Finish {
    /// When it wants its next turn.
    pub wake_at: Option<Timestamp>,
    /// It wants to mint and waits for this fingerprint.
    pub lane: Option<Fingerprint>,
    /// Expiry of its token; `None` if it has none, which is the most urgent.
    pub expires_at: Option<Timestamp>,
    /// There is no such tenant any more.
    pub gone: bool,
}

impl Finish {
    /// There is no such tenant here any more.
    #[must_use]
    pub fn gone() -> Self {
        Self {
            gone: true,
            ..Self::default()
        }
    }
}

/// All tenants, each resting, ready, in a lane, or being served.
#[derive(Debug)]
pub struct Queue<K> {
    items: HashMap<K, Item>,
    timers: BTreeSet<(Timestamp, K)>,
    ready: Fair<K>,
    lanes: HashMap<Fingerprint, Fair<K>>,
    /// How many each lane has called that neither began a mint nor ended since.
    called: HashMap<Fingerprint, usize>,
    /// When a lane sent for a namespace last, counted in turns: junk credentials, each with its lane, buy no turns.
    sent: HashMap<Arc<str>, u64>,
    turn: u64,
    running: usize,
    /// How many each namespace has being served.
    busy: HashMap<Arc<str>, usize>,
    lane_turn: bool,
}

/// A quarter more than the slots are kept for namespaces that have nobody being served.
const fn has_kept_slot(running: usize, slots: usize) -> bool {
    running <= slots + slots / 4
}

impl<K: Ord + Clone + Hash> Default for Queue<K> {
    fn default() -> Self {
        Self {
            items: HashMap::new(),
            timers: BTreeSet::new(),
            ready: Fair::new(),
            lanes: HashMap::new(),
            called: HashMap::new(),
            sent: HashMap::new(),
            turn: 0,
            running: 0,
            busy: HashMap::new(),
            lane_turn: false,
        }
    }
}

impl<K: Ord + Clone + Hash> Queue<K> {
    /// Something happened to this tenant: it is served as soon as there is a slot.
    /// `expires_at` is its token's expiry as far as known.
    pub fn wake(&mut self, key: &K, namespace: &Arc<str>, expires_at: Option<Timestamp>) {
        let urgency = expires_at.unwrap_or(Timestamp::MIN);
        let item = self.items.entry(key.clone()).or_insert_with(|| Item {
            namespace: namespace.clone(),
            urgency,
            place: Place::Resting,
            timer: None,
        });
        match item.place {
            Place::Ready => return,
            Place::Running { called, .. } => {
                item.place = Place::Running {
                    again: true,
                    called,
                };
                return;
            }
            Place::Lane(fingerprint) => {
                leave_lane(&mut self.lanes, fingerprint, item, key);
            }
            Place::Resting => item.urgency = urgency,
        }
        item.place = Place::Ready;
        if let Some(at) = item.timer.take() {
            self.timers.remove(&(at, key.clone()));
        }
        self.ready.push(&item.namespace, item.urgency, key.clone());
    }

    /// The next one to serve. `calls` tells of a fingerprint whom its lane may call.
    pub fn next(
        &mut self,
        now: Timestamp,
        calls: impl Fn(Fingerprint) -> Calls,
    ) -> Option<Dispatch<K>> {
        self.take(now, &calls, false)
    }

    /// As [`Queue::next`], of a namespace that has nobody being served: for slots that are kept for those, so that
    /// requests of one namespace which hang can't take every slot.
    pub fn next_idle(
        &mut self,
        now: Timestamp,
        calls: impl Fn(Fingerprint) -> Calls,
    ) -> Option<Dispatch<K>> {
        self.take(now, &calls, true)
    }

    /// Fills one of `slots`: as [`Queue::next`]; a quarter more are kept for namespaces that have nobody being served.
    pub fn next_slot(
        &mut self,
        slots: usize,
        now: Timestamp,
        calls: impl Fn(Fingerprint) -> Calls,
    ) -> Option<Dispatch<K>> {
        if self.running < slots {
            self.next(now, calls)
        } else if has_kept_slot(self.running, slots) {
            // Requests that hang must not take every slot.
            self.next_idle(now, calls)
        } else {
            None
        }
    }

    fn take(
        &mut self,
        now: Timestamp,
        calls: &impl Fn(Fingerprint) -> Calls,
        idle: bool,
    ) -> Option<Dispatch<K>> {
        self.ring(now);
        self.lane_turn = !self.lane_turn;
        let (key, called) = if self.lane_turn {
            self.pop_lane(calls, idle).or_else(|| self.pop_ready(idle))
        } else {
            self.pop_ready(idle).or_else(|| self.pop_lane(calls, idle))
        }?;
        if let Some(item) = self.items.get_mut(&key) {
            *self.busy.entry(item.namespace.clone()).or_default() += 1;
            item.place = Place::Running {
                again: false,
                called,
            };
            if let Some(at) = item.timer.take() {
                self.timers.remove(&(at, key.clone()));
            }
        }
        if let Some(fingerprint) = called {
            *self.called.entry(fingerprint).or_default() += 1;
        }
        self.running += 1;
        Some(Dispatch {
            key,
            called: called.is_some(),
        })
    }

    fn ring(&mut self, now: Timestamp) {
        while let Some((at, _)) = self.timers.first() {
            if *at > now {
                break;
            }
            let Some((_, key)) = self.timers.pop_first() else {
                break;
            };
            let Some(item) = self.items.get_mut(&key) else {
                continue;
            };
            item.timer = None;
            match item.place {
                Place::Resting => {}
                Place::Lane(fingerprint) => leave_lane(&mut self.lanes, fingerprint, item, &key),
                Place::Ready | Place::Running { .. } => continue,
            }
            item.place = Place::Ready;
            self.ready.push(&item.namespace, item.urgency, key);
        }
    }

    fn pop_ready(&mut self, idle: bool) -> Option<(K, Option<Fingerprint>)> {
        let busy = &self.busy;
        let key = self
            .ready
            .pop(|namespace| !idle || !busy.contains_key(namespace))?;
        Some((key, None))
    }

    /// Whether a lane may call one now, and then whether that must be the best.
    /// Between a call and the mint it leads to, the gate knows nothing of it: here it counts.
    fn may_call(&self, fingerprint: Fingerprint, calls: Calls) -> Option<bool> {
        let called = self.called.get(&fingerprint).copied().unwrap_or_default();
        match calls {
            Calls::From(_) => None,
            Calls::Best => (called == 0).then_some(true),
            Calls::UpTo(most) => (called < most).then_some(false),
        }
    }

    fn pop_lane(
        &mut self,
        calls: &impl Fn(Fingerprint) -> Calls,
        idle: bool,
    ) -> Option<(K, Option<Fingerprint>)> {
        let busy = &self.busy;
        let may = |namespace: &str| !idle || !busy.contains_key(namespace);
        let open = self.lanes.iter().filter_map(|(fingerprint, lane)| {
            let candidate = self.may_call(*fingerprint, calls(*fingerprint))?;
            let sent = self.sent.get(&lane.namespace(candidate, may)?);
            Some((
                sent.copied().unwrap_or_default(),
                lane.sent,
                *fingerprint,
                candidate,
            ))
        });
        let (_, _, fingerprint, candidate) = open.min()?;
        let lane = self.lanes.get_mut(&fingerprint)?;
        let namespace = lane.namespace(candidate, may)?;
        let key = if candidate {
            lane.pop_candidate()
        } else {
            lane.pop(may)
        }?;
        self.turn += 1;
        lane.sent = self.turn;
        if lane.is_empty() {
            self.lanes.remove(&fingerprint);
        }
        if self.lanes.is_empty() {
            self.sent.clear();
        } else {
            self.sent.insert(namespace, self.turn);
        }
        Some((key, Some(fingerprint)))
    }

    /// When [`Queue::next`] has something at the soonest, if nothing happens before.
    #[must_use]
    pub fn wake_at(
        &self,
        calls: impl Fn(Fingerprint) -> Calls,
        now: Timestamp,
    ) -> Option<Timestamp> {
        if !self.ready.is_empty() {
            return Some(now);
        }
        let lanes = self
            .lanes
            .keys()
            .filter_map(|fingerprint| match calls(*fingerprint) {
                Calls::From(at) => Some(at),
                // Where those who were called are still on their way, their mint or their end is news.
                calls => self.may_call(*fingerprint, calls).map(|_| now),
            });
        lanes.chain(self.timers.first().map(|(at, _)| *at)).min()
    }

    /// When [`Queue::next_slot`] has something at the soonest, if no turn ends before.
    #[must_use]
    pub fn next_slot_at(
        &self,
        slots: usize,
        now: Timestamp,
        calls: impl Fn(Fingerprint) -> Calls,
    ) -> Option<Timestamp> {
        if self.running < slots {
            self.wake_at(calls, now)
        } else if has_kept_slot(self.running, slots) {
            // Whoever is ready waits for a slot; whoever's time comes may have a kept one.
            self.next_timer()
        } else {
            None
        }
    }

    /// When the next one's time comes.
    #[must_use]
    pub fn next_timer(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// A mint of this tenant has begun, and the gate counts it. Returns whether its lane may call another because of that.
    pub fn begun(&mut self, key: &K) -> bool {
        let Some(item) = self.items.get_mut(key) else {
            return false;
        };
        let Place::Running { called, .. } = &mut item.place else {
            return false;
        };
        let called = called.take();
        self.answered(called);
        called.is_some()
    }

    /// One that this lane called is under way no more.
    fn answered(&mut self, fingerprint: Option<Fingerprint>) {
        let Some(fingerprint) = fingerprint else {
            return;
        };
        if let Some(called) = self.called.get_mut(&fingerprint) {
            *called -= 1;
            if *called == 0 {
                self.called.remove(&fingerprint);
            }
        }
    }

    /// A turn has ended.
    pub fn finish(&mut self, key: &K, finish: Finish) {
        self.begun(key);
        let Some(item) = self.items.get_mut(key) else {
            return;
        };
        let Place::Running { again, .. } = item.place else {
            return;
        };
        self.running = self.running.saturating_sub(1);
        if let Some(busy) = self.busy.get_mut(&item.namespace) {
            *busy -= 1;
            if *busy == 0 {
                self.busy.remove(&item.namespace);
            }
        }
        item.urgency = finish.expires_at.unwrap_or(Timestamp::MIN);
        if finish.gone && !again {
            self.items.remove(key);
            return;
        }
        if again {
            item.place = Place::Ready;
            self.ready.push(&item.namespace, item.urgency, key.clone());
            return;
        }
        item.place = Place::Resting;
        if let Some(at) = finish.wake_at {
            item.timer = Some(at);
            self.timers.insert((at, key.clone()));
        }
        if let Some(fingerprint) = finish.lane {
            item.place = Place::Lane(fingerprint);
            let lane = self.lanes.entry(fingerprint).or_insert_with(Fair::new);
            lane.push(&item.namespace, item.urgency, key.clone());
        }
    }

    /// Somebody else serves this tenant from now on. Returns whether it is still being served here; it is known until that
    /// has ended, and this is said again.
    pub fn retire(&mut self, key: &K) -> bool {
        let Some(item) = self.items.get(key) else {
            return false;
        };
        match item.place {
            Place::Running { .. } => return true,
            Place::Resting => {}
            Place::Ready => self.ready.remove(&item.namespace, item.urgency, key),
            Place::Lane(fingerprint) => leave_lane(&mut self.lanes, fingerprint, item, key),
        }
        if let Some(at) = item.timer {
            self.timers.remove(&(at, key.clone()));
        }
        self.items.remove(key);
        false
    }

    /// Nobody waits in this lane.
    #[must_use]
    pub fn lane_is_empty(&self, fingerprint: Fingerprint) -> bool {
        !self.lanes.contains_key(&fingerprint)
    }

    /// How many are ready and have no slot.
    #[must_use]
    pub fn ready_len(&self) -> usize {
        self.ready.len()
    }

    /// How many wait for a fingerprint's turn.
    #[must_use]
    pub fn parked_len(&self) -> usize {
        self.lanes.values().map(Fair::len).sum()
    }

    /// How many are being served.
    #[must_use]
    pub const fn running(&self) -> usize {
        self.running
    }

    /// How many are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// None is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

fn leave_lane<K: Ord + Clone>(
    lanes: &mut HashMap<Fingerprint, Fair<K>>,
    fingerprint: Fingerprint,
    item: &Item,
    key: &K,
) {
    if let Some(lane) = lanes.get_mut(&fingerprint) {
        lane.remove(&item.namespace, item.urgency, key);
        if lane.is_empty() {
            lanes.remove(&fingerprint);
        }
    }
}

#[cfg(test)]
mod tests;
