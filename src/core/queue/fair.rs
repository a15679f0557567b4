//! A line that namespaces take turns in.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

/// The keys of one namespace, and when its turn is.
#[derive(Debug)]
struct Waiting<K> {
    turn: u64,
    keys: BTreeSet<(Timestamp, K)>,
}

/// Keys by namespace. One namespace with ten thousand keys takes every second turn of one with a single key.
#[derive(Debug)]
pub(in crate::core) struct Fair<K> {
    turns: BTreeMap<u64, Arc<str>>,
    last_turn: u64,
    waiting: HashMap<Arc<str>, Waiting<K>>,
    /// All keys, the best candidate first: those without a token (`true`) after all others.
    candidates: BTreeSet<(bool, Timestamp, K, Arc<str>)>,
    /// Of a lane: when it sent somebody last, counted in turns.
    pub(in crate::core) sent: u64,
}

impl<K: Ord + Clone> Fair<K> {
    pub(in crate::core) fn new() -> Self {
        Self {
            turns: BTreeMap::new(),
            last_turn: 0,
            waiting: HashMap::new(),
            candidates: BTreeSet::new(),
            sent: 0,
        }
    }

    pub(in crate::core) fn is_empty(&self) -> bool {
        self.candidates.is_empty()
    }

    pub(in crate::core) fn len(&self) -> usize {
        self.candidates.len()
    }

    pub(in crate::core) fn push(&mut self, namespace: &Arc<str>, urgency: Timestamp, key: K) {
        let waiting = self.waiting.entry(namespace.clone()).or_insert_with(|| {
            self.last_turn += 1;
            self.turns.insert(self.last_turn, namespace.clone());
            Waiting {
                turn: self.last_turn,
                keys: BTreeSet::new(),
            }
        });
        waiting.keys.insert((urgency, key.clone()));
        self.candidates
            .insert(candidate(namespace.clone(), urgency, key));
    }

    /// The next one, of a namespace that may have a turn.
    pub(in crate::core) fn pop(&mut self, may: impl Fn(&str) -> bool) -> Option<K> {
        let (turn, namespace) = self.next_namespace(may)?;
        self.turns.remove(&turn);
        let waiting = self.waiting.get_mut(&namespace)?;
        let (urgency, key) = waiting.keys.pop_first()?;
        self.candidates
            .remove(&candidate(namespace.clone(), urgency, key.clone()));
        if waiting.keys.is_empty() {
            self.waiting.remove(&namespace);
        } else {
            self.last_turn += 1;
            waiting.turn = self.last_turn;
            self.turns.insert(self.last_turn, namespace);
        }
        Some(key)
    }

    /// The best candidate of all namespaces to try a doubtful credential with: who last succeeded, the soonest expiry first.
    pub(in crate::core) fn pop_candidate(&mut self) -> Option<K> {
        let (_, urgency, key, namespace) = self.candidates.first()?.clone();
        self.remove(&namespace, urgency, &key);
        Some(key)
    }

    fn next_namespace(&self, may: impl Fn(&str) -> bool) -> Option<(u64, Arc<str>)> {
        let mut turns = self.turns.iter();
        let (turn, namespace) = turns.find(|(_, namespace)| may(namespace))?;
        Some((*turn, namespace.clone()))
    }

    /// Whose turn is next, of those that may have one.
    pub(in crate::core) fn namespace(
        &self,
        candidate: bool,
        may: impl Fn(&str) -> bool,
    ) -> Option<Arc<str>> {
        if candidate {
            let (_, _, _, namespace) = self.candidates.first()?;
            may(namespace).then(|| namespace.clone())
        } else {
            self.next_namespace(may).map(|(_, namespace)| namespace)
        }
    }

    pub(in crate::core) fn remove(&mut self, namespace: &Arc<str>, urgency: Timestamp, key: &K) {
        self.candidates
            .remove(&candidate(namespace.clone(), urgency, key.clone()));
        if let Some(waiting) = self.waiting.get_mut(namespace) {
            waiting.keys.remove(&(urgency, key.clone()));
            if waiting.keys.is_empty() {
                self.turns.remove(&waiting.turn);
                self.waiting.remove(namespace);
            }
        }
    }
}

fn candidate<K>(namespace: Arc<str>, urgency: Timestamp, key: K) -> (bool, Timestamp, K, Arc<str>) {
    (urgency == Timestamp::MIN, urgency, key, namespace)
}
