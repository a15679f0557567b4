//! Defender's error answers; Graph's have the same reasons in another form.

use http::StatusCode;
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use serde_json::json;
use uuid::Uuid;

use crate::http::Reply;

/// Why Defender does not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Denial {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) retry_after: Option<i64>,
}

impl Denial {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            retry_after: None,
        }
    }

    pub(crate) fn unauthorized(message: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", message)
    }

    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "Forbidden", message)
    }

    pub(crate) fn disabled_feature() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "DisabledFeature",
            "Tenant feature is not enabled.",
        )
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "ResourceNotFound", message)
    }

    pub(crate) fn too_many_requests(retry_after: i64) -> Self {
        Self {
            retry_after: Some(retry_after),
            ..Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "TooManyRequests",
                "Too many requests. The number of calls allowed for the tenant was exceeded.",
            )
        }
    }

    /// Nobody outside has seen the real answer of a retired call yet.
    pub(crate) fn retired() -> Self {
        Self::new(
            StatusCode::GONE,
            "Gone",
            "This API has been retired. Use POST /v1.0/security/runHuntingQuery of Microsoft Graph instead.",
        )
    }

    /// The denial that fits a bare HTTP status.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        let code = match status {
            StatusCode::BAD_REQUEST => "BadRequest",
            StatusCode::UNAUTHORIZED => "Unauthorized",
            StatusCode::FORBIDDEN => "Forbidden",
            StatusCode::NOT_FOUND => "NotFound",
            StatusCode::GONE => "Gone",
            StatusCode::METHOD_NOT_ALLOWED => "MethodNotAllowed",
            StatusCode::TOO_MANY_REQUESTS => "TooManyRequests",
            StatusCode::SERVICE_UNAVAILABLE => "ServiceUnavailable",
            _ => "InternalServerError",
        };
        Self::new(status, code, status.canonical_reason().unwrap_or_default())
    }

    /// Microsoft's error document.
    pub(crate) fn reply(&self, target: Uuid) -> Reply {
        let error = json!({"code": self.code, "message": self.message, "target": target});
        let mut reply = Reply::json(self.status, &json!({"error": error}));
        if self.status == StatusCode::UNAUTHORIZED {
            reply = reply.header(WWW_AUTHENTICATE, "Bearer");
        }
        if let Some(seconds) = self.retry_after {
            reply = reply.header(RETRY_AFTER, &seconds.to_string());
        }
        reply
    }
}
