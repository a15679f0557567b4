//! How many shards there are: one object says so, for all processes.
//!
//! It is changed by whoever is of another number, in two steps: what is intended is written first; then the Leases of the
//! number in force are looked at once more; and only if none of them lives the intent is put in force, over exactly the
//! object that was seen. Whoever has claimed a Lease reads the object before it acts. So either the claim came first, and
//! the look finds it; or the intent came first, and the claimant finds that, and withdraws it or gives way.

use std::collections::BTreeMap;

use super::SHARDS_MAX;

/// Annotation: the number in force.
pub const ANNOTATION_COUNT: &str = "defendertenant.io/shards";
/// Annotation: the number that somebody is about to put in force.
pub const ANNOTATION_INTENT: &str = "defendertenant.io/shards-intended";

/// What the object says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreement {
    /// The number in force.
    pub count: u32,
    /// The number that somebody is about to put in force.
    pub intent: Option<u32>,
}

impl Agreement {
    /// Where there is no object: one shard, as before there were any.
    pub const UNWRITTEN: Self = Self {
        count: 1,
        intent: None,
    };

    /// From the object's annotations. `None` if they make no sense, which only somebody else can have brought about.
    #[must_use]
    pub fn read(annotations: &BTreeMap<String, String>) -> Option<Self> {
        let number = |text: &String| {
            let number = text.parse::<u32>().ok()?;
            (1..=SHARDS_MAX).contains(&number).then_some(number)
        };
        Some(Self {
            count: number(annotations.get(ANNOTATION_COUNT)?)?,
            intent: match annotations.get(ANNOTATION_INTENT) {
                Some(text) => Some(number(text)?),
                None => None,
            },
        })
    }

    /// Into the object's annotations.
    pub fn write(&self, annotations: &mut BTreeMap<String, String>) {
        annotations.insert(ANNOTATION_COUNT.to_owned(), self.count.to_string());
        match self.intent {
            Some(intent) => annotations.insert(ANNOTATION_INTENT.to_owned(), intent.to_string()),
            None => annotations.remove(ANNOTATION_INTENT),
        };
    }
}

/// The object as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreed {
    /// What it says.
    pub agreement: Agreement,
    /// Its resourceVersion; `None`: there is no object.
    pub version: Option<String>,
}

/// A write of it, over exactly what was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The resourceVersion that it replaces; `None` creates it.
    pub over: Option<String>,
    /// What it is to say.
    pub agreement: Agreement,
}
