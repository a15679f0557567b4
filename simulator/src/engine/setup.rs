//! What a run is made of.

use super::costs::Costs;
use super::tally::OVERDUE;
use crate::clock::Micros;
use crate::random::{Random, mix};

/// How long tokens live, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetimes {
    Fixed(u32),
    /// Each token its own, as by default at Microsoft.
    EachToken(u32, u32),
    /// Each tenant its own, as by a token lifetime policy.
    EachTenant(u32, u32),
}

impl Lifetimes {
    /// The life of a first token, which is a tenant's own where that counts.
    pub fn of(self, seed: u64, tenant: u32) -> u32 {
        let mut random = Random::new(mix(seed) ^ u64::from(tenant));
        match self {
            Self::Fixed(life) => life,
            Self::EachToken(low, high) | Self::EachTenant(low, high) => random.between(low, high),
        }
    }
}

/// A token bucket of Microsoft's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit {
    /// Requests a second.
    pub rate: f64,
    /// Requests at once.
    pub burst: f64,
}

/// Microsoft's limits. What they are nobody outside knows.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Limits {
    pub tenant: Option<Limit>,
    pub app: Option<Limit>,
    pub region: Option<Limit>,
    /// Seconds in `Retry-After`.
    pub retry_after: u32,
}

/// How Microsoft is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Down {
    /// 503 at once.
    Refuses,
    /// No answer until the client gives up.
    Hangs,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// All of Entra.
    Entra(Down),
    /// The first credential of the first application. `replaced`: a new one takes its place at the end; else the same
    /// one is accepted again, and nobody tells.
    Credential { replaced: bool },
    /// The first region: 429 with this `Retry-After`, whatever comes.
    Region { retry_after: u32 },
    /// All shards are killed, and begin anew when their Lease has run out and they have read what the cluster holds.
    Restart,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    pub kind: Kind,
    pub from: Micros,
    pub until: Micros,
}

impl Outage {
    /// Seconds after which a refresh is overdue. A restart is over in less than the minute that others are looked at
    /// with.
    pub const fn overdue(&self) -> i32 {
        match self.kind {
            Kind::Restart => 5,
            _ => OVERDUE,
        }
    }

    /// Whether it concerns who is of this application and region.
    pub const fn concerns(&self, app: u16, region: u8) -> bool {
        match self.kind {
            Kind::Entra(_) | Kind::Restart => true,
            Kind::Credential { .. } => app == 0,
            Kind::Region { .. } => region == 0,
        }
    }
}

/// How the tenants are when the run begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// All were created a moment ago, and have no token.
    Together,
    /// All have a token, of every age.
    Settled,
    /// All have a token, and are due within so many seconds.
    Due(i32),
}

/// When a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Its time is over.
    TimeIsUp,
    /// Every tenant has a token and nobody waits.
    AllAreWell,
    /// Every tenant has a status, whatever that says.
    AllAreTold,
}

/// The machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Machines {
    /// One for everything, Microsoft's part included, as in the bench. The operator's part is one core at most.
    One { cores: usize },
    /// Each API server, with its etcd, its own with so many cores; each shard a core, which is all that its one thread
    /// can use.
    Apart { server: usize },
}

#[derive(Debug, Clone, PartialEq)]
pub struct Setup {
    pub seed: u64,
    pub tenants: u32,
    /// Partner applications, each in one cluster alone.
    pub apps: u16,
    /// Credentials an application.
    pub credentials: u16,
    pub clusters: u16,
    /// Shards a cluster.
    pub shards: u16,
    /// Namespaces an application.
    pub namespaces: u32,
    /// `--entra-rate`, which the shards of a cluster share.
    pub entra_rate: f64,
    /// `--concurrency`
    pub concurrency: usize,
    /// `spec.refresh.minRemainingSeconds`
    pub min_remaining: i32,
    /// `--refresh-margin`
    pub margin: i64,
    pub lifetimes: Lifetimes,
    pub regions: u8,
    pub limits: Limits,
    pub outages: Vec<Outage>,
    pub start: Start,
    pub machines: Machines,
    pub duration: Micros,
    /// Lateness counts from here on.
    pub counts_from: Micros,
    pub until: Until,
}

impl Setup {
    /// The operator with its defaults, one cluster, one shard, one application with one credential.
    pub fn new(tenants: u32, duration: Micros) -> Self {
        Self {
            seed: 1,
            tenants,
            apps: 1,
            credentials: 1,
            clusters: 1,
            shards: 1,
            namespaces: 1,
            entra_rate: 500.0,
            concurrency: 32,
            min_remaining: 600,
            margin: 120,
            lifetimes: Lifetimes::EachToken(3_600, 5_400),
            regions: 1,
            limits: Limits::default(),
            outages: Vec::new(),
            start: Start::Settled,
            machines: Machines::Apart { server: 8 },
            duration,
            counts_from: 0,
            until: Until::TimeIsUp,
        }
    }

    /// How long a shard of usual size is away that is killed, not stopped.
    pub fn away(&self, costs: &Costs) -> Micros {
        let shards = u32::from(self.clusters) * u32::from(self.shards);
        Costs::lease() + costs.start + costs.listing(self.tenants / shards)
    }

    /// Refreshes a second of one application, and of one cluster, when nothing is wrong.
    pub fn steady_of_app(&self, app: u16) -> f64 {
        let own = (0..self.tenants)
            .skip(usize::from(app))
            .step_by(usize::from(self.apps));
        self.steady() * f64::from(u32::try_from(own.len()).unwrap_or(0)) / f64::from(self.tenants)
    }

    pub fn steady_of_cluster(&self, cluster: u16) -> f64 {
        (cluster..self.apps)
            .step_by(usize::from(self.clusters))
            .map(|app| self.steady_of_app(app))
            .sum()
    }

    /// Refreshes a second when nothing is wrong: each a third of the life, and half of the jitter's tenth, before the end.
    pub fn steady(&self) -> f64 {
        let every = |life: f64| {
            let lead = (life / 3.0).max(f64::from(self.min_remaining) + 120.0);
            (life - lead - life / 20.0).max(life / 2.0)
        };
        let mean = match self.lifetimes {
            Lifetimes::Fixed(life) => 1.0 / every(f64::from(life)),
            Lifetimes::EachToken(low, high) => {
                1.0 / every(f64::midpoint(f64::from(low), f64::from(high)))
            }
            Lifetimes::EachTenant(low, high) => {
                let step = f64::from(high - low) / 1_000.0;
                let rates =
                    (0..1_000).map(|n| 1.0 / every(f64::from(low) + (f64::from(n) + 0.5) * step));
                rates.sum::<f64>() / 1_000.0
            }
        };
        mean * f64::from(self.tenants)
    }
}
