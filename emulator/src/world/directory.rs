//! Applications, tenants and what each tenant consented to.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use uuid::Uuid;

use super::keys::{Certificate, Federated};
use super::roles::{Api, Roles};
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
    /// What the registration asks for, and so the consent page.
    pub(crate) required_roles: Roles,
    /// Where the consent page may send the browser; `None`: anywhere.
    pub(crate) redirect_uris: Option<Vec<String>>,
    pub(crate) display_name: Option<String>,
    /// Whom Microsoft has verified to be the publisher; `None`: nobody.
    pub(crate) publisher: Option<String>,
}

impl Application {
    /// What pages and tokens call the application of this client id.
    pub(crate) fn name(&self, client: Uuid) -> String {
        self.display_name
            .clone()
            .unwrap_or_else(|| format!("application-{}", &client.to_string()[..8]))
    }
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
    /// The APIs whose service principals the tenant has.
    pub(crate) resources: Vec<Api>,
    /// Whether its Defender workspace exists.
    pub(crate) provisioned: bool,
    pub(crate) consents: HashMap<Uuid, Consent>,
    /// How late the roles of a consent given on the page arrive, in seconds.
    pub(crate) consent_visible_after: u32,
}

/// An application's service principal in a tenant, and its roles there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Consent {
    pub(crate) enabled: bool,
    pub(crate) roles: Roles,
    /// Roles arrive seconds to minutes after the consent; until then `earlier` holds.
    pub(crate) visible_at: Option<Timestamp>,
    pub(crate) earlier: Roles,
}

impl Consent {
    /// The roles that a token minted now carries.
    pub(crate) fn roles(&self, now: Timestamp) -> &Roles {
        match self.visible_at {
            Some(at) if now < at => &self.earlier,
            _ => &self.roles,
        }
    }
}

/// So many seconds from now; `None` for none, so that "at once" needs no clock.
pub(crate) fn later(now: Timestamp, seconds: u32) -> Option<Timestamp> {
    (seconds > 0)
        .then(|| {
            now.checked_add(SignedDuration::from_secs(seconds.into()))
                .ok()
        })
        .flatten()
}

/// What is switched on or off for everybody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Features {
    /// Whether the hunting calls of the Endpoint and XDR APIs are gone.
    pub(crate) hunting_retired: bool,
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
    pub(crate) features: Features,
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
                    consent.earlier = old.roles(now).clone();
                }
            }
        }
        self.tenants.insert(id, tenant);
    }

    /// What accepting on the consent page does: the roles replace those of before, as Entra's do.
    pub(crate) fn grant(&mut self, id: Uuid, client: Uuid, roles: Roles, now: Timestamp) {
        let Some(tenant) = self.tenants.get_mut(&id) else {
            return;
        };
        let earlier = tenant.consents.get(&client);
        let consent = Consent {
            enabled: true,
            roles,
            visible_at: later(now, tenant.consent_visible_after),
            earlier: earlier.map_or_else(Roles::default, |old| old.roles(now).clone()),
        };
        tenant.consents.insert(client, consent);
    }
}
