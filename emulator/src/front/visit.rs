//! What the front needs to know of a request, and of its answer.

use std::fmt;

use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::guid;
use crate::http::Reply;
use crate::world::{Aadsts, Kind};

/// Who asks for what. Only words that have the form of what they should be are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Visit {
    pub(crate) kind: Kind,
    pub(crate) tenant: Option<String>,
    pub(crate) client: Option<Uuid>,
    pub(crate) correlation_id: Uuid,
}

impl Visit {
    pub(crate) fn tenant_id(&self) -> Option<Uuid> {
        self.tenant.as_deref().and_then(guid::parse)
    }
}

/// How a request ended, for journal and counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Ok,
    Aadsts(u32),
    Http(StatusCode),
    Reset,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok => f.write_str("ok"),
            Self::Aadsts(number) => write!(f, "AADSTS{number}"),
            Self::Http(status) => write!(f, "http {}", status.as_u16()),
            Self::Reset => f.write_str("reset"),
        }
    }
}

/// A reply and what it means.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) reply: Reply,
    pub(crate) outcome: Outcome,
}

impl Answer {
    /// "ok" for a success, the status otherwise.
    pub(crate) fn by_status(reply: Reply) -> Self {
        let outcome = if reply.status.is_success() {
            Outcome::Ok
        } else {
            Outcome::Http(reply.status)
        };
        Self { reply, outcome }
    }
}

/// One of Microsoft's services, about one request.
pub(crate) trait Service {
    fn visit(&self) -> Visit;

    /// The true answer by a clock that a fault may have moved, with claims that one may have changed.
    fn answer(&self, clock: Timestamp, claims: Option<&Map<String, Value>>) -> Answer;

    /// The answer of a service that ran into this error code.
    fn refuse(&self, fault: &Aadsts) -> Answer;

    /// The body of a bare HTTP status, where the service has one of its own.
    fn status(&self, status: StatusCode) -> Reply;

    /// Adds the headers of every answer.
    fn finish(&self, reply: Reply) -> Reply;
}
