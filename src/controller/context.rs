//! What every reconcile shares.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

use super::events::Events;
use super::kubeapi::KubeApi;
use super::lookups::Lookups;
use super::shards::Shards;
use super::world::World;
use crate::core::discovery::pace::Pace;
use crate::core::federated::TokenView;
use crate::core::gate::Gate;
use crate::core::gathered::Policy;
use crate::core::queue::Queue;
use crate::core::schedule::saturating_add;
use crate::core::tenant::{Key, Tenant};
use crate::defender::probe::Prober;
use crate::entra::client::TokenClient;
use crate::entra::clouds;
use crate::entra::discovery::DiscoveryClient;
use crate::entra::federated::TokenFile;
use crate::lease::Leadership;
use crate::metrics::Metrics;

/// Tells the time. A trait, so that a test can make two hours pass.
pub trait Clock: Send + Sync + 'static {
    /// Now, by the wall clock: tokens expire by it, also while the machine sleeps.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// The state machines and the copies, changed under one lock that is never held across a request.
pub struct State {
    /// Copies of what the cluster has.
    pub world: World,
    /// Who is served next.
    pub queue: Queue<Key>,
    /// Who may ask Microsoft.
    pub gate: Gate,
    /// Whose turn it is to ask where its tenant lives.
    pub discoveries: Pace<Key>,
    /// Missing credentials, as looked at a moment ago.
    pub lookups: Lookups,
}

/// What every reconcile shares.
pub struct Context {
    state: Mutex<State>,
    changed: Notify,
    told: Notify,
    aside: AtomicUsize,
    /// Until when this process is an heir, in seconds; 0 if it isn't.
    heir_until: AtomicI64,
    /// Token requests a second and credential, of all processes together.
    entra_rate: f64,
    /// Whether this process may act.
    pub leadership: Arc<Leadership>,
    /// For whom.
    pub shards: Shards,
    /// The API server.
    pub kube: KubeApi,
    /// Microsoft's token endpoint.
    pub entra: TokenClient,
    /// The operator's own token.
    pub federated: TokenFile,
    /// Microsoft's anonymous documents.
    pub discovery: DiscoveryClient,
    /// Microsoft's API.
    pub prober: Prober,
    /// Kubernetes Events.
    pub events: Events,
    /// Metrics.
    pub metrics: Metrics,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Settings that decisions depend on.
    pub policy: Policy,
    /// The operator's own namespace: credentials there aren't anybody's.
    pub operator_namespace: Option<String>,
    /// It serves the whole cluster, so that it sees applications.
    pub serves_cluster: bool,
}

/// A watch that says nothing for longer is dead, and lists anew (`READ_TIMEOUT` of its client).
const HEIR_FOR: SignedDuration = SignedDuration::from_mins(5);

/// So many tokens, of some 2 KiB each, are held at the most for an API server that is away.
const ASIDE_MAX: usize = 512;

/// A slot given away; taken back when dropped.
pub struct Aside<'a>(&'a Context);

impl Drop for Aside<'_> {
    fn drop(&mut self) {
        self.0.aside.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What a [`Context`] is made of.
pub struct Parts {
    /// Whether this process may act.
    pub leadership: Arc<Leadership>,
    /// For whom.
    pub shards: Shards,
    /// The API server.
    pub kube: KubeApi,
    /// Microsoft's token endpoint.
    pub entra: TokenClient,
    /// The operator's own token.
    pub federated: TokenFile,
    /// Microsoft's anonymous documents.
    pub discovery: DiscoveryClient,
    /// Microsoft's API.
    pub prober: Prober,
    /// Kubernetes Events.
    pub events: Events,
    /// Metrics.
    pub metrics: Metrics,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Settings that decisions depend on.
    pub policy: Policy,
    /// The operator's own namespace.
    pub operator_namespace: Option<String>,
    /// It serves the whole cluster.
    pub serves_cluster: bool,
    /// `--entra-rate`
    pub entra_rate: f64,
}

impl Context {
    /// A context that knows nothing of the cluster yet.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let mut logins: Vec<_> = clouds::all().map(|(_, login)| login).collect();
        logins.dedup();
        let mut world = World::new(logins, parts.operator_namespace.as_deref());
        if parts.policy.namespace_selectors {
            world.look_at_labels();
        }
        let state = State {
            world,
            queue: Queue::default(),
            gate: Gate::new(parts.entra_rate),
            discoveries: Pace::default(),
            lookups: Lookups::default(),
        };
        Self {
            state: Mutex::new(state),
            changed: Notify::new(),
            told: Notify::new(),
            aside: AtomicUsize::new(0),
            heir_until: AtomicI64::new(0),
            entra_rate: parts.entra_rate,
            leadership: parts.leadership,
            shards: parts.shards,
            kube: parts.kube,
            entra: parts.entra,
            federated: parts.federated,
            discovery: parts.discovery,
            prober: parts.prober,
            events: parts.events,
            metrics: parts.metrics,
            clock: parts.clock,
            policy: parts.policy,
            operator_namespace: parts.operator_namespace,
            serves_cluster: parts.serves_cluster,
        }
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Of so many shards this process has so many, and so much of what Microsoft gives to all together.
    pub fn share(&self, held: u32, of: u32) {
        let share = f64::from(held.max(1)) / f64::from(of.max(1));
        let now = self.now();
        let mut state = self.state();
        state.gate.set_rate(self.entra_rate * share, now);
        state.discoveries.set_share(share);
    }

    /// Another process acted until a moment ago: what it wrote last, the watches may not have told yet.
    pub fn inherit(&self) {
        let until = saturating_add(self.now(), HEIR_FOR).as_second();
        self.heir_until.store(until, Ordering::Release);
    }

    /// The copies may be older than what a predecessor wrote.
    #[must_use]
    pub fn is_heir(&self) -> bool {
        self.now().as_second() < self.heir_until.load(Ordering::Acquire)
    }

    /// The state. A panic elsewhere doesn't make it unusable: every change is complete in itself.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something happened to these tenants. Who doesn't serve them gives no turns: everybody gets one once it does.
    pub fn wake(&self, keys: impl IntoIterator<Item = Key>) {
        if !self.leadership.holds() {
            return;
        }
        let mut any = false;
        {
            let mut state = self.state();
            for key in keys {
                let uid = state.world.uid(&key);
                if uid.is_none_or(|uid| self.shards.acts(uid)) {
                    state.wake(&key);
                    any = true;
                }
            }
        }
        if any {
            self.changed.notify_one();
        }
        self.told.notify_one();
    }

    /// The UID of a tenant that another process may serve; with one shard there is none, and nothing is looked up.
    #[must_use]
    pub fn shared_uid(&self, key: &Key) -> Option<Box<str>> {
        if self.shards.is_single() {
            return None;
        }
        self.state().world.uid(key).map(Box::from)
    }

    /// A tenant as the API server told it, asked by name. A successor of the name may be another shard's: then there is
    /// none here any more, and no watch of this process would ever tell of its changes.
    pub fn tenant_known(&self, tenant: Tenant) {
        let mut state = self.state();
        let same = state.world.uid(&tenant.key) == Some(&*tenant.uid);
        if same || self.shards.acts(&tenant.uid) {
            state.world.tenant_known(tenant);
        } else {
            state.world.tenant_deleted(&tenant.key);
        }
    }

    /// The operator's own token, as it is or was a moment ago. Whose it is belongs to the credential, so that who uses
    /// it is told.
    pub async fn own_token(&self) -> Arc<TokenView> {
        let view = self.federated.look(self.now()).await;
        if let Ok(presented) = &view.found {
            let concerned = self.state().world.identity_known(presented, self.now());
            if !concerned.is_empty() {
                self.wake(concerned);
            }
        }
        view
    }

    /// Gives one's slot to somebody else while waiting with a token in hand. `None` if too many do so already.
    pub fn step_aside(&self) -> Option<Aside<'_>> {
        let room = |aside: usize| (aside < ASIDE_MAX).then_some(aside + 1);
        self.aside
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, room)
            .ok()?;
        self.notify();
        Some(Aside(self))
    }

    /// How many have given their slot away.
    #[must_use]
    pub fn aside(&self) -> usize {
        self.aside.load(Ordering::Acquire)
    }

    /// The queue may have something new.
    pub fn notify(&self) {
        self.changed.notify_one();
        self.told.notify_one();
    }

    /// Waits until an application's status may have to say something new.
    pub async fn told(&self) {
        self.told.notified().await;
    }

    /// Waits until the queue may have something new.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }
}

impl State {
    /// Something happened to this tenant.
    pub fn wake(&mut self, key: &Key) {
        let (key, expires_at) = self.world.expiry(key);
        self.queue.wake(&key, &key.namespace, expires_at);
    }
}
