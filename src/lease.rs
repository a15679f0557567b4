//! The Lease: which of the operator's processes acts. What is decided is decided in [`crate::core::election`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use crate::core::election::{BootTime, Claim, Claimed, Elector, Move, Terms};
use crate::metrics::Metrics;

mod store;

use store::LeaseError;
pub use store::LeaseStore;

#[cfg(test)]
mod tests;

/// The Lease that one process of `--shards 1` holds.
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
    /// A bug.
    #[error("the election has ended by itself")]
    Ended,
}

/// Where this process stands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Role {
    Standby,
    /// `heir`: somebody else led until a moment ago.
    Leader {
        heir: bool,
    },
    Former(LeaseLost),
}

/// This process' part in the election.
pub struct Election {
    leadership: Arc<Leadership>,
    campaign: Option<Campaign>,
}

struct Campaign {
    role: watch::Receiver<Role>,
    ready: watch::Sender<bool>,
    release: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Election {
    /// Of a process that has no rival.
    #[must_use]
    pub fn unopposed(metrics: &Metrics) -> Self {
        metrics.leader.set(1);
        Self {
            leadership: Leadership::for_good(),
            campaign: None,
        }
    }

    /// Looks at the Lease from now on, and claims it from [`Election::ready`] on.
    #[must_use]
    pub fn begin(
        store: LeaseStore,
        identity: String,
        clock: Arc<dyn BootClock>,
        metrics: Metrics,
    ) -> Self {
        let leadership = Leadership::to_be_won(clock.clone());
        let (tell, role) = watch::channel(Role::Standby);
        let (ready, is_ready) = watch::channel(false);
        let (release, released) = oneshot::channel();
        let candidate = Candidate {
            elector: Elector::new(identity, Terms::default(), clock.now()),
            store,
            clock,
            leadership: leadership.clone(),
            metrics,
            tell,
            failing: None,
        };
        let task = tokio::spawn(candidate.run(is_ready, released));
        Self {
            leadership,
            campaign: Some(Campaign {
                role,
                ready,
                release,
                task,
            }),
        }
    }

    /// What is asked before each request.
    #[must_use]
    pub fn leadership(&self) -> Arc<Leadership> {
        self.leadership.clone()
    }

    /// This process is able to lead.
    pub fn ready(&self) {
        if let Some(campaign) = &self.campaign {
            let _ = campaign.ready.send(true);
        }
    }

    /// Waits until this process leads. Returns whether it is an heir: its predecessor's last writes may not have been told
    /// yet. It may also lose before it ever led.
    pub async fn won(&mut self) -> Result<bool, LeaseLost> {
        let Some(campaign) = &mut self.campaign else {
            return Ok(false);
        };
        match campaign.role.wait_for(|role| *role != Role::Standby).await {
            Ok(role) => match &*role {
                Role::Leader { heir } => Ok(*heir),
                Role::Former(loss) => Err(loss.clone()),
                Role::Standby => Err(LeaseLost::Ended),
            },
            Err(_) => Err(LeaseLost::Ended),
        }
    }

    /// Waits until this process has lost the Lease, and tells why.
    pub async fn lost(&mut self) -> LeaseLost {
        let Some(campaign) = &mut self.campaign else {
            return std::future::pending().await;
        };
        let lost = campaign
            .role
            .wait_for(|role| matches!(role, Role::Former(_)));
        match lost.await.as_deref() {
            Ok(Role::Former(loss)) => loss.clone(),
            _ => LeaseLost::Ended,
        }
    }

    /// Gives the Lease back, if this process holds it.
    pub async fn release(self) {
        if let Some(campaign) = self.campaign {
            let _ = campaign.release.send(());
            let _ = campaign.task.await;
        }
    }
}

/// Does what the elector says.
struct Candidate {
    elector: Elector,
    store: LeaseStore,
    clock: Arc<dyn BootClock>,
    leadership: Arc<Leadership>,
    metrics: Metrics,
    tell: watch::Sender<Role>,
    failing: Option<LeaseError>,
}

impl Candidate {
    async fn run(mut self, mut ready: watch::Receiver<bool>, mut released: oneshot::Receiver<()>) {
        loop {
            if !matches!(released.try_recv(), Err(TryRecvError::Empty)) {
                return self.give_back().await;
            }
            if *ready.borrow_and_update() {
                self.elector.ready(self.clock.now());
            }
            let now = self.clock.now();
            match self.elector.next(now, Timestamp::now()) {
                Move::Rest(until) => tokio::select! {
                    () = tokio::time::sleep(until.since(now)) => {}
                    Ok(()) = ready.changed() => {}
                    _ = &mut released => return self.give_back().await,
                },
                Move::Look => self.look().await,
                Move::Claim(claim) => self.claim(claim).await,
                Move::End => {
                    self.resign();
                    let loss = self.loss();
                    let _ = self.tell.send(Role::Former(loss));
                    return;
                }
            }
        }
    }

    async fn look(&mut self) {
        let sent = self.clock.now();
        let before = self.elector.holder().map(str::to_owned);
        let found = self.store.look(self.elector.patience(sent)).await;
        let now = self.clock.now();
        match found {
            Ok(found) => {
                self.elector.looked(found, now);
                self.answered();
            }
            Err(error) => {
                self.elector.blind(sent, now);
                self.unanswered(error);
            }
        }
        let holder = self.elector.holder();
        if holder != before.as_deref()
            && let Some(holder) = holder
        {
            tracing::info!(lease = self.store.name(), holder, "standing by");
        }
    }

    async fn claim(&mut self, claim: Claim) {
        let sent = self.clock.now();
        let outcome = self.store.claim(&claim, self.elector.patience(sent)).await;
        let now = self.clock.now();
        let outcome = match outcome {
            Ok(outcome) => {
                self.answered();
                outcome
            }
            Err(error) => {
                self.unanswered(error);
                Claimed::Failed
            }
        };
        self.elector.claimed(claim, outcome, sent, now);
        let until = self.elector.leads_until().filter(|until| now < *until);
        self.leadership.set(until);
        let led = matches!(*self.tell.borrow(), Role::Leader { .. });
        if until.is_some() && !led {
            tracing::info!(lease = self.store.name(), "leading");
            self.metrics.leader.set(1);
            let heir = self.elector.is_heir();
            let _ = self.tell.send(Role::Leader { heir });
        }
    }

    fn answered(&mut self) {
        if self.failing.take().is_some() {
            tracing::info!(lease = self.store.name(), "the Lease is reached again");
        }
    }

    fn unanswered(&mut self, error: LeaseError) {
        if self.failing.replace(error) != Some(error) {
            tracing::warn!(lease = self.store.name(), %error, "the Lease isn't reached; it is tried again");
        }
    }

    /// Whatever this process would still begin, it begins no more.
    fn resign(&self) {
        self.leadership.set(None);
        self.metrics.leader.set(0);
    }

    fn loss(&self) -> LeaseLost {
        if let Some(error) = self.failing {
            return LeaseLost::NotRenewed(error.as_str());
        }
        match self.elector.lost_to() {
            Some("") => LeaseLost::Released,
            Some(holder) => LeaseLost::Taken(holder.to_owned()),
            None => LeaseLost::NotRenewed("this process or its machine stood still"),
        }
    }

    async fn give_back(mut self) {
        let claim = self.elector.release(Timestamp::now());
        let patience = self.elector.patience(self.clock.now());
        self.resign();
        let Some(claim) = claim else {
            return;
        };
        if let Ok(Claimed::Accepted(_)) = self.store.claim(&claim, patience).await {
            tracing::info!(lease = self.store.name(), "the Lease is given back");
        }
    }
}
