//! What an answer of Microsoft means: the error table, and the verdict that follows from an answer.

use std::time::Duration;

use jiff::Timestamp;

use super::reason::{Owner, Reason};

pub mod classify;
pub mod retry;
pub mod table;

pub use classify::{BodyClass, ErrorAnswer, OAuthError, Suberror, Transport, classify, transport};

/// Whom a failure concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The partner's application or its credential: every customer of that fingerprint.
    Credential,
    /// This customer's tenant alone.
    Tenant,
    /// Microsoft, a proxy or the network.
    Service,
}

impl Scope {
    /// Name in `status.lastError.scope`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Credential => "Credential",
            Self::Tenant => "Tenant",
            Self::Service => "Service",
        }
    }
}

/// Whether the answer alone proves the scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Certainty {
    /// It does.
    Certain,
    /// Another tenant's outcome must confirm it.
    Ambiguous,
}

/// Where a code is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Seen {
    /// In the token endpoint's answer.
    Token,
    /// On the consent page, by the customer's administrator: never by a mint.
    ConsentPage,
    /// In the API's answer.
    Api,
}

/// How a failure is retried; see [`retry`] for the instants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Retry {
    /// By the fingerprint's breaker.
    Breaker,
    /// As consent is asked for: soon, then ever more rarely.
    Consent,
    /// Doubling from seconds.
    Transient,
    /// When Microsoft said so.
    Throttle,
    /// Doubling from minutes: a person must act and won't soon.
    Slow,
}

/// What an answer means. It holds nothing of the answer's body but the code's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// The AADSTS number.
    pub code: Option<u32>,
    /// The OAuth error.
    pub error: Option<OAuthError>,
    /// The condition reason; who must act and the runbook page follow from it.
    pub reason: Reason,
    /// Whom it concerns.
    pub scope: Scope,
    /// Whether the answer alone proves that.
    pub certainty: Certainty,
    /// How it is retried.
    pub retry: Retry,
    /// May also mean that a fresh credential (scope `Credential`) or a fresh consent (scope `Tenant`)
    /// isn't known everywhere at Microsoft yet.
    pub propagates: bool,
    /// Constant text for the condition message: what was seen, what to do.
    pub detail: &'static str,
}

impl Verdict {
    /// Who must act.
    #[must_use]
    pub const fn owner(&self) -> Owner {
        self.reason.owner()
    }

    /// The answer that a credential changed minutes ago may get although it is right.
    #[must_use]
    pub fn may_be_fresh_credential(&self) -> bool {
        self.propagates && self.scope == Scope::Credential
    }
}

/// Why no token came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// What it means.
    pub verdict: Verdict,
    /// How long Microsoft asked to wait; at most an hour.
    pub retry_after: Option<Duration>,
    /// Names the request at Microsoft's support: theirs if they named it, else the one that we sent.
    pub correlation_id: Option<uuid::Uuid>,
    /// Names the answer at Microsoft's support.
    pub trace_id: Option<uuid::Uuid>,
    /// Microsoft's clock, as in the `Date` header.
    pub server_date: Option<Timestamp>,
}

impl From<Verdict> for Failure {
    fn from(verdict: Verdict) -> Self {
        Self {
            verdict,
            retry_after: None,
            correlation_id: None,
            trace_id: None,
            server_date: None,
        }
    }
}

#[cfg(test)]
mod tests;
