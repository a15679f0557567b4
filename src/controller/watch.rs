//! The watches: they keep the copies up to date and wake the tenants concerned.

use std::collections::HashSet;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::NamespaceResourceScope;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::backoff::backoff;
use super::context::{Context, State};
use super::objects::{ApplicationObject, NamespaceMeta, SecretBody, SecretMeta, TenantObject, key};
use super::selecting::selecting;
use crate::api::{LABEL_BUCKET, LABEL_CREDENTIAL};
use crate::core::credential::parse_data;
use crate::core::shards::{Buckets, bucket, bucket_of_label};
use crate::core::tenant::Key;

/// What a watch tells about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// The first list of one that was begun at the start is complete.
    Listed,
    /// That of one of this shard's is.
    ShardListed(u32),
    /// The API server denies it.
    Forbidden,
}

/// The objects of one kind that a watch brings.
trait Kind:
    Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug + Send + 'static
{
    /// For logs.
    const NAME: &'static str;
    /// Kubernetes' own shard selector tells the same as ours: by the object's UID.
    const SELECTED: bool = false;
    /// Which of them.
    fn config() -> watcher::Config;
    /// The bucket that one belongs to, where they are shared out.
    fn bucket(&self) -> Option<u8> {
        None
    }
    /// Those that are known and of other shards.
    fn outside(_ctx: &Context, _buckets: &Buckets) -> Vec<Key> {
        Vec::new()
    }
    /// One was there, or is new or changed. `live`: it isn't part of the first list.
    fn applied(self, ctx: &Context, live: bool);
    /// One is gone.
    fn deleted(self, ctx: &Context);
    /// A list is complete.
    fn listed(ctx: &Context, keys: &HashSet<Key>, within: &dyn Fn(&Key) -> bool);
}

impl Kind for TenantObject {
    const NAME: &'static str = "DefenderTenant";
    const SELECTED: bool = true;

    fn config() -> watcher::Config {
        watcher::Config::default()
    }

    fn bucket(&self) -> Option<u8> {
        self.metadata.uid.as_deref().map(bucket)
    }

    fn outside(ctx: &Context, buckets: &Buckets) -> Vec<Key> {
        let state = ctx.state();
        let world = &state.world;
        let known = world.tenants_outside(buckets);
        known
            .chain(world.undecodable_outside(buckets))
            .cloned()
            .collect()
    }

    fn applied(self, ctx: &Context, _live: bool) {
        let told = {
            let mut state = ctx.state();
            if !ctx.shards.is_single() && state.world.is_tenant_overtaken(&self.metadata) {
                return;
            }
            state.world.tenant_applied(self)
        };
        match told {
            Ok(key) => ctx.wake(key),
            Err(key) => {
                tracing::error!(tenant = %key, "a DefenderTenant can't be decoded: its spec isn't of this version's shape; the others go on");
            }
        }
    }

    fn deleted(self, ctx: &Context) {
        let key = self.key();
        {
            let mut state = ctx.state();
            let known = state.world.uid(&key);
            // Another shard's watch has told its successor already.
            if known.is_some_and(|known| Some(known) != self.metadata.uid.as_deref()) {
                return;
            }
            state.world.tenant_deleted(&key);
        }
        ctx.wake([key]);
    }

    fn listed(ctx: &Context, keys: &HashSet<Key>, within: &dyn Fn(&Key) -> bool) {
        let gone = ctx.state().world.tenants_listed(keys, within);
        ctx.wake(gone);
    }
}

impl Kind for SecretMeta {
    const NAME: &'static str = "target Secret";

    fn config() -> watcher::Config {
        watcher::Config::default().labels(LABEL_BUCKET)
    }

    fn bucket(&self) -> Option<u8> {
        let labels = self.metadata.labels.as_ref()?;
        bucket_of_label(labels.get(LABEL_BUCKET)?)
    }

    fn outside(ctx: &Context, buckets: &Buckets) -> Vec<Key> {
        let state = ctx.state();
        state.world.targets_outside(buckets).cloned().collect()
    }

    fn applied(self, ctx: &Context, _live: bool) {
        let concerned = {
            let mut state = ctx.state();
            if !ctx.shards.is_single() && state.world.is_target_overtaken(&self.metadata) {
                return;
            }
            state.world.target_applied(&self)
        };
        ctx.wake(concerned);
    }

    fn deleted(self, ctx: &Context) {
        let concerned = ctx.state().world.target_deleted(&self);
        ctx.wake(concerned);
    }

    fn listed(ctx: &Context, keys: &HashSet<Key>, within: &dyn Fn(&Key) -> bool) {
        let now = ctx.now();
        let concerned = ctx.state().world.targets_listed(keys, within, now);
        ctx.wake(concerned);
    }
}

impl Kind for SecretBody {
    const NAME: &'static str = "credential Secret";

    fn config() -> watcher::Config {
        watcher::Config::default().labels(&format!("{LABEL_CREDENTIAL}=true"))
    }

    fn applied(self, ctx: &Context, live: bool) {
        let now = ctx.now();
        // Keys take a millisecond to be parsed, and anybody may write Secrets: not under everybody's lock.
        let parsed = parse_data(&self.data);
        let mut state = ctx.state();
        let changed = state.world.credential_applied(&self, parsed, live, now);
        drop(state);
        if let Some(concerned) = changed {
            forget_fingerprints(ctx);
            ctx.wake(concerned);
        }
    }

    fn deleted(self, ctx: &Context) {
        let now = ctx.now();
        let changed = {
            let mut state = ctx.state();
            state.lookups.forget(&key(&self.metadata));
            state.world.credential_deleted(&key(&self.metadata), now)
        };
        if let Some(concerned) = changed {
            forget_fingerprints(ctx);
            ctx.wake(concerned);
        }
    }

    fn listed(ctx: &Context, keys: &HashSet<Key>, within: &dyn Fn(&Key) -> bool) {
        let now = ctx.now();
        let concerned = ctx.state().world.credentials_listed(keys, within, now);
        forget_fingerprints(ctx);
        ctx.wake(concerned);
    }
}

impl Kind for ApplicationObject {
    const NAME: &'static str = "DefenderApplication";

    fn config() -> watcher::Config {
        watcher::Config::default()
    }

    fn applied(self, ctx: &Context, live: bool) {
        let now = ctx.now();
        let name = self.name().to_owned();
        let told = ctx.state().world.application_applied(self, live, now);
        let concerned = told.unwrap_or_else(|concerned| {
            tracing::error!(application = name, "a DefenderApplication can't be decoded: its spec isn't of this version's shape; its tenants keep what they have");
            concerned
        });
        forget_fingerprints(ctx);
        ctx.wake(concerned);
    }

    fn deleted(self, ctx: &Context) {
        let concerned = ctx.state().world.application_deleted(&self.name().into());
        forget_fingerprints(ctx);
        ctx.wake(concerned);
    }

    fn listed(ctx: &Context, keys: &HashSet<Key>, _within: &dyn Fn(&Key) -> bool) {
        let concerned = ctx.state().world.applications_listed(keys);
        forget_fingerprints(ctx);
        ctx.wake(concerned);
    }
}

impl Kind for NamespaceMeta {
    const NAME: &'static str = "Namespace";

    fn config() -> watcher::Config {
        watcher::Config::default()
    }

    fn applied(self, ctx: &Context, _live: bool) {
        let labels = self.metadata.labels.unwrap_or_default();
        let name = self.metadata.name.unwrap_or_default();
        let concerned = ctx.state().world.namespace_applied(&name, labels);
        ctx.wake(concerned);
    }

    fn deleted(self, ctx: &Context) {
        let name = self.metadata.name.unwrap_or_default();
        let concerned = ctx.state().world.namespace_deleted(&name);
        ctx.wake(concerned);
    }

    fn listed(ctx: &Context, keys: &HashSet<Key>, _within: &dyn Fn(&Key) -> bool) {
        let concerned = ctx.state().world.namespaces_listed(keys);
        ctx.wake(concerned);
    }
}

/// A breaker lives as long as a credential has its fingerprint.
fn forget_fingerprints(ctx: &Context) {
    let mut state = ctx.state();
    let State { world, gate, .. } = &mut *state;
    gate.retain(|fingerprint| world.has_fingerprint(*fingerprint));
}

/// What a watch brings of a kind.
#[derive(Clone, Default)]
struct Part {
    /// Of one namespace; else of all.
    namespace: Option<String>,
    /// Of one shard; else of all.
    shard: Option<(u32, Buckets)>,
}

/// Starts the watches that a process has from its start on, in each namespace or in all. Each tells once when its first
/// list is complete. With several shards, tenants and targets come with those.
pub fn start(ctx: &Arc<Context>, namespaces: &[String], tell: &mpsc::Sender<Told>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let single = ctx.shards.is_single();
    for part in parts(namespaces, None) {
        if single {
            follow_some::<TenantObject>(ctx, part.clone(), tell, &mut tasks);
            follow_some::<SecretMeta>(ctx, part.clone(), tell, &mut tasks);
        }
        follow_some::<SecretBody>(ctx, part, tell, &mut tasks);
    }
    if namespaces.is_empty() {
        follow_all::<ApplicationObject>(ctx, tell, &mut tasks);
        if ctx.policy.namespace_selectors {
            follow_all::<NamespaceMeta>(ctx, tell, &mut tasks);
        }
    }
    tasks
}

/// Waits until one of some watches ends, which none does by itself: what it panicked of would leave the copies as they
/// were, for ever.
pub async fn ended<'a>(watches: impl IntoIterator<Item = &'a mut JoinSet<()>>) {
    let mut watches: Vec<_> = watches.into_iter().collect();
    poll_fn(|cx| {
        let mut ended = watches.iter_mut().map(|set| set.poll_join_next(cx));
        if ended.any(|ended| matches!(ended, Poll::Ready(Some(_)))) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

/// Starts those of a shard.
pub fn start_shard(
    ctx: &Arc<Context>,
    namespaces: &[String],
    shard: u32,
    tell: &mpsc::Sender<Told>,
    tasks: &mut JoinSet<()>,
) -> usize {
    for part in parts(namespaces, Some(&(shard, ctx.shards.buckets(shard)))) {
        follow_some::<TenantObject>(ctx, part.clone(), tell, tasks);
        follow_some::<SecretMeta>(ctx, part, tell, tasks);
    }
    tasks.len()
}

fn parts(namespaces: &[String], shard: Option<&(u32, Buckets)>) -> Vec<Part> {
    let part = |namespace: Option<&String>| Part {
        namespace: namespace.cloned(),
        shard: shard.cloned(),
    };
    if namespaces.is_empty() {
        vec![part(None)]
    } else {
        namespaces.iter().map(|name| part(Some(name))).collect()
    }
}

fn follow_all<K: Kind>(ctx: &Arc<Context>, tell: &mpsc::Sender<Told>, tasks: &mut JoinSet<()>) {
    let api = Api::<K>::all(ctx.kube.client().clone());
    tasks.spawn(follow(api, ctx.clone(), Part::default(), tell.clone()));
}

fn follow_some<K: Kind + Resource<Scope = NamespaceResourceScope>>(
    ctx: &Arc<Context>,
    part: Part,
    tell: &mpsc::Sender<Told>,
    tasks: &mut JoinSet<()>,
) {
    let client = match &part.shard {
        Some((_, buckets)) if K::SELECTED && ctx.shards.is_server_side() => {
            selecting(ctx.kube.client(), &buckets.shard_selector())
        }
        _ => ctx.kube.client().clone(),
    };
    let api = match &part.namespace {
        Some(namespace) => Api::<K>::namespaced(client, namespace),
        None => Api::<K>::all(client),
    };
    tasks.spawn(follow(api, ctx.clone(), part, tell.clone()));
}

async fn follow<K: Kind>(api: Api<K>, ctx: Arc<Context>, part: Part, tell: mpsc::Sender<Told>) {
    let Part { namespace, shard } = part;
    let buckets = shard.as_ref().map(|(_, buckets)| buckets);
    let within = |key: &Key| {
        namespace
            .as_deref()
            .is_none_or(|namespace| *key.namespace == *namespace)
    };
    let ours = |object: &K| {
        let ours = buckets.is_none_or(|buckets| {
            object
                .bucket()
                .is_some_and(|bucket| buckets.has_bucket(bucket))
        });
        if !ours {
            ctx.metrics.foreign_objects.inc();
        }
        ours
    };
    let mut config = K::config();
    if let Some(buckets) = buckets.filter(|_| config.label_selector.is_some()) {
        config = config.labels(&buckets.label_selector());
    }
    let mut events = watcher(api, config).backoff(backoff()).boxed();
    let mut listed = HashSet::new();
    let mut live = false;
    loop {
        match events.try_next().await {
            Ok(Some(event)) => {
                ctx.kube.set_reachable(true);
                match event {
                    Event::Init => listed.clear(),
                    Event::InitApply(object) => {
                        if ours(&object) {
                            listed.insert(key(object.meta()));
                            object.applied(&ctx, live && ctx.leadership.holds());
                        }
                    }
                    Event::InitDone => {
                        if let Some(buckets) = buckets {
                            listed.extend(K::outside(&ctx, buckets));
                        }
                        K::listed(&ctx, &listed, &within);
                        listed = HashSet::new();
                        if !live {
                            live = true;
                            let whose = shard.as_ref().map(|(shard, _)| *shard);
                            let listed = whose.map_or(Told::Listed, Told::ShardListed);
                            let _ = tell.send(listed).await;
                        }
                    }
                    // What happens under another leader is that one's to answer.
                    Event::Apply(object) if ours(&object) => {
                        object.applied(&ctx, ctx.leadership.holds());
                    }
                    Event::Delete(object) if ours(&object) => object.deleted(&ctx),
                    Event::Apply(_) | Event::Delete(_) => {}
                }
            }
            Ok(None) => break,
            Err(error) => failed::<K>(&ctx, &error, &tell).await,
        }
    }
}

async fn failed<K: Kind>(ctx: &Context, error: &watcher::Error, tell: &mpsc::Sender<Told>) {
    ctx.metrics.watch_failures.inc();
    // Texts of the API server and of decoders may quote an object: only the status code is shown.
    let code = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => Some(status.code),
        _ => None,
    };
    match code {
        Some(403) => {
            tracing::warn!(kind = K::NAME, "the API server denies the watch");
            let _ = tell.send(Told::Forbidden).await;
        }
        // The watch is older than what the API server remembers: the list that follows mends it.
        Some(410) => tracing::debug!(kind = K::NAME, "the watch is too old; listing anew"),
        Some(code) => tracing::warn!(kind = K::NAME, code, "the watch failed; it is tried again"),
        None => {
            ctx.kube.set_reachable(false);
            tracing::warn!(kind = K::NAME, "the watch broke; it is tried again");
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_watch_that_panics_is_noticed_among_those_that_go_on() {
        let mut going = JoinSet::new();
        going.spawn(std::future::pending());
        let mut none = JoinSet::new();
        assert!(ended([&mut none, &mut going]).now_or_never().is_none());

        let mut broken = JoinSet::new();
        broken.spawn(std::future::pending());
        broken.spawn(async { panic!("as a decoder might") });
        ended([&mut none, &mut going, &mut broken]).await;
    }
}
