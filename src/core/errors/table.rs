//! The AADSTS codes, as data.

use super::{Certainty, Retry, Scope, Seen};
use crate::core::reason::Reason;

/// What a code means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The number behind `AADSTS`.
    pub code: u32,
    /// The condition reason.
    pub reason: Reason,
    /// Whom it concerns.
    pub scope: Scope,
    /// Whether the code alone proves that.
    pub certainty: Certainty,
    /// Where it is met.
    pub seen: Seen,
    /// How it is retried.
    pub retry: Retry,
    /// May also mean that a fresh credential or consent isn't known everywhere yet.
    pub propagates: bool,
    /// What was seen, what to do.
    pub note: &'static str,
}

/// Finds a code.
#[must_use]
pub fn find(_code: u32) -> Option<&'static Row> {
    todo!()
}
