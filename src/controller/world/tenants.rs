//! The tenants.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::packed::Packed;
use super::{Source, World, is_newer};
use crate::api::DefenderTenantStatus;
use crate::controller::objects::TenantObject;
use crate::core::shards::bucket;
use crate::core::tenant::{Key, Tenant};

impl World {
    /// A tenant by its key.
    #[must_use]
    pub fn tenant(&self, key: &Key) -> Option<Arc<Tenant>> {
        let (key, packed) = self.tenants.get_key_value(key)?;
        Some(Arc::new(packed.unpack(key)))
    }

    /// All tenants, as they are kept.
    pub fn tenants(&self) -> impl Iterator<Item = (&Key, &Packed)> {
        self.tenants.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn tenants_len(&self) -> usize {
        self.tenants.len()
    }

    /// Those with an attempt and an error on record.
    pub fn troubled(&self) -> impl Iterator<Item = Tenant> {
        self.tenants
            .iter()
            .filter(|(_, packed)| packed.is_troubled())
            .map(|(key, packed)| packed.unpack(key))
    }

    /// This key as it is kept, so that its text is there only once; and when the token expires.
    #[must_use]
    pub fn expiry(&self, key: &Key) -> (Key, Option<Timestamp>) {
        match self.tenants.get_key_value(key) {
            Some((key, packed)) => (key.clone(), packed.token_times().map(|(at, _)| at)),
            None => (key.clone(), None),
        }
    }

    /// Objects that have no shape of ours.
    #[must_use]
    pub fn undecodable(&self) -> usize {
        self.undecodable.len()
    }

    /// The watch told a tenant. Returns whether there is anything to do for it.
    pub fn tenant_applied(&mut self, object: TenantObject) -> Result<Option<Key>, Key> {
        let key = object.key();
        let bucket = object.metadata.uid.as_deref().map(bucket);
        let Some(tenant) = object.into_tenant() else {
            let told = self.undecodable.contains_key(&key);
            self.tenant_deleted(&key);
            self.undecodable
                .insert(key.clone(), bucket.unwrap_or_default());
            return if told { Ok(None) } else { Err(key) };
        };
        self.undecodable.remove(&key);
        Ok(self.tenant_known(tenant).then_some(key))
    }

    /// A tenant as an answer or a watch told it; older news than what is known is dropped.
    pub fn tenant_known(&mut self, mut tenant: Tenant) -> bool {
        let source = Source::of(&tenant);
        let mut key = Key {
            namespace: self.texts.share(&tenant.key.namespace),
            name: tenant.key.name.clone(),
        };
        if let Some((kept, known)) = self.tenants.get_key_value(&tenant.key) {
            let same = *known.uid == *tenant.uid;
            if same && !is_newer(&tenant.resource_version, &known.resource_version) {
                return false;
            }
            key = kept.clone();
            if same && self.unwritten.contains(&key) {
                tenant.status = Arc::new(known.whole_status(&key));
            }
            let uid = known.uid.clone();
            let moved = known.source(&key) != source;
            // The watch may tell our own write before its answer is here.
            self.roles_told(&key, &tenant.status);
            if moved {
                self.forget_user(&key);
            }
            if !same {
                self.unwritten.remove(&key);
                self.robbed.remove(&key);
                self.memos.remove(&*uid);
            }
        }
        if let Some(source) = source {
            self.by_source
                .entry(source)
                .or_default()
                .insert(key.clone());
        }
        let packed = Packed::new(tenant, &mut self.common);
        self.tenants.insert(key, packed);
        true
    }

    /// The tenant is gone.
    pub fn tenant_deleted(&mut self, key: &Key) {
        self.forget_user(key);
        self.unwritten.remove(key);
        self.robbed.remove(key);
        self.undecodable.remove(key);
        self.robbed.remove(key);
        self.waiting.retain(|_, tenants| {
            tenants.remove(key);
            !tenants.is_empty()
        });
        if let Some(tenant) = self.tenants.remove(key) {
            self.memos.remove(&*tenant.uid);
        }
    }

    /// A list is complete: whoever isn't in it is gone. Returns those.
    pub fn tenants_listed(
        &mut self,
        listed: &HashSet<Key>,
        within: impl Fn(&Key) -> bool,
    ) -> Vec<Key> {
        let gone: Vec<Key> = self
            .tenants
            .keys()
            .filter(|key| within(key) && !listed.contains(*key))
            .cloned()
            .collect();
        for key in &gone {
            self.tenant_deleted(key);
        }
        self.undecodable
            .retain(|key, _| !within(key) || listed.contains(key));
        gone
    }

    /// A status that we wrote.
    pub fn status_written(
        &mut self,
        key: &Key,
        uid: &str,
        resource_version: &str,
        status: DefenderTenantStatus,
    ) {
        self.unwritten.remove(key);
        self.roles_told(key, &status);
        if let Some(known) = self.tenants.get_mut(key).filter(|known| *known.uid == *uid) {
            if is_newer(resource_version, &known.resource_version) {
                known.resource_version = resource_version.into();
            }
            known.set_status(key, status, &mut self.common);
        }
    }

    /// What roles all tenants lack is said by their application.
    fn roles_told(&mut self, key: &Key, status: &DefenderTenantStatus) {
        fn missing(status: &DefenderTenantStatus) -> Option<&[String]> {
            let token = status.token.as_ref();
            token.map(|token| token.missing_roles.as_slice())
        }
        let Some(known) = self.tenants.get(key) else {
            return;
        };
        if missing(known.shape()) != missing(status)
            && let Some(source) = known.source(key)
        {
            self.application_changed(&source);
        }
    }

    /// A status that couldn't be written: what it says is true all the same.
    pub fn status_unwritten(&mut self, key: &Key, uid: &str, status: DefenderTenantStatus) {
        if let Some(known) = self.tenants.get_mut(key).filter(|known| *known.uid == *uid) {
            self.unwritten.insert(key.clone());
            known.set_status(key, status, &mut self.common);
        }
    }

    /// Whether the API server lacks the status that is known here.
    #[must_use]
    pub fn is_status_unwritten(&self, key: &Key) -> bool {
        self.unwritten.contains(key)
    }
}
