//! Applications, tenants and what each tenant consented to.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

use super::keys::{Certificate, Federated};
use crate::hosts::LoginCloud;

/// Microsoft's cloud that a tenant lives in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) enum Cloud {
    #[default]
    Commercial,
    #[serde(rename = "GCC")]
    Gcc,
    #[serde(rename = "GCCHigh")]
    GccHigh,
    DoD,
}

/// Defender for Endpoint plan: what the tenant's licence allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) enum Plan {
    Plan1,
    #[default]
    Plan2,
    Business,
}

/// Whether Entra knows the tenant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TenantState {
    #[default]
    Active,
    /// Deleted: 5000224.
    Gone,
    /// Never was: 90002.
    Absent,
}

/// An application registration.
#[derive(Clone, Debug, Default)]
pub(crate) struct Application {
    pub(crate) secrets: Vec<Secret>,
    pub(crate) certificates: Vec<Certificate>,
    pub(crate) federated: Vec<Federated>,
    /// The one cloud in which it is registered; `None`: in each.
    pub(crate) cloud: Option<LoginCloud>,
    /// What the registration asks for; the consent page's business.
    #[expect(
        dead_code,
        reason = "read by the consent page, which this version does not have"
    )]
    pub(crate) required_roles: Vec<String>,
}

/// A client secret. Without `Debug`, so that no log line can carry it.
#[derive(Clone)]
pub(crate) struct Secret {
    pub(crate) value: String,
    pub(crate) not_before: Option<Timestamp>,
    pub(crate) expires: Option<Timestamp>,
    /// New secrets take seconds to reach every node of the token service.
    pub(crate) visible_at: Option<Timestamp>,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// A customer.
#[derive(Clone, Debug)]
pub(crate) struct Tenant {
    pub(crate) cloud: Cloud,
    pub(crate) plan: Plan,
    pub(crate) state: TenantState,
    /// Whether the tenant has the `WindowsDefenderATP` service principal.
    pub(crate) has_endpoint: bool,
    /// Whether its Defender workspace exists.
    pub(crate) provisioned: bool,
    pub(crate) consents: HashMap<Uuid, Consent>,
}

/// An application's service principal in a tenant, and its roles there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Consent {
    pub(crate) enabled: bool,
    pub(crate) roles: Vec<String>,
    /// Roles arrive seconds to minutes after the consent; until then `earlier` holds.
    pub(crate) visible_at: Option<Timestamp>,
    pub(crate) earlier: Vec<String>,
}

impl Consent {
    /// The roles that a token minted now carries.
    pub(crate) fn roles(&self, now: Timestamp) -> &[String] {
        match self.visible_at {
            Some(at) if now < at => &self.earlier,
            _ => &self.roles,
        }
    }
}

/// How long tokens live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TokenLifetime {
    /// `None`: random, 60 to 90 minutes, as Entra does by default.
    pub(crate) seconds: Option<u32>,
    pub(crate) refresh_in: Option<u32>,
}

/// Entra's directory.
#[derive(Default)]
pub(crate) struct Directory {
    pub(crate) applications: HashMap<Uuid, Application>,
    pub(crate) tenants: HashMap<Uuid, Tenant>,
    pub(crate) lifetime: TokenLifetime,
}

impl Directory {
    /// A tenant that Entra knows or knew.
    pub(crate) fn tenant(&self, id: &Uuid) -> Option<&Tenant> {
        self.tenants
            .get(id)
            .filter(|tenant| tenant.state != TenantState::Absent)
    }

    /// Replaces a tenant. Consents that become visible later leave the roles of before in force until then.
    pub(crate) fn put_tenant(&mut self, id: Uuid, mut tenant: Tenant, now: Timestamp) {
        if let Some(before) = self.tenants.get(&id) {
            for (client, consent) in &mut tenant.consents {
                if let (Some(_), Some(old)) = (consent.visible_at, before.consents.get(client)) {
                    consent.earlier = old.roles(now).to_vec();
                }
            }
        }
        self.tenants.insert(id, tenant);
    }
}
