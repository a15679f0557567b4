//! The consent page: an administrator reads what an application asks for, and accepts or declines.
//!
//! The order of the checks: method, parameters, tenant, application, redirect URI, scope, service principal, resources.

mod page;
mod proposal;
mod query;
mod redirect;

use http::{Method, StatusCode};
use jiff::Timestamp;

use self::proposal::Proposal;
use self::query::{Choice, Decision, Query};
use super::path::Link;
use super::refusal::Refusal;
use super::reply::Context;
use crate::front::{Answer, Outcome};
use crate::http::{Reply, Request};
use crate::world::World;

pub(crate) use self::page::error;
pub(crate) use self::redirect::is_web_uri;

/// A request of the page.
pub(crate) struct Ask<'a> {
    pub(crate) request: &'a Request,
    /// As in the path.
    pub(crate) tenant: &'a str,
    pub(crate) link: Link,
}

impl Ask<'_> {
    /// The tenant in the path or, where the path names none, in the form.
    pub(crate) fn tenant(&self) -> Option<String> {
        if is_any(self.tenant) {
            Choice::read(self.request).tenant
        } else {
            Some(self.tenant.to_owned())
        }
    }

    /// Shows the page to a GET, does what a POST says.
    pub(crate) fn answer(
        &self,
        world: &World,
        context: &Context,
        now: Timestamp,
    ) -> Result<Answer, Refusal> {
        let query = Query::read(self.request, self.link)?;
        match self.request.method {
            Method::GET | Method::HEAD => {
                let proposal = Proposal::find(&world.directory(), context.cloud, self, &query)?;
                // "ok" is a consent that was given; this is only somebody who looked.
                Ok(Answer {
                    reply: page::proposal(context, &proposal),
                    outcome: Outcome::Http(StatusCode::OK),
                })
            }
            Method::POST => self.decide(world, context, &query, now),
            _ => Ok(Answer::by_status(context.finish(Reply::text(
                StatusCode::METHOD_NOT_ALLOWED,
                "Method Not Allowed",
            )))),
        }
    }

    fn decide(
        &self,
        world: &World,
        context: &Context,
        query: &Query,
        now: Timestamp,
    ) -> Result<Answer, Refusal> {
        let decision = Choice::read(self.request)
            .decision
            .ok_or_else(|| Refusal::new(900_144).with("parameter", "decision"))?;
        // Found and granted under one lock, so that nothing changes in between.
        let mut directory = world.directory_mut();
        let proposal = Proposal::find(&directory, context.cloud, self, query)?;
        let (reply, outcome) = match decision {
            Decision::Accept => {
                let tenant = proposal.tenant.ok_or_else(|| Refusal::new(50_059))?;
                directory.grant(tenant, proposal.client, proposal.roles.clone(), now);
                let reply = match &proposal.redirect {
                    Some(uri) => redirect::accepted(context, self.link, query, tenant, uri),
                    None => page::granted(context, &proposal),
                };
                (reply, Outcome::Ok)
            }
            Decision::Cancel => {
                let reply = match &proposal.redirect {
                    Some(uri) => redirect::declined(context, self.link, query, uri),
                    None => page::declined(context, &proposal),
                };
                (reply, Outcome::Aadsts(65_004))
            }
        };
        Ok(Answer { reply, outcome })
    }
}

/// Whether whoever signs in chooses the tenant.
fn is_any(tenant: &str) -> bool {
    tenant.eq_ignore_ascii_case("common") || tenant.eq_ignore_ascii_case("organizations")
}
