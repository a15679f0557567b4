//! Flags of `doctor`: those of `run` that decide what there is to look at, with the same variables.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use secrecy::SecretString;

use super::{SecretRef, lease_name, namespace, secret, shards};

/// How the report looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For a person.
    Text,
    /// For a program.
    Json,
}

/// Settings of the checks. Give those that the operator has.
#[derive(Debug, Clone, Args)]
pub struct Doctor {
    /// How the report looks.
    #[arg(
        long,
        env = "DTO_OUTPUT",
        default_value = "text",
        value_name = "text|json"
    )]
    pub output: Output,

    /// Kubeconfig to use; by default KUBECONFIG, ~/.kube/config, or the pod's service account.
    #[arg(long, env = "DTO_KUBECONFIG", value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,

    /// Namespaces that the operator watches, comma-separated; all by default.
    #[arg(long, env = "DTO_WATCH_NAMESPACES", value_delimiter = ',', value_name = "NAMESPACE,…", value_parser = namespace)]
    pub watch_namespaces: Vec<String>,

    /// The operator's own namespace; by default the pod's (POD_NAMESPACE).
    #[arg(long, env = "DTO_OPERATOR_NAMESPACE", value_name = "NAMESPACE", value_parser = namespace)]
    pub operator_namespace: Option<String>,

    /// Whether tenants may bring a credential of their own namespace (secretRef), or use applications only.
    #[arg(
        long,
        env = "DTO_SECRET_REF",
        default_value = "allow",
        value_name = "allow|deny"
    )]
    pub secret_ref: SecretRef,

    /// The operator lets a DefenderApplication grant namespaces by label.
    #[arg(long, env = "DTO_ALLOW_NAMESPACE_SELECTORS", default_value = "false", value_name = "true|false", num_args = 0..=1, default_missing_value = "true", require_equals = true, action = clap::ArgAction::Set)]
    pub allow_namespace_selectors: bool,

    /// Name of the operator's Leases, without the number that follows it.
    #[arg(long, env = "DTO_LEASE_NAME", default_value = "defender-tenant-operator", value_name = "NAME", value_parser = lease_name)]
    pub lease_name: String,

    /// How many processes of the operator share the tenants.
    #[arg(long, env = "DTO_SHARDS", default_value = "1", value_name = "N", value_parser = shards())]
    pub shards: u32,

    /// The operator has been started: a Lease that isn't there yet is a problem, not a warning.
    #[arg(long, env = "DTO_EXPECT_LEADER", default_value = "false", value_name = "true|false", num_args = 0..=1, default_missing_value = "true", require_equals = true, action = clap::ArgAction::Set)]
    pub expect_leader: bool,

    /// CONNECT proxy for Microsoft's hosts; by default HTTPS_PROXY, with NO_PROXY.
    #[arg(long, env = "DTO_HTTPS_PROXY", value_name = "URL", hide_env_values = true, value_parser = secret)]
    pub https_proxy: Option<SecretString>,

    /// PEM file with certificate authorities to trust for Microsoft's hosts, beside the system's.
    #[arg(long, env = "DTO_CA_BUNDLE", value_name = "FILE")]
    pub ca_bundle: Option<PathBuf>,

    /// File with the operator's own service account token; by default AZURE_FEDERATED_TOKEN_FILE.
    #[arg(long, env = "DTO_FEDERATED_TOKEN_FILE", value_name = "FILE")]
    pub federated_token_file: Option<PathBuf>,
}
