//! Entra's answers as they look on the wire.

use http::StatusCode;
use http::header::{CACHE_CONTROL, DATE, EXPIRES, HeaderName, PRAGMA, RETRY_AFTER, SET_COOKIE};
use http::header::{STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS};
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::Version;
use super::refusal::Refusal;
use crate::guid;
use crate::hosts::LoginCloud;
use crate::http::{Reply, Request};

/// Entra's loop detection asks for this pause.
const LOOP_RETRY_AFTER: &str = "60";

/// What every answer to one request shares.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context {
    pub(crate) cloud: LoginCloud,
    pub(crate) trace_id: Uuid,
    pub(crate) correlation_id: Uuid,
    pub(crate) echo: bool,
    /// Entra's clock, which a fault may have moved.
    pub(crate) now: Timestamp,
}

impl Context {
    pub(crate) fn of(request: &Request, cloud: LoginCloud, now: Timestamp) -> Self {
        let asked = request
            .header("client-request-id")
            .and_then(guid::parse)
            .or_else(|| guid::parse(&request.query_parameter("client-request-id")?));
        Self {
            cloud,
            trace_id: Uuid::new_v4(),
            correlation_id: asked.unwrap_or_else(Uuid::new_v4),
            echo: request
                .header("return-client-request-id")
                .is_some_and(|value| value.eq_ignore_ascii_case("true")),
            now,
        }
    }

    /// Adds the headers of every answer of the login hosts.
    pub(crate) fn finish(&self, reply: Reply) -> Reply {
        let reply = date(reply, self.now)
            .header(
                STRICT_TRANSPORT_SECURITY,
                "max-age=31536000; includeSubDomains",
            )
            .header(X_CONTENT_TYPE_OPTIONS, "nosniff")
            .header(
                HeaderName::from_static("p3p"),
                "CP=\"DSP CUR OTPi IND OTRi ONL FIN\"",
            )
            .header(
                HeaderName::from_static("x-ms-request-id"),
                &self.trace_id.to_string(),
            )
            .header(
                HeaderName::from_static("x-ms-ests-server"),
                "2.1.24000.5 - EMU ProdSlices",
            )
            .header(
                SET_COOKIE,
                "fpc=emulator; path=/; secure; HttpOnly; SameSite=None",
            )
            .header(
                SET_COOKIE,
                "x-ms-gateway-slice=estsfd; path=/; secure; httponly",
            )
            .header(
                SET_COOKIE,
                "stsservicecookie=estsfd; path=/; secure; httponly",
            );
        if self.echo {
            reply.header(
                HeaderName::from_static("client-request-id"),
                &self.correlation_id.to_string(),
            )
        } else {
            reply
        }
    }
}

/// Sets the `Date` header, which hyper would otherwise fill with the true time.
pub(crate) fn date(reply: Reply, now: Timestamp) -> Reply {
    reply.header(DATE, &httpdate::fmt_http_date(now.into()))
}

/// Token answers must not be kept by anybody on the way.
pub(crate) fn uncached(reply: Reply) -> Reply {
    reply
        .header(CACHE_CONTROL, "no-store, no-cache")
        .header(PRAGMA, "no-cache")
        .header(EXPIRES, "-1")
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    error: &'a str,
    error_description: String,
    error_codes: [u32; 1],
    timestamp: String,
    trace_id: String,
    correlation_id: String,
    error_uri: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    suberror: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    claims: Option<String>,
}

/// Entra's sentence with the ids that its support asks for.
pub(crate) fn described(context: &Context, refusal: &Refusal) -> String {
    format!(
        "AADSTS{}: {} Trace ID: {} Correlation ID: {} Timestamp: {}",
        refusal.code.number,
        refusal.text(),
        context.trace_id,
        context.correlation_id,
        timestamp(context),
    )
}

fn timestamp(context: &Context) -> String {
    context.now.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// Entra's error document. A request loop alone is answered in plain text, as Entra's front door does.
pub(crate) fn error(context: &Context, refusal: &Refusal) -> Reply {
    let code = refusal.code;
    let status = refusal.status();
    if code.number == 50_196 {
        let reply = Reply::text(status, "Too Many Requests").header(RETRY_AFTER, LOOP_RETRY_AFTER);
        return context.finish(uncached(reply));
    }
    let body = ErrorBody {
        error: refusal.error(),
        error_description: described(context, refusal),
        error_codes: [code.number],
        timestamp: timestamp(context),
        trace_id: context.trace_id.to_string(),
        correlation_id: context.correlation_id.to_string(),
        error_uri: format!(
            "https://{}/error?code={}",
            context.cloud.canonical(),
            code.number
        ),
        suberror: code.suberror,
        claims: (code.number == 53_003).then(|| {
            let policy = guid::derived(&["conditional access policy"]);
            format!(
                r#"{{"access_token":{{"capolids":{{"essential":true,"values":["{policy}"]}}}}}}"#
            )
        }),
    };
    let mut reply = uncached(Reply::json(status, &body));
    if code.number == 90_055 {
        reply = reply.header(RETRY_AFTER, LOOP_RETRY_AFTER);
    }
    context.finish(reply)
}

/// A minted token and its times.
pub(crate) struct Minted {
    pub(crate) access_token: String,
    pub(crate) resource: String,
    pub(crate) expires_in: u32,
    pub(crate) refresh_in: Option<u32>,
    pub(crate) expires_on: i64,
    pub(crate) not_before: i64,
}

#[derive(Serialize)]
struct TokenV2 {
    token_type: &'static str,
    expires_in: u32,
    ext_expires_in: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_in: Option<u32>,
    access_token: String,
}

/// The v1 endpoint writes every number as a string.
#[derive(Serialize)]
struct TokenV1 {
    token_type: &'static str,
    expires_in: String,
    ext_expires_in: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_in: Option<String>,
    expires_on: String,
    not_before: String,
    resource: String,
    access_token: String,
}

/// The success document of either endpoint.
pub(crate) fn token(context: &Context, version: Version, minted: Minted) -> Reply {
    let reply = match version {
        Version::V2 => Reply::json(
            StatusCode::OK,
            &TokenV2 {
                token_type: "Bearer",
                expires_in: minted.expires_in,
                ext_expires_in: minted.expires_in,
                refresh_in: minted.refresh_in,
                access_token: minted.access_token,
            },
        ),
        Version::V1 => Reply::json(
            StatusCode::OK,
            &TokenV1 {
                token_type: "Bearer",
                expires_in: minted.expires_in.to_string(),
                ext_expires_in: minted.expires_in.to_string(),
                refresh_in: minted.refresh_in.map(|seconds| seconds.to_string()),
                expires_on: minted.expires_on.to_string(),
                not_before: minted.not_before.to_string(),
                resource: minted.resource,
                access_token: minted.access_token,
            },
        ),
    };
    context.finish(uncached(reply))
}
