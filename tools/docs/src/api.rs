//! `api.md` and `application.md`

use defender_tenant_operator::api;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceDefinitionVersion, JSONSchemaProps,
    JSONSchemaPropsOrArray, JSONSchemaPropsOrBool, ValidationRule,
};

use crate::markdown::{code, head, plain, table, wrap};
use crate::names;

/// The customer's resource, and the names in objects.
pub fn tenant() -> String {
    page(&api::crd()) + &names::section()
}

/// The partner's.
pub fn application() -> String {
    page(&api::application_crd())
}

fn page(crd: &CustomResourceDefinition) -> String {
    let names = &crd.spec.names;
    let mut text = String::new();
    for version in &crd.spec.versions {
        let Some(schema) = version
            .schema
            .as_ref()
            .and_then(|s| s.open_api_v3_schema.as_ref())
        else {
            continue;
        };
        text += &head(
            &format!("{} ({}/{})", names.kind, crd.spec.group, version.name),
            schema.description.as_deref().unwrap_or_default(),
        );
        text += &about(crd, version);
        text += "\nThe API server checks every rule below and says what to write instead.\n";
        let rules = rules(schema);
        if !rules.is_empty() {
            text += &format!("\n## The resource as a whole\n\n{rules}");
        }
        for part in ["spec", "status"] {
            let Some(schema) = schema.properties.as_ref().and_then(|p| p.get(part)) else {
                continue;
            };
            text += &format!("\n## {part}\n\n{}", facts(schema, None));
            text += &fields(part, schema);
        }
        text += &columns(crd, version);
    }
    text
}

fn about(crd: &CustomResourceDefinition, version: &CustomResourceDefinitionVersion) -> String {
    let names = &crd.spec.names;
    let list = |items: Option<&Vec<String>>| {
        items
            .into_iter()
            .flatten()
            .map(|i| code(i))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let selectable: Vec<_> = version
        .selectable_fields
        .iter()
        .flatten()
        .map(|field| code(field.json_path.trim_start_matches('.')))
        .collect();
    table(
        ["", ""],
        &[
            ["scope".to_owned(), crd.spec.scope.clone()],
            [
                "plural, short name, category".to_owned(),
                format!(
                    "{}, {}, {}",
                    code(&names.plural),
                    list(names.short_names.as_ref()),
                    list(names.categories.as_ref())
                ),
            ],
            ["field selectors".to_owned(), selectable.join(", ")],
        ],
    )
}

/// A heading for each field, however deep.
fn fields(path: &str, schema: &JSONSchemaProps) -> String {
    let required = schema.required.as_deref().unwrap_or_default();
    let mut text = String::new();
    for (name, field) in schema.properties.iter().flatten() {
        let path = format!("{path}.{name}");
        text += &format!(
            "\n### {path}\n\n{}",
            facts(field, Some(required.contains(name)))
        );
        text += &fields(&path, field);
        if let Some(JSONSchemaPropsOrArray::Schema(item)) = &field.items {
            text += &fields(&format!("{path}[]"), item);
        }
    }
    text
}

/// Type, default and limits, then the description, then the rules.
fn facts(schema: &JSONSchemaProps, required: Option<bool>) -> String {
    let mut facts = vec![type_of(schema)];
    if required == Some(true) {
        facts.push("required".to_owned());
    }
    if let Some(default) = &schema.default {
        facts.push(format!("default {}", code(&default.0.to_string())));
    }
    facts.extend(limits(schema));
    let mut text = format!("{}\n", wrap(&facts.join(" · ")));
    if let Some(description) = &schema.description {
        text += &format!("\n{}\n", wrap(description));
    }
    let rules = rules(schema);
    if !rules.is_empty() {
        text += &format!("\n{rules}");
    }
    text
}

fn type_of(schema: &JSONSchemaProps) -> String {
    if let Some(values) = &schema.enum_ {
        let values: Vec<_> = values
            .iter()
            .map(|value| code(value.0.as_str().unwrap_or_default()))
            .collect();
        return format!("one of {}", values.join(", "));
    }
    let name = schema.type_.as_deref().unwrap_or("any");
    match (name, &schema.items, &schema.additional_properties) {
        ("array", Some(JSONSchemaPropsOrArray::Schema(item)), _) => {
            let keys = schema
                .x_kubernetes_list_map_keys
                .as_deref()
                .unwrap_or_default();
            match schema.x_kubernetes_list_type.as_deref() {
                Some("set") => format!("set of {}", type_of(item)),
                Some("map") => format!("list of {}, by {}", type_of(item), code(&keys.join(", "))),
                _ => format!("list of {}", type_of(item)),
            }
        }
        ("object", _, Some(JSONSchemaPropsOrBool::Schema(value))) => {
            format!("map of {}", type_of(value))
        }
        ("string", ..) if schema.format.as_deref() == Some("date-time") => {
            "date and time (RFC 3339)".to_owned()
        }
        _ => name.to_owned(),
    }
}

fn limits(schema: &JSONSchemaProps) -> Vec<String> {
    let mut limits = Vec::new();
    let items = schema.items.as_ref().and_then(|items| match items {
        JSONSchemaPropsOrArray::Schema(item) => Some(item.as_ref()),
        JSONSchemaPropsOrArray::Schemas(_) => None,
    });
    let values = schema
        .additional_properties
        .as_ref()
        .and_then(|values| match values {
            JSONSchemaPropsOrBool::Schema(value) => Some(value.as_ref()),
            JSONSchemaPropsOrBool::Bool(_) => None,
        });
    for (what, inner) in [("", Some(schema)), ("each ", items), ("each ", values)] {
        let Some(inner) = inner else { continue };
        match (inner.min_length, inner.max_length) {
            (Some(least), Some(most)) => limits.push(format!("{what}{least} to {most} characters")),
            (None, Some(most)) => limits.push(format!("{what}at most {most} characters")),
            (Some(least), None) => limits.push(format!("{what}at least {least} characters")),
            (None, None) => {}
        }
    }
    limits.extend(schema.max_items.map(|most| format!("at most {most} items")));
    limits.extend(
        schema
            .max_properties
            .map(|most| format!("at most {most} entries")),
    );
    limits
}

/// The rules of this schema and of the values in it.
fn rules(schema: &JSONSchemaProps) -> String {
    let values = match &schema.additional_properties {
        Some(JSONSchemaPropsOrBool::Schema(value)) => value.x_kubernetes_validations.as_deref(),
        _ => None,
    };
    let own = schema.x_kubernetes_validations.as_deref();
    let rules = own.into_iter().chain(values).flatten();
    rules.map(rule).collect()
}

fn rule(rule: &ValidationRule) -> String {
    let message = match (&rule.message, &rule.message_expression) {
        (Some(message), _) => plain(message),
        (None, Some(_)) => "(a message that names the value and what to write)".to_owned(),
        (None, None) => String::new(),
    };
    format!(
        "- {}\\\n  {message}\n",
        code(&rule.rule.split_whitespace().collect::<Vec<_>>().join(" "))
    )
}

fn columns(crd: &CustomResourceDefinition, version: &CustomResourceDefinitionVersion) -> String {
    let rows: Vec<_> = version
        .additional_printer_columns
        .iter()
        .flatten()
        .map(|column| {
            let wide = if column.priority.unwrap_or_default() > 0 {
                "with `-o wide`"
            } else {
                ""
            };
            [
                column.name.clone(),
                code(&column.json_path),
                wide.to_owned(),
                column.description.clone().unwrap_or_default(),
            ]
        })
        .collect();
    format!(
        "\n## Columns\n\nOf `kubectl get {}`.\n{}",
        crd.spec
            .names
            .short_names
            .iter()
            .flatten()
            .next()
            .unwrap_or(&crd.spec.names.plural),
        table(["column", "value", "", "meaning"], &rows)
    )
}
