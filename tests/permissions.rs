//! What the operator may do against what it did: the audit logs of the cluster tests' last run, by the rules of deploy/.
//!
//! A verb that no test needed is granted for nothing; a request that was denied lacks one. Run after the cluster tests
//! (`make test-cluster` does): without their logs this fails.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

const CLUSTER: &str = include_str!("../deploy/rbac.yaml");
const SELECTORS: &str = include_str!("../deploy/rbac-namespace-selectors.yaml");
const NAMESPACED: &str = include_str!("../deploy/rbac-namespaced.yaml");
/// The operator's service account in every test.
const ACCOUNT: &str = ":defender-tenant-operator";
/// Tests that take permissions away, or ask for what isn't granted, by the beginning of their namespaces.
const ON_PURPOSE: [&str; 3] = [":leaseless-", ":unwatched-", ":denied-"];

/// Tests in which doctor asks under the operator's name: what it looks at is no reason for a permission.
const DOCTORS: [&str; 3] = [":ill-", ":well-", ":smoke-"];

/// `secrets get`, `defendertenant.io/defendertenants/status update`
type Verbs = BTreeSet<String>;

fn granted(manifests: &[&str]) -> Verbs {
    let documents = manifests.iter().flat_map(|text| text.split("\n---\n"));
    let objects = documents.map(|text| serde_saphyr::from_str::<Value>(text).expect("YAML"));
    let mut verbs = Verbs::new();
    let list = |value: &Value| -> Vec<String> {
        let items = value.as_array().expect("a list").iter();
        items
            .map(|item| item.as_str().expect("text").to_owned())
            .collect()
    };
    for object in objects {
        let rules = object["rules"].as_array().cloned().unwrap_or_default();
        for rule in rules {
            for group in list(&rule["apiGroups"]) {
                for resource in list(&rule["resources"]) {
                    for verb in list(&rule["verbs"]) {
                        assert!(![&group, &resource, &verb].iter().any(|name| *name == "*"));
                        verbs.insert(line(&group, &resource, &verb));
                    }
                }
            }
        }
    }
    verbs
}

fn line(group: &str, resource: &str, verb: &str) -> String {
    if group.is_empty() {
        format!("{resource} {verb}")
    } else {
        format!("{group}/{resource} {verb}")
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    verb: String,
    user: User,
    object_ref: Option<ObjectRef>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct User {
    username: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct ObjectRef {
    api_group: String,
    resource: String,
    subresource: String,
    namespace: String,
}

/// What one operator of one test asked for.
#[derive(Default)]
struct Used {
    verbs: Verbs,
    denied: Verbs,
    /// It lists what all namespaces have.
    cluster_wide: bool,
}

fn logs() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let entries = fs::read_dir(folder).expect("cargo's folder").flatten();
    let mut logs: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    logs.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("audit-") && name.ends_with(".jsonl")
    });
    logs
}

fn used() -> BTreeMap<String, Used> {
    let mut operators = BTreeMap::<String, Used>::new();
    for log in logs() {
        let text = fs::read_to_string(&log).expect("an audit log");
        for text in text.lines().filter(|text| text.contains(ACCOUNT)) {
            // The last line may be half written.
            let Ok(line) = serde_json::from_str::<Line>(text) else {
                continue;
            };
            let doctor = DOCTORS.iter().any(|name| line.user.username.contains(name));
            if line.user.username.ends_with(ACCOUNT) && !doctor {
                take_in(line, &mut operators);
            }
        }
    }
    operators
}

fn take_in(line: Line, operators: &mut BTreeMap<String, Used>) {
    let Some(object) = line.object_ref else {
        return;
    };
    // Everybody may ask what he may do.
    if object.api_group == "authorization.k8s.io" {
        return;
    }
    let operator = operators.entry(line.user.username).or_default();
    let mut resource = object.resource;
    if !object.subresource.is_empty() {
        resource = format!("{resource}/{}", object.subresource);
    }
    operator.cluster_wide |= resource == "secrets" && object.namespace.is_empty();
    let verb = self::line(&object.api_group, &resource, &line.verb);
    let decision = line.annotations.get("authorization.k8s.io/decision");
    if decision.is_some_and(|decision| decision == "forbid") {
        operator.denied.insert(verb);
    } else {
        operator.verbs.insert(verb);
    }
}

#[test]
fn every_permission_is_used_and_none_is_lacking_in_either_mode() {
    let operators = used();
    assert!(
        operators.len() > 50,
        "audit logs of {} operators: run the cluster tests first, all of them",
        operators.len()
    );
    for (cluster_wide, may) in [
        (true, granted(&[CLUSTER, SELECTORS])),
        (false, granted(&[NAMESPACED])),
    ] {
        let of_mode = operators
            .iter()
            .filter(|(_, used)| used.cluster_wide == cluster_wide);
        let mut did = Verbs::new();
        for (operator, used) in of_mode {
            let on_purpose = ON_PURPOSE.iter().any(|name| operator.contains(name));
            assert!(
                used.denied.is_empty() || on_purpose,
                "{operator} was denied {:?}",
                used.denied
            );
            did.extend(used.verbs.iter().cloned());
        }
        let unused: Vec<_> = may.difference(&did).collect();
        let beyond: Vec<_> = did.difference(&may).collect();
        println!("cluster-wide {cluster_wide}: {} verbs, all used", may.len());
        assert!(
            unused.is_empty(),
            "cluster-wide {cluster_wide}, granted and not used: {unused:?}"
        );
        assert!(
            beyond.is_empty(),
            "cluster-wide {cluster_wide}, used and not granted: {beyond:?}"
        );
    }
}
