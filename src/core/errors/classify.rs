//! From a parsed answer, or from no answer at all, to a [`Verdict`].

use super::table::{self, Row};
use super::{Certainty, Retry, Scope, Verdict};
use crate::core::reason::Reason;

/// The OAuth 2 `error` values that the token endpoint is known to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OAuthError {
    /// `invalid_request`
    InvalidRequest,
    /// `invalid_grant`
    InvalidGrant,
    /// `unauthorized_client`
    UnauthorizedClient,
    /// `invalid_client`
    InvalidClient,
    /// `unsupported_grant_type`
    UnsupportedGrantType,
    /// `invalid_resource`
    InvalidResource,
    /// `interaction_required`
    InteractionRequired,
    /// `temporarily_unavailable`
    TemporarilyUnavailable,
    /// `invalid_scope`
    InvalidScope,
    /// `invalid_tenant`
    InvalidTenant,
    /// `server_error`
    ServerError,
    /// A value that isn't known here.
    Other,
}

impl OAuthError {
    /// Every known value.
    pub const KNOWN: [Self; 11] = [
        Self::InvalidRequest,
        Self::InvalidGrant,
        Self::UnauthorizedClient,
        Self::InvalidClient,
        Self::UnsupportedGrantType,
        Self::InvalidResource,
        Self::InteractionRequired,
        Self::TemporarilyUnavailable,
        Self::InvalidScope,
        Self::InvalidTenant,
        Self::ServerError,
    ];

    /// The value in the protocol.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::InvalidClient => "invalid_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidResource => "invalid_resource",
            Self::InteractionRequired => "interaction_required",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTenant => "invalid_tenant",
            Self::ServerError => "server_error",
            Self::Other => "other",
        }
    }

    /// Reads the protocol's value; an unknown one is [`Self::Other`].
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Self::KNOWN
            .into_iter()
            .find(|known| known.as_str() == text)
            .unwrap_or(Self::Other)
    }
}

/// The `suberror` values that decide something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Suberror {
    /// `consent_required`
    ConsentRequired,
    /// `message_only`, `basic_action`, `additional_action`: a Conditional Access policy.
    Policy,
    /// Anything else.
    Other,
}

impl Suberror {
    /// Reads the protocol's value.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text {
            "consent_required" => Self::ConsentRequired,
            "message_only" | "basic_action" | "additional_action" => Self::Policy,
            _ => Self::Other,
        }
    }
}

/// What kind of body came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BodyClass {
    /// A JSON object.
    Json,
    /// Text that is neither JSON nor HTML; Entra's own throttling answers look so.
    PlainText,
    /// A web page: Entra's front end in trouble, or a proxy.
    Html,
    /// Nothing.
    Empty,
    /// The connection broke, or the JSON ends early.
    Truncated,
    /// More than we read.
    TooLarge,
}

/// Why there was no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// No connection: name resolution, routing, refused.
    Connect,
    /// The TLS handshake failed: certificate, version.
    Tls,
    /// The time was up.
    Timeout,
    /// The connection broke before the answer was there.
    Reset,
    /// The proxy refused.
    Proxy,
}

/// An error answer, parsed: nothing of its text is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorAnswer {
    /// HTTP status.
    pub status: u16,
    /// AADSTS numbers, in their order.
    pub codes: Vec<u32>,
    /// OAuth error.
    pub error: Option<OAuthError>,
    /// Refinement of it.
    pub suberror: Option<Suberror>,
    /// What kind of body came.
    pub body: BodyClass,
}

/// What an error answer means: by its code, else by its OAuth error, else by its HTTP status.
///
/// Only 429 outranks the code: a throttled request wasn't looked at, so it proves nothing else.
#[must_use]
pub fn classify(answer: &ErrorAnswer) -> Verdict {
    let known = answer.codes.iter().find_map(|code| table::find(*code));
    let verdict = if answer.status == 429 {
        throttled()
    } else if let Some(row) = known {
        from_row(row)
    } else if let Some(verdict) = from_oauth(answer) {
        verdict
    } else {
        from_http(answer)
    };
    Verdict {
        code: known
            .map(|row| row.code)
            .or_else(|| answer.codes.first().copied()),
        error: answer.error,
        ..verdict
    }
}

/// What a failure without an answer means.
#[must_use]
pub const fn transport(failure: Transport) -> Verdict {
    service(match failure {
        Transport::Connect => "No connection to Microsoft, or to the proxy on the way.",
        Transport::Tls => {
            "The TLS handshake failed: a proxy that inspects TLS needs its CA in the operator's CA bundle."
        }
        Transport::Timeout => "No answer in time.",
        Transport::Reset => "The connection broke before the answer was there.",
        Transport::Proxy => "The proxy refused the connection or wants other credentials.",
    })
}

/// The codes that a description names, as in `AADSTS7000215: …`.
#[must_use]
pub fn scan_codes(description: &str) -> Vec<u32> {
    description
        .split("AADSTS")
        .skip(1)
        .filter_map(|rest| {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            rest[..digits].parse().ok()
        })
        .collect()
}

const fn verdict(
    reason: Reason,
    scope: Scope,
    certainty: Certainty,
    retry: Retry,
    detail: &'static str,
) -> Verdict {
    Verdict {
        code: None,
        error: None,
        reason,
        scope,
        certainty,
        retry,
        propagates: false,
        detail,
    }
}

const fn service(detail: &'static str) -> Verdict {
    verdict(
        Reason::ServiceUnavailable,
        Scope::Service,
        Certainty::Certain,
        Retry::Transient,
        detail,
    )
}

const fn throttled() -> Verdict {
    verdict(
        Reason::Throttled,
        Scope::Service,
        Certainty::Certain,
        Retry::Throttle,
        "Microsoft answered 429: too many requests.",
    )
}

const fn from_row(row: &Row) -> Verdict {
    Verdict {
        propagates: row.propagates,
        ..verdict(row.reason, row.scope, row.certainty, row.retry, row.note)
    }
}

fn from_oauth(answer: &ErrorAnswer) -> Option<Verdict> {
    use Certainty::Ambiguous;
    match answer.suberror {
        Some(Suberror::ConsentRequired) => {
            return Some(verdict(
                Reason::ConsentRequired,
                Scope::Tenant,
                Ambiguous,
                Retry::Consent,
                "Microsoft asks for consent.",
            ));
        }
        Some(Suberror::Policy) => {
            return Some(verdict(
                Reason::BlockedByPolicy,
                Scope::Tenant,
                Ambiguous,
                Retry::Slow,
                "A Conditional Access policy blocks the application.",
            ));
        }
        Some(Suberror::Other) | None => {}
    }
    Some(match answer.error? {
        OAuthError::InvalidClient => verdict(
            Reason::CredentialRejected,
            Scope::Credential,
            Ambiguous,
            Retry::Breaker,
            "Microsoft refused the client (invalid_client) for a reason that isn't known here.",
        ),
        OAuthError::UnauthorizedClient
        | OAuthError::InvalidGrant
        | OAuthError::InteractionRequired => verdict(
            Reason::ConsentRequired,
            Scope::Tenant,
            Ambiguous,
            Retry::Consent,
            "Microsoft doesn't let the application in for a reason that isn't known here: most often consent is missing.",
        ),
        OAuthError::InvalidResource => verdict(
            Reason::ResourceNotInTenant,
            Scope::Tenant,
            Ambiguous,
            Retry::Slow,
            "Microsoft refused the Defender resource (invalid_resource) in this tenant.",
        ),
        OAuthError::InvalidTenant => verdict(
            Reason::TenantNotFound,
            Scope::Tenant,
            Ambiguous,
            Retry::Slow,
            "Microsoft refused the tenant (invalid_tenant): check spec.tenantId and spec.cloud.",
        ),
        OAuthError::InvalidScope | OAuthError::UnsupportedGrantType => verdict(
            Reason::AppMisconfigured,
            Scope::Credential,
            Ambiguous,
            Retry::Breaker,
            "Microsoft refused what was asked for (invalid_scope, unsupported_grant_type).",
        ),
        // It says nothing about whose fault it is; held against this tenant, it stops no other.
        OAuthError::InvalidRequest => verdict(
            Reason::AppMisconfigured,
            Scope::Tenant,
            Ambiguous,
            Retry::Slow,
            "Microsoft refused the request (invalid_request) for a reason that isn't known here.",
        ),
        OAuthError::TemporarilyUnavailable | OAuthError::ServerError => {
            service("Microsoft's sign-in service has a transient fault.")
        }
        OAuthError::Other => return None,
    })
}

const WEB_PAGE: &str =
    "A web page came instead of an answer: a proxy on the way, or Microsoft's front end.";

fn from_http(answer: &ErrorAnswer) -> Verdict {
    match (answer.status, answer.body) {
        (407, _) => transport(Transport::Proxy),
        (300..=399, _) => service(
            "A redirect came instead of an answer; none is followed: a proxy or a log-in page on the way.",
        ),
        (_, BodyClass::Html) => service(WEB_PAGE),
        (502 | 504, _) => {
            service("A gateway's failure (502, 504): a proxy on the way, or Microsoft's front end.")
        }
        (408 | 500..=599, _) => service("Microsoft's sign-in service failed."),
        (_, BodyClass::Truncated) => service("The answer ended early."),
        (_, BodyClass::TooLarge) => {
            service("The answer was too large to be one of Microsoft's: a proxy on the way.")
        }
        (200..=299, _) => {
            service("The answer isn't one of the token endpoint: a proxy on the way.")
        }
        // Well-formed but unknown: perhaps for long, and perhaps for this tenant only.
        (_, BodyClass::Json) => verdict(
            Reason::ServiceUnavailable,
            Scope::Tenant,
            Certainty::Ambiguous,
            Retry::Slow,
            "Microsoft refused the request with an error that isn't known here.",
        ),
        (_, BodyClass::PlainText | BodyClass::Empty) => service(
            "The request was refused without an error of Microsoft's: a proxy on the way, or Microsoft's front end.",
        ),
    }
}
