//! How fast Microsoft is asked where tenants live: all of them together, and round robin between namespaces.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::core::errors::retry::{MAX_RETRY_AFTER, THROTTLED};
use crate::core::queue::fair::Fair;
use crate::core::schedule::saturating_add;

/// Five a second, of all processes together.
pub const INTERVAL: SignedDuration = SignedDuration::from_millis(200);
/// So many at once, those that were called and are on their way included: answers that hang must not pile up.
const AT_ONCE: usize = 8;
/// Of which one namespace has so many at the most.
const AT_ONCE_OF_ONE: usize = 4;
/// Who was called and hasn't come by then goes back into the line.
const CALL_LASTS: SignedDuration = SignedDuration::from_secs(10);

/// Who waits, who was called, who is asking. A plain state machine; `now` is an argument.
#[derive(Debug)]
pub struct Pace<K> {
    line: Fair<K>,
    waiting: HashMap<K, (Arc<str>, Timestamp)>,
    called: HashMap<K, (Arc<str>, Timestamp)>,
    asking: HashMap<Arc<str>, usize>,
    next_at: Timestamp,
    paused_until: Timestamp,
    interval: SignedDuration,
}

impl<K: Ord + Clone + Hash> Default for Pace<K> {
    fn default() -> Self {
        Self {
            line: Fair::new(),
            waiting: HashMap::new(),
            called: HashMap::new(),
            asking: HashMap::new(),
            next_at: Timestamp::MIN,
            paused_until: Timestamp::MIN,
            interval: INTERVAL,
        }
    }
}

impl<K: Ord + Clone + Hash> Pace<K> {
    /// This process has such a share of what all may ask.
    pub fn set_share(&mut self, share: f64) {
        self.interval = INTERVAL.mul_f64(1.0 / share);
    }

    /// Its question waits for its turn.
    #[must_use]
    pub fn owes(&self, key: &K) -> bool {
        self.waiting.contains_key(key) || self.called.contains_key(key)
    }

    /// How many questions wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len() + self.called.len()
    }

    /// Asks to ask. `true`: it counts as begun, until [`Pace::ended`]. `false`: it is called when its turn comes.
    pub fn admit(&mut self, key: &K, namespace: &Arc<str>, now: Timestamp) -> bool {
        if self.called.remove(key).is_some() {
            self.begin(namespace);
            return true;
        }
        if self.waiting.contains_key(key) {
            return false;
        }
        if self.line.is_empty() && self.has_room(namespace) && self.next_at(now) <= now {
            self.next_at = saturating_add(now, self.interval);
            self.begin(namespace);
            return true;
        }
        self.enqueue(key.clone(), namespace.clone(), now);
        false
    }

    /// The next one whose turn it is; it must be told.
    pub fn call(&mut self, now: Timestamp) -> Option<K> {
        self.take_back(now);
        if self.next_at(now) > now || self.busy() >= AT_ONCE {
            return None;
        }
        let loads = self.loads();
        let key = self.line.pop(|namespace| has_room(&loads, namespace))?;
        let (namespace, _) = self.waiting.remove(&key)?;
        self.next_at = saturating_add(now, self.interval);
        self.called.insert(key.clone(), (namespace, now));
        Some(key)
    }

    /// One that has begun asks a second time: when it may.
    pub fn again_at(&mut self, now: Timestamp) -> Timestamp {
        let at = self.next_at(now);
        self.next_at = saturating_add(at, self.interval);
        at
    }

    /// One has its answer, or none.
    pub fn ended(&mut self, namespace: &Arc<str>) {
        if let Some(asking) = self.asking.get_mut(namespace) {
            *asking -= 1;
            if *asking == 0 {
                self.asking.remove(namespace);
            }
        }
    }

    /// It has nothing to ask any more.
    pub fn forget(&mut self, key: &K) {
        self.called.remove(key);
        if let Some((namespace, since)) = self.waiting.remove(key) {
            self.line.remove(&namespace, since, key);
        }
    }

    /// Microsoft asked to slow down.
    pub fn throttled(&mut self, retry_after: Option<Duration>, now: Timestamp) {
        let wait = retry_after.unwrap_or(THROTTLED).min(MAX_RETRY_AFTER);
        let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::ZERO);
        self.paused_until = saturating_add(now, wait);
    }

    /// When [`Pace::call`] has somebody at the soonest, if no answer comes before.
    #[must_use]
    pub fn wake_at(&self, now: Timestamp) -> Option<Timestamp> {
        let late = self.called.values().map(|(_, at)| *at).min();
        let late = late.map(|at| saturating_add(at, CALL_LASTS));
        let loads = self.loads();
        let may_be_called = self.busy() < AT_ONCE
            && self
                .line
                .namespace(false, |ns| has_room(&loads, ns))
                .is_some();
        let next = may_be_called.then(|| self.next_at(now));
        [late, next].into_iter().flatten().min()
    }

    /// No question before then. An instant that only a clock set back can have left behind isn't believed.
    fn next_at(&self, now: Timestamp) -> Timestamp {
        let believed = |at: Timestamp, longest| {
            if at > now && at <= saturating_add(now, longest) {
                at
            } else {
                now
            }
        };
        let pause = SignedDuration::try_from(MAX_RETRY_AFTER).unwrap_or(SignedDuration::ZERO);
        // Each of those that ask may have a second question.
        let longest = self.interval * (i32::try_from(AT_ONCE).unwrap_or(1) + 1);
        believed(self.next_at, longest).max(believed(self.paused_until, pause))
    }

    fn begin(&mut self, namespace: &Arc<str>) {
        *self.asking.entry(namespace.clone()).or_default() += 1;
    }

    fn enqueue(&mut self, key: K, namespace: Arc<str>, since: Timestamp) {
        self.line.push(&namespace, since, key.clone());
        self.waiting.insert(key, (namespace, since));
    }

    fn take_back(&mut self, now: Timestamp) {
        let is_late = |at: Timestamp| at > now || saturating_add(at, CALL_LASTS) <= now;
        let late = self.called.extract_if(|_, (_, at)| is_late(*at));
        let late: Vec<_> = late.collect();
        for (key, (namespace, _)) in late {
            self.enqueue(key, namespace, now);
        }
    }

    fn busy(&self) -> usize {
        self.called.len() + self.asking.values().sum::<usize>()
    }

    fn loads(&self) -> HashMap<Arc<str>, usize> {
        let mut loads = self.asking.clone();
        for (namespace, _) in self.called.values() {
            *loads.entry(namespace.clone()).or_default() += 1;
        }
        loads
    }

    fn has_room(&self, namespace: &str) -> bool {
        self.busy() < AT_ONCE && has_room(&self.loads(), namespace)
    }
}

fn has_room(loads: &HashMap<Arc<str>, usize>, namespace: &str) -> bool {
    loads
        .get(namespace)
        .is_none_or(|load| *load < AT_ONCE_OF_ONE)
}

#[cfg(test)]
mod tests;
