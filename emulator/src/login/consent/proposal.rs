//! What the page asks an administrator to accept.

use uuid::Uuid;

use super::query::Query;
use super::redirect::is_web_uri;
use super::{Ask, is_any};
use crate::guid;
use crate::hosts::LoginCloud;
use crate::login::path::{Link, Version};
use crate::login::refusal::Refusal;
use crate::login::{resource, token};
use crate::world::{Application, Directory, Roles};

/// A link that may be shown and accepted.
pub(crate) struct Proposal {
    /// `None`: neither link nor form said which, so the page asks.
    pub(crate) tenant: Option<Uuid>,
    pub(crate) client: Uuid,
    pub(crate) name: String,
    /// `None`: unverified.
    pub(crate) publisher: Option<String>,
    /// All that the registration asks for.
    pub(crate) roles: Roles,
    /// Where the browser goes afterwards.
    pub(crate) redirect: Option<String>,
}

impl Proposal {
    pub(crate) fn find(
        directory: &Directory,
        cloud: LoginCloud,
        ask: &Ask<'_>,
        query: &Query,
    ) -> Result<Self, Refusal> {
        if ask.link == Link::Admin(Version::V2) && ask.tenant.eq_ignore_ascii_case("common") {
            return Err(Refusal::new(50_059));
        }
        let tenant_name = ask.tenant();
        let tenant = tenant_name
            .as_deref()
            .filter(|name| !is_any(name))
            .map(|name| token::tenant(directory, cloud, name, 90_038))
            .transpose()?;
        let named = |number| {
            let tenant = tenant_name.as_deref().unwrap_or(ask.tenant);
            Refusal::new(number)
                .with("app", &query.client_id)
                .with("tenant", tenant)
        };

        let client = guid::parse(&query.client_id).ok_or_else(|| named(700_016))?;
        let application = directory
            .applications
            .get(&client)
            .filter(|application| application.cloud.is_none_or(|home| home == cloud))
            .ok_or_else(|| named(700_016))?;
        let redirect = redirect(application, ask.link, query)
            .map_err(|uri| named(50_011).with("value", uri))?;
        if let (Link::Admin(Version::V2), Some(scope)) = (ask.link, &query.scope) {
            check_scope(application, scope, named)?;
        }
        if let Some((_, tenant)) = tenant {
            let consent = tenant.consents.get(&client);
            if consent.is_some_and(|consent| !consent.enabled) {
                return Err(named(7_000_112));
            }
            let missing = application
                .required_roles
                .apis()
                .find(|api| !tenant.resources.contains(api));
            if let Some(api) = missing {
                return Err(named(650_052).with("resource", api.principal()));
            }
        }
        Ok(Self {
            tenant: tenant.map(|(id, _)| id),
            client,
            name: application.name(client),
            publisher: application.publisher.clone(),
            roles: application.required_roles.clone(),
            redirect,
        })
    }
}

/// `/.default` of a resource that the registration asks roles of.
fn check_scope(
    application: &Application,
    scope: &str,
    named: impl Fn(u32) -> Refusal,
) -> Result<(), Refusal> {
    let resource =
        resource::of_scope(scope).map_err(|_| Refusal::new(70_011).with("value", scope))?;
    let api = resource::api(&resource).ok_or_else(|| named(500_011).with("resource", &resource))?;
    if application.required_roles.of(api).is_empty() {
        return Err(named(650_057).with("resource", resource));
    }
    Ok(())
}

/// Where the browser goes; what it must not go to is the error.
fn redirect(
    application: &Application,
    link: Link,
    query: &Query,
) -> Result<Option<String>, String> {
    let registered = application.redirect_uris.as_ref();
    let Some(uri) = &query.redirect_uri else {
        // A sign-in always goes somewhere, the admin-consent forms only if they say where.
        let first = registered.and_then(|uris| uris.first());
        return Ok(first.filter(|_| link == Link::Authorize).cloned());
    };
    let is_known = registered.is_none_or(|uris| uris.contains(uri));
    if is_known && is_web_uri(uri) {
        Ok(Some(uri.clone()))
    } else {
        Err(uri.clone())
    }
}
