//! A small customer: the same machines and alerts each time, different ones for each tenant.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use super::denial::Denial;
use crate::guid;
use crate::http::{Request, pairs};

const MACHINES: usize = 5;
const ALERTS: usize = 8;

struct AlertKind {
    title: &'static str,
    category: &'static str,
    severity: &'static str,
    source: &'static str,
    technique: &'static str,
    description: &'static str,
}

const KINDS: [AlertKind; 4] = [
    AlertKind {
        title: "Suspicious PowerShell command line",
        category: "Execution",
        severity: "Medium",
        source: "WindowsDefenderAtp",
        technique: "T1059.001",
        description: "A suspicious PowerShell activity was observed on the machine.",
    },
    AlertKind {
        title: "'EICAR_Test_File' malware was prevented",
        category: "Malware",
        severity: "Informational",
        source: "WindowsDefenderAv",
        technique: "T1204.002",
        description: "Malware was detected and stopped by the antivirus.",
    },
    AlertKind {
        title: "Possible attempt to access credentials of LSASS",
        category: "CredentialAccess",
        severity: "High",
        source: "WindowsDefenderAtp",
        technique: "T1003.001",
        description: "A process read the memory of LSASS.",
    },
    AlertKind {
        title: "Suspicious scheduled task",
        category: "Persistence",
        severity: "Low",
        source: "CustomDetection",
        technique: "T1053.005",
        description: "A scheduled task was created in an unusual way.",
    },
];

const SYSTEMS: [(&str, &str, &str); MACHINES] = [
    ("Windows11", "23H2", "ws"),
    ("WindowsServer2022", "21H2", "srv"),
    ("Windows10", "22H2", "ws"),
    ("Linux", "22.4", "lx"),
    ("macOS", "15", "mac"),
];

/// A number that is always the same for the same tenant and words.
pub(crate) fn number(tenant: Uuid, words: &[&str]) -> u128 {
    let id = tenant.to_string();
    let words: Vec<&str> = std::iter::once(id.as_str())
        .chain(words.iter().copied())
        .collect();
    guid::derived(&words).as_u128()
}

pub(crate) fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.0000000Z").to_string()
}

/// Midnight, so that a day's answers are the same.
fn today(now: Timestamp) -> Timestamp {
    let seconds = now.as_second();
    Timestamp::from_second(seconds - seconds.rem_euclid(86_400)).unwrap_or(now)
}

pub(crate) fn ago(now: Timestamp, hours: i64) -> Timestamp {
    today(now)
        .checked_sub(SignedDuration::from_hours(hours))
        .unwrap_or(now)
}

fn machine_id(tenant: Uuid, index: usize) -> String {
    let index = index.to_string();
    format!(
        "{:032x}{:08x}",
        number(tenant, &["machine", &index]),
        number(tenant, &["tail", &index]) & 0xffff_ffff
    )
}

/// The tenant's machines.
pub(crate) fn machines(tenant: Uuid, now: Timestamp) -> Vec<Value> {
    (0..MACHINES)
        .map(|index| machine(tenant, index, now))
        .collect()
}

fn machine(tenant: Uuid, index: usize, now: Timestamp) -> Value {
    let (platform, version, prefix) = SYSTEMS[index];
    let domain = format!("c{:06x}.example", number(tenant, &["domain"]) & 0xff_ffff);
    let name = format!("{prefix}-{:02}.{domain}", index + 1);
    let last = u8::try_from(index + 10).unwrap_or(10);
    let levels = ["Low", "Medium", "High"];
    let level = |word| {
        levels[usize::try_from(number(tenant, &[word, &index.to_string()]) % 3).unwrap_or(0)]
    };
    json!({
        "id": machine_id(tenant, index),
        "mergedIntoMachineId": null,
        "isPotentialDuplication": false,
        "computerDnsName": name,
        "firstSeen": time(ago(now, 24 * 90)),
        "lastSeen": time(today(now)),
        "osPlatform": platform,
        "osVersion": null,
        "osProcessor": "x64",
        "version": version,
        "lastIpAddress": format!("10.1.0.{last}"),
        "lastExternalIpAddress": format!("203.0.113.{last}"),
        "agentVersion": "10.8760.26100.1",
        "osBuild": 26100,
        "healthStatus": "Active",
        "deviceValue": "Normal",
        "rbacGroupId": 0,
        "rbacGroupName": null,
        "riskScore": level("risk"),
        "exposureLevel": level("exposure"),
        "isAadJoined": true,
        "aadDeviceId": guid::derived(&["device", &tenant.to_string(), &index.to_string()]),
        "machineTags": [],
        "onboardingStatus": "Onboarded",
        "osArchitecture": "64-bit",
        "managedBy": "Intune",
        "managedByStatus": "Success",
        "ipAddresses": [{
            "ipAddress": format!("10.1.0.{last}"),
            "macAddress": format!("02005E1000{last:02X}"),
            "type": "Ethernet",
            "operationalStatus": "Up",
        }],
        "vmMetadata": null,
    })
}

/// The tenant's alerts, newest first.
pub(crate) fn alerts(tenant: Uuid, now: Timestamp) -> Vec<Value> {
    (0..ALERTS).map(|index| alert(tenant, index, now)).collect()
}

fn alert(tenant: Uuid, index: usize, now: Timestamp) -> Value {
    let words = index.to_string();
    let seed = number(tenant, &["alert", &words]);
    let kind = &KINDS[(usize::try_from(seed % 4).unwrap_or(0) + index) % KINDS.len()];
    let machine_index = index % MACHINES;
    let machine = machine(tenant, machine_index, now);
    let hours = i64::try_from(index).unwrap_or(0) * 7;
    let created = time(ago(now, hours));
    let is_resolved = index >= ALERTS / 2;
    json!({
        "id": format!("da{:018}_{}", seed % 1_000_000_000_000_000_000, seed % 1_000_000_000),
        "incidentId": 100 + index,
        "investigationId": null,
        "assignedTo": null,
        "severity": kind.severity,
        "status": if is_resolved { "Resolved" } else { "New" },
        "classification": if is_resolved { json!("TruePositive") } else { Value::Null },
        "determination": if is_resolved { json!("SecurityTesting") } else { Value::Null },
        "investigationState": "UnsupportedAlertType",
        "detectionSource": kind.source,
        "detectorId": guid::derived(&["detector", kind.title]),
        "category": kind.category,
        "threatFamilyName": null,
        "title": kind.title,
        "description": kind.description,
        "alertCreationTime": created,
        "firstEventTime": time(ago(now, hours + 1)),
        "lastEventTime": created,
        "lastUpdateTime": created,
        "resolvedTime": if is_resolved { json!(created) } else { Value::Null },
        "machineId": machine["id"],
        "computerDnsName": machine["computerDnsName"],
        "rbacGroupName": null,
        "aadTenantId": tenant,
        "threatName": null,
        "mitreTechniques": [kind.technique],
        "relatedUser": {"userName": "adele.vance", "domainName": "CONTOSO"},
        "loggedOnUsers": [],
        "comments": [],
        "evidence": [],
    })
}

/// Options of OData that the emulator lacks are refused: an answer that ignored a filter would look like a filtered one.
pub(crate) fn check_options(request: &Request) -> Result<(), Denial> {
    let unknown = pairs(request.query.as_bytes())
        .into_iter()
        .map(|(name, _)| name)
        .find(|name| name.starts_with('$') && !matches!(name.as_str(), "$top" | "$skip"));
    unknown.map_or(Ok(()), |name| {
        Err(Denial::bad_request(format!(
            "entra-emulator does not support the query option '{name}', only $top and $skip."
        )))
    })
}

/// A list as OData writes it, with `$top` (so many at most, also without it) and `$skip`.
pub(crate) fn page(
    request: &Request,
    context: &str,
    all: &[Value],
    most: usize,
) -> Result<Value, Denial> {
    let option = |name: &str| match request.query_parameter(name) {
        None => Ok(None),
        Some(text) => text.parse::<usize>().map(Some).map_err(|_| {
            Denial::bad_request(format!(
                "The query specified in the URI is not valid. Invalid value '{text}' for {name}."
            ))
        }),
    };
    let top = option("$top")?.unwrap_or(most);
    if top > most {
        let message = format!(
            "The limit of '{most}' for Top query has been exceeded. The value from the incoming request is '{top}'."
        );
        return Err(Denial::bad_request(message));
    }
    let skip = option("$skip")?.unwrap_or(0);
    let value: Vec<&Value> = all.iter().skip(skip).take(top).collect();
    Ok(json!({"@odata.context": context, "value": value}))
}

/// One entity by its id, which this field holds.
pub(crate) fn one(context: &str, all: &[Value], field: &str, id: &str) -> Result<Value, Denial> {
    let found = all.iter().find(|entity| match &entity[field] {
        Value::String(text) => text == id,
        number => id.parse::<u64>().is_ok_and(|id| *number == id),
    });
    let mut entity = found.cloned().ok_or_else(|| {
        let set = context.rsplit('#').next().unwrap_or_default();
        Denial::not_found(format!("{set}: {id} was not found"))
    })?;
    entity["@odata.context"] = format!("{context}/$entity").into();
    Ok(entity)
}

/// What the Endpoint and XDR APIs say of what follows.
pub(crate) fn context(host: &str, set: &str) -> String {
    format!("https://{host}/api/$metadata#{set}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-24T05:06:07Z".parse().unwrap()
    }

    #[test]
    fn a_tenants_data_is_stable_and_its_own() {
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        assert_eq!(alerts(one, now()), alerts(one, now()));
        assert_eq!(machines(one, now()), machines(one, now()));
        let ids = |tenant| -> Vec<Value> {
            alerts(tenant, now())
                .iter()
                .map(|alert| alert["id"].clone())
                .collect()
        };
        assert!(ids(one).iter().all(|id| !ids(two).contains(id)));
        let names: std::collections::BTreeSet<_> =
            ids(one).iter().map(ToString::to_string).collect();
        assert_eq!(names.len(), ALERTS);
    }

    #[test]
    fn every_alert_is_of_a_machine_of_the_tenant() {
        let tenant = Uuid::from_u128(3);
        let machines = machines(tenant, now());
        for alert in alerts(tenant, now()) {
            assert_eq!(alert["aadTenantId"], tenant.to_string());
            assert!(
                machines
                    .iter()
                    .any(|machine| machine["id"] == alert["machineId"])
            );
        }
        assert_eq!(machines[0]["id"].as_str().unwrap().len(), 40);
        assert_eq!(machines[0]["lastSeen"], "2026-11-24T00:00:00.0000000Z");
    }
}
