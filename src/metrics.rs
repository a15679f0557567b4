//! Metrics, in the OpenMetrics text format. Label sets are closed; what belongs to a tenant is collected at scrape time,
//! so that a deleted tenant leaves no series behind.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// Begins the name of each metric.
pub const PREFIX: &str = "defender_tenant";

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct MintLabels {
    outcome: String,
    scope: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ApiLabels {
    request: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// The operator's own counters.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
    mints: Family<MintLabels, Counter>,
    mint_seconds: Histogram,
    api: Family<ApiLabels, Counter>,
    api_seconds: Histogram,
    reconciles: Family<Outcome, Counter>,
    reconcile_seconds: Histogram,
    probes: Family<Outcome, Counter>,
    discoveries: Family<Outcome, Counter>,
    /// 1 while this process leads.
    pub leader: Gauge,
    /// How many shards this process serves.
    pub shards_held: Gauge,
    /// How many shards there are.
    pub shards: Gauge,
    /// Objects of other shards that a watch brought.
    pub foreign_objects: Counter,
    /// 1 where tokens aren't Microsoft's.
    pub trial: Gauge,
    /// Targets put right.
    pub repairs: Counter,
    /// Reconciles that came to no end.
    pub endless: Counter,
    /// Watches that failed.
    pub watch_failures: Counter,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

/// From a millisecond to half a minute.
fn latency() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 16))
}

impl Metrics {
    /// Registers everything.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let metrics = Self {
            registry: Arc::default(),
            mints: Family::default(),
            mint_seconds: latency(),
            api: Family::default(),
            api_seconds: latency(),
            reconciles: Family::default(),
            reconcile_seconds: latency(),
            probes: Family::default(),
            discoveries: Family::default(),
            leader: Gauge::default(),
            shards_held: Gauge::default(),
            shards: Gauge::default(),
            foreign_objects: Counter::default(),
            trial: Gauge::default(),
            repairs: Counter::default(),
            endless: Counter::default(),
            watch_failures: Counter::default(),
        };
        let version: [(String, String); 1] = [("version".into(), env!("CARGO_PKG_VERSION").into())];
        registry.register(
            "build",
            "The operator's version",
            prometheus_client::metrics::info::Info::new(version),
        );
        registry.register("token_requests", "Token requests to Microsoft Entra by outcome (ok, mismatch or a condition reason) and scope of a failure", metrics.mints.clone());
        registry.register_with_unit(
            "token_request_duration",
            "How long a token request took",
            Unit::Seconds,
            metrics.mint_seconds.clone(),
        );
        registry.register(
            "api_requests",
            "Requests to the Kubernetes API server, watches apart",
            metrics.api.clone(),
        );
        registry.register_with_unit(
            "api_request_duration",
            "How long such a request took",
            Unit::Seconds,
            metrics.api_seconds.clone(),
        );
        registry.register(
            "reconciles",
            "Reconciles by outcome",
            metrics.reconciles.clone(),
        );
        registry.register_with_unit(
            "reconcile_duration",
            "How long a reconcile took",
            Unit::Seconds,
            metrics.reconcile_seconds.clone(),
        );
        registry.register(
            "probes",
            "Calls that tried a token at the Defender API",
            metrics.probes.clone(),
        );
        registry.register(
            "discovery_requests",
            "Anonymous requests that ask Microsoft where a tenant lives, by outcome",
            metrics.discoveries.clone(),
        );
        registry.register(
            "leader",
            "1 for a process that holds a Lease and acts, 0 for one that stands by",
            metrics.leader.clone(),
        );
        metrics.register_shards(&mut registry);
        registry.register(
            "trial",
            "1 where --trial says that tokens aren't Microsoft's: never so in production",
            metrics.trial.clone(),
        );
        registry.register(
            "target_repairs",
            "Target Secrets that were put right after somebody changed them",
            metrics.repairs.clone(),
        );
        registry.register(
            "endless_reconciles",
            "Reconciles that came to no end: a bug if there is any",
            metrics.endless.clone(),
        );
        registry.register(
            "watch_failures",
            "Watches that broke and were tried again",
            metrics.watch_failures.clone(),
        );
        *metrics
            .registry
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = registry;
        metrics
    }

    fn register_shards(&self, registry: &mut Registry) {
        registry.register(
            "shards_held",
            "How many shards the process serves; over all processes there should be as many as defender_tenant_shards says",
            self.shards_held.clone(),
        );
        registry.register(
            "shards",
            "How many shards there are, by what is in force",
            self.shards.clone(),
        );
        registry.register(
            "foreign_objects",
            "Objects of other shards that a watch brought, and that were dropped: none where the API server leaves them out",
            self.foreign_objects.clone(),
        );
    }

    /// Adds what is collected at scrape time.
    pub fn observe(&self, collector: Box<dyn Collector>) {
        self.registry
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .register_collector(collector);
    }

    /// The text of a scrape.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        match prometheus_client::encoding::text::encode(&mut text, &registry) {
            Ok(()) => text,
            Err(fmt::Error) => String::new(),
        }
    }

    /// Counts a mint.
    pub fn mint(&self, outcome: &str, scope: &str) {
        self.mints
            .get_or_create(&MintLabels {
                outcome: outcome.to_owned(),
                scope: scope.to_owned(),
            })
            .inc();
    }

    /// Counts a probe.
    pub fn probe(&self, outcome: &'static str) {
        self.probes.get_or_create(&Outcome { outcome }).inc();
    }

    /// Counts a question where a tenant lives.
    pub fn discovery(&self, outcome: &'static str) {
        self.discoveries.get_or_create(&Outcome { outcome }).inc();
    }

    /// Times a token request.
    #[must_use]
    pub fn token_timer(&self) -> Timer<'_> {
        Timer {
            since: Instant::now(),
            seconds: &self.mint_seconds,
            count: None,
        }
    }

    /// Times a request to the API server.
    #[must_use]
    pub fn api_timer(&self, request: &'static str) -> Timer<'_> {
        Timer {
            since: Instant::now(),
            seconds: &self.api_seconds,
            count: Some(Count::Api(&self.api, request)),
        }
    }

    /// Times a reconcile.
    #[must_use]
    pub fn reconcile_timer(&self) -> Timer<'_> {
        Timer {
            since: Instant::now(),
            seconds: &self.reconcile_seconds,
            count: Some(Count::Reconcile(&self.reconciles)),
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

enum Count<'a> {
    Api(&'a Family<ApiLabels, Counter>, &'static str),
    Reconcile(&'a Family<Outcome, Counter>),
}

/// Something being timed.
pub struct Timer<'a> {
    since: Instant,
    seconds: &'a Histogram,
    count: Option<Count<'a>>,
}

impl Timer<'_> {
    /// It has ended.
    pub fn observe(self) {
        self.seconds.observe(self.since.elapsed().as_secs_f64());
    }

    /// It has ended, and so.
    pub fn done(self, outcome: &'static str) {
        match &self.count {
            Some(Count::Api(family, request)) => {
                family.get_or_create(&ApiLabels { request, outcome }).inc();
            }
            Some(Count::Reconcile(family)) => {
                family.get_or_create(&Outcome { outcome }).inc();
            }
            None => {}
        }
        self.observe();
    }
}
