//! The body of a tenant, alone and in a list.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::either::ListOr;
use super::roles::{self, Roles};
use super::{BadRequest, guid};
use crate::world::{self, Api, Cloud, Consent, Plan, Tenant, TenantState, later};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TenantBody {
    #[serde(default)]
    cloud: Cloud,
    #[serde(default)]
    plan: Plan,
    #[serde(default)]
    state: TenantState,
    resources: Option<Vec<Api>>,
    #[serde(default = "yes")]
    provisioned: bool,
    #[serde(default)]
    consents: BTreeMap<String, ListOr<ConsentBody>>,
    #[serde(default)]
    consent_visible_after_seconds: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ConsentBody {
    #[serde(default = "yes")]
    enabled: bool,
    roles: Option<Roles>,
    #[serde(default)]
    visible_after_seconds: u32,
}

fn yes() -> bool {
    true
}

impl TenantBody {
    pub(crate) fn read(self, now: Timestamp) -> Result<Tenant, BadRequest> {
        let mut consents = HashMap::with_capacity(self.consents.len());
        for (client, body) in self.consents {
            let id = guid("consents: client id", &client)?;
            let consent = read_consent(body, now)
                .map_err(|error| error.within(&format!("consents: {client}")))?;
            consents.insert(id, consent);
        }
        // Nobody can have consented to an API that isn't there.
        let has = |api: &Api| {
            *api == Api::Endpoint
                || consents
                    .values()
                    .any(|consent: &Consent| !consent.roles.of(*api).is_empty())
        };
        let resources = self
            .resources
            .unwrap_or_else(|| Api::ALL.into_iter().filter(has).collect());
        Ok(Tenant {
            cloud: self.cloud,
            plan: self.plan,
            state: self.state,
            resources,
            provisioned: self.provisioned,
            consents,
            consent_visible_after: self.consent_visible_after_seconds,
        })
    }
}

fn read_consent(body: ListOr<ConsentBody>, now: Timestamp) -> Result<Consent, BadRequest> {
    let body = match body {
        ListOr::Object(body) => body,
        ListOr::List(list) => ConsentBody {
            enabled: true,
            roles: Some(Roles::List(list)),
            visible_after_seconds: 0,
        },
    };
    Ok(Consent {
        enabled: body.enabled,
        roles: roles::read(body.roles)?,
        visible_at: later(now, body.visible_after_seconds),
        earlier: world::Roles::default(),
    })
}

/// A fleet: the same bodies with `tenantId`.
pub(crate) fn read_list(
    list: Vec<Value>,
    now: Timestamp,
) -> Result<Vec<(Uuid, Tenant)>, BadRequest> {
    let mut tenants = Vec::with_capacity(list.len());
    for (index, mut value) in list.into_iter().enumerate() {
        let place = format!("entry {index}");
        let id = value
            .as_object_mut()
            .ok_or_else(|| BadRequest(format!("{place}: must be an object")))?
            .remove("tenantId");
        let id = id.as_ref().and_then(Value::as_str);
        let id =
            id.ok_or_else(|| BadRequest(format!("{place}: tenantId must be there, a string")))?;
        let id = guid("tenantId", id).map_err(|error| error.within(&place))?;
        let body: TenantBody = serde_json::from_value(value)
            .map_err(|error| BadRequest::from(error).within(&place))?;
        tenants.push((id, body.read(now).map_err(|error| error.within(&place))?));
    }
    Ok(tenants)
}
