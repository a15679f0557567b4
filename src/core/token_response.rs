//! The token endpoint's answer: from bytes to a token or a [`Failure`].

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

pub use super::errors::Failure;
use super::ids::AccessToken;

/// What could be read of an answer's body.
#[derive(Clone, Copy)]
pub enum Body<'a> {
    /// All of it.
    Complete(&'a [u8]),
    /// The connection broke on the way.
    Truncated,
    /// More than we read.
    TooLarge,
}

/// A token and what was said about it.
pub struct TokenAnswer {
    /// The token; not checked yet.
    pub token: AccessToken,
    /// How long it lives, counted from the answer's arrival.
    pub expires_in: Duration,
    /// When Microsoft would like it to be renewed.
    pub refresh_in: Option<Duration>,
    /// Microsoft's clock, as in the `Date` header.
    pub server_date: Option<Timestamp>,
}

/// Reads an answer of the token endpoint. Of an error nothing but numbers and GUIDs is kept.
pub fn interpret(
    _status: u16,
    _retry_after: Option<&str>,
    _date: Option<&str>,
    _body: Body<'_>,
    _now: Timestamp,
) -> Result<TokenAnswer, Failure> {
    todo!()
}

/// How far this machine's clock is ahead of Microsoft's (negative: behind), if that is too much.
#[must_use]
pub fn clock_skew(_server_date: Option<Timestamp>, _now: Timestamp) -> Option<SignedDuration> {
    todo!()
}
