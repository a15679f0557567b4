//! A request of the API hosts, from its token to its reply.

use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::access::{self, Feature, NoWorkspace};
use super::denial::Denial;
use super::route::Route;
use super::{data, hunting, incidents, vulnerabilities};
use crate::front::{Answer, Service, Visit};
use crate::hosts::ApiCloud;
use crate::http::{Reply, Request};
use crate::login::reply::date;
use crate::login::resource;
use crate::world::{Aadsts, Kind, World};
use crate::{guid, signing};

/// One request of a Defender host.
pub(crate) struct Defender<'a> {
    world: &'a World,
    request: &'a Request,
    cloud: ApiCloud,
    correlation_id: Uuid,
    now: Timestamp,
}

impl<'a> Defender<'a> {
    pub(crate) fn new(
        world: &'a World,
        request: &'a Request,
        cloud: ApiCloud,
        now: Timestamp,
    ) -> Self {
        Self {
            world,
            request,
            cloud,
            correlation_id: correlation_id(request),
            now,
        }
    }

    fn call(&self, clock: Timestamp) -> Result<Value, Denial> {
        let route = Route::parse(&self.request.path)
            .ok_or_else(|| Denial::of_status(StatusCode::NOT_FOUND))?;
        if route.feature() == Feature::Hunting && self.world.directory().features.hunting_retired {
            return Err(Denial::retired());
        }
        let claims = access::bearer(self.request).and_then(|token| self.world.signer.verify(token));
        let caller = access::authenticate(claims.as_ref(), clock)
            .map_err(|_| Denial::unauthorized("Unauthorized"))?;
        if resource::api(&caller.audience) != Some(route.api()) {
            return Err(Denial::forbidden("The token's audience is not this API's."));
        }
        let serves = |cloud| self.cloud.serves(cloud);
        let plan = access::workspace(&self.world.directory(), &caller, serves).map_err(|none| {
            Denial::unauthorized(match none {
                NoWorkspace::NoTenant => "Unauthorized request - Account is not provisioned.",
                NoWorkspace::NotProvisioned => {
                    "Unauthorized request - reason of failure: Account mode is inactive"
                }
            })
        })?;
        self.world
            .quota()
            .take(caller.tenant, route.bucket(), self.now)
            .map_err(Denial::too_many_requests)?;
        if self.request.method != route.method() {
            return Err(Denial::of_status(StatusCode::METHOD_NOT_ALLOWED));
        }
        access::authorize(&caller, plan, route.feature(), route.roles())?;
        data::check_options(self.request)?;
        self.read(route, caller.tenant, clock)
    }

    fn read(&self, route: Route<'_>, tenant: Uuid, now: Timestamp) -> Result<Value, Denial> {
        let context = |set| data::context(&self.request.host, set);
        let list = |set, all: Vec<Value>, most| data::page(self.request, &context(set), &all, most);
        let one = |set, all: Vec<Value>, field, id| data::one(&context(set), &all, field, id);
        match route {
            Route::Alerts => list("Alerts", data::alerts(tenant, now), PAGE),
            Route::Alert(id) => one("Alerts", data::alerts(tenant, now), "id", id),
            Route::Machines => list("Machines", data::machines(tenant, now), PAGE),
            Route::Machine(id) => one("Machines", data::machines(tenant, now), "id", id),
            Route::ExposureScore => {
                let context = context("ExposureScore/$entity");
                Ok(vulnerabilities::exposure_score(&context, tenant, now))
            }
            Route::Vulnerabilities => list(
                "Vulnerabilities",
                vulnerabilities::list(tenant, now),
                VULNERABILITY_PAGE,
            ),
            Route::Vulnerability(id) => one(
                "Vulnerabilities",
                vulnerabilities::list(tenant, now),
                "id",
                id,
            ),
            Route::Incidents => list("Incidents", incidents::list(tenant, now), INCIDENT_PAGE),
            Route::Incident(id) => one("Incidents", incidents::list(tenant, now), "incidentId", id),
            Route::Hunting | Route::XdrHunting => hunting::run(&self.request.body, tenant, now),
        }
    }
}

/// Microsoft's documented maxima, which are also the defaults.
const PAGE: usize = 10_000;
const VULNERABILITY_PAGE: usize = 8_000;
const INCIDENT_PAGE: usize = 100;

impl Service for Defender<'_> {
    fn visit(&self) -> Visit {
        visit(self.request, self.correlation_id)
    }

    fn answer(&self, clock: Timestamp, _claims: Option<&Map<String, Value>>) -> Answer {
        let reply = match self.call(clock) {
            Ok(body) => {
                let mut reply = Reply::json(StatusCode::OK, &body);
                reply.headers.insert(http::header::CONTENT_TYPE, ODATA_JSON);
                reply
            }
            Err(denial) => denial.reply(self.correlation_id),
        };
        Answer::by_status(date(reply, clock))
    }

    fn refuse(&self, _fault: &Aadsts) -> Answer {
        Answer::by_status(self.status(StatusCode::INTERNAL_SERVER_ERROR))
    }

    fn status(&self, status: StatusCode) -> Reply {
        self.finish(Denial::of_status(status).reply(self.correlation_id))
    }

    fn finish(&self, reply: Reply) -> Reply {
        date(reply, self.now)
    }
}

const ODATA_JSON: http::HeaderValue =
    http::HeaderValue::from_static("application/json; odata.metadata=minimal");

/// Whose token it claims to be, good or not: the journal and faults are about who asks.
pub(crate) fn visit(request: &Request, correlation_id: Uuid) -> Visit {
    let claims = access::bearer(request)
        .and_then(signing::unverified_claims)
        .unwrap_or_default();
    let id = |name: &str| {
        claims
            .get(name)
            .and_then(Value::as_str)
            .and_then(guid::parse)
    };
    Visit {
        kind: Kind::Api,
        tenant: id("tid").map(|id| id.to_string()),
        client: id("appid"),
        correlation_id,
    }
}

pub(crate) fn correlation_id(request: &Request) -> Uuid {
    request
        .header("client-request-id")
        .and_then(guid::parse)
        .unwrap_or_else(Uuid::new_v4)
}
