//! The CONNECT proxy that lets unmodified clients reach Microsoft's names here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::{connection, server};
use crate::hosts;

const HEAD_BYTES: usize = 8 * 1024;
const HEAD_TIME: Duration = Duration::from_secs(10);

/// Serves CONNECT until the emulator stops; tunnels end at `target`.
pub(crate) async fn serve(listener: TcpListener, target: SocketAddr, stop: watch::Receiver<bool>) {
    let target = reachable(target);
    let ending = stop.clone();
    server::accept(listener, stop, move |stream| {
        let mut stop = ending.clone();
        async move {
            let mut tunnel = std::pin::pin!(tunnel(stream, target));
            tokio::select! {
                () = tunnel.as_mut() => {}
                () = server::stopped(&mut stop) => {
                    // The TLS server lets answers that were begun go out; they come through here.
                    let _ = tokio::time::timeout(connection::GRACE, tunnel).await;
                }
            }
        }
    })
    .await;
}

/// A listener on "any address" is reached through loopback.
fn reachable(mut target: SocketAddr) -> SocketAddr {
    if target.ip().is_unspecified() {
        target.set_ip(match target.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    target
}

async fn tunnel(mut client: TcpStream, target: SocketAddr) {
    let Ok(Some((head, rest))) = tokio::time::timeout(HEAD_TIME, read_head(&mut client)).await
    else {
        return;
    };
    if let Err((status, text)) = allowed(&head) {
        let reply = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
            text.len()
        );
        let _ = client.write_all(reply.as_bytes()).await;
        let _ = client.shutdown().await;
        return;
    }
    let Ok(mut upstream) = TcpStream::connect(target).await else {
        let _ = client
            .write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            .await;
        return;
    };
    let _ = upstream.set_nodelay(true);
    if client
        .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
        .await
        .is_err()
        || upstream.write_all(&rest).await.is_err()
    {
        return;
    }
    if copy_bidirectional(&mut client, &mut upstream)
        .await
        .is_err()
    {
        // A reset on one side (which may be a fault asked for) is a reset on the other.
        let _ = client.set_zero_linger();
        let _ = upstream.set_zero_linger();
    }
}

/// The request head and what came after it; `None` if the client sent no head of a sane size.
async fn read_head(client: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut read = Vec::with_capacity(1024);
    loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = read.split_off(end + 4);
            return Some((String::from_utf8(read).ok()?, rest));
        }
        if read.len() > HEAD_BYTES || client.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    }
}

/// Whether this request head asks for a tunnel to one of the emulator's names; otherwise status and text.
fn allowed(head: &str) -> Result<(), (&'static str, String)> {
    let line = head.lines().next().unwrap_or_default();
    let mut words = line.split(' ');
    let (method, target) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    if method != "CONNECT" {
        let text = "This proxy knows the CONNECT method only, as HTTPS clients use it.\n";
        return Err(("405 Method Not Allowed", text.to_owned()));
    }
    let (host, port) = target.rsplit_once(':').unwrap_or((target, ""));
    if port == "443" && hosts::find(&host.to_ascii_lowercase()).is_some() {
        return Ok(());
    }
    let text = format!(
        "entra-emulator does not play {target}: it reaches Microsoft's login and Defender hosts on port 443, and nothing else.\n"
    );
    Err(("403 Forbidden", text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn microsofts_names_on_port_443_are_let_through() {
        assert_eq!(
            allowed("CONNECT login.microsoftonline.com:443 HTTP/1.1\r\n\r\n"),
            Ok(())
        );
        assert_eq!(
            allowed("CONNECT EU.api.security.microsoft.com:443 HTTP/1.1\r\n\r\n"),
            Ok(())
        );
    }

    #[test]
    fn everything_else_is_refused() {
        for target in [
            "example.com:443",
            "login.microsoftonline.com:80",
            "login.microsoftonline.com",
            "127.0.0.1:443",
        ] {
            let (status, text) =
                allowed(&format!("CONNECT {target} HTTP/1.1\r\n\r\n")).unwrap_err();
            assert_eq!(status, "403 Forbidden");
            assert!(text.contains(target), "{text}");
        }
        let (status, _) =
            allowed("GET http://login.microsoftonline.com/ HTTP/1.1\r\n\r\n").unwrap_err();
        assert_eq!(status, "405 Method Not Allowed");
    }

    #[test]
    fn any_address_is_reached_through_loopback() {
        assert_eq!(
            reachable("0.0.0.0:1".parse().unwrap()),
            "127.0.0.1:1".parse().unwrap()
        );
        assert_eq!(
            reachable("[::]:1".parse().unwrap()),
            "[::1]:1".parse().unwrap()
        );
    }
}
