//! Flags, fields, metrics and codes that a page names are those that exist.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use clap::CommandFactory as _;
use defender_tenant_operator::api::{self, DefenderApplication, DefenderTenant};
use defender_tenant_operator::cli::Cli;
use defender_tenant_operator::core::errors::table;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use serde_json::Value;

use super::page::{Page, operator_pages, root};

/// Flags of the other programs that the pages use.
const OTHERS: &[(&str, &[&str])] = &[
    (
        "kubectl",
        &[
            "all",
            "all-namespaces",
            "as",
            "cascade",
            "clusterrole",
            "dry-run",
            "duration",
            "field-selector",
            "flatten",
            "for",
            "from-file",
            "from-literal",
            "group",
            "minify",
            "overwrite",
            "patch-file",
            "raw",
            "resource",
            "role",
            "show-labels",
            "subresource",
            "timeout",
            "token",
            "type",
            "user",
            "verb",
            "wait",
        ],
    ),
    (
        "curl",
        &[
            "fail-with-body",
            "header",
            "max-time",
            "retry",
            "retry-max-time",
            "show-error",
            "silent",
            "user-agent",
        ],
    ),
    (
        "az",
        &[
            "api",
            "api-permissions",
            "append",
            "cert",
            "display-name",
            "enable-oidc-issuer",
            "end-date",
            "id",
            "key-id",
            "parameters",
            "query",
            "required-resource-accesses",
            "sign-in-audience",
            "web-redirect-uris",
        ],
    ),
    ("kube-apiserver", &["encryption-provider-config"]),
    (
        "cosign",
        &["certificate-identity", "certificate-oidc-issuer"],
    ),
    ("docker", &["secret", "target"]),
    ("cargo", &["exact", "lib", "package", "release", "test"]),
    (
        "helm",
        &[
            "create-namespace",
            "kube-version",
            "namespace",
            "reset-then-reuse-values",
            "reuse-values",
            "set",
            "show-only",
            "take-ownership",
            "values",
        ],
    ),
    ("devcluster", &["audit-log", "image", "kubernetes", "node"]),
    ("etcd", &["quota-backend-bytes"]),
    ("simulator", &["machine", "report"]),
    ("kubectl config view", &["current"]),
];

/// Words made of these characters, as they follow each other.
fn words(text: &str, part_of_word: impl Fn(char) -> bool) -> impl Iterator<Item = &str> {
    text.split(move |c| !part_of_word(c))
        .filter(|word| !word.is_empty())
}

/// What of each page isn't known.
fn unknown(of: impl Fn(&Page) -> Vec<String>) -> Vec<String> {
    let told = |page: &Page| {
        of(page)
            .into_iter()
            .map(|what| format!("{}: {what}", page.name()))
            .collect::<Vec<_>>()
    };
    operator_pages().iter().flat_map(told).collect()
}

fn flags() -> BTreeSet<String> {
    let mut cli = Cli::command();
    cli.build();
    let own = cli
        .get_subcommands()
        .flat_map(clap::Command::get_arguments)
        .filter_map(clap::Arg::get_long);
    let others = OTHERS.iter().flat_map(|(_, flags)| flags.iter().copied());
    own.chain(others).map(str::to_owned).collect()
}

fn unknown_flags(text: &str) -> Vec<String> {
    let known = flags();
    words(text, |c| c.is_ascii_alphanumeric() || c == '-')
        .filter_map(|word| word.strip_prefix("--"))
        .filter(|flag| flag.starts_with(|c: char| c.is_ascii_lowercase()) && !known.contains(*flag))
        .map(|flag| format!("--{flag}"))
        .collect()
}

#[test]
fn every_flag_exists() {
    assert_eq!(
        unknown(|page| unknown_flags(&page.text)),
        Vec::<String>::new()
    );
    assert_eq!(
        unknown_flags("`--https-proxy`, --entra-rates=5 and ---"),
        ["--entra-rates"]
    );
}

#[test]
fn every_environment_variable_exists() {
    let mut cli = Cli::command();
    cli.build();
    let known: BTreeSet<_> = cli
        .get_subcommands()
        .flat_map(clap::Command::get_arguments)
        .filter_map(|arg| arg.get_env()?.to_str())
        .map(str::to_owned)
        .collect();
    let unknown = unknown(|page| {
        words(&page.text, |c| c.is_ascii_uppercase() || c == '_')
            .filter(|word| word.starts_with("DTO_") && word.len() > 4 && !known.contains(*word))
            .map(str::to_owned)
            .collect()
    });
    assert_eq!(unknown, Vec::<String>::new());
}

/// The schemas by kind.
fn schemas() -> BTreeMap<String, JSONSchemaProps> {
    [api::crd(), api::application_crd()]
        .into_iter()
        .map(|mut crd| {
            let version = crd.spec.versions.remove(0);
            let schema = version.schema.unwrap().open_api_v3_schema.unwrap();
            (crd.spec.names.kind, schema)
        })
        .collect()
}

/// The schema below this one that a name leads to.
fn step<'a>(schema: &'a JSONSchemaProps, name: &str) -> Option<&'a JSONSchemaProps> {
    let schema = match &schema.items {
        Some(JSONSchemaPropsOrArray::Schema(item)) => item,
        _ => schema,
    };
    if let Some(JSONSchemaPropsOrBool::Schema(value)) = &schema.additional_properties {
        return Some(value);
    }
    schema.properties.as_ref()?.get(name)
}

/// Fields of either kind, written as `spec.region` or `status.token.roles`. (`src/api/spec.rs` is a file.)
fn unknown_fields(text: &str) -> Vec<String> {
    let schemas = schemas();
    let known = |word: &str| {
        schemas.values().any(|schema| {
            word.split('.')
                .try_fold(schema, |schema, name| step(schema, name))
                .is_some()
        })
    };
    words(text, |c| {
        c.is_ascii_alphanumeric() || matches!(c, '.' | '/')
    })
    .map(|word| word.trim_matches('.'))
    .filter(|word| word.starts_with("spec.") || word.starts_with("status."))
    .filter(|word| !known(word))
    .map(str::to_owned)
    .collect()
}

#[test]
fn every_field_exists() {
    assert_eq!(
        unknown(|page| unknown_fields(&page.text)),
        Vec::<String>::new()
    );
    let text = "`spec.refresh.minRemainingSeconds`, status.token.roles; spec.target.labels.team, spec.regions. spec.grants";
    assert_eq!(unknown_fields(text), ["spec.regions"]);
}

/// Paths in a manifest that the schema doesn't have.
fn strays(value: &Value, schema: &JSONSchemaProps, path: &str) -> Vec<String> {
    match value {
        Value::Object(members) => members
            .iter()
            .flat_map(|(name, value)| {
                let path = format!("{path}.{name}");
                match step(schema, name) {
                    Some(schema) => strays(value, schema, &path),
                    None => vec![path],
                }
            })
            .collect(),
        Value::Array(items) => items
            .iter()
            .flat_map(|item| strays(item, schema, path))
            .collect(),
        _ => Vec::new(),
    }
}

/// The manifests of our kinds in a YAML stream, with what is wrong with each. Other objects pass; what isn't YAML doesn't.
fn judge(stream: &str) -> Vec<(String, Option<String>)> {
    let schemas = schemas();
    let mut judged = Vec::new();
    for document in stream.split("\n---\n") {
        let object: Value = match serde_saphyr::from_str(document) {
            Ok(object) => object,
            Err(error) => {
                judged.push(("?".to_owned(), Some(error.to_string())));
                continue;
            }
        };
        let kind = object["kind"].as_str().unwrap_or_default();
        if let Some(schema) = schemas.get(kind) {
            judged.push((kind.to_owned(), fault(&object, kind, schema)));
        }
    }
    judged
}

fn fault(object: &Value, kind: &str, schema: &JSONSchemaProps) -> Option<String> {
    if object["apiVersion"] != "defendertenant.io/v1alpha1" {
        return Some(format!("apiVersion {}", object["apiVersion"]));
    }
    let strays = strays(&object["spec"], step(schema, "spec").unwrap(), "spec");
    if !strays.is_empty() {
        return Some(format!("no such field: {}", strays.join(", ")));
    }
    let parsed = match kind {
        "DefenderTenant" => serde_json::from_value::<DefenderTenant>(object.clone()).map(drop),
        _ => serde_json::from_value::<DefenderApplication>(object.clone()).map(drop),
    };
    parsed.err().map(|error| error.to_string())
}

/// Each YAML stream that the documents show or hold, and where.
fn streams() -> Vec<(String, String)> {
    let mut streams = Vec::new();
    for page in operator_pages() {
        let blocks = page.blocks("yaml").into_iter();
        streams.extend(blocks.map(|block| (page.name(), block)));
    }
    let examples = fs::read_dir(root().join("docs/examples")).unwrap();
    for path in examples.map(|entry| entry.unwrap().path()) {
        if path.extension().is_some_and(|ext| ext == "yaml") {
            let example = Page::read(path);
            streams.push((example.name(), example.text));
        }
    }
    streams
}

#[test]
fn every_manifest_is_one_of_the_api() {
    let streams = streams();
    let judged: Vec<_> = streams
        .iter()
        .flat_map(|(name, stream)| {
            judge(stream)
                .into_iter()
                .map(move |(kind, fault)| (name, kind, fault))
        })
        .collect();
    let faults: Vec<String> = judged
        .iter()
        .filter_map(|(name, kind, fault)| Some(format!("{name}: {kind}: {}", fault.as_ref()?)))
        .collect();
    assert_eq!(faults, Vec::<String>::new());
    for kind in schemas().keys() {
        let shown = judged.iter().filter(|(_, shown, _)| shown == kind).count();
        assert!(shown > 1, "no page shows a {kind}");
    }
}

#[test]
fn a_manifest_that_is_none_of_the_api_is_noticed() {
    let verdict = |spec: &str| {
        let stream = format!(
            "kind: Secret\n---\napiVersion: defendertenant.io/v1alpha1\nkind: DefenderApplication\nmetadata: {{name: a}}\nspec: {spec}\n"
        );
        judge(&stream).remove(0).1.unwrap_or_default()
    };
    let credentials = "credentials: [{name: a, workloadIdentity: {}}]";
    assert_eq!(verdict(&format!("{{clientId: x, {credentials}}}")), "");
    assert_eq!(
        verdict(&format!("{{clientId: x, {credentials}, grant: []}}")),
        "no such field: spec.grant"
    );
    assert!(verdict(&format!("{{{credentials}}}")).contains("clientId"));
    assert!(judge("kind: [").remove(0).1.is_some());
}

#[test]
fn every_metric_exists() {
    let reference = Page::read(root().join("docs/reference/metrics.md"));
    let known: BTreeSet<_> = names_of_metrics(&reference.text).collect();
    assert!(known.len() > 10, "{known:?}");
    let unknown = unknown(|page| {
        names_of_metrics(&page.text)
            .filter(|name| !is_known(name, &known))
            .map(str::to_owned)
            .collect()
    });
    assert_eq!(unknown, Vec::<String>::new());
}

fn names_of_metrics(text: &str) -> impl Iterator<Item = &str> {
    words(text, |c| c.is_ascii_lowercase() || c == '_')
        .filter(|word| word.starts_with("defender_tenant_"))
}

/// A name, a histogram's series, or a common beginning written as `defender_tenant_*`.
fn is_known(name: &str, known: &BTreeSet<&str>) -> bool {
    let base = ["_bucket", "_sum", "_count"]
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix))
        .unwrap_or(name);
    known.contains(base) || name == "defender_tenant_"
}

#[test]
fn every_error_code_exists() {
    let unknown = unknown(|page| {
        words(&page.text, |c| c.is_ascii_alphanumeric())
            .filter_map(|word| word.strip_prefix("AADSTS")?.parse().ok())
            .filter(|code| table::find(*code).is_none())
            .map(|code: u32| format!("AADSTS{code}"))
            .collect()
    });
    assert_eq!(unknown, Vec::<String>::new());
}
