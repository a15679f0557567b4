//! Finds the handler of a control request.

use http::header::ALLOW;
use http::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::json;

use super::browser;
use super::handlers::{Call, ROUTES, Route};
use crate::http::{Reply, Request};
use crate::world::World;

/// Answers a request of the control port.
pub(crate) fn answer(world: &World, request: &Request, on_loopback: bool, now: Timestamp) -> Reply {
    if let Some(refusal) = browser::refuse(request, on_loopback) {
        return refusal;
    }
    let found: Vec<(&Route, &str)> = ROUTES
        .iter()
        .filter_map(|route| matches(route.path, &request.path).map(|variable| (route, variable)))
        .collect();
    let Some((route, variable)) = found
        .iter()
        .find(|(route, _)| route.method == request.method)
    else {
        return unknown(&found);
    };
    let call = Call {
        world,
        request,
        variable,
        now,
    };
    (route.handler)(&call)
        .unwrap_or_else(|error| Reply::json(StatusCode::BAD_REQUEST, &json!({"error": error.0})))
}

fn unknown(others: &[(&Route, &str)]) -> Reply {
    if others.is_empty() {
        let body = json!({"error": "there is nothing here; GET /openapi.json tells what there is"});
        return Reply::json(StatusCode::NOT_FOUND, &body);
    }
    let methods: Vec<&str> = others
        .iter()
        .map(|(route, _)| Method::as_str(&route.method))
        .collect();
    let methods = methods.join(", ");
    let body = json!({"error": format!("the method must be one of {methods}")});
    Reply::json(StatusCode::METHOD_NOT_ALLOWED, &body).header(ALLOW, &methods)
}

/// What stands for the path's variable part (nothing for a path without one), or `None` for another path.
fn matches<'p>(template: &str, path: &'p str) -> Option<&'p str> {
    let Some((prefix, _)) = template.split_once('{') else {
        return (template == path).then_some("");
    };
    path.strip_prefix(prefix)
        .filter(|variable| !variable.is_empty() && !variable.contains('/'))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    #[test]
    fn a_template_takes_one_word() {
        assert_eq!(matches("/v1/tenants", "/v1/tenants"), Some(""));
        assert_eq!(
            matches("/v1/tenants/{tenantId}", "/v1/tenants/a"),
            Some("a")
        );
        assert_eq!(matches("/v1/tenants/{tenantId}", "/v1/tenants/"), None);
        assert_eq!(matches("/v1/tenants/{tenantId}", "/v1/tenants/a/b"), None);
        assert_eq!(matches("/v1/tenants", "/v1/tenants/a"), None);
    }

    #[test]
    fn the_openapi_document_describes_exactly_these_routes() {
        let document: Value = serde_json::from_str(include_str!("../../openapi.json")).unwrap();
        let mut described = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for method in item
                .as_object()
                .unwrap()
                .keys()
                .filter(|key| *key != "parameters")
            {
                described.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
        let served: BTreeSet<String> = ROUTES
            .iter()
            .map(|route| format!("{} {}", route.method, route.path))
            .collect();
        assert_eq!(described, served);
        assert_eq!(document["openapi"], "3.1.0");
    }
}
