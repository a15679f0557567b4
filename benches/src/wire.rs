//! A thin HTTP client: connections to one place, kept open, prebuilt bodies in, bytes out. What the floor is made of,
//! and what everything else here asks with.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::Result;

type Body = Full<Bytes>;
type One = http1::SendRequest<Body>;
type Two = http2::SendRequest<Body>;

/// Certificate and key, both PEM.
pub type Identity<'a> = (&'a [u8], &'a [u8]);

/// Where a server is and how to get there.
#[derive(Clone)]
pub struct Place {
    /// The server's own address, or none where the proxy finds it by name.
    pub address: Option<SocketAddr>,
    /// A CONNECT proxy.
    pub proxy: Option<SocketAddr>,
    /// `host` or `host:port`, as in URLs.
    pub authority: String,
    /// TLS; plain HTTP without.
    pub tls: Option<Arc<ClientConfig>>,
}

/// An answer, read to its end.
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: Bytes,
}

impl Answer {
    /// The answer if its status is 2xx.
    pub fn ok(self) -> Result<Self> {
        if (200..300).contains(&self.status) {
            return Ok(self);
        }
        let text: String = String::from_utf8_lossy(&self.body)
            .chars()
            .take(300)
            .collect();
        Err(format!("status {}: {text}", self.status).into())
    }
}

/// Connections to one place.
pub struct Wire {
    place: Place,
    http2: bool,
    headers: HeaderMap,
    idle: Mutex<Vec<One>>,
    shared: tokio::sync::Mutex<Option<Two>>,
}

/// TLS that trusts these roots (PEM), with this client certificate if any.
pub fn tls(roots: &[u8], identity: Option<Identity<'_>>, http2: bool) -> Result<Arc<ClientConfig>> {
    let mut store = RootCertStore::empty();
    for der in CertificateDer::pem_slice_iter(roots) {
        store.add(der?)?;
    }
    let builder = ClientConfig::builder().with_root_certificates(store);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain: std::result::Result<Vec<_>, _> =
                CertificateDer::pem_slice_iter(certificate).collect();
            builder.with_client_auth_cert(chain?, PrivateKeyDer::from_pem_slice(key)?)?
        }
    };
    let protocol: &[u8] = if http2 { b"h2" } else { b"http/1.1" };
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(Arc::new(config))
}

impl Wire {
    /// Opens nothing yet. `headers` go with each request.
    pub fn new(place: Place, http2: bool, headers: &[(HeaderName, &str)]) -> Result<Self> {
        let mut map = HeaderMap::new();
        if !http2 {
            map.insert(header::HOST, HeaderValue::from_str(&place.authority)?);
        }
        for (name, value) in headers {
            map.insert(name, HeaderValue::from_str(value)?);
        }
        Ok(Self {
            place,
            http2,
            headers: map,
            idle: Mutex::default(),
            shared: tokio::sync::Mutex::default(),
        })
    }

    /// One request and its whole answer. A connection that was idle may have been closed: then once more, on a new one.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(HeaderName, HeaderValue)],
        body: Bytes,
    ) -> Result<Answer> {
        let build = || self.request(method.clone(), path, headers, body.clone());
        if self.http2 {
            let first = self.shared().await?.send_request(build()?).await;
            let response = if let Ok(response) = first {
                response
            } else {
                *self.shared.lock().await = None;
                self.shared().await?.send_request(build()?).await?
            };
            return read(response).await;
        }
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        if let Some(mut connection) = idle
            && connection.ready().await.is_ok()
            && let Ok(response) = connection.send_request(build()?).await
        {
            return self.finish(connection, response).await;
        }
        let mut connection = self.open_one().await?;
        let response = connection.send_request(build()?).await?;
        self.finish(connection, response).await
    }

    async fn finish(&self, connection: One, response: http::Response<Incoming>) -> Result<Answer> {
        let answer = read(response).await?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(connection);
        Ok(answer)
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(HeaderName, HeaderValue)],
        body: Bytes,
    ) -> Result<Request<Body>> {
        let uri: Uri = if self.http2 {
            format!("https://{}{path}", self.place.authority).parse()?
        } else {
            path.parse()?
        };
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = self.headers.clone();
        for (name, value) in headers {
            request.headers_mut().insert(name, value.clone());
        }
        Ok(request)
    }

    async fn shared(&self) -> Result<Two> {
        let mut shared = self.shared.lock().await;
        if let Some(connection) = &*shared
            && !connection.is_closed()
        {
            return Ok(connection.clone());
        }
        let stream = self.secured().await?;
        let (sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        *shared = Some(sender.clone());
        Ok(sender)
    }

    async fn open_one(&self) -> Result<One> {
        if self.place.tls.is_some() {
            let (sender, connection) =
                http1::handshake(TokioIo::new(self.secured().await?)).await?;
            tokio::spawn(connection);
            return Ok(sender);
        }
        let (sender, connection) = http1::handshake(TokioIo::new(self.stream().await?)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }

    async fn secured(&self) -> Result<TlsStream<TcpStream>> {
        let tls = self.place.tls.clone().ok_or("TLS isn't set up")?;
        let host = self.place.authority.split(':').next().unwrap_or_default();
        let name = ServerName::try_from(host.to_owned())?;
        let stream = self.stream().await?;
        Ok(TlsConnector::from(tls).connect(name, stream).await?)
    }

    async fn stream(&self) -> Result<TcpStream> {
        let Some(proxy) = self.place.proxy else {
            let address = self.place.address.ok_or("no address and no proxy")?;
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            return Ok(stream);
        };
        let mut stream = TcpStream::connect(proxy).await?;
        stream.set_nodelay(true)?;
        let authority = &self.place.authority;
        let connect = format!("CONNECT {authority}:443 HTTP/1.1\r\nHost: {authority}:443\r\n\r\n");
        stream.write_all(connect.as_bytes()).await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        if !head.starts_with(b"HTTP/1.1 200") {
            return Err("the proxy refuses".into());
        }
        Ok(stream)
    }
}

async fn read(response: http::Response<Incoming>) -> Result<Answer> {
    let status = response.status().as_u16();
    let body = response.into_body().collect().await?.to_bytes();
    Ok(Answer { status, body })
}
