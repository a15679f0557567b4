//! Whether a token request gets a token, and of which kind.
//!
//! The order of the checks decides which of several mistakes a client is told of:
//! method, parameters (grant type, client id, resource or scope), tenant (form, existence, cloud), application,
//! credential, service principal, resource.

use http::Method;
use jiff::Timestamp;
use uuid::Uuid;

use super::Version;
use super::assertion::Presenter;
use super::credentials::{self, Credential};
use super::form::Form;
use super::refusal::Refusal;
use super::resource;
use crate::guid;
use crate::hosts::LoginCloud;
use crate::world::{Api, Cloud, Directory, Tenant, TenantState, TokenLifetime, UsedAssertion};

/// A token request.
pub(crate) struct Ask<'a> {
    pub(crate) cloud: LoginCloud,
    pub(crate) method: &'a Method,
    pub(crate) tenant: &'a str,
    pub(crate) version: Version,
    pub(crate) form: &'a Form,
}

/// What the token shall say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) tenant: Uuid,
    pub(crate) cloud: Cloud,
    pub(crate) client: Uuid,
    /// The application's.
    pub(crate) name: String,
    pub(crate) api: Api,
    /// The resource as the client wrote it.
    pub(crate) audience: String,
    pub(crate) roles: Vec<String>,
    pub(crate) lifetime: TokenLifetime,
    pub(crate) credential: Credential,
}

/// What becomes of a token request, and the assertion that was used up by it, given a token or not.
pub(crate) struct Decision {
    pub(crate) grant: Result<Grant, Refusal>,
    pub(crate) used: Option<UsedAssertion>,
}

/// Decides a token request.
pub(crate) fn decide(directory: &Directory, ask: &Ask<'_>, now: Timestamp) -> Decision {
    let mut used = None;
    let grant = grant(directory, ask, now, &mut used);
    Decision { grant, used }
}

fn grant(
    directory: &Directory,
    ask: &Ask<'_>,
    now: Timestamp,
    used: &mut Option<UsedAssertion>,
) -> Result<Grant, Refusal> {
    if ask.method != Method::POST {
        return Err(Refusal::new(900_561).with("value", ask.method.as_str()));
    }
    let (client_text, audience) = parameters(ask)?;
    let (tenant_id, tenant) = tenant(directory, ask.cloud, ask.tenant, 900_382)?;
    let named = |number| {
        Refusal::new(number)
            .with("app", client_text)
            .with("tenant", ask.tenant)
            .with("resource", &audience)
    };

    let client = guid::parse(client_text).ok_or_else(|| named(700_016))?;
    let application = directory
        .applications
        .get(&client)
        .filter(|application| application.cloud.is_none_or(|cloud| cloud == ask.cloud))
        .ok_or_else(|| named(700_016))?;
    let presenter = Presenter {
        cloud: ask.cloud,
        tenant: tenant_id,
        client,
    };
    let proof = credentials::check(application, presenter, ask.form, now)
        .map_err(|refusal| refusal.with("app", client_text))?;
    *used = proof.used;
    let consent = tenant
        .consents
        .get(&client)
        .ok_or_else(|| named(7_000_229))?;
    if !consent.enabled {
        return Err(named(7_000_112));
    }
    let api = resource::api(&audience)
        .filter(|api| tenant.resources.contains(api))
        .ok_or_else(|| named(500_011))?;
    Ok(Grant {
        tenant: tenant_id,
        cloud: tenant.cloud,
        client,
        name: application.name(client),
        roles: consent.roles(now).of(api).to_vec(),
        api,
        lifetime: directory.lifetime,
        credential: proof.credential,
        audience,
    })
}

/// Client id and resource.
fn parameters<'a>(ask: &Ask<'a>) -> Result<(&'a str, String), Refusal> {
    let missing = |name| move || Refusal::new(900_144).with("parameter", name);
    let form = ask.form;
    let grant_type = form
        .grant_type
        .as_deref()
        .ok_or_else(missing("grant_type"))?;
    if grant_type != "client_credentials" {
        return Err(Refusal::new(70_003).with("value", grant_type));
    }
    let client = form.client_id.as_deref().ok_or_else(missing("client_id"))?;
    let audience = match ask.version {
        Version::V1 => form.resource.clone().ok_or_else(missing("resource"))?,
        Version::V2 if form.resource.is_some() => return Err(Refusal::new(901_002)),
        Version::V2 => resource::of_scope(form.scope.as_deref().ok_or_else(missing("scope"))?)?,
    };
    Ok((client, audience))
}

/// The tenant of this name. `elsewhere` is the public cloud's word for a tenant of the government's.
pub(crate) fn tenant<'a>(
    directory: &'a Directory,
    asked: LoginCloud,
    name: &str,
    elsewhere: u32,
) -> Result<(Uuid, &'a Tenant), Refusal> {
    let id = tenant_id(name)?;
    let refused = |number| Refusal::new(number).with("tenant", name);
    let tenant = directory.tenant(&id).ok_or_else(|| refused(90_002))?;
    match (asked, LoginCloud::of(tenant.cloud)) {
        // The government's token service knows nothing of the public cloud's tenants …
        (LoginCloud::UsGovernment, LoginCloud::Public) => return Err(refused(90_002)),
        // … the public one knows where the government's are, and that it can't help.
        (LoginCloud::Public, LoginCloud::UsGovernment) => return Err(refused(elsewhere)),
        _ => {}
    }
    if tenant.state == TenantState::Gone {
        return Err(refused(5_000_224));
    }
    Ok((id, tenant))
}

/// A tenant's id, if the name has a tenant's form. The emulator knows tenants by id only, so domains are unknown.
pub(crate) fn tenant_id(name: &str) -> Result<Uuid, Refusal> {
    let refused = |number| Refusal::new(number).with("tenant", name);
    match name.to_ascii_lowercase().as_str() {
        "common" | "organizations" => return Err(refused(50_059)),
        "consumers" => return Err(refused(9_001_023)),
        _ => {}
    }
    match guid::parse(name) {
        Some(id) => Ok(id),
        None if is_domain(name) => Err(refused(90_002)),
        None => Err(refused(900_023)),
    }
}

/// Whether it looks like a DNS name of more than one label.
pub(crate) fn is_domain(name: &str) -> bool {
    name.len() <= 253
        && name.contains('.')
        && name.split('.').all(|label| {
            !label.is_empty()
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
}
