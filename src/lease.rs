//! The Leases: which of the operator's processes serves which shard. What is decided is decided in
//! [`crate::core::shards::campaign`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kube::Client;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinHandle;

use crate::core::election::{BootTime, Terms};
use crate::core::shards::campaign::Campaign;
use crate::metrics::Metrics;

mod count;
mod driver;
mod store;

pub use count::{CountStore, lease_of_count};
use driver::{Command, Driver};
pub use store::{LeaseError, LeaseStore};

#[cfg(test)]
mod tests;

/// The Lease of a shard. With one shard it is that of the leader.
#[must_use]
pub fn lease_of_shard(name: &str, shard: u32) -> String {
    format!("{name}-{shard}")
}

/// Tells the time since the machine's start, its sleep included. A trait, so that a test can let it pass.
pub trait BootClock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> BootTime;
}

/// The kernel's clock.
#[derive(Debug, Clone, Copy)]
pub struct KernelClock;

impl BootClock for KernelClock {
    fn now(&self) -> BootTime {
        let clock = if cfg!(target_os = "linux") {
            rustix::time::ClockId::Boottime
        } else {
            rustix::time::ClockId::Monotonic
        };
        let now = rustix::time::clock_gettime(clock);
        BootTime(Duration::try_from(now).unwrap_or_default())
    }
}

/// Whether this process may act, asked before each request that it begins.
pub struct Leadership {
    clock: Arc<dyn BootClock>,
    /// Nanoseconds of the clock.
    until: AtomicU64,
}

impl Leadership {
    /// Of a process that has no rival.
    #[must_use]
    pub fn for_good() -> Arc<Self> {
        Arc::new(Self {
            clock: Arc::new(KernelClock),
            until: AtomicU64::new(u64::MAX),
        })
    }

    /// Of one that has to be elected.
    #[must_use]
    pub fn to_be_won(clock: Arc<dyn BootClock>) -> Arc<Self> {
        Arc::new(Self {
            clock,
            until: AtomicU64::new(0),
        })
    }

    /// This process may act now.
    #[must_use]
    pub fn holds(&self) -> bool {
        nanos(self.clock.now()) < self.until.load(Ordering::Acquire)
    }

    /// Waits for ever where this process may no longer act: it is about to end, and whatever it would say meanwhile would
    /// be wrong.
    pub async fn required(&self) {
        if !self.holds() {
            std::future::pending::<()>().await;
        }
    }

    fn set(&self, until: Option<BootTime>) {
        self.until.store(until.map_or(0, nanos), Ordering::Release);
    }
}

impl std::fmt::Debug for Leadership {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Leadership")
    }
}

fn nanos(time: BootTime) -> u64 {
    u64::try_from(time.0.as_nanos()).unwrap_or(u64::MAX - 1)
}

/// Why this process may act no longer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LeaseLost {
    /// Somebody else is its holder.
    #[error(
        "the Lease is lost: {0} holds it. This process ends, and is a standby once it is started anew"
    )]
    Taken(String),
    /// Nobody is.
    #[error(
        "the Lease is lost: somebody released it. This process ends; started anew, it stands for election again"
    )]
    Released,
    /// No renewal was accepted in time.
    #[error(
        "the Lease is lost: no renewal was accepted for 10 s ({0}). This process ends; if that comes again, see to the API server and to the operator's Role for leases"
    )]
    NotRenewed(&'static str),
    /// The number of shards isn't this process' any more.
    #[error(
        "the number of shards was changed by hand while this process served some. It ends, and started anew does what is in force"
    )]
    Overruled,
    /// A bug.
    #[error("the election has ended by itself")]
    Ended,
}

/// What an election brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// The shard is this process' own from now on.
    Won {
        /// Which.
        shard: u32,
        /// Somebody else served it until a moment ago: what he wrote last may not have been told yet.
        heir: bool,
    },
    /// The shard is to be given back, once what is under way for it has ended: [`Election::drained`].
    GiveBack(u32),
    /// This process may act no longer. Nothing comes after it.
    Lost(LeaseLost),
}

/// This process' part in the election.
pub struct Election {
    leadership: Arc<Leadership>,
    campaign: Option<Process>,
    /// What a process without a rival hasn't been told yet.
    first: Option<News>,
}

struct Process {
    news: UnboundedReceiver<News>,
    commands: UnboundedSender<Command>,
    task: JoinHandle<()>,
}

/// Where the Leases are.
#[derive(Clone)]
pub struct Leases {
    /// By this client.
    pub client: Client,
    /// In this namespace.
    pub namespace: String,
    /// `--lease-name`
    pub name: String,
}

impl Election {
    /// Of a process that has no rival.
    #[must_use]
    pub fn unopposed(metrics: &Metrics) -> Self {
        metrics.leader.set(1);
        metrics.shards.set(1);
        Self {
            leadership: Leadership::for_good(),
            campaign: None,
            first: Some(News::Won {
                shard: 0,
                heir: false,
            }),
        }
    }

    /// Looks at the Leases of so many shards from now on, and claims them from [`Election::ready`] on.
    #[must_use]
    pub fn begin(
        leases: Leases,
        shards: u32,
        identity: String,
        clock: Arc<dyn BootClock>,
        metrics: Metrics,
    ) -> Self {
        let leadership = Leadership::to_be_won(clock.clone());
        let (tell, news) = mpsc::unbounded_channel();
        let (commands, to_do) = mpsc::unbounded_channel();
        let campaign = Campaign::new(identity.clone(), shards, Terms::default(), clock.now());
        let driver = Driver::new(
            campaign,
            leases,
            identity,
            clock,
            leadership.clone(),
            metrics,
            tell,
        );
        let task = tokio::spawn(driver.run(to_do));
        Self {
            leadership,
            campaign: Some(Process {
                news,
                commands,
                task,
            }),
            first: None,
        }
    }

    /// What is asked before each request.
    #[must_use]
    pub fn leadership(&self) -> Arc<Leadership> {
        self.leadership.clone()
    }

    /// This process is able to serve.
    pub fn ready(&self) {
        self.command(Command::Able);
    }

    /// What was under way for a shard that is to be given back has ended.
    pub fn drained(&self, shard: u32) {
        self.command(Command::Drained(shard));
    }

    fn command(&self, command: Command) {
        if let Some(campaign) = &self.campaign {
            let _ = campaign.commands.send(command);
        }
    }

    /// Waits for what comes next.
    pub async fn news(&mut self) -> News {
        if let Some(first) = self.first.take() {
            return first;
        }
        match &mut self.campaign {
            Some(campaign) => campaign
                .news
                .recv()
                .await
                .unwrap_or(News::Lost(LeaseLost::Ended)),
            None => std::future::pending().await,
        }
    }

    /// Waits until this process may act no longer, and tells why.
    pub async fn lost(&mut self) -> LeaseLost {
        loop {
            if let News::Lost(loss) = self.news().await {
                return loss;
            }
        }
    }

    /// Gives back whatever this process holds.
    pub async fn release(self) {
        if let Some(campaign) = self.campaign {
            let _ = campaign.commands.send(Command::Leave);
            let _ = campaign.task.await;
        }
    }
}
