//! A request of the login hosts, from its path to its reply.

use std::cell::LazyCell;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::form::Form;
use super::refusal::Refusal;
use super::reply::{self, Context, Minted};
use super::token::{self, Ask, Grant};
use super::{Path, Version, claims, consent, discovery};
use crate::front::{Answer, Outcome, Service, Visit};
use crate::guid;
use crate::hosts::LoginCloud;
use crate::http::{Reply, Request};
use crate::world::{Aadsts, Api, Kind, World};

/// One request of a login host.
pub(crate) struct Login<'a> {
    world: &'a World,
    request: &'a Request,
    path: Path<'a>,
    context: Context,
    form: LazyCell<Form, Box<dyn FnOnce() -> Form + 'a>>,
    now: Timestamp,
}

impl<'a> Login<'a> {
    pub(crate) fn new(
        world: &'a World,
        request: &'a Request,
        cloud: LoginCloud,
        now: Timestamp,
    ) -> Self {
        Self {
            world,
            request,
            path: Path::parse(&request.path),
            context: Context::of(request, cloud, now),
            form: LazyCell::new(Box::new(|| Form::read(request))),
            now,
        }
    }

    fn token(
        &self,
        context: &Context,
        tenant: &str,
        version: Version,
        changes: Option<&Map<String, Value>>,
    ) -> Result<Reply, Refusal> {
        let ask = Ask {
            cloud: self.context.cloud,
            method: &self.request.method,
            tenant,
            version,
            form: &self.form,
        };
        // Decided by the true clock: a fault moves what Entra says of the time, not what it remembers.
        let decision = token::decide(&self.world.directory(), &ask, self.now);
        if let Some(used) = decision.used {
            self.world.assertions().add(used, self.now);
        }
        let grant = decision.grant?;
        Ok(match self.mint(&grant, context, changes) {
            Some(minted) => reply::token(context, version, minted),
            None => reply::error(context, &Refusal::new(90_033)),
        })
    }

    fn mint(
        &self,
        grant: &Grant,
        context: &Context,
        changes: Option<&Map<String, Value>>,
    ) -> Option<Minted> {
        let lifetime = grant
            .lifetime
            .seconds
            .unwrap_or_else(|| claims::default_lifetime(Uuid::new_v4().as_u128()));
        let now = context.now.as_second();
        let mut claims = claims::of(grant, context.trace_id, now, lifetime);
        if let Some(changes) = changes {
            claims::change(&mut claims, changes);
        }
        let nonce = (grant.api == Api::Graph).then(|| URL_SAFE_NO_PAD.encode(Uuid::new_v4()));
        Some(Minted {
            access_token: self.world.signer.sign(&claims, nonce.as_deref())?,
            resource: grant.audience.clone(),
            expires_in: lifetime,
            refresh_in: grant.lifetime.refresh_in,
            expires_on: now + i64::from(lifetime) + 1,
            not_before: now - claims::BACKDATE,
        })
    }

    fn consent(&self) -> Option<consent::Ask<'a>> {
        match self.path {
            Path::Consent(tenant, link) => Some(consent::Ask {
                request: self.request,
                tenant,
                link,
            }),
            _ => None,
        }
    }

    /// A page where a person looks, a document elsewhere.
    fn refused(&self, context: &Context, refusal: &Refusal) -> Answer {
        let show = match self.path {
            Path::Consent(..) => consent::error,
            _ => reply::error,
        };
        Answer {
            reply: show(context, refusal),
            outcome: Outcome::Aadsts(refusal.code.number),
        }
    }

    fn document(&self, context: &Context) -> Result<Reply, Refusal> {
        let find =
            |tenant| discovery::Subject::find(&self.world.directory(), context.cloud, tenant);
        let body = match self.path {
            Path::OpenId(tenant, version) => discovery::open_id(&find(tenant)?, version),
            Path::Keys(tenant, version) => {
                discovery::keys(&find(tenant)?, version, self.world.signer.jwk())
            }
            _ => discovery::instance(self.request)?,
        };
        Ok(context.finish(discovery::document(&body)))
    }
}

impl Service for Login<'_> {
    fn visit(&self) -> Visit {
        let is_tenant = |name: &&str| {
            guid::parse(name).is_some()
                || matches!(*name, "common" | "organizations" | "consumers")
                || token::is_domain(name)
        };
        let (kind, client) = match self.path {
            Path::Token(..) => (Kind::Token, self.form.client_id.clone()),
            Path::Consent(..) => (Kind::Consent, self.request.query_parameter("client_id")),
            _ => (Kind::Discovery, None),
        };
        let tenant = self.consent().and_then(|ask| ask.tenant());
        Visit {
            kind,
            tenant: tenant
                .as_deref()
                .or(self.path.tenant())
                .filter(is_tenant)
                .map(str::to_ascii_lowercase),
            client: client.as_deref().and_then(guid::parse),
            correlation_id: self.context.correlation_id,
        }
    }

    fn answer(&self, clock: Timestamp, claims: Option<&Map<String, Value>>) -> Answer {
        let context = Context {
            now: clock,
            ..self.context
        };
        if let Some(ask) = self.consent() {
            return ask
                .answer(self.world, &context, self.now)
                .unwrap_or_else(|refusal| self.refused(&context, &refusal));
        }
        let is_read = matches!(self.request.method, Method::GET | Method::HEAD);
        let result = match self.path {
            Path::Token(tenant, version) => self.token(&context, tenant, version, claims),
            Path::Unknown => Ok(self.status(StatusCode::NOT_FOUND)),
            _ if is_read => self.document(&context),
            _ => Ok(self.status(StatusCode::METHOD_NOT_ALLOWED)),
        };
        match result {
            Ok(reply) => Answer::by_status(reply),
            Err(refusal) => self.refused(&context, &refusal),
        }
    }

    fn refuse(&self, fault: &Aadsts) -> Answer {
        let mut refusal = Refusal::asked_for(fault);
        if let Some(tenant) = self.path.tenant() {
            refusal = refusal.with("tenant", tenant);
        }
        if let Some(client) = self.visit().client {
            refusal = refusal.with("app", client.to_string());
        }
        self.refused(&self.context, &refusal)
    }

    fn status(&self, status: StatusCode) -> Reply {
        self.finish(Reply::text(
            status,
            status.canonical_reason().unwrap_or_default(),
        ))
    }

    fn finish(&self, reply: Reply) -> Reply {
        self.context.finish(reply)
    }
}
