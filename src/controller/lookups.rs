//! What live looks found, for a few seconds: tenants that share a missing Secret, or an application that takes their
//! tokens back, share the look.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::world::is_newer;
use crate::core::application::Application;
use crate::core::schedule::saturating_add;
use crate::core::tenant::Key;

/// Long enough for a fleet that asks at once, short enough for a person who waits.
const FRESH: SignedDuration = SignedDuration::from_secs(5);

/// What stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Nothing.
    Nothing,
    /// A Secret without the label.
    Unlabelled,
}

/// The looks of the last seconds.
#[derive(Debug, Default)]
pub struct Lookups {
    seen: HashMap<Key, (Timestamp, Look)>,
    applications: HashMap<Arc<str>, (Timestamp, Arc<Application>)>,
}

impl Lookups {
    /// What was seen there a moment ago.
    #[must_use]
    pub fn recent(&self, key: &Key, now: Timestamp) -> Option<Look> {
        let (at, look) = self.seen.get(key)?;
        (*at <= now && now < saturating_add(*at, FRESH)).then_some(*look)
    }

    /// Something was seen.
    pub fn saw(&mut self, key: Key, look: Look, now: Timestamp) {
        // Nothing here is older than a few seconds for long: looks come in bursts.
        self.seen
            .retain(|_, (at, _)| *at <= now && now < saturating_add(*at, FRESH));
        self.seen.insert(key, (now, look));
    }

    /// An application as it was read a moment ago, if that is as new as this.
    #[must_use]
    pub fn application(&self, known: &Application, now: Timestamp) -> Option<Arc<Application>> {
        let (at, live) = self.applications.get(&known.name)?;
        let fresh = *at <= now && now < saturating_add(*at, FRESH);
        let as_new = !is_newer(&known.resource_version, &live.resource_version);
        (fresh && as_new).then(|| live.clone())
    }

    /// An application was read; `at`: when it was asked for.
    pub fn saw_application(&mut self, live: Arc<Application>, at: Timestamp) {
        self.applications
            .retain(|_, (seen, _)| *seen <= at && at < saturating_add(*seen, FRESH));
        self.applications.insert(live.name.clone(), (at, live));
    }

    /// The watch told something of it.
    pub fn forget(&mut self, key: &Key) {
        self.seen.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + seconds).unwrap()
    }

    #[test]
    fn a_look_counts_for_a_few_seconds_and_until_the_watch_tells() {
        let mut lookups = Lookups::default();
        let key = Key::new("soc", "partner");
        lookups.saw(key.clone(), Look::Unlabelled, at(0));
        assert_eq!(lookups.recent(&key, at(4)), Some(Look::Unlabelled));
        assert_eq!(lookups.recent(&key, at(5)), None);
        assert_eq!(lookups.recent(&key, at(-1)), None, "the clock was set back");
        lookups.forget(&key);
        assert_eq!(lookups.recent(&key, at(1)), None);
        lookups.saw(key.clone(), Look::Nothing, at(10));
        lookups.saw(Key::new("soc", "other"), Look::Nothing, at(60));
        assert_eq!(lookups.seen.len(), 1, "old looks don't pile up");
    }
}
