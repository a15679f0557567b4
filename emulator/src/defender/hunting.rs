//! Advanced hunting: no query engine, but answers of the right shape.

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::data;
use super::denial::Denial;

/// A query's columns, by name and type, and its rows.
pub(crate) struct Table {
    pub(crate) columns: Vec<(&'static str, &'static str)>,
    pub(crate) rows: Vec<Value>,
}

/// Answers any query: with the tenant's devices, or with its alerts if the query begins with an alert table.
pub(crate) fn table(body: &[u8], tenant: Uuid, now: Timestamp) -> Result<Table, Denial> {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let query = body
        .get("Query")
        .or_else(|| body.get("query"))
        .and_then(Value::as_str);
    let query = query
        .map(str::trim)
        .filter(|query| !query.is_empty())
        .ok_or_else(|| Denial::bad_request("The request body must contain a 'Query'."))?;
    let (columns, rows) = if query.starts_with("Alert") {
        (ALERT_COLUMNS, data::alerts(tenant, now))
    } else {
        (DEVICE_COLUMNS, data::machines(tenant, now))
    };
    let rows = rows
        .iter()
        .map(|row| {
            columns
                .iter()
                .map(|(name, _, field)| ((*name).to_owned(), row[*field].clone()))
                .collect()
        })
        .collect();
    Ok(Table {
        columns: columns
            .iter()
            .map(|(name, kind, _)| (*name, *kind))
            .collect(),
        rows,
    })
}

/// The answer of the Endpoint and XDR APIs.
pub(crate) fn run(body: &[u8], tenant: Uuid, now: Timestamp) -> Result<Value, Denial> {
    let Table { columns, rows } = table(body, tenant, now)?;
    let schema: Vec<Value> = columns
        .iter()
        .map(|(name, kind)| json!({"Name": name, "Type": kind}))
        .collect();
    Ok(json!({
        "Stats": {
            "ExecutionTime": 0.015,
            "resource_usage": {
                "cache": {"memory": {"hits": 0, "misses": 0, "total": 0}},
                "cpu": {"user": "00:00:00.0100000", "kernel": "00:00:00", "total cpu": "00:00:00.0100000"},
                "memory": {"peak_per_node": 33_554_432},
            },
            "dataset_statistics": [{"table_row_count": rows.len(), "table_size": 0}],
        },
        "Schema": schema,
        "Results": rows,
    }))
}

/// Column, type, and the field of the API's entity that it shows.
type Column = (&'static str, &'static str, &'static str);

const DEVICE_COLUMNS: &[Column] = &[
    ("Timestamp", "DateTime", "lastSeen"),
    ("DeviceId", "String", "id"),
    ("DeviceName", "String", "computerDnsName"),
    ("OSPlatform", "String", "osPlatform"),
];

const ALERT_COLUMNS: &[Column] = &[
    ("Timestamp", "DateTime", "alertCreationTime"),
    ("AlertId", "String", "id"),
    ("Title", "String", "title"),
    ("Severity", "String", "severity"),
    ("DeviceId", "String", "machineId"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn answer(body: &str) -> Result<Value, Denial> {
        run(body.as_bytes(), Uuid::from_u128(1), Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn results_have_the_schemas_columns() {
        for (query, rows) in [("DeviceInfo | limit 1", 5), ("AlertInfo", 8)] {
            let answer = answer(&json!({ "Query": query }).to_string()).unwrap();
            let results = answer["Results"].as_array().unwrap();
            assert_eq!(results.len(), rows);
            let names: BTreeSet<&str> = answer["Schema"]
                .as_array()
                .unwrap()
                .iter()
                .map(|column| column["Name"].as_str().unwrap())
                .collect();
            let keys: BTreeSet<&str> = results[0]
                .as_object()
                .unwrap()
                .keys()
                .map(String::as_str)
                .collect();
            assert_eq!(keys, names);
        }
    }

    #[test]
    fn a_call_without_a_query_is_a_bad_request() {
        for body in ["", "{}", "nonsense", r#"{"Query":" "}"#] {
            assert_eq!(
                answer(body).unwrap_err().status,
                http::StatusCode::BAD_REQUEST
            );
        }
    }
}
