//! What many objects have in common is kept once.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::sync::Arc;

use serde::Serialize;

/// So many are kept before anybody looks which of them are still used.
const FIRST_SWEEP: usize = 256;

/// Values that are shared by whoever has an equal one.
#[derive(Debug)]
pub(super) struct Shared<T> {
    by_hash: HashMap<u64, Arc<T>>,
    hashes: RandomState,
    sweep_at: usize,
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self {
            by_hash: HashMap::new(),
            hashes: RandomState::new(),
            sweep_at: FIRST_SWEEP,
        }
    }
}

impl<T: Serialize + PartialEq> Shared<T> {
    /// The one that is equal to this, or this.
    pub(super) fn share(&mut self, value: T) -> Arc<T> {
        let mut hash = Hash(self.hashes.build_hasher());
        if serde_json::to_writer(&mut hash, &value).is_err() {
            return Arc::new(value);
        }
        let hash = hash.0.finish();
        match self.by_hash.get(&hash) {
            Some(known) if **known == value => return known.clone(),
            // Two that happen to have one hash.
            Some(_) => return Arc::new(value),
            None => {}
        }
        if self.by_hash.len() >= self.sweep_at {
            self.by_hash.retain(|_, known| Arc::strong_count(known) > 1);
            self.sweep_at = (self.by_hash.len() * 2).max(FIRST_SWEEP);
        }
        let value = Arc::new(value);
        self.by_hash.insert(hash, value.clone());
        value
    }
}

struct Hash(<RandomState as std::hash::BuildHasher>::Hasher);

impl io::Write for Hash {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The same for texts.
#[derive(Debug)]
pub(super) struct Texts {
    known: HashSet<Arc<str>>,
    sweep_at: usize,
}

impl Default for Texts {
    fn default() -> Self {
        Self {
            known: HashSet::new(),
            sweep_at: FIRST_SWEEP,
        }
    }
}

impl Texts {
    /// The one that is equal to this.
    pub(super) fn share(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.known.get(text) {
            return known.clone();
        }
        if self.known.len() >= self.sweep_at {
            self.known.retain(|known| Arc::strong_count(known) > 1);
            self.sweep_at = (self.known.len() * 2).max(FIRST_SWEEP);
        }
        let text: Arc<str> = text.into();
        self.known.insert(text.clone());
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_ones_are_one_and_what_nobody_uses_goes() {
        let mut shared = Shared::default();
        let mut texts = Texts::default();
        let (kept, text) = (shared.share("a".to_owned()), texts.share("a"));
        assert!(Arc::ptr_eq(&kept, &shared.share("a".to_owned())));
        assert!(Arc::ptr_eq(&text, &texts.share("a")));
        for n in 0..10 * FIRST_SWEEP {
            shared.share(n.to_string());
            texts.share(&n.to_string());
        }
        assert!(shared.by_hash.len() <= FIRST_SWEEP && texts.known.len() <= FIRST_SWEEP);
        assert!(Arc::ptr_eq(&kept, &shared.share("a".to_owned())));
        assert!(Arc::ptr_eq(&text, &texts.share("a")));
    }
}
