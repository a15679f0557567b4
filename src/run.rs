//! `defender-tenant-operator run`: from flags to a running operator.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::SignedDuration;
use kube::Client;
use reqwest::header::HeaderValue;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::cli::Run;
use crate::connect::NoCluster;
use crate::controller::context::{Context, Parts, SystemClock};
use crate::controller::preflight::{self, PreflightError};
use crate::controller::scrape::Scrape;
use crate::controller::shards::Shards;
use crate::controller::{self, ControllerError, Events, KubeApi};
use crate::core::gathered::Policy;
use crate::defender::probe::Prober;
use crate::entra::client::TokenClient;
use crate::entra::discovery::DiscoveryClient;
use crate::entra::federated::TokenFile;
use crate::entra::http::{self, HttpError};
use crate::lease::{Election, KernelClock, Leases};
use crate::metrics::Metrics;
use crate::{connect, server, telemetry};

/// How often the start is tried again while the API server is away.
const START_RETRY: Duration = Duration::from_secs(2);
/// Giving the Lease back may take so long.
const RELEASE: Duration = Duration::from_secs(5);
/// How long it is tried.
const START_PATIENCE: u32 = 30;

/// Why the operator ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A flag's value.
    #[error(transparent)]
    Level(#[from] telemetry::BadLevel),
    /// A flag's value.
    #[error("--user-agent can't be a header's value: use printable ASCII")]
    UserAgent,
    /// Shards without Leases.
    #[error(
        "--shards needs the operator's own namespace, where its Leases are: set POD_NAMESPACE or --operator-namespace"
    )]
    Homeless,
    /// Proxy or CA bundle.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The kubeconfig.
    #[error(transparent)]
    Kubeconfig(#[from] NoCluster),
    /// The port.
    #[error("--listen {address}: {error}")]
    Listen {
        /// Where.
        address: std::net::SocketAddr,
        /// Why not.
        error: std::io::Error,
    },
    /// The cluster isn't ready for us.
    #[error(transparent)]
    Preflight(#[from] PreflightError),
    /// It couldn't go on.
    #[error(transparent)]
    Controller(#[from] ControllerError),
    /// Signals can't be heard.
    #[error("signals can't be heard: {0}")]
    Signal(std::io::Error),
}

impl RunError {
    /// 2 for bad configuration, 1 for what happened later.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Level(_)
            | Self::UserAgent
            | Self::Homeless
            | Self::Http(_)
            | Self::Kubeconfig(_)
            | Self::Listen { .. } => 2,
            Self::Preflight(_) | Self::Controller(_) | Self::Signal(_) => 1,
        }
    }
}

/// Runs until SIGTERM or SIGINT.
pub async fn run(args: Run) -> Result<(), RunError> {
    telemetry::install(args.log_format, &args.log_level)?;
    let (stop_sender, stop) = watch::channel(false);
    listen_for_signals(stop_sender)?;

    let home = args
        .operator_namespace
        .clone()
        .or_else(|| std::env::var("POD_NAMESPACE").ok())
        .filter(|home| !home.is_empty());
    if home.is_none() && args.shards > 1 {
        return Err(RunError::Homeless);
    }
    let user_agent = HeaderValue::from_str(&args.user_agent).map_err(|_| RunError::UserAgent)?;
    let settings = connect::microsoft(args.https_proxy.clone(), args.ca_bundle.clone());
    let microsoft = http::build(&settings)?;
    let client = connect::kube_client(args.kubeconfig.as_deref()).await?;
    let (listener, address) =
        server::bind(args.listen)
            .await
            .map_err(|error| RunError::Listen {
                address: args.listen,
                error,
            })?;
    tracing::info!(listen = %address, version = env!("CARGO_PKG_VERSION"), "starting");

    let metrics = Metrics::new();
    if args.trial {
        metrics.trial.set(1);
        tracing::warn!(
            "a trial (--trial): the tokens aren't Microsoft's, and open nothing of a customer's"
        );
    }
    let ready = Arc::new(AtomicBool::new(false));
    let server = tokio::spawn(server::serve(
        listener,
        metrics.clone(),
        ready.clone(),
        stop.clone(),
    ));
    let scope = preflight::Scope {
        leases: home
            .clone()
            .map(|home| preflight::Leases::of(home, &args.lease_name, args.shards)),
        namespaces: args.watch_namespaces.clone(),
        selectors: args.allow_namespace_selectors,
    };
    if !preflight(&client, &scope, stop.clone()).await? {
        return Ok(());
    }
    let mut election = elect(&client, home.as_deref(), &args, &metrics);
    let leadership = election.leadership();
    let ctx = Arc::new(Context::new(Parts {
        leadership: leadership.clone(),
        shards: Shards::new(args.shards, args.server_side_shards),
        kube: KubeApi::new(client.clone(), metrics.clone(), leadership.clone()),
        entra: TokenClient::new(microsoft.clone()).led_by(leadership.clone()),
        federated: TokenFile::new(
            args.federated_token_file.clone(),
            std::env::var_os("AZURE_FEDERATED_TOKEN_FILE").map(Into::into),
        ),
        discovery: DiscoveryClient::new(microsoft.clone()).led_by(leadership.clone()),
        prober: Prober::new(microsoft, user_agent).led_by(leadership.clone()),
        events: Events::new(client, std::env::var("POD_NAME").ok(), leadership),
        metrics: metrics.clone(),
        clock: Arc::new(SystemClock),
        policy: Policy {
            refresh_margin: SignedDuration::from_secs(i64::from(args.refresh_margin)),
            target_metadata_allow: args.target_metadata_allow.clone(),
            secret_ref: args.secret_ref.into(),
            namespace_selectors: args.allow_namespace_selectors,
        },
        operator_namespace: home,
        serves_cluster: args.watch_namespaces.is_empty(),
        entra_rate: f64::from(args.entra_rate),
    }));
    if ctx.operator_namespace.is_none() {
        warn_homeless(ctx.serves_cluster);
    }
    metrics.observe(Box::new(Scrape::new(&ctx, args.tenant_metrics)));
    let concurrency = usize::from(args.concurrency);
    let result = controller::run(ctx, scope, concurrency, ready.clone(), &mut election, stop).await;
    if result.is_ok() {
        // The kubelet's patience is for what was under way; whoever waits for the Lease can wait for its end.
        let _ = tokio::time::timeout(RELEASE, election.release()).await;
    }
    ready.store(false, Ordering::Release);
    server.abort();
    tracing::info!("stopped");
    Ok(result?)
}

/// Without a namespace of its own, a process has no Lease.
fn elect(client: &Client, home: Option<&str>, args: &Run, metrics: &Metrics) -> Election {
    match home {
        Some(home) => Election::begin(
            Leases {
                client: client.clone(),
                namespace: home.to_owned(),
                name: args.lease_name.clone(),
            },
            args.shards,
            identity(),
            Arc::new(KernelClock),
            metrics.clone(),
        ),
        None => Election::unopposed(metrics),
    }
}

fn warn_homeless(serves_cluster: bool) {
    if serves_cluster {
        tracing::warn!(
            "the operator's own namespace isn't known (--operator-namespace, POD_NAMESPACE): applications with Secrets can't be used, and secretRef is refused nowhere"
        );
    }
    tracing::warn!(
        "the operator's own namespace isn't known (--operator-namespace, POD_NAMESPACE): no Lease is held; let no second process serve the same tenants"
    );
}

/// The API server may still be starting: an answer that says no is final, no answer isn't.
async fn preflight(
    client: &Client,
    scope: &preflight::Scope,
    mut stop: watch::Receiver<bool>,
) -> Result<bool, RunError> {
    let mut tries = 0;
    loop {
        let checked = tokio::select! {
            checked = preflight::check(client, scope) => checked,
            _ = stop.wait_for(|stop| *stop) => return Ok(false),
        };
        match checked {
            Ok(()) => return Ok(true),
            Err(error @ PreflightError::Unreachable(_)) if tries < START_PATIENCE => {
                tracing::warn!(%error, "waiting for the API server");
                tries += 1;
            }
            Err(error) => return Err(error.into()),
        }
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return Ok(false),
            () = tokio::time::sleep(START_RETRY) => {}
        }
    }
}

/// Another one for each process: a name alone may come back with a process that knows nothing of what it held.
fn identity() -> String {
    let host = std::env::var("POD_NAME")
        .ok()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| {
            rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned()
        });
    format!("{host}_{}", uuid::Uuid::new_v4())
}

fn listen_for_signals(stop: watch::Sender<bool>) -> Result<(), RunError> {
    let mut term = signal(SignalKind::terminate()).map_err(RunError::Signal)?;
    let mut int = signal(SignalKind::interrupt()).map_err(RunError::Signal)?;
    tokio::spawn(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        tracing::info!("stopping: what is under way ends first");
        let _ = stop.send(true);
        // The channel must outlive those who wait for it.
        std::future::pending::<()>().await;
    });
    Ok(())
}
