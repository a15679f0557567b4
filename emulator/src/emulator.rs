//! Starting and stopping.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::control::{self, Config};
use crate::error::Error;
use crate::http::connection::{Handler, Limits};
use crate::http::{Reply, Request, proxy, server};
use crate::world::World;
use crate::{certificates, front};

/// A token request with a large assertion is below 16 KiB, a hunting query below 1 MiB.
const MICROSOFT_BODY_BYTES: usize = 1024 * 1024;
/// A fleet of 10,000 tenants with a few consents each is about 5 MiB.
const CONTROL_BODY_BYTES: usize = 64 * 1024 * 1024;
const HEAD_TIME: Duration = Duration::from_mins(2);
const BODY_TIME: Duration = Duration::from_secs(30);
/// Longer than connections may go on after the end was announced.
const SHUTDOWN_TIME: Duration = Duration::from_secs(3);

/// How to start an emulator. Port 0 is any free one.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to serve TLS for all of Microsoft's host names.
    pub listen: SocketAddr,
    /// Where to serve the CONNECT proxy.
    pub proxy: SocketAddr,
    /// Where to serve the control API, without TLS or authentication: loopback, unless there is a reason.
    pub control: SocketAddr,
    /// Where to write the CA's certificate for clients.
    pub ca_file: PathBuf,
    /// Certificate and key (PEM) of a CA to use instead of a new one.
    pub ca: Option<(PathBuf, PathBuf)>,
    /// Applications, tenants and token settings to start with.
    pub config: Option<Config>,
}

impl Options {
    /// Three free loopback ports, a new CA, an empty directory: what a test wants.
    #[must_use]
    pub fn on_free_ports(ca_file: impl Into<PathBuf>) -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        Self {
            listen: any,
            proxy: any,
            control: any,
            ca_file: ca_file.into(),
            ca: None,
            config: None,
        }
    }
}

/// A running emulator. It stops when it is dropped; [`shutdown`](Self::shutdown) also waits for that.
#[derive(Debug)]
pub struct Emulator {
    listen: SocketAddr,
    proxy: SocketAddr,
    control: SocketAddr,
    ca_file: PathBuf,
    stop: watch::Sender<bool>,
    servers: JoinSet<()>,
}

/// Starts an emulator in the current tokio runtime. When this returns, its ports answer and the CA file is there.
pub async fn start(options: Options) -> Result<Emulator, Error> {
    // Fails only if the process already chose a provider, which is then as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let now = Timestamp::now();
    let world = Arc::new(World::new()?);
    if let Some(config) = &options.config {
        control::apply(&world, config, now)?;
    }
    let tls = certificates::make(options.ca.as_ref(), now)?;
    let (tls_listener, listen) = bind(options.listen).await?;
    let (proxy_listener, proxy) = bind(options.proxy).await?;
    let (control_listener, control) = bind(options.control).await?;
    let ca_file = write_ca(&options.ca_file, &tls.ca_pem)?;

    let (stop, stopped) = watch::channel(false);
    let mut servers = JoinSet::new();
    let microsoft = handler(&world, front::answer);
    let on_loopback = control.ip().is_loopback();
    servers.spawn(server::tls(
        tls_listener,
        TlsAcceptor::from(tls.server),
        limits(MICROSOFT_BODY_BYTES),
        microsoft,
        stopped.clone(),
    ));
    servers.spawn(proxy::serve(proxy_listener, listen, stopped.clone()));
    servers.spawn(server::plain(
        control_listener,
        limits(CONTROL_BODY_BYTES),
        handler(&world, move |world, request, now| {
            control::answer(world, request, on_loopback, now)
        }),
        stopped,
    ));
    Ok(Emulator {
        listen,
        proxy,
        control,
        ca_file,
        stop,
        servers,
    })
}

impl Emulator {
    /// The TLS port.
    #[must_use]
    pub fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// The CONNECT proxy's port.
    #[must_use]
    pub fn proxy(&self) -> SocketAddr {
        self.proxy
    }

    /// The control API's port.
    #[must_use]
    pub fn control(&self) -> SocketAddr {
        self.control
    }

    /// The CA's certificate, an absolute path.
    #[must_use]
    pub fn ca_file(&self) -> &Path {
        &self.ca_file
    }

    /// Lets answers that were begun go out, closes everything, and waits for that.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(true);
        let ended = async { while self.servers.join_next().await.is_some() {} };
        if tokio::time::timeout(SHUTDOWN_TIME, ended).await.is_err() {
            tracing::warn!("some connections did not end in time and are cut");
        }
    }
}

fn handler(
    world: &Arc<World>,
    answer: impl Fn(&World, &Request, Timestamp) -> Reply + Send + Sync + 'static,
) -> Handler {
    let world = world.clone();
    Arc::new(move |request| answer(&world, &request, Timestamp::now()))
}

fn limits(body_bytes: usize) -> Limits {
    Limits {
        body_bytes,
        head_time: HEAD_TIME,
        body_time: BODY_TIME,
    }
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    let failed = |source| Error::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

fn write_ca(path: &Path, pem: &str) -> Result<PathBuf, Error> {
    fs::write(path, pem).map_err(Error::file(path))?;
    fs::canonicalize(path).map_err(Error::file(path))
}
