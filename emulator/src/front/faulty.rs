//! What a fault makes of an answer.

use http::StatusCode;
use http::header::RETRY_AFTER;
use jiff::{SignedDuration, Timestamp};

use super::visit::{Answer, Outcome, Service};
use crate::http::{Delivery, Reply};
use crate::world::{BadBody, FaultKind, Kind};

/// "Tens of MiB": more than any client should take for a token.
const HUGE: usize = 64 * 1024 * 1024;
const PORTAL: &str = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head>\
    <body><h1>Network sign-in required</h1></body></html>\n";

/// The answer to a request that meets this fault.
pub(crate) fn answer(
    service: &impl Service,
    fault: Option<&FaultKind>,
    kind: Kind,
    now: Timestamp,
) -> Answer {
    match fault {
        None | Some(FaultKind::Latency(_)) => service.answer(now, None),
        Some(FaultKind::Claims(claims)) => service.answer(now, Some(claims)),
        Some(FaultKind::ClockSkew(seconds)) => {
            let clock = now
                .checked_add(SignedDuration::from_secs(*seconds))
                .unwrap_or(now);
            service.answer(clock, None)
        }
        Some(FaultKind::Aadsts(aadsts)) => service.refuse(aadsts),
        Some(FaultKind::Reset) => {
            let mut reply = Reply::empty(StatusCode::OK);
            reply.delivery = Delivery::Reset;
            Answer {
                reply,
                outcome: Outcome::Reset,
            }
        }
        Some(FaultKind::Status {
            status,
            retry_after,
            text,
        }) => {
            let mut reply = match text {
                Some(text) => service.finish(Reply::text(*status, text)),
                None => service.status(*status),
            };
            if let Some(retry_after) = retry_after {
                reply = reply.header(RETRY_AFTER, &retry_after.0);
            }
            Answer {
                reply,
                outcome: Outcome::Http(*status),
            }
        }
        Some(FaultKind::Body(bad)) => spoiled(service, *bad, kind, now),
    }
}

/// An answer of status 200 whose body is no answer.
fn spoiled(service: &impl Service, bad: BadBody, kind: Kind, now: Timestamp) -> Answer {
    let reply = match bad {
        BadBody::Html => service.finish(Reply::new(
            StatusCode::OK,
            "text/html; charset=utf-8",
            PORTAL,
        )),
        BadBody::Empty => service.finish(Reply::new(
            StatusCode::OK,
            "application/json; charset=utf-8",
            "",
        )),
        BadBody::Huge => {
            let start = match kind {
                Kind::Token => r#"{"token_type":"Bearer","expires_in":3599,"access_token":""#,
                _ => r#"{"value":""#,
            };
            let mut reply = Reply::new(StatusCode::OK, "application/json; charset=utf-8", start);
            reply.delivery = Delivery::Flood(HUGE);
            service.finish(reply)
        }
        BadBody::Truncated => {
            let mut reply = service.answer(now, None).reply;
            reply.body.truncate(reply.body.len() / 2);
            reply
        }
        BadBody::Slow => {
            let mut reply = service.answer(now, None).reply;
            reply.delivery = Delivery::Drip;
            reply
        }
    };
    let outcome = Outcome::Http(reply.status);
    Answer { reply, outcome }
}
