//! The runs that tables and plots are made of; the same ones, smaller, are tests.

use crate::calibration::Calibration;
use crate::clock::{DAY, HOUR, MINUTE, Micros, SECOND};
use crate::engine;
use crate::engine::setup::{Down, Kind, Lifetimes, Limit, Limits, Outage, Setup, Start};
use crate::engine::tally::{Minute, Tally, worst};

/// A run, and what it shows.
pub struct Scenario {
    pub name: &'static str,
    pub says: String,
    pub setup: Setup,
    /// The part that is steady: no outage, and no herd that has yet to spread.
    pub steady_from: Option<Micros>,
}

/// A run with its counts.
pub struct Outcome {
    pub scenario: Scenario,
    pub tally: Tally,
    /// Seconds that it took to compute.
    pub took: f64,
}

/// Tenants a cluster at the most: a quarter of a million, of which etcd holds two fifths of its 8 GB.
const CLUSTER: u32 = 250_000;
/// An outage begins so long after the beginning.
const BEFORE: Micros = 2 * HOUR;

/// How so many tenants are served: as `docs/scaling.md` tells.
pub fn deployment(tenants: u32, duration: Micros) -> Setup {
    let clusters = tenants.div_ceil(CLUSTER).max(1);
    let shards = match tenants.div_ceil(clusters) {
        0..20_001 => 1,
        20_001..60_001 => 2,
        _ => 4,
    };
    // One application a 125,000 tenants, so that one credential's end isn't everybody's.
    let apps = clusters * if tenants > 50_000 { 2 } else { 1 };
    let narrow = |number: u32| u16::try_from(number).unwrap_or(u16::MAX);
    Setup {
        clusters: narrow(clusters),
        shards: narrow(shards),
        apps: narrow(apps),
        namespaces: 20,
        regions: 4,
        ..Setup::new(tenants, duration)
    }
    .paced()
}

impl Setup {
    /// `--entra-rate`: twice what an application's tenants need when nothing is wrong.
    pub fn paced(mut self) -> Self {
        self.entra_rate = 2.0 * self.steady() / f64::from(self.apps);
        self
    }

    /// All applications' rates together.
    pub fn cap(&self) -> f64 {
        self.entra_rate * f64::from(self.apps)
    }
}

/// What a recovery may take: its backlog over the rate that is left beside the steady one, and a tenth.
pub fn bound(setup: &Setup, concerned: u32, backlog: u32) -> f64 {
    let share = f64::from(concerned) / f64::from(setup.tenants.max(1));
    let spare = (setup.cap() - setup.steady()) * share;
    f64::from(backlog) / spare * 1.1
}

fn scenario(name: &'static str, says: &str, setup: Setup) -> Scenario {
    Scenario {
        name,
        says: says.to_owned(),
        setup,
        steady_from: None,
    }
}

fn outage(
    name: &'static str,
    says: &str,
    tenants: u32,
    kind: Kind,
    lasts: Micros,
    rest: Micros,
) -> Scenario {
    let mut setup = deployment(tenants, BEFORE + lasts + rest);
    setup.outages = vec![Outage {
        kind,
        from: BEFORE,
        until: BEFORE + lasts,
    }];
    scenario(name, says, setup)
}

/// Nothing goes wrong.
pub fn calm(tenants: u32, days: u32) -> Vec<Scenario> {
    let duration = Micros::from(days) * DAY;
    let settled = Scenario {
        steady_from: Some(HOUR),
        ..scenario(
            "steady",
            "lifetimes of 60 to 90 minutes",
            deployment(tenants, duration),
        )
    };
    let mut fixed = deployment(tenants, 16 * HOUR);
    fixed.lifetimes = Lifetimes::Fixed(3_600);
    fixed.start = Start::Together;
    let together = Scenario {
        // After so many rounds of the jitter the herd has spread.
        steady_from: Some(10 * HOUR),
        ..scenario(
            "together",
            "lifetimes of 60 minutes, all tenants created at once",
            fixed.paced(),
        )
    };
    let mut wide = deployment(tenants, duration);
    wide.lifetimes = Lifetimes::EachTenant(600, 86_400);
    wide.min_remaining = 60;
    let wide = Scenario {
        steady_from: Some(HOUR),
        ..scenario(
            "wide",
            "lifetimes of 10 minutes to 24 hours, by policy of each tenant",
            wide.paced(),
        )
    };
    vec![settled, together, wide]
}

/// Each outage by itself.
pub fn outages(tenants: u32, calibration: &Calibration) -> Vec<Scenario> {
    let away = deployment(tenants, 0).away(&calibration.refresh());
    let dead = Kind::Credential { replaced: true };
    let mut second = outage(
        "second credential",
        "one of an application's two credentials refused for six hours",
        tenants,
        dead,
        6 * HOUR,
        2 * HOUR,
    );
    second.setup.credentials = 2;
    vec![
        outage(
            "Entra 503",
            "503 from all of Entra for an hour",
            tenants,
            Kind::Entra(Down::Refuses),
            HOUR,
            3 * HOUR,
        ),
        outage(
            "Entra silent",
            "no answer from Entra for an hour",
            tenants,
            Kind::Entra(Down::Hangs),
            HOUR,
            3 * HOUR,
        ),
        outage(
            "credential",
            "an application's only credential refused for a day, then replaced",
            tenants,
            dead,
            DAY,
            3 * HOUR,
        ),
        second,
        outage(
            "region",
            "429 with Retry-After 60 for a quarter of the tenants, for an hour",
            tenants,
            Kind::Region { retry_after: 60 },
            HOUR,
            3 * HOUR,
        ),
        outage(
            "restart",
            &format!(
                "all shards killed and started: {} s until they have read the cluster",
                (away + SECOND / 2) / SECOND
            ),
            tenants,
            Kind::Restart,
            away,
            2 * HOUR,
        ),
    ]
}

/// An application's limits, as multiples of what is needed when nothing is wrong.
const SWEEP: [f64; 3] = [0.9, 1.05, 1.5];
/// `Retry-After` with a limit.
const RETRY_AFTER: u32 = 60;

/// An application's limit at these multiples, then a region's and a tenant's.
pub fn limits(tenants: u32, hours: u32) -> Vec<Scenario> {
    let limited = |says: String, limits: fn(&Setup, f64) -> Limits, times: f64| {
        let mut setup = deployment(tenants, Micros::from(hours) * HOUR);
        setup.limits = Limits {
            retry_after: RETRY_AFTER,
            ..limits(&setup, times)
        };
        // In the first hour tokens are still used that were minted before the limit.
        setup.counts_from = HOUR;
        Scenario {
            steady_from: Some(HOUR),
            ..scenario("limit", &says, setup)
        }
    };
    let mut all: Vec<Scenario> = SWEEP
        .iter()
        .map(|times| {
            let says = format!("an application's limit at {times} × steady");
            let limits = |setup: &Setup, times| Limits {
                app: Some(part(setup, times, setup.apps)),
                ..Limits::default()
            };
            limited(says, limits, *times)
        })
        .collect();
    all.push(limited(
        "a region's limit at 1.05 × steady".to_owned(),
        |setup, times| Limits {
            region: Some(part(setup, times, u16::from(setup.regions))),
            ..Limits::default()
        },
        1.05,
    ));
    // A refresh is due each 37 to 55 minutes.
    all.push(limited(
        "a tenant's limit at one request an hour".to_owned(),
        |_, _| Limits {
            tenant: Some(Limit {
                rate: 1.0 / 3_600.0,
                burst: 1.0,
            }),
            ..Limits::default()
        },
        1.0,
    ));
    all
}

/// The limit of one of so many equal parts.
fn part(setup: &Setup, times: f64, parts: u16) -> Limit {
    let rate = times * setup.steady() / f64::from(parts);
    Limit {
        rate,
        burst: rate.max(10.0),
    }
}

/// Runs it.
pub fn run(scenario: Scenario, calibration: &Calibration) -> Outcome {
    let began = std::time::Instant::now();
    let tally = engine::run(&scenario.setup, calibration.refresh());
    Outcome {
        scenario,
        tally,
        took: began.elapsed().as_secs_f64(),
    }
}

impl Outcome {
    /// Highest minute and mean, a second, of the steady part or of all.
    pub fn a_second(&self, count: impl Fn(&Minute) -> u32) -> (f64, f64) {
        let from = self.scenario.steady_from.unwrap_or(0);
        let (peak, mean) = self
            .tally
            .peak_and_mean(from, self.scenario.setup.duration, count);
        (peak / 60.0, mean / 60.0)
    }

    /// The highest minute while an outage lasts and until nobody is overdue: token requests of the worst application,
    /// and requests to the worst API server, each over its own steady rate.
    pub fn worst(&self, n: usize) -> (f64, f64) {
        let setup = &self.scenario.setup;
        let outage = self.scenario.setup.outages[n];
        let took = self.tally.recoveries[n]
            .took
            .unwrap_or(self.scenario.setup.duration);
        let until = (outage.until + took + MINUTE).min(self.scenario.setup.duration);
        (
            worst(&self.tally.apps, outage.from, until, |app| {
                setup.steady_of_app(app)
            }),
            // A Secret and a status for each token.
            worst(&self.tally.servers, outage.from, until, |cluster| {
                2.0 * setup.steady_of_cluster(cluster)
            }),
        )
    }
}

#[cfg(test)]
mod tests;
