use super::*;
use crate::api::MissingRolePolicy;
use crate::core::breaker::Health;
use crate::core::errors::Scope;
use crate::core::gathered::WriteFailure;

mod events;
mod kstatus;
mod requirements;
mod table;
mod times;
mod token;

/// Type, status and reason of each condition, in their order.
fn shown(status: &DefenderTenantStatus) -> Vec<String> {
    status
        .conditions
        .iter()
        .map(|c| format!("{}={}/{}", c.type_, c.status, c.reason))
        .collect()
}
