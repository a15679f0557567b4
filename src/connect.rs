//! How the programs reach the API server and Microsoft: the operator, its doctor and its smoke test alike.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::client::AuthError;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError, LoadDataError};
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
    let bad = |error: &KubeconfigError| NoCluster(fault(error));
    let text = |text: &str| NoCluster(text.to_owned());
    let kubeconfig = match kubeconfig {
        Some(path) => Some(Kubeconfig::read_from(path).map_err(|error| bad(&error))?),
        // A broken one must not end in another cluster.
        None if std::env::var_os("KUBECONFIG").is_some_and(|value| !value.is_empty()) => Some(
            Kubeconfig::read()
                .map_err(|error| NoCluster(format!("KUBECONFIG: {}", fault(&error))))?,
        ),
        None => Kubeconfig::read().ok(),
    };
    let mut config = match kubeconfig {
        Some(kubeconfig) => {
            let proxy = proxy_of(&kubeconfig).map(|url| url.parse()).transpose();
            let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
                .await
                .map_err(|error| bad(&error))?;
            // HTTPS_PROXY is for Microsoft's hosts: only the kubeconfig itself can name one for the API server.
            config.proxy_url = proxy.map_err(|_| text("proxy-url isn't a URL"))?;
            config
        }
        None => Config::incluster().map_err(|_| {
            text("no kubeconfig (--kubeconfig, KUBECONFIG, ~/.kube/config), and not in a pod with a service account")
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
    Client::try_from(config).map_err(|error| NoCluster(failure(&error)))
}

/// What is wrong with a kubeconfig. No text of the error's: it may quote what stands there, a token in the wrong place
/// among it.
fn fault(error: &KubeconfigError) -> String {
    use KubeconfigError as E;
    let load = |what: &str, error: &LoadDataError| match error {
        LoadDataError::ReadFile(io, path) => {
            format!("the {what} {} can't be read: {}", path.display(), io.kind())
        }
        LoadDataError::DecodeBase64(_) => format!("the {what} isn't base64"),
        LoadDataError::NoBase64DataOrFile => format!("there is no {what}"),
    };
    match error {
        E::CurrentContextNotSet => "the kubeconfig has no current-context".to_owned(),
        E::KindMismatch | E::ApiVersionMismatch => {
            "the kubeconfigs are of different kinds or versions".to_owned()
        }
        E::LoadContext(_) => "the kubeconfig has no such context as its current-context".to_owned(),
        E::LoadClusterOfContext(_) => "the kubeconfig hasn't got its context's cluster".to_owned(),
        E::FindPath => "there is no kubeconfig".to_owned(),
        E::ReadConfig(io, path) => {
            format!(
                "the kubeconfig {} can't be read: {}",
                path.display(),
                io.kind()
            )
        }
        E::Parse(error) => {
            let place = error.location().map(|at| format!(" (line {})", at.line()));
            let place = place.unwrap_or_default();
            format!("the kubeconfig isn't one: it is no YAML, or a value has the wrong type{place}")
        }
        E::MissingClusterUrl => "the kubeconfig's cluster has no server".to_owned(),
        E::ParseClusterUrl(_) => "the kubeconfig's server isn't a URL".to_owned(),
        E::ParseProxyUrl(_) => "the kubeconfig's proxy-url isn't a URL".to_owned(),
        E::LoadCertificateAuthority(error) => load("certificate authority", error),
        E::LoadClientCertificate(error) => load("client certificate", error),
        E::LoadClientKey(error) => load("client key", error),
        E::ParseCertificates(_) => "the certificate authority isn't PEM".to_owned(),
        E::ParseNoProxy(_) => "NO_PROXY can't be read".to_owned(),
    }
}

/// Why the API server gave no answer, or which status. No text of the error's: it may hold what a login program wrote.
#[must_use]
pub fn failure(error: &kube::Error) -> String {
    if let kube::Error::Api(status) = error {
        return format!("status {} {}", status.code, status.reason);
    }
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(auth) = error.downcast_ref::<AuthError>() {
            return login(auth).to_owned();
        }
        if error.is::<rustls::Error>() {
            return "TLS fails: is the certificate authority the kubeconfig's?".to_owned();
        }
        if let Some(io) = error.downcast_ref::<std::io::Error>()
            && io.get_ref().is_none()
        {
            return format!("no connection: {}", io.kind());
        }
        cause = error.source();
    }
    if let kube::Error::InferKubeconfig(error) = error {
        return fault(error);
    }
    match error {
        kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) => "it doesn't answer in JSON",
        kube::Error::InferConfig(_) => "the kubeconfig can't be used",
        kube::Error::ProxyProtocolUnsupported { .. }
        | kube::Error::ProxyProtocolDisabled { .. } => "proxy-url isn't http://HOST:PORT",
        kube::Error::RustlsTls(_) | kube::Error::TlsRequired => {
            "the kubeconfig's certificates can't be used"
        }
        _ => "no answer",
    }
    .to_owned()
}

const fn login(error: &AuthError) -> &'static str {
    match error {
        AuthError::AuthExecStart(_) => "the kubeconfig's login program can't be started",
        AuthError::AuthExecRun { .. } => "the kubeconfig's login program failed",
        AuthError::AuthExecParse(_) | AuthError::AuthExec(_) | AuthError::ExecPluginFailed => {
            "the kubeconfig's login program gives no credential"
        }
        AuthError::ReadTokenFile(..) => "the kubeconfig's token file can't be read",
        AuthError::InvalidBearerToken(_) | AuthError::InvalidBasicAuth(_) => {
            "the kubeconfig's token or password can't be sent"
        }
        _ => "the kubeconfig's login fails",
    }
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

#[cfg(test)]
mod tests;
