//! When a failure is tried again: pure functions of what is persisted.

use std::time::Duration;

use super::Retry;
use crate::core::reason::Reason;

/// What [`delay`] depends on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attempt {
    /// How it is retried.
    pub retry: Retry,
    /// Why it failed.
    pub reason: Reason,
    /// Failures in a row, this one included: 1 for the first.
    pub count: u32,
    /// Time since the first of them.
    pub elapsed: Duration,
    /// What Microsoft asked for.
    pub retry_after: Option<Duration>,
    /// 0.0 … 1.0, a pure function of the object's UID.
    pub jitter: f64,
}

/// How long to wait before the next attempt, jitter (up to a tenth) included.
#[must_use]
pub fn delay(_attempt: &Attempt) -> Duration {
    todo!()
}

/// The longest that [`delay`] gives for a class: a persisted `nextAt` further away isn't believed.
#[must_use]
pub const fn cap(_retry: Retry) -> Duration {
    todo!()
}

/// Reads a `Retry-After` header: seconds or an HTTP date, at most an hour; nonsense is `None`.
#[must_use]
pub fn retry_after(_value: &str, _now: jiff::Timestamp) -> Option<Duration> {
    todo!()
}
