//! The tenant's data in Graph's words.

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::defender::data;
use crate::defender::denial::Denial;
use crate::defender::hunting::{self, Table};

/// Graph writes its enumerations with a small first letter.
fn small(value: &Value) -> Value {
    let Some(text) = value.as_str() else {
        return Value::Null;
    };
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
    first.into_iter().chain(letters).collect::<String>().into()
}

fn word(value: &Value, otherwise: &str) -> Value {
    match small(value) {
        Value::Null => otherwise.into(),
        word => word,
    }
}

/// The tenant's incidents, newest first.
pub(crate) fn incidents(tenant: Uuid, now: Timestamp) -> Vec<Value> {
    let alerts = data::alerts(tenant, now);
    alerts.iter().map(|alert| incident(tenant, alert)).collect()
}

fn incident(tenant: Uuid, alert: &Value) -> Value {
    let id = alert["incidentId"].to_string();
    let is_resolved = alert["status"] == "Resolved";
    json!({
        "id": id,
        "tenantId": tenant,
        "status": if is_resolved { "resolved" } else { "active" },
        "incidentWebUrl": incident_url(tenant, &id),
        "redirectIncidentId": null,
        "displayName": alert["title"],
        "createdDateTime": alert["alertCreationTime"],
        "lastUpdateDateTime": alert["lastUpdateTime"],
        "assignedTo": null,
        "classification": word(&alert["classification"], "unknown"),
        "determination": word(&alert["determination"], "unknown"),
        "severity": small(&alert["severity"]),
        "customTags": [],
        "systemTags": [],
        "description": alert["description"],
        "summary": null,
        "resolvingComment": null,
        "lastModifiedBy": "Microsoft 365 Defender",
        "comments": [],
    })
}

fn incident_url(tenant: Uuid, id: &str) -> String {
    format!("https://security.microsoft.com/incidents/{id}?tid={tenant}")
}

/// The tenant's alerts, newest first.
pub(crate) fn alerts(tenant: Uuid, now: Timestamp) -> Vec<Value> {
    let alerts = data::alerts(tenant, now);
    alerts.iter().map(|found| alert(tenant, found)).collect()
}

fn alert(tenant: Uuid, alert: &Value) -> Value {
    let incident = alert["incidentId"].to_string();
    let id = alert["id"].as_str().unwrap_or_default();
    json!({
        "id": id,
        "providerAlertId": id,
        "incidentId": incident,
        "status": small(&alert["status"]),
        "severity": small(&alert["severity"]),
        "classification": small(&alert["classification"]),
        "determination": small(&alert["determination"]),
        "serviceSource": "microsoftDefenderForEndpoint",
        "detectionSource": small(&alert["detectionSource"]),
        "productName": "Microsoft Defender for Endpoint",
        "detectorId": alert["detectorId"],
        "tenantId": tenant,
        "title": alert["title"],
        "description": alert["description"],
        "recommendedActions": "",
        "category": alert["category"],
        "assignedTo": null,
        "alertWebUrl": format!("https://security.microsoft.com/alerts/{id}?tid={tenant}"),
        "incidentWebUrl": incident_url(tenant, &incident),
        "actorDisplayName": null,
        "threatDisplayName": null,
        "threatFamilyName": null,
        "mitreTechniques": alert["mitreTechniques"],
        "createdDateTime": alert["alertCreationTime"],
        "lastUpdateDateTime": alert["lastUpdateTime"],
        "resolvedDateTime": alert["resolvedTime"],
        "firstActivityDateTime": alert["firstEventTime"],
        "lastActivityDateTime": alert["lastEventTime"],
        "systemTags": [],
        "alertPolicyId": null,
        "comments": [],
        "evidence": [{
            "@odata.type": "#microsoft.graph.security.deviceEvidence",
            "createdDateTime": alert["alertCreationTime"],
            "verdict": "unknown",
            "remediationStatus": "none",
            "roles": [],
            "tags": [],
            "mdeDeviceId": alert["machineId"],
            "deviceDnsName": alert["computerDnsName"],
        }],
    })
}

/// The answer to any hunting query.
pub(crate) fn hunt(
    context: &str,
    body: &[u8],
    tenant: Uuid,
    now: Timestamp,
) -> Result<Value, Denial> {
    let Table { columns, rows } = hunting::table(body, tenant, now)?;
    let schema: Vec<Value> = columns
        .iter()
        .map(|(name, kind)| json!({"name": name, "type": kind}))
        .collect();
    Ok(json!({"@odata.context": context, "schema": schema, "results": rows}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_begin_small() {
        assert_eq!(small(&json!("TruePositive")), "truePositive");
        assert_eq!(small(&Value::Null), Value::Null);
        assert_eq!(word(&Value::Null, "unknown"), "unknown");
    }
}
