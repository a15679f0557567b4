//! A tenant as it is kept: what it has in common with others once for all, what is its own in few bytes.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::shared::Shared;
use super::{Source, source_of};
use crate::api::{
    AttemptStatus, DefenderApi, DefenderTenantSpec, DefenderTenantStatus, LastErrorStatus,
    target_name,
};
use crate::core::tenant::{Key, Tenant};

/// What tenants have in common.
#[derive(Debug, Default)]
pub(super) struct Common {
    specs: Shared<DefenderTenantSpec>,
    statuses: Shared<DefenderTenantStatus>,
}

/// A tenant.
#[derive(Debug)]
pub struct Packed {
    pub(super) uid: Arc<str>,
    pub(super) resource_version: Box<str>,
    generation: i64,
    created_at: Timestamp,
    deleting: bool,
    refresh_request: Option<Box<str>>,
    tenant_id: Box<str>,
    /// Without the tenant id.
    spec: Arc<DefenderTenantSpec>,
    /// Without what is in the fields below.
    status: Arc<DefenderTenantStatus>,
    /// Of the conditions and of the token, in their order.
    times: Box<[Timestamp]>,
    target_version: Option<Box<str>>,
    rest: Option<Box<Rest>>,
}

/// What a status says beside, where not all is well.
#[derive(Debug)]
struct Rest {
    consent_url: Option<String>,
    attempt: Option<AttemptStatus>,
    last_error: Option<LastErrorStatus>,
    handled_refresh_request: Option<String>,
    probed_at: Option<Time>,
}

/// Who asks an application for its grant.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// Namespace.
    pub namespace: &'a str,
    /// The customer.
    pub tenant_id: &'a str,
    /// The API.
    pub api: DefenderApi,
}

impl<'a> From<&'a Tenant> for Asking<'a> {
    fn from(tenant: &'a Tenant) -> Self {
        Self {
            namespace: &tenant.key.namespace,
            tenant_id: &tenant.spec.tenant_id,
            api: tenant.spec.api,
        }
    }
}

impl Packed {
    pub(super) fn new(tenant: Tenant, common: &mut Common) -> Self {
        let mut spec = Arc::unwrap_or_clone(tenant.spec);
        let tenant_id = std::mem::take(&mut spec.tenant_id).into();
        let mut packed = Self {
            uid: tenant.uid.into(),
            resource_version: tenant.resource_version.into(),
            generation: tenant.generation,
            created_at: tenant.created_at,
            deleting: tenant.deleting,
            refresh_request: tenant.refresh_request.map(Into::into),
            tenant_id,
            spec: common.specs.share(spec),
            status: Arc::default(),
            times: Box::default(),
            target_version: None,
            rest: None,
        };
        packed.set_status(&tenant.key, Arc::unwrap_or_clone(tenant.status), common);
        packed
    }

    pub(super) fn set_status(
        &mut self,
        key: &Key,
        mut status: DefenderTenantStatus,
        common: &mut Common,
    ) {
        let mut times = Vec::with_capacity(8);
        each_time(&mut status, |time| {
            times.push(std::mem::replace(time, Timestamp::UNIX_EPOCH));
        });
        self.times = times.into();
        let default_name = target_name(&key.name, &self.spec);
        self.target_version = status.target.as_mut().and_then(|target| {
            if target.name == default_name {
                target.name.clear();
            }
            target.resource_version.take().map(Into::into)
        });
        let rest = Rest {
            consent_url: status.consent_url.take(),
            attempt: status.attempt.take(),
            last_error: status.last_error.take(),
            handled_refresh_request: status.handled_refresh_request.take(),
            probed_at: status.probed_at.take(),
        };
        let any = rest.consent_url.is_some()
            || rest.attempt.is_some()
            || rest.last_error.is_some()
            || rest.handled_refresh_request.is_some()
            || rest.probed_at.is_some();
        self.rest = any.then(|| Box::new(rest));
        self.status = common.statuses.share(status);
    }

    /// Whole again.
    pub(super) fn unpack(&self, key: &Key) -> Tenant {
        let mut spec = (*self.spec).clone();
        spec.tenant_id = self.tenant_id.to_string();
        Tenant {
            key: key.clone(),
            uid: self.uid.to_string(),
            resource_version: self.resource_version.to_string(),
            generation: self.generation,
            created_at: self.created_at,
            deleting: self.deleting,
            refresh_request: self.refresh_request.as_deref().map(str::to_owned),
            spec: Arc::new(spec),
            status: Arc::new(self.whole_status(key)),
        }
    }

    pub(super) fn whole_status(&self, key: &Key) -> DefenderTenantStatus {
        let mut status = (*self.status).clone();
        let mut times = self.times.iter();
        each_time(&mut status, |time| {
            if let Some(known) = times.next() {
                *time = *known;
            }
        });
        if let Some(target) = &mut status.target {
            if target.name.is_empty() {
                target.name = target_name(&key.name, &self.spec);
            }
            target.resource_version = self.target_version.as_deref().map(str::to_owned);
        }
        if let Some(rest) = self.rest.as_deref() {
            status.consent_url.clone_from(&rest.consent_url);
            status.attempt.clone_from(&rest.attempt);
            status.last_error.clone_from(&rest.last_error);
            status
                .handled_refresh_request
                .clone_from(&rest.handled_refresh_request);
            status.probed_at.clone_from(&rest.probed_at);
        }
        status
    }

    /// The status without its times and what is rare.
    #[must_use]
    pub fn shape(&self) -> &DefenderTenantStatus {
        &self.status
    }

    /// Expiry of the token and its next mint, as the status tells.
    #[must_use]
    pub fn token_times(&self) -> Option<(Timestamp, Timestamp)> {
        self.status.token.as_ref()?;
        let last = self.times.last_chunk();
        last.map(|[expires_at, refresh_at]| (*expires_at, *refresh_at))
    }

    /// An attempt and an error are on record.
    pub(super) fn is_troubled(&self) -> bool {
        let rest = self.rest.as_deref();
        rest.is_some_and(|rest| rest.attempt.is_some() && rest.last_error.is_some())
    }

    /// What it refers to. `None` only for a spec that the CRD rejects.
    #[must_use]
    pub fn source(&self, key: &Key) -> Option<Source> {
        source_of(&key.namespace, &self.spec)
    }

    /// The spec but for the tenant id.
    pub(super) fn spec(&self) -> &DefenderTenantSpec {
        &self.spec
    }

    pub(super) fn asking<'a>(&'a self, key: &'a Key) -> Asking<'a> {
        Asking {
            namespace: &key.namespace,
            tenant_id: &self.tenant_id,
            api: self.spec.api,
        }
    }
}

/// The times that a status always has: of its conditions, then of its token.
fn each_time(status: &mut DefenderTenantStatus, mut edit: impl FnMut(&mut Timestamp)) {
    for condition in &mut status.conditions {
        edit(&mut condition.last_transition_time.0);
    }
    if let Some(token) = &mut status.token {
        edit(&mut token.issued_at.0);
        edit(&mut token.expires_at.0);
        edit(&mut token.refresh_at.0);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::core::testing;

    fn statuses() -> Vec<Value> {
        let condition = |type_: &str, at: &str| json!({"type": type_, "status": "True", "reason": "R", "message": "m", "lastTransitionTime": at, "observedGeneration": 2});
        let full = json!({
            "observedGeneration": 2,
            "conditions": [condition("Ready", "2026-11-24T10:00:00Z"), condition("Stalled", "2026-11-24T11:00:00Z")],
            "token": {"issuedAt": "2026-11-24T10:00:01Z", "expiresAt": "2026-11-24T11:00:02Z", "refreshAt": "2026-11-24T10:40:03Z",
                "roles": ["Alert.Read.All"], "audience": "a", "applicationId": "b"},
            "consentUrl": "https://c", "target": {"name": "contoso-defender-token", "resourceVersion": "7"},
            "attempt": {"generation": 2, "fingerprint": "f", "count": 3, "lastAt": "2026-11-24T10:00:00Z"},
            "handledRefreshRequest": "now", "discoveredGeneration": 1, "probedAt": "2026-11-24T10:00:00Z",
            "lastError": {"reason": "NoRoles", "scope": "Tenant", "at": "2026-11-24T10:00:00Z"},
        });
        let mut all = vec![json!({}), full.clone()];
        // Each part missing in turn, and some of other values.
        for name in full.as_object().unwrap().keys() {
            let mut less = full.clone();
            less.as_object_mut().unwrap().remove(name);
            all.push(less);
        }
        for name in ["", "other", "contoso-defender-token"] {
            let mut other = full.clone();
            other["target"] = json!({"name": name});
            all.push(other);
        }
        all
    }

    #[test]
    fn what_is_unpacked_is_what_was_packed() {
        let mut common = Common::default();
        for status in statuses() {
            let mut tenant = testing::tenant();
            tenant.key = Key::new("soc", "contoso");
            tenant.status = Arc::new(serde_json::from_value(status.clone()).unwrap());
            tenant.refresh_request = Some("now".into());
            tenant.deleting = true;
            let packed = Packed::new(tenant.clone(), &mut common);
            if status["target"]["name"] == "" {
                // Nobody names a Secret so: it is read as the default.
                continue;
            }
            assert_eq!(packed.unpack(&tenant.key), tenant, "{status}");
            let token = tenant.status.token.as_ref();
            assert_eq!(
                packed.token_times(),
                token.map(|token| (token.expires_at.0, token.refresh_at.0))
            );
        }
    }

    #[test]
    fn tenants_that_differ_in_what_is_their_own_share_the_rest() {
        let mut common = Common::default();
        let mut pack = |name: &str, tenant_id: &str, at: &str, version: &str| {
            let mut tenant = testing::tenant();
            tenant.key = Key::new("soc", name);
            let mut spec = (*tenant.spec).clone();
            spec.tenant_id = tenant_id.to_owned();
            tenant.spec = Arc::new(spec);
            let status = json!({
                "conditions": [{"type": "Ready", "status": "True", "reason": "R", "message": "", "lastTransitionTime": at}],
                "token": {"issuedAt": at, "expiresAt": at, "refreshAt": at, "audience": "a", "applicationId": "b"},
                "target": {"name": format!("{name}-defender-token"), "resourceVersion": version},
            });
            tenant.status = Arc::new(serde_json::from_value(status).unwrap());
            Packed::new(tenant, &mut common)
        };
        let one = pack("one", testing::TENANT, "2026-11-24T10:00:00Z", "1");
        let two = pack(
            "two",
            "6b1f0f3e-5c0a-4d9b-9a43-0d5f5a1c7e11",
            "2026-11-24T11:00:00Z",
            "2",
        );
        assert!(Arc::ptr_eq(&one.spec, &two.spec) && Arc::ptr_eq(&one.status, &two.status));
    }
}
