//! One HTTP/1.1 or HTTP/2 connection.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::header::HOST;
use http::{Response, StatusCode, request};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use super::body;
use super::message::{Delivery, Reply, Request};
use super::server::stopped;
use super::socket::Reset;

/// Answers a request that was read whole.
pub(crate) type Handler = Arc<dyn Fn(Request) -> Reply + Send + Sync>;

/// What a client may send, and how long it may take.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) body_bytes: usize,
    /// Between connecting (or the last answer) and a complete request head. Longer than clients keep idle
    /// connections (90 s is common), so that the client closes first.
    pub(crate) head_time: Duration,
    pub(crate) body_time: Duration,
}

/// hyper's own minimum is 8 KiB; the largest head seen from a real library is below 16 KiB.
const HEAD_BYTES: usize = 64 * 1024;
const HEADERS: usize = 100;
/// How long a connection may go on with answers begun when the emulator is told to end.
pub(crate) const GRACE: Duration = Duration::from_secs(1);

/// Serves one connection until it ends, is reset, or the emulator stops.
pub(crate) async fn serve<S>(
    stream: S,
    is_http2: bool,
    limits: Limits,
    handler: Handler,
    reset: Reset,
    mut stop: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let asked = reset.clone();
    let service =
        service_fn(move |request| respond(request, limits, handler.clone(), reset.clone()));
    // The two connection types share no trait that could be driven the same way.
    macro_rules! drive {
        ($connection:expr) => {{
            let mut connection = std::pin::pin!($connection);
            tokio::select! {
                result = connection.as_mut() => {
                    if let Err(error) = result {
                        tracing::debug!(%error, "connection ended early");
                    }
                }
                () = asked.requested() => {}
                () = stopped(&mut stop) => {
                    connection.as_mut().graceful_shutdown();
                    let _ = tokio::time::timeout(GRACE, connection).await;
                }
            }
        }};
    }
    let io = TokioIo::new(stream);
    if is_http2 {
        drive!(
            http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .max_header_list_size(64 * 1024)
                .keep_alive_interval(Some(limits.head_time / 2))
                .serve_connection(io, service)
        );
    } else {
        drive!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(limits.head_time)
                .max_buf_size(HEAD_BYTES)
                .max_headers(HEADERS)
                .serve_connection(io, service)
        );
    }
}

async fn respond(
    request: http::Request<Incoming>,
    limits: Limits,
    handler: Handler,
    reset: Reset,
) -> Result<Response<Body>, Infallible> {
    let reply = match read(request, limits).await {
        Ok(request) => handler(request),
        Err(refusal) => refusal,
    };
    if !reply.delay.is_zero() {
        tokio::time::sleep(reply.delay).await;
    }
    if reply.delivery == Delivery::Reset {
        reset.request();
        // The connection's task sees the request and drops all of this.
        return std::future::pending().await;
    }
    let mut response = Response::builder().status(reply.status);
    if let Some(headers) = response.headers_mut() {
        headers.extend(reply.headers.clone());
        body::complete_headers(&reply, headers);
    }
    Ok(response
        .body(body::of(reply))
        .unwrap_or_else(|_| Response::new(Body::empty())))
}

async fn read(request: http::Request<Incoming>, limits: Limits) -> Result<Request, Reply> {
    let (head, body) = request.into_parts();
    let reading = axum::body::to_bytes(Body::new(body), limits.body_bytes);
    let body = match tokio::time::timeout(limits.body_time, reading).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => {
            let text = format!(
                "The request body is larger than {} bytes or broken.",
                limits.body_bytes
            );
            return Err(Reply::text(StatusCode::PAYLOAD_TOO_LARGE, text));
        }
        Err(_) => {
            return Err(Reply::text(
                StatusCode::REQUEST_TIMEOUT,
                "The request body came too slowly.",
            ));
        }
    };
    Ok(Request {
        host: host(&head),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        method: head.method,
        headers: head.headers,
        body,
    })
}

/// `:authority` (HTTP/2) or `Host`, lower-case and without the port.
fn host(head: &request::Parts) -> String {
    let named = head
        .uri
        .authority()
        .map(http::uri::Authority::as_str)
        .or_else(|| head.headers.get(HOST)?.to_str().ok())
        .unwrap_or_default();
    let name = match named.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => named,
    };
    name.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const LIMITS: Limits = Limits {
        body_bytes: 10,
        head_time: Duration::from_millis(200),
        body_time: Duration::from_millis(200),
    };

    /// What a client that sends this and then waits gets.
    async fn answer(sent: &str) -> String {
        let (mut client, server) = tokio::io::duplex(1024);
        let handler: Handler =
            Arc::new(|request| Reply::text(StatusCode::OK, format!("host={}", request.host)));
        let (_stop, stopped) = watch::channel(false);
        let serving = tokio::spawn(serve(
            server,
            false,
            LIMITS,
            handler,
            Reset::default(),
            stopped,
        ));
        client.write_all(sent.as_bytes()).await.unwrap();
        let mut text = String::new();
        let start = Instant::now();
        client.read_to_string(&mut text).await.unwrap();
        assert!(start.elapsed() < Duration::from_secs(5));
        serving.await.unwrap();
        text
    }

    #[tokio::test]
    async fn a_slow_head_is_cut() {
        assert_eq!(answer("GET / HT").await, "");
        assert_eq!(answer("").await, "");
    }

    #[tokio::test]
    async fn a_slow_body_is_refused() {
        let text = answer("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab").await;
        assert!(text.starts_with("HTTP/1.1 408 "), "{text}");
    }

    #[tokio::test]
    async fn a_large_body_is_refused() {
        let text =
            answer("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n12345678901").await;
        assert!(text.starts_with("HTTP/1.1 413 "), "{text}");
    }

    #[tokio::test]
    async fn the_host_is_lower_case_and_without_its_port() {
        for host in ["Login.Example", "login.example:443"] {
            let text = answer(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
            assert!(text.contains("\r\n\r\nhost=login.example"), "{text}");
        }
    }
}
