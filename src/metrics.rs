//! Metrics, in the OpenMetrics text format. Label sets are closed; what belongs to a tenant is collected at scrape time,
//! so that a deleted tenant leaves no series behind.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::controller::context::Context;
use crate::core::conditions::ready_of;

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

    /// Adds what is collected at scrape time.
    pub fn observe(&self, ctx: &Arc<Context>, tenant_series: bool) {
        let collector = Scrape {
            ctx: Arc::downgrade(ctx),
            tenant_series,
        };
        self.registry
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .register_collector(Box::new(collector));
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

/// A gauge that is read when somebody asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scraped {
    /// Its name, without the prefix.
    pub name: &'static str,
    /// What it tells.
    pub help: &'static str,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// One for each tenant; off with `--tenant-metrics false`.
    pub per_tenant: bool,
}

const fn scraped(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Scraped {
    Scraped {
        name,
        help,
        labels,
        per_tenant: false,
    }
}

const fn of_each_tenant(name: &'static str, help: &'static str) -> Scraped {
    Scraped {
        name,
        help,
        labels: &["namespace", "name"],
        per_tenant: true,
    }
}

/// The gauges that [`Metrics::observe`] adds, in their order.
pub const SCRAPED: [Scraped; 7] = [
    scraped(
        "tenants",
        &["ready", "reason"],
        "DefenderTenants by their Ready condition",
    ),
    scraped(
        "undecodable_objects",
        &[],
        "DefenderTenants that have another version's shape",
    ),
    scraped(
        "breakers",
        &["state"],
        "Credentials by the state of their breaker",
    ),
    scraped(
        "queue_depth",
        &["queue"],
        "DefenderTenants that wait for a turn (ready), for their credential's turn (parked) or are being served (running)",
    ),
    of_each_tenant("ready", "1 while the tenant's Secret holds a live token"),
    of_each_tenant(
        "token_expiration_timestamp_seconds",
        "When the tenant's token expires",
    ),
    of_each_tenant(
        "token_refresh_timestamp_seconds",
        "When the tenant's token is renewed",
    ),
];

/// What is true at this moment, read when somebody asks.
struct Scrape {
    ctx: Weak<Context>,
    tenant_series: bool,
}

impl fmt::Debug for Scrape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scrape")
    }
}

type Labels = Vec<(&'static str, String)>;

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Some(ctx) = self.ctx.upgrade() else {
            return Ok(());
        };
        let seen = See::at(&ctx);
        let rows = [
            &seen.tenants,
            &seen.undecodable,
            &seen.breakers,
            &seen.queue,
            &seen.ready,
            &seen.expires,
            &seen.refresh,
        ];
        let wanted = SCRAPED
            .iter()
            .zip(rows)
            .filter(|(gauge, _)| self.tenant_series || !gauge.per_tenant);
        for (gauge, rows) in wanted {
            let kind = prometheus_client::metrics::MetricType::Gauge;
            let mut metric = encoder.encode_descriptor(gauge.name, gauge.help, None, kind)?;
            for (labels, value) in rows {
                debug_assert!(
                    labels.iter().map(|(name, _)| name).eq(gauge.labels),
                    "{}",
                    gauge.name
                );
                ConstGauge::new(*value).encode(metric.encode_family(labels)?)?;
            }
        }
        Ok(())
    }
}

#[derive(Default)]
struct See {
    tenants: Vec<(Labels, f64)>,
    undecodable: Vec<(Labels, f64)>,
    breakers: Vec<(Labels, f64)>,
    queue: Vec<(Labels, f64)>,
    ready: Vec<(Labels, f64)>,
    expires: Vec<(Labels, f64)>,
    refresh: Vec<(Labels, f64)>,
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts and instants are far below 2^52"
)]
impl See {
    fn at(ctx: &Context) -> Self {
        let state = ctx.state();
        let mut seen = Self::default();
        let mut by_reason = std::collections::BTreeMap::<(String, String), usize>::new();
        for tenant in state.world.tenants() {
            let (status, reason, _) =
                ready_of(&tenant.status).unwrap_or(("Unknown", "Pending", ""));
            *by_reason
                .entry((status.to_owned(), reason.to_owned()))
                .or_default() += 1;
            let labels = || {
                vec![
                    ("namespace", tenant.key.namespace.to_string()),
                    ("name", tenant.key.name.to_string()),
                ]
            };
            seen.ready
                .push((labels(), f64::from(u8::from(status == "True"))));
            if let Some(token) = &tenant.status.token {
                seen.expires
                    .push((labels(), token.expires_at.0.as_second() as f64));
                seen.refresh
                    .push((labels(), token.refresh_at.0.as_second() as f64));
            }
        }
        seen.tenants = by_reason
            .into_iter()
            .map(|((status, reason), count)| {
                (vec![("ready", status), ("reason", reason)], count as f64)
            })
            .collect();
        seen.undecodable = vec![(Vec::new(), state.world.undecodable() as f64)];
        seen.breakers = state
            .gate
            .states()
            .into_iter()
            .map(|(name, count)| (vec![("state", name.to_owned())], count as f64))
            .collect();
        let queue = [
            ("ready", state.queue.ready_len()),
            ("parked", state.queue.parked_len()),
            ("running", state.queue.running()),
        ];
        seen.queue = queue
            .into_iter()
            .map(|(name, count)| (vec![("queue", name.to_owned())], count as f64))
            .collect();
        seen
    }
}
