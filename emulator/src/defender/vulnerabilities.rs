//! Vulnerability management: the exposure score and a few vulnerabilities.

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::data::{ago, number, time};

/// The tenant's exposure score.
pub(crate) fn exposure_score(context: &str, tenant: Uuid, now: Timestamp) -> Value {
    let tenths = u32::try_from(number(tenant, &["score"]) % 1000).unwrap_or(0);
    json!({
        "@odata.context": context,
        "time": time(ago(now, 0)),
        "score": f64::from(tenths) / 10.0,
        "rbacGroupName": null,
        "rbacGroupId": null,
    })
}

/// Made-up numbers, so that nobody looks for the truth behind them.
const KNOWN: [(&str, &str, f64, &str); 3] = [
    (
        "CVE-2026-90001",
        "Critical",
        9.8,
        "Remote code execution in a made-up service",
    ),
    (
        "CVE-2026-90002",
        "High",
        7.5,
        "Information disclosure in a made-up library",
    ),
    (
        "CVE-2026-90003",
        "Medium",
        5.3,
        "Denial of service in a made-up driver",
    ),
];

/// The vulnerabilities that the tenant's machines have.
pub(crate) fn list(tenant: Uuid, now: Timestamp) -> Vec<Value> {
    KNOWN
        .iter()
        .map(|(id, severity, score, name)| {
            json!({
                "id": id,
                "name": id,
                "description": format!("Summary: {name}."),
                "severity": severity,
                "cvssV3": score,
                "cvssVector": null,
                "exposedMachines": number(tenant, &["exposed", id]) % 6,
                "publishedOn": time(ago(now, 24 * 60)),
                "updatedOn": time(ago(now, 24 * 7)),
                "firstDetected": time(ago(now, 24 * 30)),
                "publicExploit": false,
                "exploitVerified": false,
                "exploitInKit": false,
                "exploitTypes": [],
                "exploitUris": [],
                "cveSupportability": "Supported",
                "tags": [],
                "epss": null,
            })
        })
        .collect()
}
