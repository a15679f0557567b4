//! What is made for the test, and what the API server's refusals mean.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::Preconditions;
use serde_json::json;

use crate::api::{
    DefenderApplication, DefenderApplicationSpec, DefenderTenant, DefenderTenantSpec,
    DefenderTenantStatus, GROUP,
};
use crate::core::ids::{ApplicationId, TenantId};
use crate::core::tenant::Key;

/// Label of all that is made here.
pub const LABEL: &str = "defendertenant.io/smoke-test";
/// The role that the token must carry, for the call that is made.
pub const ROLE: &str = "Alert.Read.All";
/// What all names begin with.
const PREFIX: &str = "smoke-test-";
/// Annotation with a text that no other run has: an object whose creation nobody confirmed is known by it.
pub const RUN: &str = "defendertenant.io/smoke-test-run";
/// A run that is older has ended, whether it could clean up or not: it waits 9 minutes at the most, and less than 3
/// for its other requests and the removal.
const OVER: SignedDuration = SignedDuration::from_mins(20);
/// Most of a text of the API server's or the operator's that is repeated.
const SHOWN: usize = 600;

/// `smoke-test-` and five letters or digits.
pub fn name(random: uuid::Uuid) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let bytes = random.as_bytes();
    let letters = bytes[..5]
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(byte % 32)]));
    format!("{PREFIX}{}", letters.collect::<String>())
}

fn metadata(name: &str, namespace: Option<&str>, run: &str) -> ObjectMeta {
    ObjectMeta {
        annotations: Some(BTreeMap::from([(RUN.to_owned(), run.to_owned())])),
        name: Some(name.to_owned()),
        namespace: namespace.map(str::to_owned),
        labels: Some(BTreeMap::from([(LABEL.to_owned(), "true".to_owned())])),
        ..ObjectMeta::default()
    }
}

/// Where the tenant's credential comes from.
#[derive(Debug, Clone, Copy)]
pub enum Credential<'a> {
    /// An application of this name.
    Application(&'a str),
    /// A Secret of the namespace.
    Secret(&'a str),
}

/// The customer's resource.
pub fn tenant(
    key: &Key,
    id: TenantId,
    credential: Credential<'_>,
    run: &str,
) -> Result<DefenderTenant, serde_json::Error> {
    let mut spec = json!({"tenantId": id.to_string(), "requiredRoles": [ROLE]});
    match credential {
        Credential::Application(name) => spec["applicationRef"] = json!({"name": name}),
        Credential::Secret(name) => spec["secretRef"] = json!({"name": name}),
    }
    let spec: DefenderTenantSpec = serde_json::from_value(spec)?;
    Ok(DefenderTenant {
        metadata: metadata(&key.name, Some(&key.namespace), run),
        spec,
        status: None,
    })
}

/// The application, which grants this namespace this customer and nothing else.
pub fn application(
    name: &str,
    client_id: ApplicationId,
    secret: &str,
    namespace: &str,
    id: TenantId,
    run: &str,
) -> Result<DefenderApplication, serde_json::Error> {
    let spec = json!({
        "clientId": client_id.to_string(),
        "credentials": [{"name": "secret", "clientSecret": {"secretRef": {"name": secret}}}],
        "grants": [{"namespaces": {"names": [namespace]}, "tenantIds": [id.to_string()]}],
    });
    let spec: DefenderApplicationSpec = serde_json::from_value(spec)?;
    Ok(DefenderApplication {
        metadata: metadata(name, None, run),
        spec,
        status: None,
    })
}

/// What is said of a request without an answer.
pub const SILENT: &str = "the API server doesn't answer";

/// A permission that the account of this run lacks.
pub fn lacks(verb: &str, group: &str, resource: &str, namespace: Option<&str>) -> String {
    let place = namespace.map_or_else(
        || "in the whole cluster (ClusterRole)".to_owned(),
        |namespace| format!("in namespace {namespace}"),
    );
    let group = if group.is_empty() { "\"\"" } else { group };
    format!(
        "the account that runs this may not {verb} {resource} {place}: grant it apiGroups: [{group}], resources: [{resource}], verbs: [{verb}]"
    )
}

/// What a refusal means. Nothing secret was sent, so the API server's text may be told.
pub fn refusal(error: &kube::Error, verb: &str, plural: &str, namespace: Option<&str>) -> String {
    let kube::Error::Api(status) = error else {
        return SILENT.to_owned();
    };
    let of_namespace = status
        .details
        .as_ref()
        .is_some_and(|details| details.kind == "namespaces");
    match status.code {
        404 if of_namespace => {
            format!("there is no namespace {}", namespace.unwrap_or_default())
        }
        404 => format!(
            "the cluster has no {plural}.{GROUP}: install the CRDs first (kubectl apply --server-side -f crds/)"
        ),
        403 => lacks(verb, GROUP, plural, namespace),
        code => {
            let message: String = status.message.chars().take(SHOWN).collect();
            format!("the API server refuses to {verb} {plural} with status {code}: {message}")
        }
    }
}

/// How a tenant is that isn't Ready.
pub fn not_ready(status: &DefenderTenantStatus) -> String {
    match status.conditions.iter().find(|c| c.type_ == "Ready") {
        None => "nobody has looked at it: does the operator run, and does it serve this namespace? (defender-tenant-operator doctor)".to_owned(),
        Some(ready) => {
            let message: String = ready.message.chars().take(SHOWN).collect();
            format!("Ready={} {}: {message}", ready.status, ready.reason)
        }
    }
}

/// It is Ready, for its spec as it is.
pub fn is_ready(status: &DefenderTenantStatus, generation: i64) -> bool {
    let ready = status.conditions.iter().find(|c| c.type_ == "Ready");
    status.observed_generation == Some(generation) && ready.is_some_and(|c| c.status == "True")
}

/// A run that was killed left it behind, if there is an answer: exactly what was seen may be deleted then. Age is by
/// the API server's clock alone.
pub fn leftover(metadata: &ObjectMeta, now: Timestamp) -> Option<Preconditions> {
    let labels = metadata.labels.as_ref();
    let labelled = labels.and_then(|l| l.get(LABEL)).map(String::as_str) == Some("true");
    let named = metadata
        .name
        .as_ref()
        .is_some_and(|name| name.starts_with(PREFIX));
    let owned = metadata
        .owner_references
        .as_ref()
        .is_some_and(|owners| !owners.is_empty());
    let created = metadata.creation_timestamp.as_ref();
    let old = created.is_some_and(|at| now.duration_since(at.0) > OVER);
    let leaving = metadata.deletion_timestamp.is_some();
    let seen = Preconditions {
        uid: Some(metadata.uid.clone()?),
        resource_version: Some(metadata.resource_version.clone()?),
    };
    (labelled && named && old && !owned && !leaving).then_some(seen)
}

#[cfg(test)]
mod tests;
