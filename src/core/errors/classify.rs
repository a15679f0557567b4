//! From a parsed answer, or from no answer at all, to a [`Verdict`].

use super::Verdict;

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
    /// `access_denied`
    AccessDenied,
    /// A value that isn't known here.
    Other,
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

/// What an error answer means.
#[must_use]
pub fn classify(_answer: &ErrorAnswer) -> Verdict {
    todo!()
}

/// What a failure without an answer means.
#[must_use]
pub const fn transport(_failure: Transport) -> Verdict {
    todo!()
}
