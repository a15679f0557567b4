//! The body of a fault.

use std::fmt;
use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};
use serde_json::{Map, Value};

use super::either::Object;
use super::{BadRequest, guid};
use crate::world::{Aadsts, BadBody, FaultEntry, FaultKind, Kind, Match, RetryAfter};

/// No client waits longer, and a connection should not be held for ever.
const LONGEST_LATENCY_MS: u64 = 600_000;
/// A hundred years are skew enough and keep every time representable.
const LARGEST_SKEW: i64 = 100 * 366 * 86_400;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct FaultBody {
    #[serde(default)]
    r#match: Object<MatchBody>,
    times: Option<u32>,
    fault: Object<KindBody>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct MatchBody {
    tenant: Option<String>,
    client: Option<String>,
    endpoint: Option<Kind>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct KindBody {
    aadsts: Option<u32>,
    error: Option<String>,
    status: Option<u16>,
    retry_after: Option<RetryAfter>,
    text: Option<String>,
    latency_ms: Option<u64>,
    reset: Option<bool>,
    body: Option<BadBody>,
    claims: Option<Map<String, Value>>,
    clock_skew_seconds: Option<i64>,
}

impl<'de> Deserialize<'de> for RetryAfter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = RetryAfter;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number or a string for retryAfter")
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<RetryAfter, E> {
                Ok(RetryAfter(value.to_owned()))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<RetryAfter, E> {
                Ok(RetryAfter(value.to_string()))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<RetryAfter, E> {
                Ok(RetryAfter(value.to_string()))
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<RetryAfter, E> {
                Ok(RetryAfter(value.to_string()))
            }
        }

        deserializer.deserialize_any(Text)
    }
}

impl FaultBody {
    pub(crate) fn read(self) -> Result<FaultEntry, BadRequest> {
        if self.times == Some(0) {
            return Err(BadRequest(
                "times: must be at least 1, or absent".to_owned(),
            ));
        }
        let Object(matching) = self.r#match;
        let id = |name: &str, text: Option<String>| text.map(|text| guid(name, &text)).transpose();
        let entry = FaultEntry {
            matching: Match {
                tenant: id("match: tenant", matching.tenant)?,
                client: id("match: client", matching.client)?,
                endpoint: matching.endpoint,
            },
            times: self.times,
            kind: self.fault.0.read().map_err(|error| error.within("fault"))?,
        };
        if entry.is_possible() {
            Ok(entry)
        } else {
            Err(BadRequest(
                "match: endpoint: no request there can meet this fault".to_owned(),
            ))
        }
    }
}

impl KindBody {
    fn read(self) -> Result<FaultKind, BadRequest> {
        // Beside a code of Entra's, the status is that answer's.
        let bare = self.aadsts.map_or(self.status, |_| None);
        if bare.is_none() && (self.retry_after.is_some() || self.text.is_some()) {
            return Err(BadRequest(
                "retryAfter and text need a status, without aadsts".to_owned(),
            ));
        }
        let mut kinds = Vec::new();
        if let Some(number) = self.aadsts {
            kinds.push(aadsts_kind(number, self.error, self.status)?);
        } else if self.error.is_some() {
            return Err(BadRequest("error needs aadsts".to_owned()));
        }
        if let Some(status) = bare {
            kinds.push(status_kind(status, self.retry_after, self.text)?);
        }
        if let Some(milliseconds) = self.latency_ms {
            if milliseconds == 0 || milliseconds > LONGEST_LATENCY_MS {
                return Err(BadRequest(format!(
                    "latencyMs: must be 1 to {LONGEST_LATENCY_MS}"
                )));
            }
            kinds.push(FaultKind::Latency(Duration::from_millis(milliseconds)));
        }
        match self.reset {
            Some(true) => kinds.push(FaultKind::Reset),
            Some(false) => return Err(BadRequest("reset: must be true".to_owned())),
            None => {}
        }
        kinds.extend(self.body.map(FaultKind::Body));
        kinds.extend(self.claims.map(FaultKind::Claims));
        if let Some(seconds) = self.clock_skew_seconds {
            if seconds.unsigned_abs() > LARGEST_SKEW.unsigned_abs() {
                return Err(BadRequest(format!(
                    "clockSkewSeconds: at most {LARGEST_SKEW} either way"
                )));
            }
            kinds.push(FaultKind::ClockSkew(seconds));
        }
        match (kinds.pop(), kinds.is_empty()) {
            (Some(kind), true) => Ok(kind),
            _ => Err(BadRequest(
                "must be exactly one of aadsts, status, latencyMs, reset, body, claims, clockSkewSeconds".to_owned(),
            )),
        }
    }
}

fn aadsts_kind(
    number: u32,
    error: Option<String>,
    status: Option<u16>,
) -> Result<FaultKind, BadRequest> {
    if error.as_ref().is_some_and(String::is_empty) {
        return Err(BadRequest("error: must not be empty".to_owned()));
    }
    Ok(FaultKind::Aadsts(Aadsts {
        number,
        error,
        status: status.map(read_status).transpose()?,
    }))
}

fn read_status(status: u16) -> Result<StatusCode, BadRequest> {
    // Below 200 the message would not be an answer.
    StatusCode::from_u16(status)
        .ok()
        .filter(|status| status.as_u16() >= 200)
        .ok_or_else(|| BadRequest("status: must be 200 to 999".to_owned()))
}

fn status_kind(
    status: u16,
    retry_after: Option<RetryAfter>,
    text: Option<String>,
) -> Result<FaultKind, BadRequest> {
    let status = read_status(status)?;
    if let Some(RetryAfter(value)) = &retry_after
        && http::HeaderValue::from_str(value).is_err()
    {
        return Err(BadRequest(
            "retryAfter: no header can carry this".to_owned(),
        ));
    }
    Ok(FaultKind::Status {
        status,
        retry_after,
        text,
    })
}
