//! Listening: accepts connections, does the TLS handshake, and hands them on.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use super::connection::{self, Handler, Limits};
use super::socket::{Reset, Socket};

/// Far above what a test opens, far below what exhausts the process.
const CONNECTIONS: usize = 8192;
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// After a failed accept (no file descriptors left): time for some to come back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Waits for the emulator's end; an emulator that was dropped has ended too.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Runs `each` for every accepted connection until the emulator stops.
pub(crate) async fn accept<F, T>(listener: TcpListener, mut stop: watch::Receiver<bool>, each: F)
where
    F: Fn(TcpStream) -> T,
    T: Future<Output = ()> + Send + 'static,
{
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok(slot) = slots.clone().acquire_owned().await else {
            return;
        };
        tokio::select! {
            () = stopped(&mut stop) => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    // Answers are small and must not wait for the client's delayed ACK.
                    let _ = stream.set_nodelay(true);
                    let served = each(stream);
                    connections.spawn(async move {
                        served.await;
                        drop(slot);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// The plain HTTP server of the control API.
pub(crate) async fn plain(
    listener: TcpListener,
    limits: Limits,
    handler: Handler,
    stop: watch::Receiver<bool>,
) {
    let ending = stop.clone();
    accept(listener, stop, move |stream| {
        let reset = Reset::default();
        let socket = Socket::new(stream, reset.clone());
        connection::serve(
            socket,
            false,
            limits,
            handler.clone(),
            reset,
            ending.clone(),
        )
    })
    .await;
}

/// The TLS server of all of Microsoft's host names; ALPN chooses the HTTP version.
pub(crate) async fn tls(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    limits: Limits,
    handler: Handler,
    stop: watch::Receiver<bool>,
) {
    let ending = stop.clone();
    accept(listener, stop, move |stream| {
        let (acceptor, handler, stop) = (acceptor.clone(), handler.clone(), ending.clone());
        async move {
            let reset = Reset::default();
            let handshake = acceptor.accept(Socket::new(stream, reset.clone()));
            let stream = match tokio::time::timeout(HANDSHAKE_TIME, handshake).await {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => return tracing::debug!(%error, "TLS handshake failed"),
                Err(_) => return tracing::debug!("TLS handshake timed out"),
            };
            let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            connection::serve(stream, is_http2, limits, handler, reset, stop).await;
        }
    })
    .await;
}
