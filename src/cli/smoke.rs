//! Flags of `smoke-test`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args};
use secrecy::SecretString;

use super::{namespace, secret};
use crate::core::ids::{ApplicationId, TenantId};

/// What to try.
#[derive(Debug, Clone, Args)]
#[command(group(ArgGroup::new("credential").required(true).args(["application_secret", "secret_ref"])))]
pub struct SmokeTest {
    /// Namespace where the DefenderTenant is made.
    #[arg(long, env = "DTO_NAMESPACE", value_name = "NAMESPACE", value_parser = namespace)]
    pub namespace: String,

    /// A customer that has consented, with Alert.Read.All.
    #[arg(long, env = "DTO_TENANT_ID", value_name = "GUID")]
    pub tenant_id: TenantId,

    /// Secret of the operator's namespace with the application's client secret: a DefenderApplication is made of it.
    #[arg(
        long,
        env = "DTO_APPLICATION_SECRET",
        value_name = "NAME",
        requires = "client_id"
    )]
    pub application_secret: Option<String>,

    /// The application, beside --application-secret.
    #[arg(
        long,
        env = "DTO_CLIENT_ID",
        value_name = "GUID",
        requires = "application_secret",
        conflicts_with = "secret_ref"
    )]
    pub client_id: Option<ApplicationId>,

    /// Credential Secret of the namespace, for a tenant without an application.
    #[arg(long, env = "DTO_SECRET_REF_NAME", value_name = "NAME")]
    pub secret_ref: Option<String>,

    /// How long the tenant may take to become Ready; 540 at the most.
    #[arg(long, env = "DTO_TIMEOUT", default_value = "120", value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=540))]
    pub timeout: u32,

    /// Kubeconfig to use; by default KUBECONFIG, ~/.kube/config, or the pod's service account.
    #[arg(long, env = "DTO_KUBECONFIG", value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,

    /// CONNECT proxy for Microsoft's hosts; by default HTTPS_PROXY, with NO_PROXY.
    #[arg(long, env = "DTO_HTTPS_PROXY", value_name = "URL", hide_env_values = true, value_parser = secret)]
    pub https_proxy: Option<SecretString>,

    /// PEM file with certificate authorities to trust for Microsoft's hosts, beside the system's.
    #[arg(long, env = "DTO_CA_BUNDLE", value_name = "FILE")]
    pub ca_bundle: Option<PathBuf>,
}

impl SmokeTest {
    /// How long the tenant may take.
    #[must_use]
    pub fn patience(&self) -> Duration {
        Duration::from_secs(u64::from(self.timeout))
    }
}
