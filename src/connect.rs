//! How the programs reach the API server and Microsoft: the operator, its doctor and its smoke test alike.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use reqwest::header::HeaderValue;
use secrecy::SecretString;

use crate::entra::http::{ProxyChoice, Settings};

/// An API server that doesn't answer the handshake within this is away.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A list or a watch that says nothing for so long is dead: the API server ends a watch after 290 s, and sends a
/// bookmark each minute.
const READ_TIMEOUT: Duration = Duration::from_mins(5);

/// There is no way to the cluster.
#[derive(Debug, thiserror::Error)]
#[error("no way to reach a cluster: {0}")]
pub struct NoCluster(String);

/// How Microsoft's hosts are reached, by these flags and the environment.
#[must_use]
pub fn microsoft(https_proxy: Option<SecretString>, ca_bundle: Option<PathBuf>) -> Settings {
    Settings {
        proxy: ProxyChoice::new(https_proxy, |name| std::env::var(name).ok()),
        ca_bundle,
        ..Settings::default()
    }
}

/// A client for the kubeconfig, else for `KUBECONFIG`, `~/.kube/config` or the pod's service account.
pub async fn kube_client(kubeconfig: Option<&Path>) -> Result<Client, NoCluster> {
    let bad = |error: &dyn std::fmt::Display| NoCluster(error.to_string());
    let kubeconfig = match kubeconfig {
        Some(path) => Some(Kubeconfig::read_from(path).map_err(|error| bad(&error))?),
        // A broken one must not end in another cluster.
        None if std::env::var_os("KUBECONFIG").is_some_and(|value| !value.is_empty()) => {
            Some(Kubeconfig::read().map_err(|error| bad(&format!("KUBECONFIG: {error}")))?)
        }
        None => Kubeconfig::read().ok(),
    };
    let mut config = match kubeconfig {
        Some(kubeconfig) => {
            let proxy = proxy_of(&kubeconfig).map(|url| url.parse()).transpose();
            let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
                .await
                .map_err(|error| bad(&error))?;
            // HTTPS_PROXY is for Microsoft's hosts: only the kubeconfig itself can name one for the API server.
            config.proxy_url = proxy.map_err(|_| bad(&"proxy-url isn't a URL"))?;
            config
        }
        None => Config::incluster().map_err(|error| {
            bad(&format!("no kubeconfig (--kubeconfig, KUBECONFIG, ~/.kube/config), and not in a pod: {error}"))
        })?,
    };
    // Retries are the queue's business; each request has a time-out of its own.
    config.default_retry = false;
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.read_timeout = Some(READ_TIMEOUT);
    config.reset_reader_on_write = true;
    let agent = HeaderValue::from_static(concat!(
        "defender-tenant-operator/",
        env!("CARGO_PKG_VERSION")
    ));
    config.headers.push((reqwest::header::USER_AGENT, agent));
    Client::try_from(config).map_err(|error| bad(&error))
}

/// `proxy-url` of the current context's cluster.
fn proxy_of(kubeconfig: &Kubeconfig) -> Option<String> {
    let current = kubeconfig.current_context.as_ref()?;
    let context = kubeconfig
        .contexts
        .iter()
        .find(|context| context.name == *current)?
        .context
        .as_ref()?;
    let cluster = kubeconfig
        .clusters
        .iter()
        .find(|cluster| cluster.name == context.cluster)?
        .cluster
        .as_ref()?;
    cluster.proxy_url.clone().filter(|url| !url.is_empty())
}
