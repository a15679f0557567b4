//! `DefenderTenant.spec`.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::names::TARGET_NAME_SUFFIX;
use super::rules;
use super::status::DefenderTenantStatus;
pub use crate::api::cloud::{Cloud, DefenderApi, Plan, Region};

/// GUID of the `consumers` tenant (personal Microsoft accounts): never a customer.
const CONSUMERS: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

/// How to find a tenant id, appended to each message about a wrong one.
macro_rules! look_up {
    ($text:literal) => {
        concat!(
            $text,
            " The tenant id is on the customer's page entra.microsoft.com > Overview, or the GUID in \"issuer\" at ",
            "https://login.microsoftonline.com/<customer's domain>/v2.0/.well-known/openid-configuration."
        )
    };
}

/// A customer whose Microsoft Defender API the partner calls. The operator keeps a live Bearer token for it in a
/// Secret of the same namespace.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "defendertenant.io",
    version = "v1alpha1",
    kind = "DefenderTenant",
    plural = "defendertenants",
    singular = "defendertenant",
    namespaced,
    shortname = "dt",
    category = "defender",
    status = "DefenderTenantStatus",
    derive = "PartialEq",
    doc = "A customer (Microsoft Entra tenant) of a security partner. As long as it exists, the operator keeps a live, checked Bearer token for the customer's Microsoft Defender API in a Secret of the same namespace.",
    selectable = ".spec.tenantId",
    selectable = ".spec.secretRef.name",
    selectable = ".spec.applicationRef.name",
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status", description = "Whether the Secret holds a live token"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason", description = "The most urgent reason"),
    printcolumn(name = "Tenant", type_ = "string", json_path = ".spec.tenantId", description = "The customer's Entra tenant"),
    printcolumn(name = "Region", type_ = "string", json_path = ".spec.region", description = "API front door"),
    printcolumn(name = "Expires", type_ = "string", json_path = ".status.token.expiresAt", description = "When the token expires"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Secret", type_ = "string", json_path = ".status.target.name", description = "Secret that holds the token", priority = 1),
    printcolumn(name = "Credential", type_ = "string", json_path = ".spec.secretRef.name", description = "Secret with the partner's credential", priority = 1),
    printcolumn(name = "Application", type_ = "string", json_path = ".spec.applicationRef.name", description = "The partner's application", priority = 1),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].message", description = "What to do", priority = 1),
    validation = Rule::new("size(self.metadata.name) <= 238 || has(self.spec.target.name)").message("the target Secret's default name, <name>-defender-token, would be longer than the 253 characters that Kubernetes allows: choose a shorter name or set spec.target.name"),
    validation = Rule::new("has(self.spec.target.name) || !has(self.spec.secretRef) || self.spec.secretRef.name != self.metadata.name + '-defender-token'").message("the target Secret's default name, <name>-defender-token, is the credential Secret's: set spec.target.name to another one"),
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.secretRef) != has(self.applicationRef)").message("give exactly one of applicationRef (a DefenderApplication that grants this namespace this tenant) and secretRef (a Secret in this namespace with the partner's credential)").reason(Reason::FieldValueInvalid),
    validation = rules::region(),
    validation = rules::hunting(),
    validation = rules::foreign_roles(DefenderApi::Endpoint),
    validation = rules::foreign_roles(DefenderApi::Xdr),
    validation = rules::foreign_roles(DefenderApi::Graph),
    validation = Rule::new("!has(self.target.name) || !has(self.secretRef) || self.target.name != self.secretRef.name").message("the target Secret can't be the credential Secret: choose another target.name").field_path(".target").reason(Reason::FieldValueInvalid),
)]
pub struct DefenderTenantSpec {
    /// The customer's Microsoft Entra tenant id: a GUID in lower case. Immutable: another customer is another resource.
    #[schemars(length(max = 253))]
    #[x_kube(
        validation = Rule::new("!(self in ['common', 'organizations', 'consumers'])").message(Message::Expression(concat!("'\"' + self + '\" is not a customer: give the tenant id of the one customer, a GUID. ", "The tenant id is on the page entra.microsoft.com > Overview of the customer.'").into())),
        validation = Rule::new("self in ['common', 'organizations', 'consumers'] || self.matches('^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$')").message(Message::Expression(TENANT_ID_MESSAGE.into())),
        validation = Rule::new("self != '00000000-0000-0000-0000-000000000000'").message(look_up!("the nil GUID is a placeholder, not a customer: give the customer's tenant id.")),
        validation = Rule::new(format!("self != '{CONSUMERS}'")).message(look_up!("this is the tenant of personal Microsoft accounts (\"consumers\"), not a customer: give the customer's tenant id.")),
        validation = Rule::new("self == oldSelf").message("tenantId can't be changed: delete this resource and create one for the other customer").reason(Reason::FieldValueForbidden),
    )]
    pub tenant_id: String,

    /// The Microsoft cloud that the customer's tenant lives in. Can't be changed, except between Commercial and GCC.
    #[serde(default)]
    #[x_kube(validation = Rule::new("self == oldSelf || (self in ['Commercial', 'GCC'] && oldSelf in ['Commercial', 'GCC'])").message("cloud can only be changed between Commercial and GCC: delete this resource and create one with the other cloud").reason(Reason::FieldValueForbidden))]
    pub cloud: Cloud,

    /// Which API front door consumers should use: the one nearest to them. It changes `api-url` in the Secret, never who
    /// may do what. Only cloud Commercial has others than `global`, and not for Graph.
    #[serde(default)]
    pub region: Region,

    /// The API that the token is for: it chooses audience and host together. A change asks for another token.
    #[serde(default)]
    pub api: DefenderApi,

    /// The customer's Defender plan, if you want roles that it can't use to be rejected here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Plan")]
    pub plan: Option<Plan>,

    /// Secret in the same namespace with the partner application's credential (keys `client-id` and `client-secret`),
    /// labelled `defendertenant.io/credential: "true"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "SecretRef")]
    pub secret_ref: Option<SecretRef>,

    /// A DefenderApplication that grants this namespace this tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ApplicationRef")]
    pub application_ref: Option<ApplicationRef>,

    /// Application roles that the token must carry, `Alert.Read.All` say. `X.ReadWrite.All` satisfies `X.Read.All`.
    #[serde(default)]
    #[schemars(length(max = 64), inner(length(min = 1, max = 128)))]
    #[x_kube(
        merge_strategy = kube::core::ListMerge::Set,
        validation = Rule::new("self.all(r, r.matches('^[A-Za-z][A-Za-z0-9]*([.][A-Za-z0-9]+)*$'))").message("a role is a name such as Alert.Read.All (the value of the roles claim): letters, digits and dots"),
    )]
    pub required_roles: Vec<String>,

    /// What to do with a token that lacks some required roles: publish it with `RolesGranted=False`, or withhold it.
    /// A token without any role is never published.
    #[serde(default)]
    pub missing_role_policy: MissingRolePolicy,

    /// The Secret that holds the token.
    #[serde(default)]
    pub target: Target,

    /// When the token is renewed.
    #[serde(default)]
    pub refresh: Refresh,

    /// Whether the operator tries the token with one cheap API call (its answer's status is read, its body dropped).
    #[serde(default)]
    pub probe: Probe,

    /// Stop minting; what is in the Secret stays until it expires.
    #[serde(default)]
    pub suspend: bool,
}

/// Picks the text that helps with the very mistake made.
const TENANT_ID_MESSAGE: &str = concat!(
    "self.contains('{') || self.contains('}') ? 'tenantId must be written without braces: ' + self.replace('{', '').replace('}', '').lowerAscii() : ",
    "self.lowerAscii().matches('^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$') ? 'tenantId must be in lower case: ' + self.lowerAscii() : ",
    "'tenantId must be the GUID of the customer tenant in lower case, not a domain or name. It is on the page entra.microsoft.com > Overview of the customer, or the GUID in \"issuer\" at https://login.microsoftonline.com/' + (self.matches('^[a-zA-Z0-9.-]+$') ? self : '<domain>') + '/v2.0/.well-known/openid-configuration'"
);

impl DefenderTenant {
    /// Name of the target Secret.
    #[must_use]
    pub fn target_name(&self) -> String {
        target_name(
            self.metadata.name.as_deref().unwrap_or_default(),
            &self.spec,
        )
    }
}

/// Name of the target Secret of a tenant so named.
#[must_use]
pub fn target_name(tenant_name: &str, spec: &DefenderTenantSpec) -> String {
    spec.target
        .name
        .clone()
        .unwrap_or_else(|| format!("{tenant_name}{TARGET_NAME_SUFFIX}"))
}

/// A Secret in the same namespace.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct SecretRef {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')").message("secretRef.name must be the name of a Secret: lower-case letters, digits, '-' and '.'"))]
    pub name: String,
}

/// A `DefenderApplication`.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct ApplicationRef {
    /// Name of the DefenderApplication.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')").message("applicationRef.name must be the name of a DefenderApplication: lower-case letters, digits, '-' and '.'"))]
    pub name: String,
}

/// What to do with a token that lacks some required roles.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum MissingRolePolicy {
    /// Publish it, with `RolesGranted=False`.
    #[default]
    Publish,
    /// Don't publish it; an older token that is still valid stays.
    Withhold,
}

/// An extra key in the target Secret.
#[derive(
    Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema,
)]
pub enum Format {
    /// Key `header`: `Authorization: Bearer …`, for `curl -H @file`.
    Header,
    /// Key `json`: access_token, token_type, expires_on, tenant_id and api_url.
    Json,
    /// Key `env`: dotenv text with DEFENDER_TOKEN, DEFENDER_TENANT_ID, DEFENDER_API_URL and DEFENDER_TOKEN_EXPIRES_ON.
    Env,
}

/// What happens to the Secret when its token expires and no other has come.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum ExpiredTokenPolicy {
    /// The Secret is deleted.
    #[default]
    Delete,
    /// The Secret stays, so that pods start; every key that carried the token is an empty string.
    Empty,
}

/// The Secret that holds the token.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// Name of the Secret; `<name>-defender-token` by default. It must not exist, or be this resource's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')").message("target.name must be a name that a Secret can have: lower-case letters, digits, '-' and '.'"))]
    pub name: Option<String>,

    /// Extra keys, beside `token`, `authorization`, `expires-on`, `tenant-id` and `api-url`.
    #[serde(default)]
    #[schemars(length(max = 3))]
    #[x_kube(merge_strategy = kube::core::ListMerge::Set)]
    pub formats: Vec<Format>,

    /// Labels for the Secret; only keys that the operator's --target-metadata-allow lists are set.
    #[serde(default)]
    #[schemars(extend(
        "maxProperties" = 16,
        "additionalProperties" = {
            "type": "string",
            "maxLength": 63,
            "x-kubernetes-validations": [{
                "rule": "self.matches('^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$')",
                "message": "a label's value has at most 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends",
            }],
        },
    ))]
    #[x_kube(
        validation = Rule::new("self.all(k, !k.matches('^([^/]*[.])?(kubernetes[.]io|k8s[.]io|defendertenant[.]io|reloader[.]stakater[.]com)/'))").message("labels of kubernetes.io, k8s.io, defendertenant.io and reloader.stakater.com are reserved: remove them"),
    )]
    pub labels: BTreeMap<String, String>,

    /// Annotations for the Secret; only keys that the operator's --target-metadata-allow lists are set.
    #[serde(default)]
    #[schemars(extend("maxProperties" = 16, "additionalProperties" = {"type": "string", "maxLength": 4096}))]
    #[x_kube(
        validation = Rule::new("self.all(k, !k.matches('^([^/]*[.])?(kubernetes[.]io|k8s[.]io|defendertenant[.]io|reloader[.]stakater[.]com)/'))").message("annotations of kubernetes.io, k8s.io, defendertenant.io and reloader.stakater.com are reserved: remove them"),
    )]
    pub annotations: BTreeMap<String, String>,

    /// What happens when the token expires and no other has come.
    #[serde(default)]
    pub expired_token_policy: ExpiredTokenPolicy,
}

/// When the token is renewed.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Refresh {
    /// What the Secret's token has left at the least, in seconds.
    #[serde(default = "default_min_remaining")]
    #[x_kube(validation = Rule::new("self >= 5 && self <= 43200").message("minRemainingSeconds must be from 5 to 43200 (12 hours)"))]
    pub min_remaining_seconds: i32,
}

impl Default for Refresh {
    fn default() -> Self {
        Self {
            min_remaining_seconds: default_min_remaining(),
        }
    }
}

/// Ten minutes: more than a mounted volume's delay and a consumer's longest call together.
const fn default_min_remaining() -> i32 {
    600
}

/// Whether the operator tries the token.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum Probe {
    /// Never.
    #[default]
    Never,
    /// After the first token, and after each change of the spec or of the token's roles.
    OnChange,
    /// As OnChange, and once a day.
    Daily,
}
