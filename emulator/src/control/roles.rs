//! Roles by API.

use serde::Deserialize;

use super::BadRequest;
use super::either::ListOr;
use crate::world::{self, Api};

/// Role names for each API.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ByApi {
    #[serde(rename = "Endpoint", default)]
    endpoint: Vec<String>,
    #[serde(rename = "XDR", default)]
    xdr: Vec<String>,
    #[serde(rename = "Graph", default)]
    graph: Vec<String>,
}

/// A plain list is split by the API that each role belongs to.
pub(crate) type Roles = ListOr<ByApi>;

/// Roles without duplicates.
pub(crate) fn read(body: Option<Roles>) -> Result<world::Roles, BadRequest> {
    let named: Vec<(Api, String)> = match body {
        None => Vec::new(),
        Some(ListOr::List(list)) => list
            .into_iter()
            .map(|role| (Api::of_role(&role), role))
            .collect(),
        Some(ListOr::Object(by_api)) => [
            (Api::Endpoint, by_api.endpoint),
            (Api::Xdr, by_api.xdr),
            (Api::Graph, by_api.graph),
        ]
        .into_iter()
        .flat_map(|(api, roles)| roles.into_iter().map(move |role| (api, role)))
        .collect(),
    };
    let mut roles = world::Roles::default();
    for (api, role) in named {
        if role.trim().is_empty() {
            return Err(BadRequest("a role must have a name".to_owned()));
        }
        roles.add(api, role);
    }
    Ok(roles)
}
