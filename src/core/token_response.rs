//! The token endpoint's answer: from bytes to a token or a [`Failure`].

use std::borrow::Cow;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value};

pub use super::errors::Failure;
use super::errors::classify::scan_codes;
use super::errors::retry::{http_date, retry_after};
use super::errors::{
    BodyClass, Certainty, ErrorAnswer, OAuthError, Retry, Scope, Suberror, Verdict, classify,
};
use super::ids::AccessToken;
use super::reason::Reason;

/// Shortest and longest lifetime that makes sense. Policies give 10 minutes to a day, continuous access
/// evaluation up to 28 hours; whatever lives longer than two days isn't a token of this kind.
const LIFETIME: std::ops::RangeInclusive<i64> = 1..=48 * 3600;

/// How far the clocks may differ before it is said. `Date` has whole seconds and a request takes 20 s at the
/// most, so two minutes can't be latency; and Entra itself forgives five, so the word comes before the harm.
pub const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_mins(2);

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
    /// When Microsoft would like it to be renewed, counted likewise; always before the expiry.
    pub refresh_in: Option<Duration>,
    /// Microsoft's clock, as in the `Date` header.
    pub server_date: Option<Timestamp>,
}

/// Reads an answer of the token endpoint. Of an error nothing but numbers and GUIDs is kept.
pub fn interpret(
    status: u16,
    retry_after_header: Option<&str>,
    date: Option<&str>,
    body: Body<'_>,
    now: Timestamp,
) -> Result<TokenAnswer, Failure> {
    let server_date = date.and_then(http_date);
    let failed = match success(status, body, now) {
        Some(Ok(answer)) => {
            return Ok(TokenAnswer {
                server_date,
                ..answer
            });
        }
        Some(Err(malformed)) => Failure::from(malformed),
        None => refused(status, body),
    };
    let asked = retry_after_header.and_then(|value| retry_after(value, now));
    let mut verdict = failed.verdict;
    // Whoever says when to come back is obeyed, 503 as well as 429.
    if asked.is_some() && verdict.scope == Scope::Service && verdict.retry == Retry::Transient {
        verdict.retry = Retry::Throttle;
    }
    Err(Failure {
        verdict,
        retry_after: asked,
        server_date,
        ..failed
    })
}

/// How far this machine's clock is ahead of Microsoft's (negative: behind), if by more than [`CLOCK_TOLERANCE`].
#[must_use]
pub fn clock_skew(server_date: Option<Timestamp>, now: Timestamp) -> Option<SignedDuration> {
    let skew = now.duration_since(server_date?);
    (skew.unsigned_abs() > CLOCK_TOLERANCE.unsigned_abs()).then_some(skew)
}

/// The answer of a successful request. The token is borrowed, so that no copy of it is left behind.
#[derive(Deserialize)]
struct Success<'a> {
    #[serde(borrow)]
    access_token: Option<Cow<'a, str>>,
    #[serde(borrow)]
    token_type: Option<Cow<'a, str>>,
    #[serde(default)]
    expires_in: Number,
    #[serde(default)]
    expires_on: Number,
    #[serde(default)]
    refresh_in: Number,
}

/// Whole seconds as a number (version 2) or as a string (version 1); anything else is no number.
#[derive(Default)]
struct Number(Option<i64>);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(match Value::deserialize(deserializer)? {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        }))
    }
}

/// `None`: not a success. `Some(Err)`: one that can't be used.
fn success(status: u16, body: Body<'_>, now: Timestamp) -> Option<Result<TokenAnswer, Verdict>> {
    let Body::Complete(bytes) = body else {
        return None;
    };
    let bytes = without_mark(bytes);
    if !(200..=299).contains(&status) || class_of(bytes) != BodyClass::Json {
        return None;
    }
    Some(match serde_json::from_slice::<Success<'_>>(bytes) {
        Ok(answer) => token_answer(answer, now),
        Err(_) => Err(malformed("The answer of the token endpoint can't be read.")),
    })
}

fn token_answer(answer: Success<'_>, now: Timestamp) -> Result<TokenAnswer, Verdict> {
    let token = answer
        .access_token
        .map(|token| AccessToken::new(token.into_owned()));
    let token = token
        .filter(|token| is_bearer(token.expose()))
        .ok_or_else(|| malformed("The answer holds no token that could be used."))?;
    if !answer
        .token_type
        .is_some_and(|kind| kind.eq_ignore_ascii_case("Bearer"))
    {
        return Err(malformed("The token isn't a Bearer token."));
    }
    let expires_in = (answer.expires_in.0)
        .or_else(|| {
            answer
                .expires_on
                .0
                .map(|at| at.saturating_sub(now.as_second()))
        })
        .ok_or_else(|| malformed("The answer doesn't say when the token expires."))?;
    if !LIFETIME.contains(&expires_in) {
        return Err(malformed(
            "The token's lifetime isn't between a second and two days.",
        ));
    }
    Ok(TokenAnswer {
        token,
        expires_in: Duration::from_secs(expires_in.unsigned_abs()),
        refresh_in: (answer.refresh_in.0)
            .filter(|refresh_in| (1..expires_in).contains(refresh_in))
            .map(|refresh_in| Duration::from_secs(refresh_in.unsigned_abs())),
        server_date: None,
    })
}

/// RFC 6750's `b64token`: what can stand in a header and in a dotenv file without quoting.
fn is_bearer(token: &str) -> bool {
    let body = token.trim_end_matches('=');
    !body.is_empty()
        && body
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte))
}

/// A success that isn't one: nobody but this tenant is held up by it.
const fn malformed(detail: &'static str) -> Verdict {
    Verdict {
        code: None,
        error: None,
        reason: Reason::TokenMismatch,
        scope: Scope::Tenant,
        certainty: Certainty::Ambiguous,
        retry: Retry::Slow,
        propagates: false,
        detail,
    }
}

/// Some proxies put a byte order mark before what they pass on; serde_json doesn't take it.
fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// What kind of body it is, by its first and last characters alone.
fn class_of(bytes: &[u8]) -> BodyClass {
    let text = bytes.trim_ascii();
    match text.first() {
        None => BodyClass::Empty,
        Some(b'<') => BodyClass::Html,
        Some(b'{') if text.last() == Some(&b'}') => BodyClass::Json,
        Some(b'{') => BodyClass::Truncated,
        Some(_) => BodyClass::PlainText,
    }
}

fn refused(status: u16, body: Body<'_>) -> Failure {
    let (class, fields) = match body {
        Body::Complete(bytes) => fields_of(without_mark(bytes)),
        Body::Truncated => (BodyClass::Truncated, Map::new()),
        Body::TooLarge => (BodyClass::TooLarge, Map::new()),
    };
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let guid = |name: &str| text(name).and_then(|text| uuid::Uuid::try_parse(text).ok());
    let mut codes: Vec<u32> = match fields.get("error_codes") {
        Some(Value::Array(codes)) => codes.iter().filter_map(code_of).collect(),
        _ => Vec::new(),
    };
    if codes.is_empty() {
        codes = text("error_description")
            .map(scan_codes)
            .unwrap_or_default();
    }
    let answer = ErrorAnswer {
        status,
        codes,
        error: text("error").map(OAuthError::parse),
        suberror: text("suberror").map(Suberror::parse),
        body: class,
    };
    Failure {
        correlation_id: guid("correlation_id"),
        trace_id: guid("trace_id"),
        ..Failure::from(classify(&answer))
    }
}

fn fields_of(bytes: &[u8]) -> (BodyClass, Map<String, Value>) {
    let class = class_of(bytes);
    match (class, serde_json::from_slice(bytes)) {
        (BodyClass::Json, Ok(fields)) => (class, fields),
        (BodyClass::Json, Err(_)) => (BodyClass::PlainText, Map::new()),
        _ => (class, Map::new()),
    }
}

fn code_of(value: &Value) -> Option<u32> {
    match value {
        Value::Number(number) => number.as_u64()?.try_into().ok(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
#[path = "token_response/tests.rs"]
mod tests;
