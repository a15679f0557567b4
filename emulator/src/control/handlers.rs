//! What each route of the control API does.

use http::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::json;

use super::bodies::{ApplicationBody, FeaturesBody, TokensBody};
use super::either::Object;
use super::fault_body::FaultBody;
use super::tenant_body::{self, TenantBody};
use super::{BadRequest, guid};
use crate::http::{Reply, Request};
use crate::world::World;

/// One call: the request, and what stood in the path's variable part.
pub(crate) struct Call<'a> {
    pub(crate) world: &'a World,
    pub(crate) request: &'a Request,
    pub(crate) variable: &'a str,
    pub(crate) now: Timestamp,
}

pub(crate) type Handler = fn(&Call<'_>) -> Result<Reply, BadRequest>;

/// A method and a path, whose one variable part is in braces.
pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) handler: Handler,
}

const fn route(method: Method, path: &'static str, handler: Handler) -> Route {
    Route {
        method,
        path,
        handler,
    }
}

/// All of the control API; `openapi.json` describes the same.
pub(crate) static ROUTES: &[Route] = &[
    route(Method::GET, "/healthz", |_| {
        Ok(Reply::text(StatusCode::OK, "ok\n"))
    }),
    route(Method::GET, "/openapi.json", |_| {
        Ok(Reply::new(
            StatusCode::OK,
            "application/json",
            include_str!("../../openapi.json"),
        ))
    }),
    route(Method::PUT, "/v1/applications/{clientId}", put_application),
    route(Method::PUT, "/v1/tenants", put_tenants),
    route(Method::PUT, "/v1/tenants/{tenantId}", put_tenant),
    route(Method::PUT, "/v1/tokens", put_tokens),
    route(Method::PUT, "/v1/features", put_features),
    route(Method::POST, "/v1/faults", post_fault),
    route(Method::DELETE, "/v1/faults", |call| {
        call.world.faults().clear();
        done()
    }),
    route(Method::DELETE, "/v1/faults/{id}", delete_fault),
    route(Method::GET, "/v1/counters", |call| {
        let mut counters = json!(call.world.journal().counters());
        counters["assertions"] = json!({"reusedJti": call.world.assertions().reused()});
        Ok(Reply::json(StatusCode::OK, &counters))
    }),
    route(Method::GET, "/v1/journal", get_journal),
    route(Method::DELETE, "/v1/journal", |call| {
        call.world.journal().clear();
        done()
    }),
];

#[expect(clippy::unnecessary_wraps, reason = "every handler returns this")]
fn done() -> Result<Reply, BadRequest> {
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

fn put_application(call: &Call<'_>) -> Result<Reply, BadRequest> {
    let id = guid("client id", call.variable)?;
    let Object(body): Object<ApplicationBody> = serde_json::from_slice(&call.request.body)?;
    let application = body.read(call.now)?;
    call.world
        .directory_mut()
        .applications
        .insert(id, application);
    done()
}

fn put_tenant(call: &Call<'_>) -> Result<Reply, BadRequest> {
    let id = guid("tenant id", call.variable)?;
    let Object(body): Object<TenantBody> = serde_json::from_slice(&call.request.body)?;
    let tenant = body.read(call.now)?;
    call.world.directory_mut().put_tenant(id, tenant, call.now);
    done()
}

fn put_tenants(call: &Call<'_>) -> Result<Reply, BadRequest> {
    let list = serde_json::from_slice(&call.request.body)?;
    // All or none: the list is read whole before anything changes.
    let tenants = tenant_body::read_list(list, call.now)?;
    let mut directory = call.world.directory_mut();
    for (id, tenant) in tenants {
        directory.put_tenant(id, tenant, call.now);
    }
    done()
}

fn put_tokens(call: &Call<'_>) -> Result<Reply, BadRequest> {
    let Object(body): Object<TokensBody> = serde_json::from_slice(&call.request.body)?;
    let lifetime = body.read()?;
    call.world.directory_mut().lifetime = lifetime;
    done()
}

fn put_features(call: &Call<'_>) -> Result<Reply, BadRequest> {
    let Object(body): Object<FeaturesBody> = serde_json::from_slice(&call.request.body)?;
    call.world.directory_mut().features = body.read();
    done()
}

fn post_fault(call: &Call<'_>) -> Result<Reply, BadRequest> {
    let Object(body): Object<FaultBody> = serde_json::from_slice(&call.request.body)?;
    let entry = body.read()?;
    let id = call.world.faults().add(entry);
    Ok(Reply::json(StatusCode::CREATED, &json!({ "id": id })))
}

fn delete_fault(call: &Call<'_>) -> Result<Reply, BadRequest> {
    let id = guid("fault id", call.variable)?;
    if call.world.faults().remove(id) {
        done()
    } else {
        let body = json!({"error": format!("there is no fault {id}; perhaps it was used up")});
        Ok(Reply::json(StatusCode::NOT_FOUND, &body))
    }
}

fn get_journal(call: &Call<'_>) -> Result<Reply, BadRequest> {
    let after = match call.request.query_parameter("after") {
        None => 0,
        Some(text) => text
            .parse()
            .map_err(|_| BadRequest("after: must be a number".to_owned()))?,
    };
    let (entries, next) = call.world.journal().after(after);
    Ok(Reply::json(
        StatusCode::OK,
        &json!({"entries": entries, "next": next}),
    ))
}
