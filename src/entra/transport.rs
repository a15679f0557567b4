//! What both callers of Microsoft share: reading a body within bounds, and naming a failure without its text.

use std::error::Error;
use std::io;

use zeroize::Zeroizing;

use crate::core::errors::Transport;

/// A body as far as it was read.
pub(crate) enum Read {
    Complete(Zeroizing<Vec<u8>>),
    /// As many bytes as were allowed; there are more.
    TooLarge(Zeroizing<Vec<u8>>),
    /// The connection broke.
    Truncated,
}

/// Reads at most `limit` bytes. Only a time-out is an error: whatever else happens, the status is known.
pub(crate) async fn read(mut response: reqwest::Response, limit: usize) -> Result<Read, Transport> {
    // A token answer has 2 to 5 KiB.
    let mut body = Zeroizing::new(Vec::with_capacity(limit.min(8 * 1024)));
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                let room = limit - body.len();
                append(&mut body, &chunk[..chunk.len().min(room)], limit);
                if chunk.len() > room {
                    return Ok(Read::TooLarge(body));
                }
            }
            Ok(None) => return Ok(Read::Complete(body)),
            Err(error) if error.is_timeout() => return Err(Transport::Timeout),
            Err(_) => return Ok(Read::Truncated),
        }
    }
}

/// Appends, and leaves nothing behind where the buffer has to move: a `Vec` of itself would.
fn append(body: &mut Zeroizing<Vec<u8>>, chunk: &[u8], limit: usize) {
    let needed = body.len() + chunk.len();
    if needed > body.capacity() {
        let mut larger = Zeroizing::new(Vec::with_capacity(
            needed.max(body.capacity() * 2).min(limit),
        ));
        larger.extend_from_slice(body);
        *body = larger;
    }
    body.extend_from_slice(chunk);
}

/// Which kind of failure it was. The error's text, which may hold a proxy's URL, goes no further.
pub(crate) fn classify(error: &reqwest::Error) -> Transport {
    let mut tls = false;
    let mut proxy = false;
    for cause in causes(error) {
        tls |= cause.is::<rustls::Error>();
        // hyper-util doesn't export the type of it.
        proxy |= is_refusal_of_the_proxy(&cause.to_string());
    }
    if error.is_timeout() {
        Transport::Timeout
    } else if tls {
        Transport::Tls
    } else if proxy {
        Transport::Proxy
    } else if error.is_connect() {
        Transport::Connect
    } else {
        Transport::Reset
    }
}

/// What led to an error, the nearest first.
pub(crate) fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(error.source(), |cause| led_to(*cause))
}

/// An `io::Error` hides the error that it wraps: its `source` is that one's.
fn led_to<'a>(cause: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    let wrapped = cause
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref);
    match wrapped {
        Some(inner) => Some(inner),
        None => cause.source(),
    }
}

/// `TunnelError` of hyper-util 0.1, those of its texts that mean an answer of the proxy.
fn is_refusal_of_the_proxy(text: &str) -> bool {
    matches!(
        text,
        "tunnel error: unsuccessful"
            | "tunnel error: proxy authorization required"
            | "tunnel error: proxy response headers too long"
            | "tunnel error: unexpected end of file"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_growing_buffer_keeps_what_it_holds() {
        let mut body = Zeroizing::new(Vec::with_capacity(2));
        for chunk in [&b"ab"[..], b"c", b"", b"defgh"] {
            append(&mut body, chunk, 8);
        }
        assert_eq!(*body, b"abcdefgh");
        assert!(body.capacity() <= 8);
    }
}
