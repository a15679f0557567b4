//! `DefenderApplication`: the partner's application, its credentials, and who may use it for which customers.

#![allow(
    clippy::duplicated_attributes,
    reason = "each column has a type, and some the same"
)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::algorithm::Algorithm;
use super::cloud::{DefenderApi, EntraCloud};
use super::spec::SecretRef;

/// The partner's application in one Entra cloud: its credentials, and which namespaces may use it for which customers.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "defendertenant.io",
    version = "v1alpha1",
    kind = "DefenderApplication",
    plural = "defenderapplications",
    singular = "defenderapplication",
    shortname = "dapp",
    category = "defender",
    status = "DefenderApplicationStatus",
    derive = "PartialEq",
    doc = "A security partner's Microsoft Entra application: its credentials (Secrets in the operator's namespace, or the operator's own workload identity), and which namespaces may use it for which customers. Without a grant nobody may.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Whether the application can be used"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        description = "Why, or why not"
    ),
    printcolumn(
        name = "Client",
        type_ = "string",
        json_path = ".spec.clientId",
        description = "Application (client) id"
    ),
    printcolumn(
        name = "Credential",
        type_ = "string",
        json_path = ".status.credentialInUse",
        description = "The credential that new tokens are minted with"
    ),
    printcolumn(
        name = "Expiring",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"CredentialExpiring\")].status",
        description = "Whether a credential expires within 30 days"
    ),
    printcolumn(
        name = "Suspended",
        type_ = "boolean",
        json_path = ".spec.suspend",
        description = "Whether nothing is minted"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    printcolumn(
        name = "Cloud",
        type_ = "string",
        json_path = ".spec.entraCloud",
        description = "The Entra cloud that it is registered in",
        priority = 1
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        description = "What to do",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.homeTenantId) || self.homeTenantId.matches('^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$')").message("homeTenantId must be a GUID in lower case: the tenant that the application is registered in").field_path(".homeTenantId").reason(Reason::FieldValueInvalid),
)]
pub struct DefenderApplicationSpec {
    /// Application (client) id of the registration: a GUID in lower case. Changing it mints every token anew.
    #[schemars(length(max = 64))]
    #[x_kube(
        validation = Rule::new("self.matches('^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$') && self != '00000000-0000-0000-0000-000000000000'").message("clientId must be the application (client) id, a GUID in lower case: it is on the page entra.microsoft.com > App registrations > the application > Overview"),
    )]
    pub client_id: String,

    /// The Entra cloud that the application is registered in: Public (customers in Commercial and GCC) or USGovernment
    /// (GCCHigh and DoD). A registration exists in one cloud only.
    #[serde(default)]
    #[x_kube(validation = Rule::new("self == oldSelf").message("entraCloud can't be changed: a registration lives in one Entra cloud; create another DefenderApplication for the other one").reason(Reason::FieldValueForbidden))]
    pub entra_cloud: EntraCloud,

    /// One credential, or two while one replaces the other. The first that works is used.
    #[schemars(length(min = 1, max = 2))]
    #[x_kube(
        merge_strategy = kube::core::ListMerge::Map(vec!["name".into()]),
        validation = Rule::new("self.filter(c, has(c.workloadIdentity)).size() <= 1").message("there is one workload identity, the operator's own: remove one of the two"),
    )]
    pub credentials: Vec<ApplicationCredential>,

    /// Which namespaces may use the application for which customers. What isn't granted here is denied.
    #[serde(default)]
    #[schemars(length(max = 512))]
    #[x_kube(
        merge_strategy = kube::core::ListMerge::Atomic,
        validation = Rule::new("self.map(g, size(g.tenantIds)).sum() <= 5000").message("all grants of one DefenderApplication together may name 5000 tenants: use allTenants, or a second DefenderApplication of the same clientId"),
        validation = Rule::new("self.map(g, size(g.namespaces.names)).sum() <= 5000").message("all grants of one DefenderApplication together may name 5000 namespaces: use a selector, or a second DefenderApplication of the same clientId"),
    )]
    pub grants: Vec<Grant>,

    /// The partner's own tenant, where the application is registered. allTenants never includes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = 64))]
    pub home_tenant_id: Option<String>,

    /// How customers consent.
    #[serde(default)]
    pub consent: Consent,

    /// Application roles that the tokens of customers must carry whose DefenderTenant lists none itself.
    #[serde(default)]
    #[schemars(length(max = 64), inner(length(min = 1, max = 128)))]
    #[x_kube(
        merge_strategy = kube::core::ListMerge::Set,
        validation = Rule::new("self.all(r, r.matches('^[A-Za-z][A-Za-z0-9]*([.][A-Za-z0-9]+)*$'))").message("a role is a name such as Alert.Read.All (the value of the roles claim): letters, digits and dots"),
    )]
    pub required_roles: Vec<String>,

    /// Kill switch: nothing is minted for any customer of this application.
    #[serde(default)]
    pub suspend: bool,

    /// What happens to the token Secrets while suspended: they stay until their tokens expire (Keep), or are deleted at
    /// once (Delete), as in an incident.
    #[serde(default)]
    pub suspended_secrets: SuspendedSecrets,
}

/// What happens to token Secrets while the application is suspended.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum SuspendedSecrets {
    /// They stay until their tokens expire.
    #[default]
    Keep,
    /// They are deleted at once.
    Delete,
}

/// A credential of the application: exactly one of clientSecret, certificate and workloadIdentity.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("[has(self.clientSecret), has(self.certificate), has(self.workloadIdentity)].filter(x, x).size() == 1").message("a credential is exactly one of clientSecret, certificate and workloadIdentity"),
)]
pub struct ApplicationCredential {
    /// Its name here, `y2026` say.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')").message("a credential's name has lower-case letters, digits and '-'"))]
    pub name: String,

    /// A Secret of the operator's namespace with the key client-secret, labelled `defendertenant.io/credential: "true"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "SecretCredential")]
    pub client_secret: Option<SecretCredential>,

    /// A Secret of the operator's namespace with the keys tls.crt and tls.key, labelled
    /// `defendertenant.io/credential: "true"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "CertificateCredential")]
    pub certificate: Option<CertificateCredential>,

    /// The operator's own service account token (--federated-token-file), exchanged by a federated credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "WorkloadIdentity")]
    pub workload_identity: Option<WorkloadIdentity>,

    /// When it expires, to be warned 30 days ahead. A certificate says so itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Time")]
    pub expires_at: Option<Time>,
}

/// A client secret.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretCredential {
    /// A Secret in the operator's namespace.
    pub secret_ref: SecretRef,
}

/// A certificate and its key.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CertificateCredential {
    /// A Secret in the operator's namespace.
    pub secret_ref: SecretRef,
    /// How assertions are signed. RS256 is for registrations that refuse PS256.
    #[serde(default)]
    pub algorithm: Algorithm,
}

/// The operator's own identity; nothing to set.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub struct WorkloadIdentity {}

impl ApplicationCredential {
    /// Name of its Secret in the operator's namespace, if it has one.
    #[must_use]
    pub fn secret_name(&self) -> Option<&str> {
        let secret = self.client_secret.as_ref().map(|c| &c.secret_ref);
        let certificate = self.certificate.as_ref().map(|c| &c.secret_ref);
        secret.or(certificate).map(|secret| secret.name.as_str())
    }
}

/// Which namespaces may use the application for which customers and APIs.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(size(self.tenantIds) > 0) != self.allTenants").message("a grant names tenantIds, or sets allTenants: true, and not both"),
    validation = Rule::new("!(self.allTenants && has(self.namespaces.selector))").message("allTenants and namespaces.selector can't go together: whoever may label a namespace could reach every customer; list the namespaces by name"),
)]
pub struct Grant {
    /// The namespaces.
    pub namespaces: GrantedNamespaces,

    /// The customers: Entra tenant ids, GUIDs in lower case.
    #[serde(default)]
    #[schemars(
        length(max = 10000),
        inner(
            length(min = 36, max = 36),
            regex(pattern = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")
        )
    )]
    #[x_kube(merge_strategy = kube::core::ListMerge::Atomic)]
    pub tenant_ids: Vec<String>,

    /// Every customer, except homeTenantId.
    #[serde(default)]
    pub all_tenants: bool,

    /// The APIs.
    #[serde(default = "endpoint_alone")]
    #[schemars(length(min = 1, max = 3))]
    #[x_kube(merge_strategy = kube::core::ListMerge::Set)]
    pub apis: Vec<DefenderApi>,
}

fn endpoint_alone() -> Vec<DefenderApi> {
    vec![DefenderApi::Endpoint]
}

/// Namespaces by name, by label, or both.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("size(self.names) > 0 || has(self.selector)").message("namespaces needs names, or a selector"),
    validation = Rule::new("!has(self.selector) || (has(self.selector.matchLabels) && size(self.selector.matchLabels) > 0) || (has(self.selector.matchExpressions) && size(self.selector.matchExpressions) > 0)").message("an empty selector would select every namespace: give it matchLabels or matchExpressions"),
)]
pub struct GrantedNamespaces {
    /// By name.
    #[serde(default)]
    #[schemars(
        length(max = 5000),
        inner(
            length(min = 1, max = 63),
            regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
        )
    )]
    #[x_kube(merge_strategy = kube::core::ListMerge::Atomic)]
    pub names: Vec<String>,

    /// By label; only where the operator runs with --allow-namespace-selectors, because whoever may label a namespace
    /// may then grant himself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "LabelSelector")]
    pub selector: Option<LabelSelector>,
}

/// How customers consent.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Consent {
    /// Where the consent page sends the customer's administrator afterwards: a redirect URI of the registration.
    /// Without one, consent links have the form that needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = 2048))]
    #[x_kube(validation = Rule::new("self.matches('^(https://[!-~]+|http://localhost([:/][!-~]*)?)$')").message("redirectUri must be a URI that is registered on the application: https://, or http://localhost"))]
    pub redirect_uri: Option<String>,
}

/// What the operator last saw.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct DefenderApplicationStatus {
    /// The generation that this status speaks of; -1 before the operator has seen the resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i64")]
    pub observed_generation: Option<i64>,

    /// Ready, CredentialReady, CredentialExpiring and RolesConfigured; Reconciling and Stalled only while true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,

    /// Name of the credential that new tokens are minted with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub credential_in_use: Option<String>,

    /// Each credential.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2))]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["name".into()]))]
    pub credentials: Vec<CredentialStatus>,
}

/// One credential.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CredentialStatus {
    /// Its name in the spec.
    pub name: String,
    /// Usable, or why not: the reasons of CredentialReady.
    pub reason: String,
    /// Hash that token Secrets and log lines know it by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub fingerprint: Option<String>,
    /// When it expires, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Time")]
    pub expires_at: Option<Time>,
}
