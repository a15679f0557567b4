//! Microsoft Graph's security API: incidents, alerts and hunting of the same tenants, under other names.

mod data;
mod failure;
mod route;
mod service;

pub(crate) use service::Graph;
