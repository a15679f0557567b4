//! Shards that come and go.

use std::collections::HashSet;

use kube::api::ObjectMeta;

use super::{World, is_newer};
use crate::controller::objects::key;
use crate::core::shards::Buckets;
use crate::core::tenant::Key;

impl World {
    /// A tenant's UID.
    #[must_use]
    pub fn uid(&self, key: &Key) -> Option<&str> {
        self.tenants.get(key).map(|tenant| &*tenant.uid)
    }

    /// Another shard's watch has told a successor of this tenant already: the one of its own shard lags behind.
    #[must_use]
    pub fn is_tenant_overtaken(&self, metadata: &ObjectMeta) -> bool {
        let known = self.tenants.get(&key(metadata));
        known.is_some_and(|known| is_overtaken(metadata, &known.uid, &known.resource_version))
    }

    /// The same of a target.
    #[must_use]
    pub fn is_target_overtaken(&self, metadata: &ObjectMeta) -> bool {
        let known = self.targets.get(&key(metadata));
        known.is_some_and(|known| is_overtaken(metadata, &known.uid, &known.resource_version))
    }

    /// The tenants of a shard.
    pub fn tenants_of(&self, buckets: &Buckets) -> impl Iterator<Item = &Key> {
        let all = self.tenants.iter();
        all.filter(|(_, tenant)| buckets.has(&tenant.uid))
            .map(|(key, _)| key)
    }

    /// Those of other shards: no list of this one's tells whether they are there.
    pub fn tenants_outside(&self, buckets: &Buckets) -> impl Iterator<Item = &Key> {
        let all = self.tenants.iter();
        all.filter(|(_, tenant)| !buckets.has(&tenant.uid))
            .map(|(key, _)| key)
    }

    /// The targets of other shards' tenants.
    pub fn targets_outside(&self, buckets: &Buckets) -> impl Iterator<Item = &Key> {
        let others = self.targets.iter().filter(|(_, entry)| {
            let owner = entry.owner.as_ref();
            owner.is_some_and(|owner| !buckets.has(&owner.uid))
        });
        others.map(|(key, _)| key)
    }

    /// Those of them that can't be decoded.
    pub fn undecodable_outside(&self, buckets: &Buckets) -> impl Iterator<Item = &Key> {
        let all = self.undecodable.iter();
        all.filter(|(_, bucket)| !buckets.has_bucket(**bucket))
            .map(|(key, _)| key)
    }

    /// The shard is somebody else's: nothing of it is kept. Whoever finds a Secret that is forgotten here, though it is no
    /// tenant's of this shard, looks.
    pub fn forget_shard(&mut self, buckets: &Buckets) {
        let tenants: Vec<Key> = self.tenants_of(buckets).cloned().collect();
        for key in tenants {
            self.tenant_deleted(&key);
        }
        let others: HashSet<Key> = self.targets_outside(buckets).cloned().collect();
        let targets: Vec<Key> = self.targets.keys().cloned().collect();
        for key in targets.iter().filter(|key| !others.contains(*key)) {
            self.target_gone(key);
        }
        self.undecodable
            .retain(|_, bucket| !buckets.has_bucket(*bucket));
    }
}

/// Versions of one kind of objects can be compared, whichever object's they are.
fn is_overtaken(metadata: &ObjectMeta, uid: &str, version: &str) -> bool {
    metadata.uid.as_deref() != Some(uid)
        && !is_newer(
            metadata.resource_version.as_deref().unwrap_or_default(),
            version,
        )
}
