//! Defender XDR's incidents: each of the tenant's alerts has one.

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::data;

/// The tenant's incidents, newest first.
pub(crate) fn list(tenant: Uuid, now: Timestamp) -> Vec<Value> {
    data::alerts(tenant, now)
        .iter()
        .map(|alert| incident(tenant, alert))
        .collect()
}

fn incident(tenant: Uuid, alert: &Value) -> Value {
    let id = &alert["incidentId"];
    let is_resolved = alert["status"] == "Resolved";
    json!({
        "incidentId": id,
        "incidentUri": format!("https://security.microsoft.com/incidents/{id}?tid={tenant}"),
        "redirectIncidentId": null,
        "incidentName": alert["title"],
        "createdTime": alert["alertCreationTime"],
        "lastUpdateTime": alert["lastUpdateTime"],
        "assignedTo": null,
        "classification": alert["classification"].as_str().unwrap_or("Unknown"),
        "determination": alert["determination"].as_str().unwrap_or("NotAvailable"),
        "status": if is_resolved { "Resolved" } else { "Active" },
        "severity": alert["severity"],
        "tags": [],
        "comments": [],
        "alerts": [member(alert)],
    })
}

/// An alert as its incident lists it.
fn member(alert: &Value) -> Value {
    json!({
        "alertId": alert["id"],
        "providerAlertId": alert["id"],
        "incidentId": alert["incidentId"],
        "serviceSource": "MicrosoftDefenderForEndpoint",
        "creationTime": alert["alertCreationTime"],
        "lastUpdatedTime": alert["lastUpdateTime"],
        "resolvedTime": alert["resolvedTime"],
        "firstActivity": alert["firstEventTime"],
        "lastActivity": alert["lastEventTime"],
        "title": alert["title"],
        "description": alert["description"],
        "category": alert["category"],
        "status": alert["status"],
        "severity": alert["severity"],
        "investigationId": null,
        "investigationState": alert["investigationState"],
        "classification": alert["classification"],
        "determination": alert["determination"],
        "detectionSource": alert["detectionSource"],
        "detectorId": alert["detectorId"],
        "assignedTo": null,
        "actorName": null,
        "threatFamilyName": null,
        "mitreTechniques": alert["mitreTechniques"],
        "devices": [{
            "mdatpDeviceId": alert["machineId"],
            "deviceDnsName": alert["computerDnsName"],
        }],
        "entities": [],
    })
}
