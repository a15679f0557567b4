//! A request of Microsoft Graph, from its token to its reply.

use http::StatusCode;
use http::header::CONTENT_TYPE;
use jiff::Timestamp;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::failure::{self, Context};
use super::route::{Call, Route};
use crate::defender::denial::Denial;
use crate::defender::{access, correlation_id, data, visit};
use crate::front::{Answer, Service, Visit};
use crate::hosts::GraphCloud;
use crate::http::{Reply, Request};
use crate::login::resource::{GRAPH_APP_ID, is_same};
use crate::world::{Aadsts, World};

/// Microsoft's documented maxima.
const INCIDENT_PAGE: usize = 50;
const ALERT_PAGE: usize = 2_000;

const ODATA_JSON: http::HeaderValue = http::HeaderValue::from_static(
    "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8",
);

/// One request of a host of Microsoft Graph.
pub(crate) struct Graph<'a> {
    world: &'a World,
    request: &'a Request,
    context: Context,
}

impl<'a> Graph<'a> {
    pub(crate) fn new(
        world: &'a World,
        request: &'a Request,
        cloud: GraphCloud,
        now: Timestamp,
    ) -> Self {
        let client_request_id = correlation_id(request);
        Self {
            world,
            request,
            context: Context {
                cloud,
                request_id: Uuid::new_v4(),
                client_request_id,
                now,
            },
        }
    }

    fn call(&self, clock: Timestamp) -> Result<Value, Denial> {
        let route = Route::parse(&self.request.path)
            .ok_or_else(|| failure::of_status(StatusCode::NOT_IMPLEMENTED))?;
        let token = access::bearer(self.request)
            .filter(|token| !token.is_empty())
            .ok_or_else(failure::no_token)?;
        let caller = access::authenticate(self.world.signer.verify(token).as_ref(), clock)
            .map_err(failure::bad_token)?;
        let host = format!("https://{}", self.request.host);
        if !is_same(&host, &caller.audience) && !is_same(GRAPH_APP_ID, &caller.audience) {
            return Err(failure::wrong_audience());
        }
        let serves = |cloud| self.context.cloud.serves(cloud);
        let plan = access::workspace(&self.world.directory(), &caller, serves)
            .map_err(failure::no_workspace)?;
        self.world
            .quota()
            .take(caller.tenant, route.bucket(), self.context.now)
            .map_err(Denial::too_many_requests)?;
        if self.request.method != route.method() {
            return Err(failure::of_status(StatusCode::METHOD_NOT_ALLOWED));
        }
        access::authorize(&caller, plan, route.feature(), route.roles())?;
        data::check_options(self.request)?;
        self.read(route, caller.tenant, clock)
    }

    fn read(&self, route: Route<'_>, tenant: Uuid, now: Timestamp) -> Result<Value, Denial> {
        let context = |set: &str| {
            format!(
                "https://{}/{}/$metadata#{set}",
                self.request.host, route.version
            )
        };
        let (incidents, alerts) = (context("security/incidents"), context("security/alerts_v2"));
        match route.call {
            Call::Incidents => {
                let all = super::data::incidents(tenant, now);
                data::page(self.request, &incidents, &all, INCIDENT_PAGE)
            }
            Call::Incident(id) => {
                data::one(&incidents, &super::data::incidents(tenant, now), "id", id)
            }
            Call::Alerts => {
                let all = super::data::alerts(tenant, now);
                data::page(self.request, &alerts, &all, ALERT_PAGE)
            }
            Call::Alert(id) => data::one(&alerts, &super::data::alerts(tenant, now), "id", id),
            Call::Hunting => {
                let context = context("microsoft.graph.security.huntingQueryResults");
                super::data::hunt(&context, &self.request.body, tenant, now)
            }
        }
    }
}

impl Service for Graph<'_> {
    fn visit(&self) -> Visit {
        visit(self.request, self.context.client_request_id)
    }

    fn answer(&self, clock: Timestamp, _claims: Option<&Map<String, Value>>) -> Answer {
        let context = Context {
            now: clock,
            ..self.context
        };
        let reply = match self.call(clock) {
            Ok(body) => {
                let mut reply = Reply::json(StatusCode::OK, &body);
                reply.headers.insert(CONTENT_TYPE, ODATA_JSON);
                context.finish(reply)
            }
            Err(denial) => context.refused(&denial),
        };
        Answer::by_status(reply)
    }

    fn refuse(&self, _fault: &Aadsts) -> Answer {
        Answer::by_status(self.status(StatusCode::INTERNAL_SERVER_ERROR))
    }

    fn status(&self, status: StatusCode) -> Reply {
        self.context.refused(&failure::of_status(status))
    }

    fn finish(&self, reply: Reply) -> Reply {
        self.context.finish(reply)
    }
}
