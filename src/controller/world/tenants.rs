//! The tenants.

use std::collections::HashSet;
use std::sync::Arc;

use super::{Source, World, is_newer};
use crate::api::DefenderTenantStatus;
use crate::controller::objects::TenantObject;
use crate::core::tenant::{Key, Tenant};

impl World {
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
            if Source::of(&known) != Source::of(&tenant) {
                self.forget_user(&key);
            }
            // The watch may tell our own write before its answer is here.
            self.roles_told(&known, &tenant.status);
            if !same {
                self.unwritten.remove(&key);
                self.robbed.remove(&key);
                self.memos.remove(&known.uid);
            }
        }
        if let Some(source) = Source::of(&tenant) {
            self.by_source
                .entry(source)
                .or_default()
                .insert(key.clone());
        }
        self.tenants.insert(key, Arc::new(tenant));
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
            self.memos.remove(&tenant.uid);
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
            .retain(|key| !within(key) || listed.contains(key));
        gone
    }

    /// A status that we wrote.
    pub fn status_written(
        &mut self,
        key: &Key,
        uid: &str,
        resource_version: String,
        status: DefenderTenantStatus,
    ) {
        self.unwritten.remove(key);
        if let Some(known) = self.tenants.get(key).cloned() {
            self.roles_told(&known, &status);
        }
        self.edit_status(key, uid, |tenant| {
            if is_newer(&resource_version, &tenant.resource_version) {
                tenant.resource_version = resource_version;
            }
            tenant.status = Arc::new(status);
        });
    }

    /// What roles all tenants lack is said by their application.
    fn roles_told(&mut self, known: &Tenant, status: &DefenderTenantStatus) {
        let missing = |status: &DefenderTenantStatus| {
            let token = status.token.as_ref();
            token.map(|token| token.missing_roles.clone())
        };
        if missing(&known.status) != missing(status)
            && let Some(source) = Source::of(known)
        {
            self.application_changed(&source);
        }
    }

    /// A status that couldn't be written: what it says is true all the same.
    pub fn status_unwritten(&mut self, key: &Key, uid: &str, status: DefenderTenantStatus) {
        if self
            .tenants
            .get(key)
            .is_some_and(|tenant| tenant.uid == uid)
        {
            self.unwritten.insert(key.clone());
        }
        self.edit_status(key, uid, |tenant| tenant.status = Arc::new(status));
    }

    /// Whether the API server lacks the status that is known here.
    #[must_use]
    pub fn is_status_unwritten(&self, key: &Key) -> bool {
        self.unwritten.contains(key)
    }

    pub(super) fn edit_status(&mut self, key: &Key, uid: &str, edit: impl FnOnce(&mut Tenant)) {
        if let Some(tenant) = self.tenants.get_mut(key).filter(|tenant| tenant.uid == uid) {
            edit(Arc::make_mut(tenant));
        }
    }
}
