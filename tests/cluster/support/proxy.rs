//! A holding proxy in front of the API server: what goes wrong between a request and its answer.
//!
//! It speaks plain HTTP to the operator, since what it breaks isn't TLS, and TLS to the API server, with the caller's
//! own bearer token: permissions and the audit log are as without it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use futures::stream;
use http::{Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::arena::Arena;
use super::rules::{Act, Call, Rule, Verdict};

/// Larger than anything that Kubernetes takes.
const BODY_MAX: usize = 16 << 20;

/// How the proxy is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// As it should be.
    Up,
    /// Whoever connects is cut off, and whoever was connected too.
    Refuse,
    /// Nothing gets through in either direction, and nobody is told.
    Silent,
}

/// What was asked, and what the caller was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// The request.
    pub call: Call,
    /// The status that the caller got; `None` if it got none.
    pub status: Option<u16>,
}

struct Inner {
    upstream: String,
    client: reqwest::Client,
    rules: Mutex<Vec<Arc<Rule>>>,
    passed: Mutex<Vec<Passed>>,
    line: watch::Sender<Line>,
    /// Counts up: watches that began before are cut.
    cut: watch::Sender<u64>,
}

/// The proxy. It ends when it is dropped.
pub struct Proxy {
    inner: Arc<Inner>,
    address: SocketAddr,
    server: JoinHandle<()>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Proxy {
    /// In front of this control plane.
    pub async fn start(arena: &Arena) -> Self {
        let ca = arena.cluster.lock().await.ca_certificate().to_owned();
        let ca = reqwest::Certificate::from_pem(ca.as_bytes()).expect("the cluster's CA");
        let client = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([ca])
            // A connection a request: one that is held holds no other.
            .http1_only()
            .connect_timeout(Duration::from_secs(5))
            .build()
            .expect("a client");
        let inner = Arc::new(Inner {
            upstream: arena.server().to_owned(),
            client,
            rules: Mutex::default(),
            passed: Mutex::default(),
            line: watch::Sender::new(Line::Up),
            cut: watch::Sender::new(0),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let server = tokio::spawn(serve(listener, inner.clone()));
        Self {
            inner,
            address,
            server,
        }
    }

    /// `http://127.0.0.1:<port>`
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on, what the first rule with a match says is done; each is done as often as it says.
    pub fn rule(&self, rule: Rule) -> Arc<Rule> {
        let rule = Arc::new(rule);
        locked(&self.inner.rules).push(rule.clone());
        rule
    }

    /// Every connection is cut, and none is taken.
    pub fn refuse(&self) {
        self.inner.line.send_replace(Line::Refuse);
    }

    /// Nothing gets through, and nobody is told.
    pub fn silence(&self) {
        self.inner.line.send_replace(Line::Silent);
    }

    /// The outage is over.
    pub fn restore(&self) {
        self.inner.line.send_replace(Line::Up);
    }

    /// Every watch that is open is cut, in the middle of whatever it is telling.
    pub fn cut_watches(&self) {
        self.inner.cut.send_modify(|cut| *cut += 1);
    }

    /// What was asked so far, whether or not it came through.
    pub fn passed(&self) -> Vec<Passed> {
        locked(&self.inner.passed).clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
        // Connections are tasks of their own.
        self.refuse();
    }
}

async fn serve(listener: TcpListener, inner: Arc<Inner>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        if *inner.line.borrow() == Line::Refuse {
            continue;
        }
        tokio::spawn(connection(stream, inner.clone()));
    }
}

async fn connection(stream: TcpStream, inner: Arc<Inner>) {
    let mut line = inner.line.subscribe();
    let service = service_fn(|request: Request<Incoming>| answer(inner.clone(), request));
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // An error is what the caller was to get.
        _ = connection => {}
        _ = line.wait_for(|line| *line == Line::Refuse) => {}
    }
}

/// The request was dropped on purpose: hyper closes the connection.
#[derive(Debug, thiserror::Error)]
#[error("dropped")]
struct Dropped;

impl From<Infallible> for Dropped {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

async fn answer(inner: Arc<Inner>, request: Request<Incoming>) -> Result<Response<Body>, Dropped> {
    let call = Call::of(&request);
    let mut entry = Entry::new(&inner, call.clone());
    let result = pass(&inner, &call, request).await;
    if let Ok(response) = &result {
        entry.status(response.status());
    }
    result
}

/// A line of the record, there from the request's arrival on.
struct Entry<'a> {
    inner: &'a Inner,
    at: usize,
}

impl<'a> Entry<'a> {
    fn new(inner: &'a Inner, call: Call) -> Self {
        let mut passed = locked(&inner.passed);
        let at = passed.len();
        passed.push(Passed { call, status: None });
        Self { inner, at }
    }

    fn status(&mut self, status: StatusCode) {
        locked(&self.inner.passed)[self.at].status = Some(status.as_u16());
    }
}

async fn pass(
    inner: &Arc<Inner>,
    call: &Call,
    request: Request<Incoming>,
) -> Result<Response<Body>, Dropped> {
    inner.wait_for_line().await;
    let rule = {
        let rules = locked(&inner.rules);
        rules.iter().find(|rule| rule.takes(call)).cloned()
    };
    let before = match &rule {
        Some(rule) => rule.before().await,
        None => Verdict::Go,
    };
    match before {
        Verdict::Go => {}
        Verdict::Drop => return Err(Dropped),
        Verdict::Answer(status, body) => return Ok(told(status, &body)),
    }
    let response = inner.forward(call, request).await?;
    if let Some(rule) = &rule
        && rule.after().await == Verdict::Drop
    {
        return Err(Dropped);
    }
    inner.wait_for_line().await;
    let (status, mut headers) = (response.status(), response.headers().clone());
    // Both are the connection's, and this is another one.
    headers.remove(header::CONNECTION);
    headers.remove(header::TRANSFER_ENCODING);
    let body = if call.watch {
        let delayed = rule.filter(|rule| matches!(rule.act, Act::DelayEvents));
        inner.clone().follow(response, delayed)
    } else {
        Body::from(response.bytes().await.map_err(|_| Dropped)?)
    };
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    Ok(answer)
}

fn told(status: u16, body: &Value) -> Response<Body> {
    let mut answer = Response::new(Body::from(body.to_string()));
    *answer.status_mut() = StatusCode::from_u16(status).expect("a status");
    let json = header::HeaderValue::from_static("application/json");
    answer.headers_mut().insert(header::CONTENT_TYPE, json);
    answer
}

impl Inner {
    async fn wait_for_line(&self) {
        let _ = self
            .line
            .subscribe()
            .wait_for(|line| *line != Line::Silent)
            .await;
    }

    async fn forward(
        &self,
        call: &Call,
        request: Request<Incoming>,
    ) -> Result<reqwest::Response, Dropped> {
        let (mut parts, body) = request.into_parts();
        let body: Bytes = to_bytes(Body::new(body), BODY_MAX)
            .await
            .map_err(|_| Dropped)?;
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        for name in [
            header::HOST,
            header::CONNECTION,
            header::TRANSFER_ENCODING,
            header::ACCEPT_ENCODING,
        ] {
            parts.headers.remove(name);
        }
        let url = format!("{}{path}", self.upstream);
        let mut request = self
            .client
            .request(parts.method, url)
            .headers(parts.headers);
        if call.method != Method::GET {
            request = request.body(body);
        }
        request.send().await.map_err(|_| Dropped)
    }

    /// The events of a watch as they come, or later.
    fn follow(self: Arc<Self>, response: reqwest::Response, delayed: Option<Arc<Rule>>) -> Body {
        let cut = self.cut.subscribe();
        let state = (self, response, cut, delayed);
        let events = stream::unfold(
            state,
            |(inner, mut response, mut cut, delayed)| async move {
                let chunk = tokio::select! {
                    _ = cut.changed() => Err(Dropped),
                    chunk = response.chunk() => chunk.map_err(|_| Dropped),
                };
                let chunk = chunk.transpose()?;
                if let Some(rule) = &delayed {
                    rule.released().await;
                }
                inner.wait_for_line().await;
                Some((chunk, (inner, response, cut, delayed)))
            },
        );
        Body::from_stream(events)
    }
}
