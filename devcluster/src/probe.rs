//! The administrator's questions to the API server while it starts.

use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::error::Error;
use crate::pki::Pki;

/// Long for a loaded machine, short enough to notice a process that is being stopped.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

#[derive(Debug, Clone)]
pub(crate) struct Probe {
    client: reqwest::Client,
    server: String,
}

impl Probe {
    pub(crate) fn new(pki: &Pki, server: &str) -> Result<Probe, Error> {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls(pki)?)
            // A proxy for the outside world doesn't know our loopback.
            .no_proxy()
            .timeout(ANSWER_WITHIN)
            .build()
            .map_err(|error| Error::Client(error.to_string()))?;
        Ok(Probe {
            client,
            server: server.to_owned(),
        })
    }

    /// Whether `path` answers 200; else what it answered instead.
    pub(crate) async fn is_ok(&self, path: &str) -> Result<(), String> {
        self.get(path).await.map(drop)
    }

    /// The object at `path`; else what was answered instead.
    pub(crate) async fn json(&self, path: &str) -> Result<serde_json::Value, String> {
        let response = self.get(path).await?;
        let text = response.text().await.map_err(|error| chain(&error))?;
        serde_json::from_str(&text).map_err(|error| format!("{path}: {error}"))
    }

    async fn get(&self, path: &str) -> Result<reqwest::Response, String> {
        let response = self
            .client
            .get(format!("{}{path}", self.server))
            .send()
            .await
            .map_err(|error| chain(&error))?;
        match response.status() {
            StatusCode::OK => Ok(response),
            status => Err(format!(
                "{path}: {status}: {}",
                response.text().await.unwrap_or_default().trim_end()
            )),
        }
    }
}

/// The provider is named here, so that no process-wide default has to be installed by, or forced on, the caller.
fn tls(pki: &Pki) -> Result<rustls::ClientConfig, Error> {
    let unfit = |error: &dyn std::error::Error| Error::Client(error.to_string());
    let certificate =
        |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|error| unfit(&error));
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(certificate(&pki.ca)?)
        .map_err(|error| unfit(&error))?;
    let key =
        PrivateKeyDer::from_pem_slice(pki.admin.key.as_bytes()).map_err(|error| unfit(&error))?;
    rustls::ClientConfig::builder_with_provider(Arc::new(
        rustls::crypto::aws_lc_rs::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .map_err(|error| unfit(&error))?
    .with_root_certificates(roots)
    .with_client_auth_cert(vec![certificate(&pki.admin.certificate)?], key)
    .map_err(|error| unfit(&error))
}

/// reqwest's own text leaves out the reason, which is in the sources.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
