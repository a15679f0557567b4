//! What is true at this moment, read when somebody scrapes: so that whatever is deleted leaves no series behind.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Weak};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use super::context::{Context, State};
use super::world::{ApplicationEntry, Known, Packed, Source};
use crate::core::application::status::expires_at;
use crate::core::conditions::ready_of;
use crate::core::tenant::Key;
use crate::entra::clouds;

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

/// The gauges that [`Scrape`] adds, in their order.
pub const SCRAPED: [Scraped; 10] = [
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
        "DefenderTenants that wait for a turn (ready), for their credential's turn (parked), for the question where they live (discovery), or are being served (running)",
    ),
    scraped(
        "application_tenants",
        &["application", "ready", "reason"],
        "DefenderTenants of a DefenderApplication by their Ready condition",
    ),
    scraped(
        "application_credential",
        &["application", "credential", "state"],
        "1 for the state that a DefenderApplication's credential is in: unusable, or that of its breaker",
    ),
    scraped(
        "credential_expiration_timestamp_seconds",
        &["application", "credential"],
        "When a DefenderApplication's credential expires: by its certificate, or as expiresAt declares",
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

/// Reads the gauges.
pub struct Scrape {
    ctx: Weak<Context>,
    tenant_series: bool,
}

impl Scrape {
    /// Of this context, with series for each tenant or without.
    #[must_use]
    pub fn new(ctx: &Arc<Context>, tenant_series: bool) -> Self {
        Self {
            ctx: Arc::downgrade(ctx),
            tenant_series,
        }
    }
}

impl fmt::Debug for Scrape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scrape")
    }
}

type Labels = Vec<(&'static str, String)>;
type Rows = Vec<(Labels, f64)>;

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        // Who stands by says nothing of what another one does: sums over all processes hold.
        let Some(ctx) = self.ctx.upgrade().filter(|ctx| ctx.leadership.holds()) else {
            return Ok(());
        };
        let mut seen = read(&ctx.state());
        let wanted = SCRAPED
            .iter()
            .filter(|gauge| self.tenant_series || !gauge.per_tenant);
        for gauge in wanted {
            let kind = MetricType::Gauge;
            let mut metric = encoder.encode_descriptor(gauge.name, gauge.help, None, kind)?;
            for (labels, value) in seen.remove(gauge.name).unwrap_or_default() {
                debug_assert!(
                    labels.iter().map(|(name, _)| name).eq(gauge.labels),
                    "{}",
                    gauge.name
                );
                ConstGauge::new(value).encode(metric.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

/// The rows of each gauge, by its name.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts and instants are far below 2^52"
)]
fn read(state: &State) -> BTreeMap<&'static str, Rows> {
    let mut seen = BTreeMap::<&'static str, Rows>::new();
    let mut tenants = BTreeMap::<(String, String), usize>::new();
    let mut of_applications = BTreeMap::<(String, String, String), usize>::new();
    for (key, tenant) in state.world.tenants() {
        let (status, reason, _) = ready_of(tenant.shape()).unwrap_or(("Unknown", "Pending", ""));
        let (status, reason) = (status.to_owned(), reason.to_owned());
        // A name that leads nowhere is anybody's text: no series of its own.
        if let Some(Source::Application(name)) = tenant.source(key)
            && state.world.application(&name).is_some()
        {
            let row = (name.to_string(), status.clone(), reason.clone());
            *of_applications.entry(row).or_default() += 1;
        }
        read_tenant(key, tenant, status == "True", &mut seen);
        *tenants.entry((status, reason)).or_default() += 1;
    }
    let counted = tenants.into_iter().map(|((status, reason), count)| {
        (vec![("ready", status), ("reason", reason)], count as f64)
    });
    seen.insert("tenants", counted.collect());
    let counted = of_applications
        .into_iter()
        .map(|((name, status, reason), count)| {
            let labels = vec![("application", name), ("ready", status), ("reason", reason)];
            (labels, count as f64)
        });
    seen.insert("application_tenants", counted.collect());
    for entry in state.world.applications() {
        read_application(state, entry, &mut seen);
    }
    let undecodable = state.world.undecodable() as f64;
    seen.insert("undecodable_objects", vec![(Vec::new(), undecodable)]);
    let breakers = state.gate.states().into_iter();
    let breakers = breakers.map(|(name, count)| (vec![("state", name.to_owned())], count as f64));
    seen.insert("breakers", breakers.collect());
    let queue = [
        ("ready", state.queue.ready_len()),
        ("parked", state.queue.parked_len()),
        ("discovery", state.discoveries.waiting()),
        ("running", state.queue.running()),
    ];
    let queue = queue.map(|(name, count)| (vec![("queue", name.to_owned())], count as f64));
    seen.insert("queue_depth", queue.into());
    seen
}

#[expect(clippy::cast_precision_loss, reason = "instants are far below 2^52")]
fn read_tenant(key: &Key, tenant: &Packed, ready: bool, seen: &mut BTreeMap<&'static str, Rows>) {
    let mut push = |gauge, value| {
        let labels = vec![
            ("namespace", key.namespace.to_string()),
            ("name", key.name.to_string()),
        ];
        seen.entry(gauge).or_default().push((labels, value));
    };
    push("ready", f64::from(u8::from(ready)));
    if let Some((expires_at, refresh_at)) = tenant.token_times() {
        let seconds = |at: jiff::Timestamp| at.as_second() as f64;
        push("token_expiration_timestamp_seconds", seconds(expires_at));
        push("token_refresh_timestamp_seconds", seconds(refresh_at));
    }
}

#[expect(clippy::cast_precision_loss, reason = "instants are far below 2^52")]
fn read_application(
    state: &State,
    entry: &ApplicationEntry,
    seen: &mut BTreeMap<&'static str, Rows>,
) {
    let application = &entry.application;
    let login = clouds::login_host_of(application.spec.entra_cloud);
    for credential in &entry.credentials {
        let labels = || {
            vec![
                ("application", application.name.to_string()),
                ("credential", credential.name.to_string()),
            ]
        };
        let (found, breaker) = match &credential.known {
            Known::Found(found) => {
                let fingerprint = found.fingerprint(login);
                (Some(found), state.gate.state_name(fingerprint))
            }
            Known::Unseen(_) | Known::Homeless | Known::Malformed(_) => (None, "unusable"),
        };
        let mut with_state = labels();
        with_state.push(("state", breaker.to_owned()));
        let states = seen.entry("application_credential").or_default();
        states.push((with_state, 1.0));
        if let Some(at) = expires_at(
            &application.spec,
            &credential.name,
            found.map(AsRef::as_ref),
        ) {
            let rows = seen
                .entry("credential_expiration_timestamp_seconds")
                .or_default();
            rows.push((labels(), at.as_second() as f64));
        }
    }
}
