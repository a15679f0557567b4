//! Where a tenant lives, if there is one: asked anonymously where a failed mint leaves a typing mistake or another
//! cloud possible.

use serde::Deserialize;

use super::conditions::consent_reason;
use super::errors::classify::scan_codes;
use super::errors::{OAuthError, Scope, Verdict};
use super::gathered::{Gathered, Minted};
use super::ids::TenantId;
use super::reason::Reason;
use crate::api::cloud::{Cloud, EntraCloud};
use crate::api::{DefenderTenantStatus, LastErrorStatus};

pub mod pace;

/// "Tenant not found."
const NO_TENANT: u32 = 90_002;
/// Codes that a typing mistake or another cloud gives as well: the tenant, the application or the resource isn't where
/// it was looked for, or Microsoft says itself that it is another cloud.
const DOUBTFUL: [u32; 8] = [
    NO_TENANT, 90_038, 500_011, 700_016, 900_382, 900_383, 900_384, 900_432,
];

/// Where a tenant was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Home {
    /// In this cloud.
    Cloud(Cloud),
    /// With the US government, and nothing tells in which of its two clouds.
    UsGovernment,
}

/// What Microsoft said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// There is no such tenant.
    NotFound,
    /// There is one.
    Found(Home),
    /// Something that allows no conclusion.
    Unclear,
}

/// Why Microsoft said nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// It asked to slow down.
    Throttled,
    /// It, a proxy or the network failed.
    Unavailable,
}

/// What became of the question in a reconcile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discovery {
    /// Its turn comes later.
    Later,
    /// Nobody answered: asked again with the next mint that fails so.
    Failed,
    /// Microsoft answered: not asked again for this generation.
    Answered(Answer),
}

/// The scopes of an OpenID configuration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scopes<'a> {
    /// `tenant_region_scope`
    pub region: Option<&'a str>,
    /// `tenant_region_sub_scope`
    pub sub: Option<&'a str>,
    /// `cloud_instance_name`
    pub instance: Option<&'a str>,
}

/// The regions of the worldwide cloud that were seen in Microsoft's answers.
const WORLDWIDE: [&str; 8] = ["NA", "EU", "AS", "OC", "SA", "AF", "ME", "WW"];
/// Those of the US government; `USG` is the older of the two.
const GOVERNMENT: [&str; 2] = ["USGov", "USG"];

/// Where the tenant lives. What isn't known, or doesn't go together, allows no conclusion.
#[must_use]
pub fn home(scopes: Scopes<'_>) -> Option<Home> {
    let region = scopes.region?;
    let is_one_of = |names: &[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(region));
    let sub = scopes.sub.map(str::to_ascii_uppercase);
    match (scopes.instance?, sub.as_deref()) {
        ("microsoftonline.com", None) if is_one_of(&WORLDWIDE) => {
            Some(Home::Cloud(Cloud::Commercial))
        }
        ("microsoftonline.com", Some("GCC")) if is_one_of(&WORLDWIDE) => {
            Some(Home::Cloud(Cloud::Gcc))
        }
        ("microsoftonline.us", Some("DODCON")) if is_one_of(&GOVERNMENT) => {
            Some(Home::Cloud(Cloud::GccHigh))
        }
        ("microsoftonline.us", Some("DOD")) if is_one_of(&GOVERNMENT) => {
            Some(Home::Cloud(Cloud::DoD))
        }
        ("microsoftonline.us", None) if is_one_of(&GOVERNMENT) => Some(Home::UsGovernment),
        _ => None,
    }
}

impl Home {
    fn is(self, cloud: Cloud) -> bool {
        match self {
            Self::Cloud(home) => home == cloud,
            Self::UsGovernment => cloud.entra_cloud() == EntraCloud::UsGovernment,
        }
    }

    /// What to do about a `spec.cloud` that is another one.
    const fn advice(self, cloud: Cloud) -> &'static str {
        match (self, cloud) {
            (Self::Cloud(Cloud::Commercial), Cloud::Gcc) => {
                "it lives in Commercial: set spec.cloud to Commercial"
            }
            (Self::Cloud(Cloud::Gcc), Cloud::Commercial) => {
                "it lives in GCC: set spec.cloud to GCC and leave spec.region out"
            }
            (Self::Cloud(Cloud::Commercial), _) => {
                "it lives in Commercial: set spec.cloud to Commercial. That can't be changed, so delete this resource and create it anew, with a credential of an application registered in the public Entra cloud"
            }
            (Self::Cloud(Cloud::Gcc), _) => {
                "it lives in GCC: set spec.cloud to GCC. That can't be changed, so delete this resource and create it anew, with a credential of an application registered in the public Entra cloud"
            }
            (Self::Cloud(Cloud::GccHigh), _) => {
                "it lives in GCC High: set spec.cloud to GCCHigh. That can't be changed, so delete this resource and create it anew, with a credential of an application registered in Azure Government"
            }
            (Self::Cloud(Cloud::DoD), _) => {
                "it lives in the DoD's cloud: set spec.cloud to DoD. That can't be changed, so delete this resource and create it anew, with a credential of an application registered in Azure Government"
            }
            (Self::UsGovernment, _) => {
                "it lives with the US government: set spec.cloud to GCCHigh or DoD. That can't be changed, so delete this resource and create it anew, with a credential of an application registered in Azure Government"
            }
        }
    }
}

const NOWHERE: &str = "it is in none of the clouds, so spec.tenantId is wrong: the customer reads it on entra.microsoft.com > Overview, and https://login.microsoftonline.com/<customer's domain>/v2.0/.well-known/openid-configuration has it in \"issuer\". It can't be changed, so delete this resource and create it anew";

/// What a failure comes down to, once it is known where the tenant lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conclusion {
    /// `TenantNotFound` or `WrongCloud`.
    pub reason: Reason,
    /// What makes this case special; `None`: the status says so already.
    pub detail: Option<&'static str>,
}

impl Answer {
    /// What follows for a tenant with this `spec.cloud`. In the right cloud, the failure is what it was.
    #[must_use]
    pub fn conclusion(self, cloud: Cloud) -> Option<Conclusion> {
        match self {
            Self::NotFound => Some(Conclusion {
                reason: Reason::TenantNotFound,
                detail: Some(NOWHERE),
            }),
            Self::Found(home) if !home.is(cloud) => Some(Conclusion {
                reason: Reason::WrongCloud,
                detail: Some(home.advice(cloud)),
            }),
            Self::Found(_) | Self::Unclear => None,
        }
    }
}

/// Whether a typing mistake or another cloud may be behind it.
#[must_use]
pub fn is_doubtful(verdict: &Verdict) -> bool {
    // A throttled request wasn't looked at, whatever its code says.
    verdict.scope == Scope::Tenant
        && match verdict.code {
            Some(code) => DOUBTFUL.contains(&code),
            None => verdict.error == Some(OAuthError::InvalidTenant),
        }
}

/// The same of a persisted failure.
#[must_use]
pub fn was_doubtful(error: &LastErrorStatus) -> bool {
    error.scope == Scope::Tenant.as_str()
        && match &error.code {
            Some(code) => scan_codes(code).iter().any(|code| DOUBTFUL.contains(code)),
            None => error.reason == Reason::TenantNotFound.as_str(),
        }
}

/// It was answered for the spec as it is.
#[must_use]
pub fn is_done(g: &Gathered<'_>) -> bool {
    g.tenant.status.discovered_generation == Some(g.tenant.generation)
}

/// What this reconcile's failure comes down to: by what was just answered, else by what was answered before and still
/// stands in the status.
#[must_use]
pub fn conclusion(g: &Gathered<'_>) -> Option<Conclusion> {
    if let Some(Discovery::Answered(answer)) = g.session.discovery {
        return answer.conclusion(g.tenant.spec.cloud);
    }
    let Some(Minted::Failed { failure, .. }) = &g.session.minted else {
        return None;
    };
    if !is_done(g) || !is_doubtful(&failure.verdict) {
        return None;
    }
    let status = &g.tenant.status;
    let reason = consent_reason(status)?;
    let stands = match reason {
        Reason::WrongCloud => true,
        // Another failure than before tells that there is a tenant by now.
        Reason::TenantNotFound => {
            failure.verdict.reason == Reason::TenantNotFound || is_same(status, &failure.verdict)
        }
        _ => false,
    };
    stands.then_some(Conclusion {
        reason,
        detail: None,
    })
}

fn is_same(status: &DefenderTenantStatus, verdict: &Verdict) -> bool {
    let last = status.last_error.as_ref();
    last.is_some_and(|error| {
        let codes = error.code.as_deref().map(scan_codes).unwrap_or_default();
        error.reason == Reason::TenantNotFound.as_str() && verdict.code == codes.first().copied()
    })
}

#[derive(Deserialize)]
struct Configuration {
    issuer: String,
    tenant_region_scope: Option<String>,
    tenant_region_sub_scope: Option<String>,
    cloud_instance_name: Option<String>,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
    #[serde(default)]
    error_codes: Vec<u32>,
    #[serde(default)]
    error_description: String,
}

/// Reads an answer; `body` is `None` where it wasn't all there.
pub fn interpret(status: u16, body: Option<&[u8]>, tenant: TenantId) -> Result<Answer, Silence> {
    match (status, body) {
        (429, _) => Err(Silence::Throttled),
        (200, Some(body)) => {
            // A proxy's page, or another tenant's document.
            let found: Configuration =
                serde_json::from_slice(body).map_err(|_| Silence::Unavailable)?;
            if !found.issuer.contains(&tenant.to_string()) {
                return Err(Silence::Unavailable);
            }
            let home = home(Scopes {
                region: found.tenant_region_scope.as_deref(),
                sub: found.tenant_region_sub_scope.as_deref(),
                instance: found.cloud_instance_name.as_deref(),
            });
            Ok(home.map_or(Answer::Unclear, Answer::Found))
        }
        (400..=404, Some(body)) => {
            let refusal: Refusal =
                serde_json::from_slice(body).map_err(|_| Silence::Unavailable)?;
            let codes = if refusal.error_codes.is_empty() {
                scan_codes(&refusal.error_description)
            } else {
                refusal.error_codes
            };
            let nowhere = match codes.first() {
                Some(code) => *code == NO_TENANT,
                None => refusal.error == OAuthError::InvalidTenant.as_str(),
            };
            Ok(if nowhere {
                Answer::NotFound
            } else {
                Answer::Unclear
            })
        }
        _ => Err(Silence::Unavailable),
    }
}

#[cfg(test)]
mod tests;
