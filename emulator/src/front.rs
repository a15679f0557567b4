//! Every request of Microsoft's hosts passes here: it is named, meets its faults, is answered, and is written down.

mod faulty;
mod visit;

use http::StatusCode;
use jiff::Timestamp;

use crate::hosts::{self, Site};
use crate::http::{Reply, Request};
use crate::world::{Entry, World};
use crate::{defender, graph, login};

pub(crate) use visit::{Answer, Outcome, Service, Visit};

/// Answers a request at this time.
pub(crate) fn answer(world: &World, request: &Request, now: Timestamp) -> Reply {
    match hosts::find(&request.host) {
        Some(Site::Login(cloud)) => serve(
            world,
            request,
            &login::Login::new(world, request, cloud, now),
            now,
        ),
        Some(Site::Defender(cloud)) => serve(
            world,
            request,
            &defender::Defender::new(world, request, cloud, now),
            now,
        ),
        Some(Site::Graph(cloud)) => serve(
            world,
            request,
            &graph::Graph::new(world, request, cloud, now),
            now,
        ),
        None => Reply::text(
            StatusCode::MISDIRECTED_REQUEST,
            format!(
                "entra-emulator does not play the host {:?}.\n",
                request.host
            ),
        ),
    }
}

fn serve(world: &World, request: &Request, service: &impl Service, now: Timestamp) -> Reply {
    let visit = service.visit();
    let effects = world
        .faults()
        .take(visit.kind, visit.tenant_id(), visit.client);
    let Answer { mut reply, outcome } =
        faulty::answer(service, effects.fault.as_ref(), visit.kind, now);
    reply.delay = effects.latency;
    world.journal().add(Entry {
        id: 0,
        at: now,
        kind: visit.kind,
        host: request.host.clone(),
        tenant: visit.tenant,
        client: visit.client,
        outcome: outcome.to_string(),
        correlation_id: visit.correlation_id,
    });
    reply
}
