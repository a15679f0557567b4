//! A request of the API hosts, from its token to its reply.

use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::denial::Denial;
use super::route::Route;
use super::{access, data, hunting};
use crate::front::{Answer, Service, Visit};
use crate::hosts::ApiCloud;
use crate::http::{Reply, Request};
use crate::login::reply::date;
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
        let claims = access::bearer(self.request).and_then(|token| self.world.signer.verify(token));
        let caller = access::authenticate(claims.as_ref(), clock)?;
        let plan = access::workspace(&self.world.directory(), &caller, self.cloud)?;
        self.world
            .quota()
            .take(caller.tenant, route.bucket(), self.now)
            .map_err(Denial::too_many_requests)?;
        if self.request.method != route.method() {
            return Err(Denial::of_status(StatusCode::METHOD_NOT_ALLOWED));
        }
        access::authorize(&caller, plan, route)?;
        data::check_options(self.request)?;
        let host = &self.request.host;
        match route {
            Route::Alerts => {
                data::page(self.request, "Alerts", &data::alerts(caller.tenant, clock))
            }
            Route::Machines => data::page(
                self.request,
                "Machines",
                &data::machines(caller.tenant, clock),
            ),
            Route::Alert(id) => data::one(host, "Alerts", &data::alerts(caller.tenant, clock), id),
            Route::Machine(id) => {
                data::one(host, "Machines", &data::machines(caller.tenant, clock), id)
            }
            Route::ExposureScore => Ok(data::exposure_score(host, caller.tenant, clock)),
            Route::Hunting => hunting::run(&self.request.body, caller.tenant, clock),
        }
    }
}

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

/// One request of Microsoft Graph, which this version only declines.
pub(crate) struct Graph<'a> {
    request: &'a Request,
    correlation_id: Uuid,
}

impl<'a> Graph<'a> {
    pub(crate) fn new(request: &'a Request) -> Self {
        Self {
            request,
            correlation_id: correlation_id(request),
        }
    }
}

impl Service for Graph<'_> {
    fn visit(&self) -> Visit {
        visit(self.request, self.correlation_id)
    }

    fn answer(&self, _clock: Timestamp, _claims: Option<&Map<String, Value>>) -> Answer {
        let message = "Microsoft Graph is not supported in this version of entra-emulator.";
        let body = json!({"error": {"code": "notImplemented", "message": message}});
        Answer::by_status(Reply::json(StatusCode::NOT_IMPLEMENTED, &body))
    }

    fn refuse(&self, _fault: &Aadsts) -> Answer {
        Answer::by_status(self.status(StatusCode::INTERNAL_SERVER_ERROR))
    }

    fn status(&self, status: StatusCode) -> Reply {
        Denial::of_status(status).reply(self.correlation_id)
    }

    fn finish(&self, reply: Reply) -> Reply {
        reply
    }
}

/// Whose token it claims to be, good or not: the journal and faults are about who asks.
fn visit(request: &Request, correlation_id: Uuid) -> Visit {
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

fn correlation_id(request: &Request) -> Uuid {
    request
        .header("client-request-id")
        .and_then(guid::parse)
        .unwrap_or_else(Uuid::new_v4)
}
