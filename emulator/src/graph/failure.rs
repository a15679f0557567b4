//! Graph's error answers.

use http::StatusCode;
use http::header::{HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use crate::defender::access::{BadToken, NoWorkspace};
use crate::defender::denial::Denial;
use crate::hosts::GraphCloud;
use crate::http::Reply;
use crate::login::resource::GRAPH_APP_ID;

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("client-request-id");

/// What the answers to one request share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context {
    pub(crate) cloud: GraphCloud,
    pub(crate) request_id: Uuid,
    /// The client's own; where it sent none, Graph repeats its own.
    pub(crate) client_request_id: Uuid,
    pub(crate) now: Timestamp,
}

impl Context {
    /// Adds the headers of every answer.
    pub(crate) fn finish(&self, reply: Reply) -> Reply {
        crate::login::reply::date(reply, self.now)
            .header(REQUEST_ID, &self.request_id.to_string())
            .header(CLIENT_REQUEST_ID, &self.client_request_id.to_string())
    }

    /// Graph's error document.
    pub(crate) fn refused(&self, denial: &Denial) -> Reply {
        let error = json!({
            "code": denial.code,
            "message": denial.message,
            "innerError": {
                "date": self.now.strftime("%Y-%m-%dT%H:%M:%S").to_string(),
                "request-id": self.request_id,
                "client-request-id": self.client_request_id,
            },
        });
        let mut reply = Reply::json(denial.status, &json!({"error": error}));
        if denial.status == StatusCode::UNAUTHORIZED {
            let login = self.cloud.login().canonical();
            let challenge = format!(
                "Bearer realm=\"\", authorization_uri=\"https://{login}/common/oauth2/authorize\", \
                 client_id=\"{GRAPH_APP_ID}\""
            );
            reply = reply.header(WWW_AUTHENTICATE, &challenge);
        }
        if let Some(seconds) = denial.retry_after {
            reply = reply.header(RETRY_AFTER, &seconds.to_string());
        }
        self.finish(reply)
    }
}

fn invalid_token(message: &str) -> Denial {
    Denial {
        code: "InvalidAuthenticationToken",
        ..Denial::unauthorized(message)
    }
}

pub(crate) fn no_token() -> Denial {
    invalid_token("Access token is empty.")
}

pub(crate) fn bad_token(bad: BadToken) -> Denial {
    invalid_token(match bad {
        BadToken::Invalid => "Access token validation failure. Invalid signature or issuer.",
        BadToken::Untimely => "Lifetime validation failed, the token is expired.",
    })
}

pub(crate) fn wrong_audience() -> Denial {
    invalid_token("Access token validation failure. Invalid audience.")
}

pub(crate) fn no_workspace(none: NoWorkspace) -> Denial {
    match none {
        NoWorkspace::NoTenant => invalid_token("Access token validation failure. Invalid tenant."),
        NoWorkspace::NotProvisioned => {
            Denial::forbidden("Unauthorized request - Account is not provisioned.")
        }
    }
}

/// The denial that fits a bare HTTP status.
pub(crate) fn of_status(status: StatusCode) -> Denial {
    let denial = Denial::of_status(status);
    match status {
        StatusCode::UNAUTHORIZED => Denial {
            code: "InvalidAuthenticationToken",
            ..denial
        },
        StatusCode::NOT_IMPLEMENTED => Denial {
            code: "notImplemented",
            message: "entra-emulator does not play this path of Microsoft Graph.".to_owned(),
            ..denial
        },
        _ => denial,
    }
}
