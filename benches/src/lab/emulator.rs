//! The emulator's process and its control port.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use devcluster::DevCluster;
use http::{Method, header};
use hyper::body::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::process::{Process, command, first_line};
use crate::Result;
use crate::wire::{Place, Wire};

/// Customers in one request; a body may have a megabyte.
const BATCH: usize = 2000;

/// Microsoft, in a process of its own.
pub struct Emulator {
    process: Process,
    ports: Ports,
    control: Wire,
}

#[derive(Deserialize)]
struct Ports {
    proxy: SocketAddr,
    control: SocketAddr,
    ca: PathBuf,
}

impl Emulator {
    /// Starts one on free ports.
    pub fn start(cluster: &DevCluster, program: &Path, folder: &Path) -> Result<Self> {
        let mut command = command(cluster, program);
        for port in ["--listen", "--proxy", "--control"] {
            command.args([port, "127.0.0.1:0"]);
        }
        command
            .arg("--ca-file")
            .arg(folder.join("emulator-ca.crt"))
            .env("RUST_LOG", "warn")
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(folder.join("emulator.log"))?);
        let mut child = command.spawn()?;
        let line = first_line(&mut child)?;
        let ports: Ports = serde_json::from_str(&line)?;
        let place = Place {
            address: Some(ports.control),
            proxy: None,
            authority: ports.control.to_string(),
            tls: None,
        };
        let headers = [(header::CONTENT_TYPE, "application/json")];
        Ok(Self {
            process: Process::new(child),
            control: Wire::new(place, false, &headers)?,
            ports,
        })
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Its CONNECT proxy.
    pub fn proxy(&self) -> SocketAddr {
        self.ports.proxy
    }

    /// Its CA's certificate.
    pub fn ca_file(&self) -> &Path {
        &self.ports.ca
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Bytes> {
        let text = body.map(Value::to_string).unwrap_or_default();
        let path = format!("/v1/{path}");
        let answer = self
            .control
            .send(method, &path, &[], Bytes::from(text))
            .await?;
        Ok(answer
            .ok()
            .map_err(|error| format!("emulator {path}: {error}"))?
            .body)
    }

    /// The application has this secret, and no other.
    pub async fn application(&self, client: &str, secret: &str) -> Result<()> {
        let body = json!({"secrets": [secret]});
        let path = format!("applications/{client}");
        self.ask(Method::PUT, &path, Some(&body)).await.map(drop)
    }

    /// These customers have consented to a role.
    pub async fn customers(&self, client: &str, ids: &[String]) -> Result<()> {
        for batch in ids.chunks(BATCH) {
            let fleet: Vec<Value> = batch
                .iter()
                .map(|id| json!({"tenantId": id, "consents": {client: ["Alert.Read.All"]}}))
                .collect();
            self.ask(Method::PUT, "tenants", Some(&json!(fleet)))
                .await?;
        }
        Ok(())
    }

    /// Tokens minted from now on live so many seconds; as Entra chooses without.
    pub async fn lifetime(&self, seconds: Option<u32>) -> Result<()> {
        let body = json!({"lifetimeSeconds": seconds});
        self.ask(Method::PUT, "tokens", Some(&body)).await.map(drop)
    }

    /// A fault for one customer's token requests, until it is removed.
    pub async fn fault(&self, tenant: &str, fault: &Value) -> Result<()> {
        let body = json!({"match": {"tenant": tenant, "endpoint": "token"}, "fault": fault});
        self.ask(Method::POST, "faults", Some(&body))
            .await
            .map(drop)
    }

    /// Removes all faults.
    pub async fn clear_faults(&self) -> Result<()> {
        self.ask(Method::DELETE, "faults", None).await.map(drop)
    }

    /// Token requests since its start, whatever came of them.
    pub async fn token_requests(&self) -> Result<u64> {
        let counters: Value =
            serde_json::from_slice(&self.ask(Method::GET, "counters", None).await?)?;
        let outcomes = counters["token"].as_object();
        Ok(outcomes.map_or(0, |all| all.values().filter_map(Value::as_u64).sum()))
    }

    /// Empties the journal.
    pub async fn forget(&self) -> Result<()> {
        self.ask(Method::DELETE, "journal", None).await.map(drop)
    }
}
