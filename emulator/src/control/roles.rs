//! Roles by API.

use serde::Deserialize;

use super::BadRequest;
use super::either::ListOr;

/// Role names for each API. A plain list is Endpoint's.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ByApi {
    #[serde(rename = "Endpoint", default)]
    endpoint: Vec<String>,
    #[serde(rename = "XDR", default)]
    xdr: Vec<String>,
    #[serde(rename = "Graph", default)]
    graph: Vec<String>,
}

pub(crate) type Roles = ListOr<ByApi>;

/// Endpoint's roles, without duplicates.
pub(crate) fn endpoint(roles: Option<Roles>) -> Result<Vec<String>, BadRequest> {
    let by_api = match roles {
        None => ByApi::default(),
        Some(ListOr::List(endpoint)) => ByApi {
            endpoint,
            ..ByApi::default()
        },
        Some(ListOr::Object(by_api)) => by_api,
    };
    for (api, roles) in [("XDR", &by_api.xdr), ("Graph", &by_api.graph)] {
        if !roles.is_empty() {
            return Err(BadRequest(format!(
                "roles of {api}: not supported in this version"
            )));
        }
    }
    let mut unique = Vec::with_capacity(by_api.endpoint.len());
    for role in by_api.endpoint {
        if role.trim().is_empty() {
            return Err(BadRequest("a role must have a name".to_owned()));
        }
        if !unique.contains(&role) {
            unique.push(role);
        }
    }
    Ok(unique)
}
