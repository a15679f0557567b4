//! In which order tenants are served: round robin between namespaces, the soonest expiry first within one.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::Hash;
use std::sync::Arc;

use jiff::Timestamp;

use super::breaker::Turn;
use super::credential::Fingerprint;

/// Keys by namespace. One namespace with ten thousand keys takes every second turn of one with a single key.
#[derive(Debug)]
struct Fair<K> {
    turns: VecDeque<Arc<str>>,
    waiting: HashMap<Arc<str>, BTreeSet<(Timestamp, K)>>,
    /// Of a lane: when it sent somebody last, counted in turns.
    sent: u64,
}

impl<K: Ord + Clone> Fair<K> {
    fn new() -> Self {
        Self {
            turns: VecDeque::new(),
            waiting: HashMap::new(),
            sent: 0,
        }
    }

    fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    fn len(&self) -> usize {
        self.waiting.values().map(BTreeSet::len).sum()
    }

    fn push(&mut self, namespace: &Arc<str>, urgency: Timestamp, key: K) {
        let keys = self.waiting.entry(namespace.clone()).or_insert_with(|| {
            self.turns.push_back(namespace.clone());
            BTreeSet::new()
        });
        keys.insert((urgency, key));
    }

    fn pop(&mut self) -> Option<K> {
        let namespace = self.turns.pop_front()?;
        let keys = self.waiting.get_mut(&namespace)?;
        let (_, key) = keys.pop_first()?;
        if keys.is_empty() {
            self.waiting.remove(&namespace);
        } else {
            self.turns.push_back(namespace);
        }
        Some(key)
    }

    /// The best candidate of all namespaces to try a doubtful credential with: who last succeeded, the soonest expiry first.
    fn pop_candidate(&mut self) -> Option<K> {
        let ((_, urgency, key), namespace) = self.candidate()?;
        self.remove(&namespace, urgency, &key);
        Some(key)
    }

    /// Whose turn is next.
    fn namespace(&self, candidate: bool) -> Option<Arc<str>> {
        if candidate {
            self.candidate().map(|(_, namespace)| namespace)
        } else {
            self.turns.front().cloned()
        }
    }

    fn candidate(&self) -> Option<((bool, Timestamp, K), Arc<str>)> {
        self.waiting
            .iter()
            .filter_map(|(namespace, keys)| {
                let with_token = keys.iter().find(|(expiry, _)| *expiry > Timestamp::MIN);
                let (expiry, key) = with_token.or_else(|| keys.first())?;
                Some((
                    (with_token.is_none(), *expiry, key.clone()),
                    namespace.clone(),
                ))
            })
            .min()
    }

    fn remove(&mut self, namespace: &Arc<str>, urgency: Timestamp, key: &K) {
        if let Some(keys) = self.waiting.get_mut(namespace) {
            keys.remove(&(urgency, key.clone()));
            if keys.is_empty() {
                self.waiting.remove(namespace);
                self.turns.retain(|turn| turn != namespace);
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Resting,
    Ready,
    Lane(Fingerprint),
    Running { again: bool },
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

/// All tenants, each resting, ready, in a lane, or being served.
#[derive(Debug)]
pub struct Queue<K> {
    items: HashMap<K, Item>,
    timers: BTreeSet<(Timestamp, K)>,
    ready: Fair<K>,
    lanes: HashMap<Fingerprint, Fair<K>>,
    /// When a lane sent for a namespace last, counted in turns: junk credentials, each with its lane, buy no turns.
    sent: HashMap<Arc<str>, u64>,
    turn: u64,
    running: usize,
    lane_turn: bool,
}

impl<K: Ord + Clone + Hash> Default for Queue<K> {
    fn default() -> Self {
        Self {
            items: HashMap::new(),
            timers: BTreeSet::new(),
            ready: Fair::new(),
            lanes: HashMap::new(),
            sent: HashMap::new(),
            turn: 0,
            running: 0,
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
            Place::Running { .. } => {
                item.place = Place::Running { again: true };
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

    /// The next one to serve. `turn` tells of a fingerprint whether its lane may send one, and whether it must be the best.
    pub fn next(
        &mut self,
        now: Timestamp,
        turn: impl Fn(Fingerprint) -> (Turn, bool),
    ) -> Option<Dispatch<K>> {
        self.ring(now);
        self.lane_turn = !self.lane_turn;
        let dispatch = if self.lane_turn {
            self.pop_lane(&turn).or_else(|| self.pop_ready())
        } else {
            self.pop_ready().or_else(|| self.pop_lane(&turn))
        }?;
        if let Some(item) = self.items.get_mut(&dispatch.key) {
            item.place = Place::Running { again: false };
            if let Some(at) = item.timer.take() {
                self.timers.remove(&(at, dispatch.key.clone()));
            }
        }
        self.running += 1;
        Some(dispatch)
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

    fn pop_ready(&mut self) -> Option<Dispatch<K>> {
        self.ready.pop().map(|key| Dispatch { key, called: false })
    }

    fn pop_lane(&mut self, turn: &impl Fn(Fingerprint) -> (Turn, bool)) -> Option<Dispatch<K>> {
        let open = self
            .lanes
            .iter()
            .filter_map(|(fingerprint, lane)| match turn(*fingerprint) {
                (Turn::Now, candidate) => {
                    let sent = lane
                        .namespace(candidate)
                        .and_then(|namespace| self.sent.get(&namespace));
                    Some((
                        sent.copied().unwrap_or_default(),
                        lane.sent,
                        *fingerprint,
                        candidate,
                    ))
                }
                (Turn::At(_), _) => None,
            });
        let (_, _, fingerprint, candidate) = open.min()?;
        let lane = self.lanes.get_mut(&fingerprint)?;
        let namespace = lane.namespace(candidate)?;
        let key = if candidate {
            lane.pop_candidate()
        } else {
            lane.pop()
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
        Some(Dispatch { key, called: true })
    }

    /// When [`Queue::next`] has something at the soonest, if nothing happens before.
    #[must_use]
    pub fn wake_at(&self, turn: impl Fn(Fingerprint) -> Turn, now: Timestamp) -> Option<Timestamp> {
        if !self.ready.is_empty() {
            return Some(now);
        }
        let lanes = self
            .lanes
            .keys()
            .map(|fingerprint| match turn(*fingerprint) {
                Turn::Now => now,
                Turn::At(at) => at,
            });
        lanes.chain(self.timers.first().map(|(at, _)| *at)).min()
    }

    /// A turn has ended.
    pub fn finish(&mut self, key: &K, finish: Finish) {
        let Some(item) = self.items.get_mut(key) else {
            return;
        };
        let Place::Running { again } = item.place else {
            return;
        };
        self.running = self.running.saturating_sub(1);
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
