//! The credentials, who uses them, and their fingerprints.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::{CredentialEntry, World, credential_key};
use crate::controller::objects::{SecretBody, key};
use crate::core::credential::{Fingerprint, parse_data};
use crate::core::tenant::{Key, Tenant};

impl World {
    /// A labelled Secret was told. Returns the tenants concerned; `None` if its content is as before.
    pub fn credential_applied(
        &mut self,
        object: &SecretBody,
        seen_changing: bool,
        now: Timestamp,
    ) -> Option<Vec<Key>> {
        let key = key(&object.metadata);
        let parsed = parse_data(&object.data).map(Arc::new);
        let changed_at = match self.credentials.get(&key) {
            Some(known) if known.parsed == parsed => return None,
            _ => seen_changing.then_some(now),
        };
        self.forget_credential(&key);
        if let Ok(credential) = &parsed {
            for login in &self.logins {
                self.by_fingerprint
                    .entry(credential.fingerprint(*login))
                    .or_default()
                    .insert(key.clone());
            }
        }
        self.credentials
            .insert(key.clone(), CredentialEntry { parsed, changed_at });
        Some(self.credential_users(&key))
    }

    /// A Secret is gone, or has lost its label. Returns the tenants concerned; `None` if it wasn't known.
    pub fn credential_deleted(&mut self, key: &Key) -> Option<Vec<Key>> {
        self.forget_credential(key)
            .then(|| self.credential_users(key))
    }

    pub(super) fn forget_credential(&mut self, key: &Key) -> bool {
        let Some(entry) = self.credentials.remove(key) else {
            return false;
        };
        let Ok(credential) = entry.parsed else {
            return true;
        };
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
    pub fn credentials_listed(
        &mut self,
        listed: &HashSet<Key>,
        within: impl Fn(&Key) -> bool,
    ) -> Vec<Key> {
        let gone: Vec<Key> = self
            .credentials
            .keys()
            .filter(|key| within(key) && !listed.contains(*key))
            .cloned()
            .collect();
        gone.iter()
            .filter_map(|key| self.credential_deleted(key))
            .flatten()
            .collect()
    }

    /// The credential that a tenant refers to.
    #[must_use]
    pub fn credential_of(&self, tenant: &Tenant) -> Option<&CredentialEntry> {
        self.credentials.get(&credential_key(tenant))
    }

    pub(super) fn credential_users(&self, key: &Key) -> Vec<Key> {
        self.by_credential
            .get(key)
            .into_iter()
            .flatten()
            .cloned()
            .collect()
    }

    pub(super) fn forget_credential_user(&mut self, key: &Key) {
        let Some(credential) = self.tenants.get(key).map(|tenant| credential_key(tenant)) else {
            return;
        };
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
        self.with_fingerprint(fingerprint)
            .flat_map(|key| self.credential_users(key))
            .collect()
    }

    /// No second tenant uses this fingerprint.
    #[must_use]
    pub fn is_alone(&self, fingerprint: Fingerprint) -> bool {
        let users = self
            .with_fingerprint(fingerprint)
            .filter_map(|key| self.by_credential.get(key));
        users.map(BTreeSet::len).sum::<usize>() <= 1
    }

    pub(super) fn with_fingerprint(&self, fingerprint: Fingerprint) -> impl Iterator<Item = &Key> {
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
}
