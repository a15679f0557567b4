//! What happened: a bounded journal and counters. Neither has a field that could hold a credential.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Enough for ten mints each of a fleet of 10,000 tenants.
const CAPACITY: usize = 100_000;

/// What kind of request it was. Also the `endpoint` of a fault's match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Token,
    Api,
    Discovery,
    Consent,
}

/// One request and its outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    pub(crate) id: u64,
    pub(crate) at: Timestamp,
    pub(crate) kind: Kind,
    pub(crate) host: String,
    /// As in the path if it has a tenant's form, else nothing: what a client put there by mistake is not kept.
    pub(crate) tenant: Option<String>,
    /// A GUID or nothing, for the same reason.
    pub(crate) client: Option<Uuid>,
    pub(crate) outcome: String,
    pub(crate) correlation_id: Uuid,
}

/// The last entries, and how often each outcome was seen since the start.
#[derive(Default)]
pub(crate) struct Journal {
    entries: VecDeque<Entry>,
    last: u64,
    counters: BTreeMap<Kind, BTreeMap<String, u64>>,
}

impl Journal {
    /// Adds an entry, whose id this sets.
    pub(crate) fn add(&mut self, mut entry: Entry) {
        self.last += 1;
        entry.id = self.last;
        let outcomes = self.counters.entry(entry.kind).or_default();
        if let Some(count) = outcomes.get_mut(&entry.outcome) {
            *count += 1;
        } else {
            outcomes.insert(entry.outcome.clone(), 1);
        }
        if self.entries.len() == CAPACITY {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
    }

    /// The entries after this id, and the id to ask for next.
    pub(crate) fn after(&self, id: u64) -> (Vec<Entry>, u64) {
        let start = self.entries.partition_point(|entry| entry.id <= id);
        let entries: Vec<_> = self.entries.range(start..).cloned().collect();
        // An empty journal still says where it is, so that a reader can skip what it doesn't want to see.
        let next = entries.last().map_or(self.last.max(id), |entry| entry.id);
        (entries, next)
    }

    /// Forgets the entries; ids go on.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }

    /// Every kind is there, also when nothing of it was seen.
    pub(crate) fn counters(&self) -> BTreeMap<Kind, BTreeMap<String, u64>> {
        [Kind::Token, Kind::Api, Kind::Discovery, Kind::Consent]
            .into_iter()
            .map(|kind| (kind, self.counters.get(&kind).cloned().unwrap_or_default()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(outcome: &str) -> Entry {
        Entry {
            id: 0,
            at: Timestamp::UNIX_EPOCH,
            kind: Kind::Token,
            host: "login.microsoftonline.com".to_owned(),
            tenant: None,
            client: None,
            outcome: outcome.to_owned(),
            correlation_id: Uuid::nil(),
        }
    }

    #[test]
    fn ids_go_up_and_a_reader_continues_where_it_was() {
        let mut journal = Journal::default();
        assert_eq!(journal.after(0), (vec![], 0));
        journal.add(entry("ok"));
        journal.add(entry("http 429"));
        let (entries, next) = journal.after(1);
        assert_eq!((entries.len(), entries[0].id, next), (1, 2, 2));
        assert_eq!(journal.after(2), (vec![], 2));
    }

    #[test]
    fn clearing_keeps_ids_and_counters() {
        let mut journal = Journal::default();
        journal.add(entry("ok"));
        journal.clear();
        journal.add(entry("ok"));
        assert_eq!(journal.after(0).0[0].id, 2);
        assert_eq!(
            journal.counters()[&Kind::Token],
            BTreeMap::from([("ok".to_owned(), 2)])
        );
        assert_eq!(journal.counters()[&Kind::Api], BTreeMap::new());
    }

    #[test]
    fn the_oldest_entries_make_room() {
        let mut journal = Journal::default();
        for _ in 0..=CAPACITY {
            journal.add(entry("ok"));
        }
        let (entries, next) = journal.after(0);
        assert_eq!(
            (entries.len(), entries[0].id, next),
            (CAPACITY, 2, CAPACITY as u64 + 1)
        );
    }
}
