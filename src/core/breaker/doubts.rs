//! What one tenant says of a credential and others don't: only a few answers are the credential's for sure.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

/// A second opinion counts so long after the first: two tenants that fail a day apart fail for reasons of their own.
const SECOND_OPINION: SignedDuration = SignedDuration::from_mins(10);

/// How long a tenant whom another one's success contradicted is believed no more. Each success after a failure of its
/// own begins that time anew.
const CONTRADICTED_FOR: SignedDuration = SignedDuration::from_hours(24);

/// So many tenants are remembered; then the oldest is forgotten.
const MOST: usize = 256;

/// Who said what of one credential.
#[derive(Debug)]
pub(super) struct Doubts {
    /// The tenant whose failure waits for a second opinion, and when it failed last.
    suspect: Option<(String, Timestamp)>,
    /// Tenants whose failures would be contradicted by a success.
    accusers: VecDeque<String>,
    /// Tenants whose failures were, and when.
    contradicted: VecDeque<(String, Timestamp)>,
}

impl Doubts {
    pub(super) const fn new() -> Self {
        Self {
            suspect: None,
            accusers: VecDeque::new(),
            contradicted: VecDeque::new(),
        }
    }

    /// Its failure alone says nothing.
    pub(super) fn suspect(&mut self, uid: &str, now: Timestamp) {
        if self.is_contradicted(uid, now) {
            // It said so before and was wrong: it gets no second opinion, and a success contradicts it once more.
            self.remember(uid.to_owned());
            return;
        }
        match &mut self.suspect {
            Some((suspect, at)) if is_recent(*at, SECOND_OPINION, now) => {
                if suspect == uid {
                    *at = now;
                }
            }
            suspect => *suspect = Some((uid.to_owned(), now)),
        }
    }

    /// Another tenant failed not long ago.
    pub(super) fn suspects_other(&self, uid: &str, now: Timestamp) -> bool {
        self.suspect
            .as_ref()
            .is_some_and(|(suspect, at)| suspect != uid && is_recent(*at, SECOND_OPINION, now))
    }

    /// Its failure counts, with that of the one it confirms, unless a success contradicts them.
    pub(super) fn accuse(&mut self, uid: &str, now: Timestamp) {
        if self.suspects_other(uid, now)
            && let Some((suspect, _)) = self.suspect.take()
        {
            self.remember(suspect);
        }
        self.remember(uid.to_owned());
    }

    fn remember(&mut self, uid: String) {
        if self.accusers.contains(&uid) {
            return;
        }
        if self.accusers.len() >= MOST {
            self.accusers.pop_front();
        }
        self.accusers.push_back(uid);
    }

    /// Another tenant's success contradicted its failure.
    pub(super) fn is_contradicted(&self, uid: &str, now: Timestamp) -> bool {
        self.contradicted
            .iter()
            .any(|(other, at)| other == uid && is_recent(*at, CONTRADICTED_FOR, now))
    }

    /// It got a token: whatever it said before is over.
    pub(super) fn succeeded(&mut self, uid: &str) {
        self.suspect = None;
        self.accusers.retain(|other| other != uid);
        self.contradicted.retain(|(other, _)| other != uid);
    }

    /// Somebody's success tells that the credential is good.
    pub(super) fn contradict(&mut self, now: Timestamp) {
        for uid in std::mem::take(&mut self.accusers) {
            self.contradicted.retain(|(other, _)| *other != uid);
            if self.contradicted.len() >= MOST {
                self.contradicted.pop_front();
            }
            self.contradicted.push_back((uid, now));
        }
    }
}

/// Also where the clock was set back since.
fn is_recent(at: Timestamp, within: SignedDuration, now: Timestamp) -> bool {
    now.duration_since(at).abs() < within
}
