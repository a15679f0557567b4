//! The target Secrets: their metadata, whose they are, and whether they are as we wrote them.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use super::held::PackedHeld;
use super::{OWN_WRITE_TRUSTED, Owner, TargetEntry, World, is_newer, owned};
use crate::api::LABEL_BUCKET;
use crate::controller::objects::{SecretMeta, controller_of, key};
use crate::core::gathered::{Owned, TargetView};
use crate::core::target::Held;
use crate::core::tenant::{Key, Tenant};

impl World {
    /// The watch told a Secret with our label. Returns the tenants that have something to do because of it.
    pub fn target_applied(&mut self, object: &SecretMeta) -> BTreeSet<Key> {
        let key = key(&object.metadata);
        if let Some(known) = self.targets.get(&key) {
            let version = object
                .metadata
                .resource_version
                .as_deref()
                .unwrap_or_default();
            let same = Some(&*known.uid) == object.metadata.uid.as_deref();
            if same && !is_newer(version, &known.resource_version) {
                return BTreeSet::new();
            }
        }
        // Who loses a Secret is concerned as much as who gets one.
        let before = self.owner_key(&key);
        self.target_known(&object.metadata);
        before.into_iter().chain(self.owner_key(&key)).collect()
    }

    /// The watch told that a Secret is gone, or has lost our label. Returns the tenants concerned.
    pub fn target_deleted(&mut self, object: &SecretMeta) -> BTreeSet<Key> {
        let key = key(&object.metadata);
        if self
            .targets
            .get(&key)
            .is_none_or(|known| Some(&*known.uid) != object.metadata.uid.as_deref())
        {
            return BTreeSet::new();
        }
        let concerned = self.owner_and_waiting(&key);
        self.target_gone(&key);
        concerned
    }

    /// This tenant found somebody else's Secret under its target's name: it is told when that one goes.
    pub fn target_conflict(&mut self, tenant: &Key, metadata: &ObjectMeta) {
        let target = key(metadata);
        // Without our label no watch tells of it.
        if metadata
            .labels
            .as_ref()
            .is_some_and(|labels| labels.contains_key(LABEL_BUCKET))
        {
            self.target_known(metadata);
            self.waiting
                .entry(target)
                .or_default()
                .insert(tenant.clone());
        } else {
            self.target_gone(&target);
        }
    }

    pub(super) fn owner_and_waiting(&mut self, target: &Key) -> BTreeSet<Key> {
        let mut concerned = self.waiting.remove(target).unwrap_or_default();
        concerned.extend(self.owner_key(target));
        concerned
    }

    /// A list is complete: what isn't in it is gone, but for what we wrote a moment ago. Returns the tenants concerned.
    pub fn targets_listed(
        &mut self,
        listed: &HashSet<Key>,
        within: impl Fn(&Key) -> bool,
        now: Timestamp,
    ) -> Vec<Key> {
        let missing: Vec<Key> = self
            .targets
            .keys()
            .filter(|key| within(key) && !listed.contains(*key))
            .cloned()
            .collect();
        let mut concerned = Vec::new();
        for key in missing {
            concerned.extend(self.owner_and_waiting(&key));
            let fresh = |entry: &TargetEntry| {
                entry
                    .written_at
                    .is_some_and(|at| now.duration_since(at) < OWN_WRITE_TRUSTED)
            };
            match self.targets.get_mut(&key) {
                // Perhaps the list is older than our write: look before believing either.
                Some(entry) if fresh(entry) => entry.verified = false,
                _ => self.target_gone(&key),
            }
        }
        concerned
    }

    /// A Secret's metadata as an answer or a watch told it.
    pub fn target_known(&mut self, metadata: &ObjectMeta) {
        let mut key = key(metadata);
        let annotations = metadata.annotations.as_ref();
        let held = Held::read(|name| annotations.and_then(|a| a.get(name)).map(String::as_str));
        let controller = controller_of(metadata);
        let mut entry = TargetEntry {
            uid: metadata.uid.as_deref().unwrap_or_default().into(),
            resource_version: metadata
                .resource_version
                .as_deref()
                .unwrap_or_default()
                .into(),
            owner: controller.map(|owner| self.owner(&key.namespace, owner)),
            held: held.map(|held| PackedHeld::new(held, &mut self.texts)),
            verified: false,
            written_at: None,
        };
        if let Some((kept, known)) = self
            .targets
            .get_key_value(&key)
            .filter(|(_, known)| known.uid == entry.uid)
        {
            // An answer that was overtaken by the watch.
            if is_newer(&known.resource_version, &entry.resource_version) {
                return;
            }
            entry.verified = known.verified && known.resource_version == entry.resource_version;
            entry.written_at = known.written_at;
            key = kept.clone();
        } else {
            key.namespace = self.texts.share(&key.namespace);
        }
        self.target_gone(&key);
        if let Some(owner) = &entry.owner {
            self.by_owner.insert((owner.uid.clone(), key.clone()));
        }
        self.targets.insert(key, entry);
    }

    /// An owner, in the very texts that are kept of it as a tenant.
    fn owner(&self, namespace: &Arc<str>, owner: &OwnerReference) -> Owner {
        let key = Key {
            namespace: namespace.clone(),
            name: owner.name.as_str().into(),
        };
        match self.tenants.get_key_value(&key) {
            Some((key, tenant)) if *tenant.uid == *owner.uid => Owner {
                uid: tenant.uid.clone(),
                name: key.name.clone(),
            },
            _ => Owner {
                uid: owner.uid.as_str().into(),
                name: key.name,
            },
        }
    }

    /// When each fingerprint got its newest token.
    #[must_use]
    pub fn newest_tokens(&self) -> HashMap<String, Timestamp> {
        let mut newest = HashMap::new();
        for held in self
            .targets
            .values()
            .filter_map(|entry| entry.held.as_ref())
        {
            let at = newest
                .entry(held.fingerprint().to_owned())
                .or_insert(held.issued_at);
            *at = held.issued_at.max(*at);
        }
        newest
    }

    /// A Secret that we wrote.
    pub fn target_written(&mut self, metadata: &ObjectMeta, now: Timestamp) {
        let key = key(metadata);
        let version = metadata.resource_version.clone().unwrap_or_default();
        let newer = self.targets.get(&key).is_some_and(|known| {
            Some(&*known.uid) == metadata.uid.as_deref()
                && is_newer(&known.resource_version, &version)
        });
        if newer {
            return;
        }
        self.target_known(metadata);
        if let Some(entry) = self.targets.get_mut(&key) {
            entry.verified = *entry.resource_version == *version;
            entry.written_at = Some(now);
        }
    }

    /// The Secret is as we want it, at this version.
    pub fn target_verified(&mut self, key: &Key, resource_version: &str) {
        if let Some(entry) = self
            .targets
            .get_mut(key)
            .filter(|entry| *entry.resource_version == *resource_version)
        {
            entry.verified = true;
        }
    }

    /// The Secret is gone.
    pub fn target_gone(&mut self, target: &Key) {
        let Some(entry) = self.targets.remove(target) else {
            return;
        };
        if let Some(owner) = entry.owner {
            self.by_owner.remove(&(owner.uid, target.clone()));
        }
    }

    pub(super) fn owner_key(&self, target: &Key) -> Option<Key> {
        let owner = self.targets.get(target)?.owner.as_ref()?;
        Some(Key {
            namespace: target.namespace.clone(),
            name: owner.name.clone(),
        })
    }

    /// What stands under a target's name, as far as known.
    #[must_use]
    pub fn target_view(&self, tenant: &Tenant, name: &str) -> TargetView {
        let key = Key {
            namespace: tenant.key.namespace.clone(),
            name: name.into(),
        };
        let Some(entry) = self.targets.get(&key) else {
            return TargetView::Absent;
        };
        match &entry.owner {
            Some(owner) if *owner.uid == *tenant.uid => {
                TargetView::Ours(owned(entry, tenant, name))
            }
            Some(owner) => TargetView::Stranger {
                predecessor: owner.name == tenant.key.name,
            },
            None => TargetView::Stranger { predecessor: false },
        }
    }

    /// Secrets of this tenant under other names than its target's.
    #[must_use]
    pub fn other_targets(&self, tenant: &Tenant, name: &str) -> Option<(String, Owned)> {
        let uid: Arc<str> = tenant.uid.as_str().into();
        let (_, key) = self
            .by_owner
            .range((uid, Key::new("", ""))..)
            .take_while(|(uid, _)| **uid == *tenant.uid)
            .find(|(_, key)| key.namespace == tenant.key.namespace && *key.name != *name)?;
        Some((
            key.name.to_string(),
            owned(self.targets.get(key)?, tenant, &key.name),
        ))
    }
}
