//! Looks at one of Microsoft's hosts, step by step, so that the one that fails is known.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::DATE;
use rustls::CertificateError;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::hosts::{Look, Trouble};
use crate::core::errors::Transport;
use crate::core::errors::retry::http_date;
use crate::entra::clouds;
use crate::entra::http::ProxyChoice;
use crate::entra::route::{Route, route};
use crate::entra::transport::{causes, classify};

/// A name that isn't resolved, or a connection that isn't there, after this is told as such.
const STEP: Duration = Duration::from_secs(5);
/// `HTTP/1.1 407`: more of a proxy's answer isn't looked at.
const STATUS_LINE: usize = 12;

/// What was seen of a host.
pub struct Seen {
    /// How it went.
    pub look: Look,
    /// Its clock, beside ours.
    pub clock: Option<(Timestamp, Timestamp)>,
}

/// Looks at a host as the operator would reach it.
pub async fn look(
    microsoft: &reqwest::Client,
    proxy: &ProxyChoice,
    host: &'static str,
    uses: String,
) -> Seen {
    let route = route(proxy, host);
    let shown = match &route {
        Ok(None) => None,
        Ok(Some(proxy)) => Some(format!("{}:{}", proxy.host, proxy.port)),
        Err(_) => Some("proxy".to_owned()),
    };
    let mut clock = None;
    let result = match route {
        Err(_) => Err(Trouble::ProxyUrl),
        Ok(route) => ask(microsoft, route.as_ref(), host, &mut clock).await,
    };
    let look = Look {
        host: host.to_owned(),
        uses,
        proxy: shown,
        result,
    };
    Seen { look, clock }
}

async fn ask(
    microsoft: &reqwest::Client,
    route: Option<&Route>,
    host: &str,
    clock: &mut Option<(Timestamp, Timestamp)>,
) -> Result<u16, Trouble> {
    let (name, port) = route.map_or((host, 443), |proxy| (proxy.host.as_str(), proxy.port));
    let addresses = resolve(name, port).await?;
    drop(connect(&addresses).await?);
    let begun = Timestamp::now();
    let answer = microsoft.get(document(host)).send().await;
    let ended = Timestamp::now();
    match answer {
        Ok(answer) => {
            let date = answer.headers().get(DATE);
            let date = date.and_then(|date| http_date(date.to_str().ok()?));
            *clock = date.map(|date| (date, middle(begun, ended)));
            Ok(answer.status().as_u16())
        }
        Err(error) => Err(match trouble(&error) {
            Trouble::ProxyRefused(None) => {
                let status = match route {
                    Some(route) => refusal(route, &addresses, host).await,
                    None => None,
                };
                Trouble::ProxyRefused(status)
            }
            other => other,
        }),
    }
}

/// What is asked for: of a login host what every client begins with, elsewhere nothing in particular. Any answer will do.
fn document(host: &str) -> String {
    if clouds::all().any(|(_, login)| login.0 == host) {
        format!("https://{host}/common/v2.0/.well-known/openid-configuration")
    } else {
        format!("https://{host}/")
    }
}

/// The instant in the middle, less the half second that a `Date` of whole seconds is behind on average.
pub(super) fn middle(begun: Timestamp, ended: Timestamp) -> Timestamp {
    let half = ended.duration_since(begun) / 2;
    let middle = begun.checked_add(half).unwrap_or(begun);
    let behind = jiff::SignedDuration::from_millis(500);
    middle.checked_sub(behind).unwrap_or(middle)
}

async fn resolve(name: &str, port: u16) -> Result<Vec<SocketAddr>, Trouble> {
    // A URL has an IPv6 address in brackets.
    let name = name.trim_start_matches('[').trim_end_matches(']');
    let found = match timeout(STEP, lookup_host((name, port))).await {
        Ok(Ok(found)) => found.collect(),
        Ok(Err(_)) | Err(_) => Vec::new(),
    };
    if found.is_empty() {
        Err(Trouble::NoAddress)
    } else {
        Ok(found)
    }
}

async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, Trouble> {
    match timeout(STEP, TcpStream::connect(addresses)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(Trouble::NoConnection(match error.kind() {
            ErrorKind::ConnectionRefused => "refused",
            ErrorKind::HostUnreachable => "the host can't be reached",
            ErrorKind::NetworkUnreachable => "the network can't be reached",
            ErrorKind::PermissionDenied => "not permitted",
            _ => "failed",
        })),
        Err(_) => Err(Trouble::NoConnection("no answer in 5 s")),
    }
}

/// The status that a proxy refuses with: the client doesn't tell.
async fn refusal(proxy: &Route, addresses: &[SocketAddr], host: &str) -> Option<u16> {
    if proxy.tls {
        return None;
    }
    let mut stream = connect(addresses).await.ok()?;
    let mut request = format!("CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n").into_bytes();
    if let Some(value) = &proxy.authorization {
        request.extend_from_slice(b"Proxy-Authorization: ");
        request.extend_from_slice(value.as_bytes());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    let mut line = [0; STATUS_LINE];
    let asked = async {
        stream.write_all(&request).await?;
        stream.read_exact(&mut line).await
    };
    timeout(STEP, asked).await.ok()?.ok()?;
    status_of(&line)
}

fn status_of(line: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(line).ok()?;
    let (version, status) = line.split_once(' ')?;
    let status = status.get(..3)?.parse().ok()?;
    (version.starts_with("HTTP/1.") && !(200..=299).contains(&status)).then_some(status)
}

/// Which step failed. The error's text, which may hold a proxy's URL, goes no further.
fn trouble(error: &reqwest::Error) -> Trouble {
    let tls = causes(error).find_map(|cause| cause.downcast_ref::<rustls::Error>());
    if let Some(tls) = tls {
        return tls_trouble(tls);
    }
    match classify(error) {
        Transport::Timeout => Trouble::Late,
        Transport::Tls => Trouble::NoTls,
        Transport::Proxy => Trouble::ProxyRefused(None),
        Transport::Connect if looks_like_tls(error) => Trouble::NoTls,
        Transport::Connect | Transport::Reset => Trouble::NoAnswer,
    }
}

/// rustls' error may come as text alone.
fn looks_like_tls(error: &reqwest::Error) -> bool {
    causes(error).any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|io| io.kind() == ErrorKind::InvalidData)
    })
}

const fn tls_trouble(error: &rustls::Error) -> Trouble {
    let rustls::Error::InvalidCertificate(certificate) = error else {
        return Trouble::NoTls;
    };
    match certificate {
        // A CA that is trusted has the issuer's name, and another key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => Trouble::UnknownIssuer,
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => Trouble::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            Trouble::NotYetValid
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Trouble::OtherName
        }
        _ => Trouble::BadCertificate,
    }
}

#[cfg(test)]
mod tests;
