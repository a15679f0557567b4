//! The bodies that a well-meaning server wouldn't send.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures::stream;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderValue};

use super::message::{Delivery, Reply};

/// Slow enough that no client waits for the end of a token, fast enough to keep an idle time-out from firing.
const DRIP_INTERVAL: Duration = Duration::from_secs(1);
const FLOOD_CHUNK: usize = 64 * 1024;

/// The streaming form of a reply's body.
pub(crate) fn of(reply: Reply) -> Body {
    let bytes = Bytes::from(reply.body);
    match reply.delivery {
        Delivery::Whole | Delivery::Reset => Body::from(bytes),
        Delivery::Drip => drip(bytes),
        Delivery::Flood(total) => flood(&bytes, total),
    }
}

/// A drip says how long it is going to be; a flood is chunked.
pub(crate) fn complete_headers(reply: &Reply, headers: &mut HeaderMap) {
    if reply.delivery == Delivery::Drip {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(reply.body.len()));
    }
}

fn drip(bytes: Bytes) -> Body {
    Body::from_stream(stream::unfold(
        (bytes, false),
        |(mut rest, waited)| async move {
            if rest.is_empty() {
                return None;
            }
            if waited {
                tokio::time::sleep(DRIP_INTERVAL).await;
            }
            let next = rest.split_to(1);
            Some((Ok::<_, Infallible>(next), (rest, true)))
        },
    ))
}

fn flood(seed: &Bytes, total: usize) -> Body {
    let filler = Bytes::from(vec![b'A'; FLOOD_CHUNK]);
    let first = seed.clone();
    Body::from_stream(stream::unfold(
        (Some(first), total),
        move |(first, left)| {
            let filler = filler.clone();
            async move {
                if left == 0 {
                    return None;
                }
                let mut chunk = first.unwrap_or(filler);
                chunk.truncate(left);
                let left = left - chunk.len();
                Some((Ok::<_, Infallible>(chunk), (None, left)))
            }
        },
    ))
}
