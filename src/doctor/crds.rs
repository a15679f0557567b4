//! The installed CRDs beside those of this version.

use std::collections::BTreeSet;

use serde_json::Value;

use super::report::{Check, Finding};
use crate::api::GROUP;
use crate::controller::preflight::PreflightError;

/// Most fields that a line names.
const NAMED: usize = 6;
/// Most of a rule that a line quotes.
const QUOTED: usize = 100;
/// What bounds a value. The API server publishes all of it, the rules too.
const BOUNDS: [&str; 9] = [
    "maxLength",
    "minLength",
    "maxItems",
    "minItems",
    "maxProperties",
    "minProperties",
    "maximum",
    "minimum",
    "pattern",
];

/// The CRDs aren't there, or serve another version.
#[must_use]
pub fn absent(error: &PreflightError) -> Finding {
    let (subject, found) = match error {
        PreflightError::NoCrd { kind } => (*kind, "it isn't installed".to_owned()),
        PreflightError::NoVersion { served } => (
            "DefenderTenant",
            format!("it serves {served}, not {}", crate::api::VERSION),
        ),
        PreflightError::Denied { .. } | PreflightError::Unreachable(_) => {
            return Finding::problem(
                Check::Crds,
                "discovery",
                &error.to_string(),
                "let every account read the API's discovery (ClusterRole system:discovery), as clusters do by themselves",
            );
        }
    };
    Finding::problem(Check::Crds, subject, &found, install())
}

const fn install() -> &'static str {
    concat!(
        "install the CRDs that belong to the operator ",
        env!("CARGO_PKG_VERSION"),
        ": kubectl apply --server-side -f crds/, or defender-tenant-operator crds | kubectl apply --server-side -f -"
    )
}

/// Compares a kind as the API server publishes it with this version's.
#[must_use]
pub fn compare(kind: &str, published: &Value, own: &Value) -> Finding {
    let Some(installed) = schema_of(kind, published) else {
        return Finding::warning(
            Check::Crds,
            kind,
            "the API server doesn't publish its schema",
            install(),
        );
    };
    let (installed, own) = (fields(installed), fields(own));
    let named = |fields: Vec<&String>| {
        let more = fields.len().saturating_sub(NAMED);
        let quoted = |field: &&String| match field.char_indices().nth(QUOTED) {
            Some((end, _)) => format!("{}…", &field[..end]),
            None => (*field).clone(),
        };
        let first: Vec<_> = fields.iter().take(NAMED).map(quoted).collect();
        let more = if more == 0 {
            String::new()
        } else {
            format!(" and {more} more")
        };
        format!("{}{more}", first.join(", "))
    };
    let missing: Vec<_> = own.difference(&installed).collect();
    let surplus: Vec<_> = installed.difference(&own).collect();
    if !missing.is_empty() {
        let found = format!("it is of another version: it lacks {}", named(missing));
        return Finding::problem(Check::Crds, kind, &found, install());
    }
    if !surplus.is_empty() {
        let found = format!(
            "it is newer than this operator: it also has {}",
            named(surplus)
        );
        return Finding::warning(
            Check::Crds,
            kind,
            &found,
            "what is new in it has no effect, or refuses more: run the operator that belongs to it",
        );
    }
    let found = concat!("as of version ", env!("CARGO_PKG_VERSION"));
    Finding::ok(Check::Crds, kind, found)
}

/// The schema of a kind in the OpenAPI document of our group and version.
fn schema_of<'a>(kind: &str, published: &'a Value) -> Option<&'a Value> {
    let schemas = published.pointer("/components/schemas")?.as_object()?;
    schemas.values().find(|schema| {
        let kinds = schema.get("x-kubernetes-group-version-kind");
        let mut kinds = kinds.and_then(Value::as_array).into_iter().flatten();
        kinds.any(|gvk| gvk["group"] == GROUP && gvk["kind"] == kind)
    })
}

/// Every field below spec and status by its path, every value that one may have, and what else is checked of it.
fn fields(schema: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    checks("resource", schema, &mut found);
    for part in ["spec", "status"] {
        if let Some(schema) = schema.get("properties").and_then(|p| p.get(part)) {
            collect(part, schema, &mut found);
        }
    }
    found
}

fn checks(path: &str, schema: &Value, found: &mut BTreeSet<String>) {
    let list = |name: &str| {
        let list = schema.get(name).and_then(Value::as_array);
        list.into_iter().flatten()
    };
    for name in list("required").filter_map(Value::as_str) {
        found.insert(format!("{path}: {name} is required"));
    }
    for rule in list("x-kubernetes-validations").filter_map(|rule| rule["rule"].as_str()) {
        let rule = rule.split_whitespace().collect::<Vec<_>>().join(" ");
        found.insert(format!("{path}: rule {rule}"));
    }
    for name in BOUNDS {
        match schema.get(name) {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => {
                found.insert(format!("{path}: {name} {text}"));
            }
            // 63 and 63.0 are the same.
            Some(bound) => {
                let bound = bound
                    .as_f64()
                    .map_or_else(|| bound.to_string(), |n| n.to_string());
                found.insert(format!("{path}: {name} {bound}"));
            }
        }
    }
}

fn collect(path: &str, schema: &Value, found: &mut BTreeSet<String>) {
    checks(path, schema, found);
    for value in schema
        .get("enum")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        if let Some(value) = value.as_str() {
            found.insert(format!("{path}: {value}"));
        }
    }
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        for (name, schema) in properties {
            let path = format!("{path}.{name}");
            collect(&path, schema, found);
            found.insert(path);
        }
    }
    if let Some(items) = schema.get("items") {
        collect(&format!("{path}[]"), items, found);
    }
    if let Some(values) = schema.get("additionalProperties").filter(|s| s.is_object()) {
        collect(&format!("{path}{{}}"), values, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn own() -> Value {
        json!({"properties": {
            "metadata": {"properties": {"x": {}}},
            "spec": {"required": ["region"], "x-kubernetes-validations": [{"rule": "self == \n oldSelf", "message": "m"}],
                "properties": {"labels": {"maxProperties": 8, "additionalProperties": {"maxLength": 63}}, "name": {"maxLength": 63, "pattern": "^[a-z]$"}, "region": {"enum": ["eu", "us"]}, "list": {"items": {"properties": {"name": {}}}}}},
            "status": {"properties": {"at": {}}},
        }, "required": ["spec"]})
    }

    fn published(change: impl FnOnce(&mut Value)) -> Value {
        let mut schema = own();
        schema["properties"]["metadata"] = json!({"$ref": "elsewhere"});
        schema["x-kubernetes-group-version-kind"] =
            json!([{"group": GROUP, "version": "v1alpha1", "kind": "DefenderTenant"}]);
        change(&mut schema);
        json!({"components": {"schemas": {"io.defendertenant.v1alpha1.DefenderTenant": schema}}})
    }

    #[test]
    fn an_older_crd_is_a_problem_and_a_newer_one_a_warning() {
        let ok = format!("as of version {}", env!("CARGO_PKG_VERSION"));
        let lacks = |what: &str| {
            Finding::problem(
                Check::Crds,
                "DefenderTenant",
                &format!("it is of another version: it lacks {what}"),
                install(),
            )
        };
        let newer = |what: &str| {
            Finding::warning(
                Check::Crds,
                "DefenderTenant",
                &format!("it is newer than this operator: it also has {what}"),
                "what is new in it has no effect, or refuses more: run the operator that belongs to it",
            )
        };
        for (document, expected) in [
            (
                published(|_| {}),
                Finding::ok(Check::Crds, "DefenderTenant", &ok),
            ),
            (
                published(|s| {
                    s["properties"]["spec"]["properties"]["region"]["enum"] = json!(["eu"]);
                }),
                lacks("spec.region: us"),
            ),
            (
                published(|s| s["required"] = Value::Null),
                lacks("resource: spec is required"),
            ),
            (
                published(|s| s["properties"]["spec"]["required"] = json!([])),
                lacks("spec: region is required"),
            ),
            (
                published(|s| s["properties"]["spec"]["x-kubernetes-validations"] = Value::Null),
                lacks("spec: rule self == oldSelf"),
            ),
            (
                published(|s| {
                    s["properties"]["spec"]["properties"]["name"] =
                        json!({"maxLength": 253, "pattern": "^[a-z]*$"});
                }),
                lacks("spec.name: maxLength 63, spec.name: pattern ^[a-z]$"),
            ),
            (
                published(|s| {
                    s["properties"]["spec"]["properties"]["labels"] =
                        json!({"maxProperties": 8.0, "additionalProperties": {}});
                }),
                lacks("spec.labels{}: maxLength 63"),
            ),
            (
                published(|s| {
                    let rule = json!({"rule": "x".repeat(200)});
                    let rules = &mut s["properties"]["spec"]["x-kubernetes-validations"];
                    rules.as_array_mut().unwrap().push(rule);
                }),
                newer(&format!("spec: rule {}…", "x".repeat(QUOTED - 11))),
            ),
            (
                published(|s| s["properties"]["spec"]["properties"]["list"] = json!({})),
                lacks("spec.list[].name"),
            ),
            (
                published(|s| {
                    s["properties"]["spec"]["properties"]["region"]["enum"] =
                        json!(["eu", "uk", "us"]);
                }),
                newer("spec.region: uk"),
            ),
            (
                published(|s| {
                    for n in 0..8 {
                        s["properties"]["status"]["properties"][format!("f{n}")] = json!({});
                    }
                }),
                newer(
                    "status.f0, status.f1, status.f2, status.f3, status.f4, status.f5 and 2 more",
                ),
            ),
            (
                json!({}),
                Finding::warning(
                    Check::Crds,
                    "DefenderTenant",
                    "the API server doesn't publish its schema",
                    install(),
                ),
            ),
        ] {
            assert_eq!(compare("DefenderTenant", &document, &own()), expected);
        }
    }

    #[test]
    fn what_isnt_there_is_told_apart() {
        let problem =
            |subject: &str, found: &str| Finding::problem(Check::Crds, subject, found, install());
        assert_eq!(
            absent(&PreflightError::NoCrd {
                kind: "DefenderApplication"
            }),
            problem("DefenderApplication", "it isn't installed")
        );
        assert_eq!(
            absent(&PreflightError::NoVersion {
                served: "v9".into()
            }),
            problem("DefenderTenant", "it serves v9, not v1alpha1")
        );
        assert_eq!(
            absent(&PreflightError::Unreachable("status 403 Forbidden".into())).subject,
            "discovery"
        );
    }
}
