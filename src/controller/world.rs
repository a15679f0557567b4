//! What this process knows of the cluster: small copies of what the watches told, overlaid with its own last writes.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::objects::{SecretBody, SecretMeta, TenantObject, controller_of, key};
use crate::api::{DefenderTenantStatus, LABEL_BUCKET};
use crate::core::credential::{Credential, Fault, Fingerprint, parse_data};
use crate::core::gathered::{Memo, Owned, TargetView};
use crate::core::ids::LoginHost;
use crate::core::target::Held;
use crate::core::tenant::{Key, Tenant};

/// An own write younger than this is believed over a list that lacks it.
const OWN_WRITE_TRUSTED: SignedDuration = SignedDuration::from_mins(1);

/// A Secret that carries our bucket label, or that was looked at.
#[derive(Debug, Clone)]
pub struct TargetEntry {
    /// UID.
    pub uid: String,
    /// resourceVersion.
    pub resource_version: String,
    /// UID and name of the tenant that controls it, if one does.
    pub owner: Option<(String, String)>,
    /// What its annotations say.
    pub held: Option<Held>,
    /// The resourceVersion that we wrote or checked.
    verified: Option<String>,
    written_at: Option<Timestamp>,
}

/// A credential Secret.
#[derive(Debug, Clone, PartialEq)]
pub struct CredentialEntry {
    /// The credential, or what is wrong with it.
    pub parsed: Result<Arc<Credential>, Fault>,
    /// When it was seen to change.
    pub changed_at: Option<Timestamp>,
}

/// The copies.
#[derive(Debug, Default)]
pub struct World {
    tenants: HashMap<Key, Arc<Tenant>>,
    /// Tenants whose status is ahead of what the API server has.
    unwritten: HashSet<Key>,
    undecodable: HashSet<Key>,
    /// Tenants whose token somebody took, and that wait for the mint that replaces it.
    robbed: HashSet<Key>,
    targets: HashMap<Key, TargetEntry>,
    by_owner: HashMap<String, BTreeSet<Key>>,
    /// Tenants that found a target of somebody else under their target's name.
    waiting: HashMap<Key, BTreeSet<Key>>,
    credentials: HashMap<Key, CredentialEntry>,
    by_credential: HashMap<Key, BTreeSet<Key>>,
    /// Login authorities: a credential has a fingerprint at each.
    logins: Vec<LoginHost>,
    by_fingerprint: HashMap<Fingerprint, BTreeSet<Key>>,
    memos: HashMap<String, Memo>,
}

/// More than the plan looks at.
const REPAIRS_KEPT: usize = 16;

/// Whether `a` is a later resourceVersion than `b`. They are numbers (Kubernetes documents the order since 1.35);
/// whatever can't be compared is taken for news.
fn is_newer(a: &str, b: &str) -> bool {
    match (a.parse::<u128>(), b.parse::<u128>()) {
        (Ok(a), Ok(b)) => a > b,
        _ => a != b,
    }
}

impl World {
    /// A world that knows nothing yet.
    #[must_use]
    pub fn new(logins: impl IntoIterator<Item = LoginHost>) -> Self {
        Self { logins: logins.into_iter().collect(), ..Self::default() }
    }

    // --- tenants ---

    /// A tenant by its key.
    #[must_use]
    pub fn tenant(&self, key: &Key) -> Option<&Arc<Tenant>> {
        self.tenants.get(key)
    }

    /// All tenants.
    pub fn tenants(&self) -> impl Iterator<Item = &Arc<Tenant>> {
        self.tenants.values()
    }

    /// Objects that have no shape of ours.
    #[must_use]
    pub fn undecodable(&self) -> usize {
        self.undecodable.len()
    }

    /// The watch told a tenant. Returns whether there is anything to do for it.
    pub fn tenant_applied(&mut self, object: TenantObject) -> Result<Option<Key>, Key> {
        let key = object.key();
        let Some(tenant) = object.into_tenant() else {
            let told = self.undecodable.contains(&key);
            self.tenant_deleted(&key);
            self.undecodable.insert(key.clone());
            return if told { Ok(None) } else { Err(key) };
        };
        self.undecodable.remove(&key);
        Ok(self.tenant_known(tenant).then_some(key))
    }

    /// A tenant as an answer or a watch told it; older news than what is known is dropped.
    pub fn tenant_known(&mut self, mut tenant: Tenant) -> bool {
        let key = tenant.key.clone();
        if let Some(known) = self.tenants.get(&key).cloned() {
            let same = known.uid == tenant.uid;
            if same && !is_newer(&tenant.resource_version, &known.resource_version) {
                return false;
            }
            if same && self.unwritten.contains(&key) {
                tenant.status = known.status.clone();
            }
            if known.spec.secret_ref.name != tenant.spec.secret_ref.name {
                self.forget_credential_user(&key);
            }
            if !same {
                self.unwritten.remove(&key);
                self.robbed.remove(&key);
                self.memos.remove(&known.uid);
            }
        }
        let credential = credential_key(&tenant);
        self.by_credential.entry(credential).or_default().insert(key.clone());
        self.tenants.insert(key, Arc::new(tenant));
        true
    }

    /// The tenant is gone.
    pub fn tenant_deleted(&mut self, key: &Key) {
        self.forget_credential_user(key);
        self.unwritten.remove(key);
        self.robbed.remove(key);
        self.undecodable.remove(key);
        if let Some(tenant) = self.tenants.remove(key) {
            self.memos.remove(&tenant.uid);
        }
    }

    /// A list is complete: whoever isn't in it is gone. Returns those.
    pub fn tenants_listed(&mut self, listed: &HashSet<Key>, within: impl Fn(&Key) -> bool) -> Vec<Key> {
        let gone: Vec<Key> = self.tenants.keys().filter(|key| within(key) && !listed.contains(*key)).cloned().collect();
        for key in &gone {
            self.tenant_deleted(key);
        }
        self.undecodable.retain(|key| !within(key) || listed.contains(key));
        gone
    }

    /// A status that we wrote.
    pub fn status_written(&mut self, key: &Key, uid: &str, resource_version: String, status: DefenderTenantStatus) {
        self.unwritten.remove(key);
        self.edit_status(key, uid, |tenant| {
            if is_newer(&resource_version, &tenant.resource_version) {
                tenant.resource_version = resource_version;
            }
            tenant.status = Arc::new(status);
        });
    }

    /// A status that couldn't be written: what it says is true all the same.
    pub fn status_unwritten(&mut self, key: &Key, uid: &str, status: DefenderTenantStatus) {
        if self.tenants.get(key).is_some_and(|tenant| tenant.uid == uid) {
            self.unwritten.insert(key.clone());
        }
        self.edit_status(key, uid, |tenant| tenant.status = Arc::new(status));
    }

    /// Whether the API server lacks the status that is known here.
    #[must_use]
    pub fn is_status_unwritten(&self, key: &Key) -> bool {
        self.unwritten.contains(key)
    }

    fn edit_status(&mut self, key: &Key, uid: &str, edit: impl FnOnce(&mut Tenant)) {
        if let Some(tenant) = self.tenants.get_mut(key).filter(|tenant| tenant.uid == uid) {
            edit(Arc::make_mut(tenant));
        }
    }

    // --- targets ---

    /// The watch told a Secret with our label. Returns the tenants that have something to do because of it.
    pub fn target_applied(&mut self, object: &SecretMeta) -> BTreeSet<Key> {
        let key = key(&object.metadata);
        if let Some(known) = self.targets.get(&key) {
            let version = object.metadata.resource_version.as_deref().unwrap_or_default();
            let same = Some(known.uid.as_str()) == object.metadata.uid.as_deref();
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
        if self.targets.get(&key).is_none_or(|known| Some(known.uid.as_str()) != object.metadata.uid.as_deref()) {
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
        if metadata.labels.as_ref().is_some_and(|labels| labels.contains_key(LABEL_BUCKET)) {
            self.target_known(metadata);
            self.waiting.entry(target).or_default().insert(tenant.clone());
        } else {
            self.target_gone(&target);
        }
    }

    fn owner_and_waiting(&mut self, target: &Key) -> BTreeSet<Key> {
        let mut concerned = self.waiting.remove(target).unwrap_or_default();
        concerned.extend(self.owner_key(target));
        concerned
    }

    /// A list is complete: what isn't in it is gone, but for what we wrote a moment ago. Returns the tenants concerned.
    pub fn targets_listed(&mut self, listed: &HashSet<Key>, within: impl Fn(&Key) -> bool, now: Timestamp) -> Vec<Key> {
        let missing: Vec<Key> = self.targets.keys().filter(|key| within(key) && !listed.contains(*key)).cloned().collect();
        let mut concerned = Vec::new();
        for key in missing {
            concerned.extend(self.owner_and_waiting(&key));
            let fresh = |entry: &TargetEntry| entry.written_at.is_some_and(|at| now.duration_since(at) < OWN_WRITE_TRUSTED);
            match self.targets.get_mut(&key) {
                // Perhaps the list is older than our write: look before believing either.
                Some(entry) if fresh(entry) => entry.verified = None,
                _ => self.target_gone(&key),
            }
        }
        concerned
    }

    /// A Secret's metadata as an answer or a watch told it.
    pub fn target_known(&mut self, metadata: &ObjectMeta) {
        let key = key(metadata);
        let annotations = metadata.annotations.as_ref();
        let mut entry = TargetEntry {
            uid: metadata.uid.clone().unwrap_or_default(),
            resource_version: metadata.resource_version.clone().unwrap_or_default(),
            owner: controller_of(metadata).map(|owner| (owner.uid.clone(), owner.name.clone())),
            held: Held::read(|name| annotations.and_then(|a| a.get(name)).map(String::as_str)),
            verified: None,
            written_at: None,
        };
        if let Some(known) = self.targets.get(&key).filter(|known| known.uid == entry.uid) {
            // An answer that was overtaken by the watch.
            if is_newer(&known.resource_version, &entry.resource_version) {
                return;
            }
            entry.verified.clone_from(&known.verified);
            entry.written_at = known.written_at;
        }
        self.target_gone(&key);
        if let Some((uid, _)) = &entry.owner {
            self.by_owner.entry(uid.clone()).or_default().insert(key.clone());
        }
        self.targets.insert(key, entry);
    }

    /// When each fingerprint got its newest token.
    #[must_use]
    pub fn newest_tokens(&self) -> HashMap<String, Timestamp> {
        let mut newest = HashMap::new();
        for held in self.targets.values().filter_map(|entry| entry.held.as_ref()) {
            let at = newest.entry(held.fingerprint.clone()).or_insert(held.issued_at);
            *at = held.issued_at.max(*at);
        }
        newest
    }

    /// A Secret that we wrote.
    pub fn target_written(&mut self, metadata: &ObjectMeta, now: Timestamp) {
        let key = key(metadata);
        let version = metadata.resource_version.clone().unwrap_or_default();
        let newer = self.targets.get(&key).is_some_and(|known| {
            Some(known.uid.as_str()) == metadata.uid.as_deref() && is_newer(&known.resource_version, &version)
        });
        if newer {
            return;
        }
        self.target_known(metadata);
        if let Some(entry) = self.targets.get_mut(&key) {
            entry.verified = Some(version);
            entry.written_at = Some(now);
        }
    }

    /// The Secret is as we want it, at this version.
    pub fn target_verified(&mut self, key: &Key, resource_version: &str) {
        if let Some(entry) = self.targets.get_mut(key).filter(|entry| entry.resource_version == resource_version) {
            entry.verified = Some(resource_version.to_owned());
        }
    }

    /// The Secret is gone.
    pub fn target_gone(&mut self, key: &Key) {
        let Some(entry) = self.targets.remove(key) else { return };
        if let Some((uid, _)) = entry.owner
            && let Some(keys) = self.by_owner.get_mut(&uid)
        {
            keys.remove(key);
            if keys.is_empty() {
                self.by_owner.remove(&uid);
            }
        }
    }

    fn owner_key(&self, target: &Key) -> Option<Key> {
        let (_, name) = self.targets.get(target)?.owner.as_ref()?;
        Some(Key { namespace: target.namespace.clone(), name: name.as_str().into() })
    }

    /// What stands under a target's name, as far as known.
    #[must_use]
    pub fn target_view(&self, tenant: &Tenant, name: &str) -> TargetView {
        let key = Key { namespace: tenant.key.namespace.clone(), name: name.into() };
        let Some(entry) = self.targets.get(&key) else { return TargetView::Absent };
        match &entry.owner {
            Some((uid, _)) if *uid == tenant.uid => TargetView::Ours(owned(entry, tenant, name)),
            Some((_, owner)) => TargetView::Stranger { predecessor: **owner == *tenant.key.name },
            None => TargetView::Stranger { predecessor: false },
        }
    }

    /// Secrets of this tenant under other names than its target's.
    #[must_use]
    pub fn other_targets(&self, tenant: &Tenant, name: &str) -> Option<(String, Owned)> {
        let key = self.by_owner.get(&tenant.uid)?.iter().find(|key| {
            key.namespace == tenant.key.namespace && *key.name != *name
        })?;
        Some((key.name.to_string(), owned(self.targets.get(key)?, tenant, &key.name)))
    }

    // --- credentials ---

    /// A labelled Secret was told. Returns the tenants concerned; `None` if its content is as before.
    pub fn credential_applied(&mut self, object: &SecretBody, seen_changing: bool, now: Timestamp) -> Option<Vec<Key>> {
        let key = key(&object.metadata);
        let parsed = parse_data(&object.data).map(Arc::new);
        let changed_at = match self.credentials.get(&key) {
            Some(known) if known.parsed == parsed => return None,
            _ => seen_changing.then_some(now),
        };
        self.forget_credential(&key);
        if let Ok(credential) = &parsed {
            for login in &self.logins {
                self.by_fingerprint.entry(credential.fingerprint(*login)).or_default().insert(key.clone());
            }
        }
        self.credentials.insert(key.clone(), CredentialEntry { parsed, changed_at });
        Some(self.credential_users(&key))
    }

    /// A Secret is gone, or has lost its label. Returns the tenants concerned; `None` if it wasn't known.
    pub fn credential_deleted(&mut self, key: &Key) -> Option<Vec<Key>> {
        self.forget_credential(key).then(|| self.credential_users(key))
    }

    fn forget_credential(&mut self, key: &Key) -> bool {
        let Some(entry) = self.credentials.remove(key) else { return false };
        let Ok(credential) = entry.parsed else { return true };
        for login in &self.logins {
            let fingerprint = credential.fingerprint(*login);
            if let Some(keys) = self.by_fingerprint.get_mut(&fingerprint) {
                keys.remove(key);
                if keys.is_empty() {
                    self.by_fingerprint.remove(&fingerprint);
                }
            }
        }
        true
    }

    /// A list is complete. Returns the tenants concerned by what is gone.
    pub fn credentials_listed(&mut self, listed: &HashSet<Key>, within: impl Fn(&Key) -> bool) -> Vec<Key> {
        let gone: Vec<Key> = self.credentials.keys().filter(|key| within(key) && !listed.contains(*key)).cloned().collect();
        gone.iter().filter_map(|key| self.credential_deleted(key)).flatten().collect()
    }

    /// The credential that a tenant refers to.
    #[must_use]
    pub fn credential_of(&self, tenant: &Tenant) -> Option<&CredentialEntry> {
        self.credentials.get(&credential_key(tenant))
    }

    fn credential_users(&self, key: &Key) -> Vec<Key> {
        self.by_credential.get(key).into_iter().flatten().cloned().collect()
    }

    fn forget_credential_user(&mut self, key: &Key) {
        let Some(credential) = self.tenants.get(key).map(|tenant| credential_key(tenant)) else { return };
        if let Some(users) = self.by_credential.get_mut(&credential) {
            users.remove(key);
            if users.is_empty() {
                self.by_credential.remove(&credential);
            }
        }
    }

    /// All tenants whose mints would use this fingerprint.
    #[must_use]
    pub fn fingerprint_users(&self, fingerprint: Fingerprint) -> Vec<Key> {
        self.with_fingerprint(fingerprint).flat_map(|key| self.credential_users(key)).collect()
    }

    /// No second tenant uses this fingerprint.
    #[must_use]
    pub fn is_alone(&self, fingerprint: Fingerprint) -> bool {
        let users = self.with_fingerprint(fingerprint).filter_map(|key| self.by_credential.get(key));
        users.map(BTreeSet::len).sum::<usize>() <= 1
    }

    fn with_fingerprint(&self, fingerprint: Fingerprint) -> impl Iterator<Item = &Key> {
        self.by_fingerprint.get(&fingerprint).into_iter().flatten()
    }

    /// Some credential has this fingerprint.
    #[must_use]
    pub fn has_fingerprint(&self, fingerprint: Fingerprint) -> bool {
        self.by_fingerprint.contains_key(&fingerprint)
    }

    /// How many credential Secrets are known.
    #[must_use]
    pub fn credentials_len(&self) -> usize {
        self.credentials.len()
    }

    // --- memos ---

    /// A repair was made (or, `owed`, seen to be needed, though Microsoft may not be asked yet). Each counts once.
    pub fn remember_repair(&mut self, key: &Key, uid: &str, owed: bool, now: Timestamp) {
        if self.robbed.contains(key) {
            if !owed {
                self.robbed.remove(key);
            }
            return;
        }
        if owed {
            self.robbed.insert(key.clone());
        }
        self.remember(key, uid, |memo| {
            memo.repairs.push_back(now);
            while memo.repairs.len() > REPAIRS_KEPT {
                memo.repairs.pop_front();
            }
        });
    }

    /// What is remembered of a tenant.
    #[must_use]
    pub fn memo(&self, uid: &str) -> Memo {
        self.memos.get(uid).cloned().unwrap_or_default()
    }

    /// Changes what is remembered of a tenant that exists.
    pub fn remember(&mut self, key: &Key, uid: &str, edit: impl FnOnce(&mut Memo)) {
        if self.tenants.get(key).is_some_and(|tenant| tenant.uid == uid) {
            edit(self.memos.entry(uid.to_owned()).or_default());
        }
    }
}

fn credential_key(tenant: &Tenant) -> Key {
    Key { namespace: tenant.key.namespace.clone(), name: tenant.spec.secret_ref.name.as_str().into() }
}

fn owned(entry: &TargetEntry, tenant: &Tenant, name: &str) -> Owned {
    let told = tenant.status.target.as_ref().filter(|target| target.name == name);
    let as_status_says = told.and_then(|target| target.resource_version.as_ref()) == Some(&entry.resource_version);
    Owned {
        uid: entry.uid.clone(),
        resource_version: entry.resource_version.clone(),
        held: entry.held.clone(),
        verified: as_status_says || entry.verified.as_ref() == Some(&entry.resource_version),
    }
}

#[cfg(test)]
mod tests;
