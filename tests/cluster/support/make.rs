//! Small makers.

use defender_tenant_operator::api::DefenderTenant;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde_json::Value;

/// The partner's application.
pub const CLIENT: &str = "0c4f3a52-9d1b-4c3e-8f57-2a6b9e1d4f88";

/// The n-th customer.
pub fn guid(n: u64) -> String {
    format!("6b1f0f3e-5c0a-4d9b-9a43-{n:012x}")
}

/// `base` with the fields of `changes` instead of its own, object by object.
pub fn overlay(mut base: Value, changes: Value) -> Value {
    match (&mut base, changes) {
        (Value::Object(base_map), Value::Object(changes)) => {
            for (key, change) in changes {
                let before = base_map.remove(&key).unwrap_or_default();
                base_map.insert(key, overlay(before, change));
            }
            base
        }
        (_, changes) => changes,
    }
}

/// A condition of a tenant.
pub fn condition<'a>(tenant: &'a DefenderTenant, type_: &str) -> Option<&'a Condition> {
    let conditions = &tenant.status.as_ref()?.conditions;
    conditions.iter().find(|c| c.type_ == type_)
}
