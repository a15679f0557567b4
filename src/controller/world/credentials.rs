//! The credentials, who uses them, and their fingerprints.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::{CredentialEntry, Keys, Known, Source, World};
use crate::controller::objects::{SecretBody, key};
use crate::core::credential::{Credential, Fault, Fingerprint};
use crate::core::ids::LoginHost;
use crate::core::tenant::{Key, Tenant};

impl World {
    /// A labelled Secret was told. Returns the tenants concerned; `None` if its content is as before.
    pub fn credential_applied(
        &mut self,
        object: &SecretBody,
        parsed: Result<Credential, Fault>,
        seen_changing: bool,
        now: Timestamp,
    ) -> Option<Vec<Key>> {
        let key = key(&object.metadata);
        let parsed = parsed.map(Arc::new);
        let keys = self
            .is_home(&key)
            .then(|| Keys(Arc::new(object.data.clone())));
        let changed_at = match self.credentials.get(&key) {
            Some(known) if known.parsed == parsed && known.keys == keys => return None,
            _ => seen_changing.then_some(now),
        };
        self.forget_credential(&key);
        if let Ok(credential) = &parsed {
            self.know_fingerprints(credential, &Source::Secret(key.clone()));
        }
        let entry = CredentialEntry {
            parsed,
            changed_at,
            keys,
        };
        self.credentials.insert(key.clone(), entry);
        Some(self.credential_users(&key, seen_changing, now))
    }

    /// A Secret is gone, or has lost its label. Returns the tenants concerned; `None` if it wasn't known.
    pub fn credential_deleted(&mut self, key: &Key, now: Timestamp) -> Option<Vec<Key>> {
        self.forget_credential(key)
            .then(|| self.credential_users(key, true, now))
    }

    fn forget_credential(&mut self, key: &Key) -> bool {
        let Some(entry) = self.credentials.remove(key) else {
            return false;
        };
        if let Ok(credential) = entry.parsed {
            self.forget_fingerprints(&credential, &Source::Secret(key.clone()));
        }
        true
    }

    /// It is a Secret of the operator's namespace.
    fn is_home(&self, key: &Key) -> bool {
        self.home.as_ref() == Some(&key.namespace)
    }

    pub(super) fn know_fingerprints(&mut self, credential: &Credential, source: &Source) {
        for login in &self.logins {
            self.by_fingerprint
                .entry(credential.fingerprint(*login))
                .or_default()
                .insert(source.clone());
        }
    }

    pub(super) fn forget_fingerprints(&mut self, credential: &Credential, source: &Source) {
        for login in &self.logins {
            let fingerprint = credential.fingerprint(*login);
            if let Some(sources) = self.by_fingerprint.get_mut(&fingerprint) {
                sources.remove(source);
                if sources.is_empty() {
                    self.by_fingerprint.remove(&fingerprint);
                }
            }
        }
    }

    /// A list is complete. Returns the tenants concerned by what is gone.
    pub fn credentials_listed(
        &mut self,
        listed: &HashSet<Key>,
        within: impl Fn(&Key) -> bool,
        now: Timestamp,
    ) -> Vec<Key> {
        let gone: Vec<Key> = self
            .credentials
            .keys()
            .filter(|key| within(key) && !listed.contains(*key))
            .cloned()
            .collect();
        gone.iter()
            .filter_map(|key| self.credential_deleted(key, now))
            .flatten()
            .collect()
    }

    /// A credential Secret, if a watch told of it.
    #[must_use]
    pub fn credential(&self, key: &Key) -> Option<&CredentialEntry> {
        self.credentials.get(key)
    }

    /// The credential of this fingerprint, if the tenant refers to it.
    #[must_use]
    pub fn credential_with(
        &self,
        tenant: &Tenant,
        login: LoginHost,
        fingerprint: &str,
    ) -> Option<(Arc<Credential>, Fingerprint)> {
        let credentials: Vec<Arc<Credential>> = match Source::of(tenant)? {
            Source::Secret(key) => self.credentials.get(&key)?.parsed.iter().cloned().collect(),
            Source::Application(name) => {
                let entry = self.application(&name)?;
                let found = entry.credentials.iter().filter_map(|c| match &c.known {
                    Known::Found(found) => Some(found.clone()),
                    _ => None,
                });
                found.collect()
            }
        };
        credentials
            .into_iter()
            .map(|credential| (credential.clone(), credential.fingerprint(login)))
            .find(|(_, known)| known.to_string() == fingerprint)
    }

    /// Those who use a Secret; the applications among them take in what it is now.
    fn credential_users(&mut self, key: &Key, seen_changing: bool, now: Timestamp) -> Vec<Key> {
        let mut users = self.users(&Source::Secret(key.clone()));
        if self.is_home(key) {
            let applications = self.by_secret.get(&key.name).cloned().unwrap_or_default();
            for name in applications {
                if self.read_credentials(&name, seen_changing, now) {
                    users.extend(self.users(&Source::Application(name)));
                }
            }
        }
        users
    }

    /// The tenants that refer to it.
    #[must_use]
    pub fn users(&self, source: &Source) -> Vec<Key> {
        let users = self.by_source.get(source).into_iter().flatten();
        users.cloned().collect()
    }

    pub(super) fn forget_user(&mut self, key: &Key) {
        let Some(source) = self.tenants.get(key).and_then(|tenant| tenant.source(key)) else {
            return;
        };
        if let Some(users) = self.by_source.get_mut(&source) {
            users.remove(key);
            if users.is_empty() {
                self.by_source.remove(&source);
            }
        }
    }

    /// All tenants whose mints may use this fingerprint.
    #[must_use]
    pub fn fingerprint_users(&self, fingerprint: Fingerprint) -> Vec<Key> {
        self.entitled(fingerprint).cloned().collect()
    }

    /// No second tenant uses this fingerprint.
    #[must_use]
    pub fn is_alone(&self, fingerprint: Fingerprint) -> bool {
        self.entitled(fingerprint).nth(1).is_none()
    }

    /// Who refers to it and may use it: anybody may write the name of an application.
    fn entitled(&self, fingerprint: Fingerprint) -> impl Iterator<Item = &Key> {
        self.sources(fingerprint).flat_map(move |source| {
            let application = match source {
                Source::Application(name) => self.application(name).map(|entry| &entry.application),
                Source::Secret(_) => None,
            };
            let users = self.by_source.get(source).into_iter().flatten();
            users.filter(move |key| {
                application.is_none_or(|application| {
                    let tenant = self.tenants.get(key);
                    tenant.is_some_and(|tenant| self.grant(application, tenant.asking(key)).is_ok())
                })
            })
        })
    }

    /// Where a fingerprint comes from.
    pub fn sources(&self, fingerprint: Fingerprint) -> impl Iterator<Item = &Source> {
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
