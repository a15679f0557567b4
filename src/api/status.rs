//! `DefenderTenant.status`. A hint: the truth is the Secret.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the operator last saw and did.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct DefenderTenantStatus {
    /// The generation that this status speaks of; -1 before the operator has seen the resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i64")]
    pub observed_generation: Option<i64>,

    /// Ready, CredentialReady, ConsentGranted and RolesGranted; Reconciling and Stalled only while true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,

    /// The token in the Secret (never the token itself).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "TokenStatus")]
    pub token: Option<TokenStatus>,

    /// Link for an administrator of the customer, while consent or roles are missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub consent_url: Option<String>,

    /// The Secret that holds the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "TargetStatus")]
    pub target: Option<TargetStatus>,

    /// The attempts since the last one that went well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "AttemptStatus")]
    pub attempt: Option<AttemptStatus>,

    /// The last value of the annotation defendertenant.io/refresh-requested-at that was served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub handled_refresh_request: Option<String>,

    /// The generation for which Microsoft was asked, and answered, where the tenant lives: once a mint failed in a way
    /// that a mistyped tenantId or another cloud explains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i64")]
    pub discovered_generation: Option<i64>,

    /// When the token was last tried at the API (spec.probe).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Time")]
    pub probed_at: Option<Time>,

    /// What went wrong last, until it goes well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "LastErrorStatus")]
    pub last_error: Option<LastErrorStatus>,
}

/// The token in the Secret.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenStatus {
    /// When it was minted.
    pub issued_at: Time,
    /// When it expires.
    pub expires_at: Time,
    /// When the next mint is due.
    pub refresh_at: Time,
    /// Application roles that it carries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// Required roles that it lacks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_roles: Vec<String>,
    /// Roles that nobody required.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub surplus_roles: Vec<String>,
    /// The resource that it is for.
    pub audience: String,
    /// The application that it was minted for.
    pub application_id: String,
}

/// The Secret that holds the token.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetStatus {
    /// Name of the Secret.
    pub name: String,
    /// Its resourceVersion as the operator wrote or checked it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub resource_version: Option<String>,
}

/// The attempts since the last one that went well.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttemptStatus {
    /// The generation that was tried.
    pub generation: i64,
    /// The credential that was tried.
    pub fingerprint: String,
    /// How often.
    pub count: i32,
    /// When last.
    pub last_at: Time,
    /// When next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Time")]
    pub next_at: Option<Time>,
}

/// What went wrong last.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastErrorStatus {
    /// Microsoft's code, AADSTS7000215 say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub code: Option<String>,
    /// The condition reason.
    pub reason: String,
    /// Whom it concerns: Credential, Tenant or Service.
    pub scope: String,
    /// Microsoft's correlation id, for a support request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub correlation_id: Option<String>,
    /// Microsoft's trace id, for a support request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub trace_id: Option<String>,
    /// When.
    pub at: Time,
}
