//! The emulator with a client of its control port.

use std::path::PathBuf;

use entra_emulator::Options;
use serde::Deserialize;
use serde_json::{Value, json};

/// Microsoft, for one test.
pub struct Emulator {
    server: entra_emulator::Emulator,
    control: reqwest::Client,
}

/// One thing that the emulator was asked.
#[derive(Debug, Clone, Deserialize)]
pub struct Journaled {
    /// `token`, `api`, …
    pub kind: String,
    /// The host that was meant.
    pub host: String,
    /// The customer.
    pub tenant: Option<String>,
    /// `ok`, `AADSTSn`, `http n` or `reset`.
    pub outcome: String,
    /// When.
    pub at: jiff::Timestamp,
    /// What the caller called it.
    #[serde(rename = "correlationId")]
    pub correlation_id: Option<String>,
}

impl Emulator {
    /// On free ports.
    pub async fn start(ca_file: PathBuf) -> Self {
        let server = entra_emulator::start(Options::on_free_ports(ca_file))
            .await
            .expect("an emulator");
        // The control port is plain HTTP: no root is needed, and the machine may have none.
        let control = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([])
            .build()
            .expect("a client");
        Self { server, control }
    }

    /// `http://…` of the CONNECT proxy.
    pub fn proxy_url(&self) -> String {
        format!("http://{}", self.server.proxy())
    }

    /// The CA's certificate.
    pub fn ca_file(&self) -> &std::path::Path {
        self.server.ca_file()
    }

    /// `PUT /v1/{path}`
    pub async fn put(&self, path: &str, body: &Value) {
        let url = format!("http://{}/v1/{path}", self.server.control());
        let answer = self
            .control
            .put(url)
            .json(body)
            .send()
            .await
            .expect("an answer");
        let status = answer.status();
        assert_eq!(status, 204, "{}", answer.text().await.unwrap_or_default());
    }

    /// The application has these secrets (texts or the long form).
    pub async fn application(&self, client: &str, secrets: &[Value]) {
        self.put(
            &format!("applications/{client}"),
            &json!({"secrets": secrets}),
        )
        .await;
    }

    /// A customer with this body.
    pub async fn tenant(&self, id: &str, body: &Value) {
        self.put(&format!("tenants/{id}"), body).await;
    }

    /// A customer that consented to these roles of the application.
    pub async fn consented(&self, id: &str, client: &str, roles: &[&str]) {
        self.tenant(id, &json!({"consents": {client: roles}})).await;
    }

    /// Many such customers.
    pub async fn fleet(&self, ids: &[String], client: &str, roles: &[&str]) {
        let fleet: Vec<Value> = ids
            .iter()
            .map(|id| json!({"tenantId": id, "consents": {client: roles}}))
            .collect();
        self.put("tenants", &json!(fleet)).await;
    }

    /// Tokens minted from now on live so many seconds.
    pub async fn lifetime(&self, seconds: u64) {
        self.put("tokens", &json!({"lifetimeSeconds": seconds}))
            .await;
    }

    /// A fault for what `matching` matches, `times` or until it is removed.
    pub async fn fault(&self, matching: Value, times: Option<u32>, fault: Value) {
        let url = format!("http://{}/v1/faults", self.server.control());
        let mut body = json!({"match": matching, "fault": fault});
        if let Some(times) = times {
            body["times"] = json!(times);
        }
        let answer = self
            .control
            .post(url)
            .json(&body)
            .send()
            .await
            .expect("an answer");
        let status = answer.status();
        assert_eq!(status, 201, "{}", answer.text().await.unwrap_or_default());
    }

    /// A fault for one customer's token requests, until it is removed.
    pub async fn token_fault(&self, tenant: &str, fault: Value) {
        self.fault(json!({"tenant": tenant, "endpoint": "token"}), None, fault)
            .await;
    }

    /// Removes all faults.
    pub async fn clear_faults(&self) {
        let url = format!("http://{}/v1/faults", self.server.control());
        let answer = self.control.delete(url).send().await.expect("an answer");
        assert!(answer.status().is_success());
    }

    async fn get(&self, path: &str) -> Value {
        let url = format!("http://{}/v1/{path}", self.server.control());
        let answer = self.control.get(url).send().await.expect("an answer");
        answer.json().await.expect("JSON")
    }

    /// All that the emulator was asked.
    pub async fn journal(&self) -> Vec<Journaled> {
        let mut body = self.get("journal?after=0").await;
        serde_json::from_value(body["entries"].take()).expect("entries")
    }

    /// The token requests for one customer.
    pub async fn token_requests(&self, tenant: &str) -> Vec<Journaled> {
        let mut all = self.all_token_requests().await;
        all.retain(|entry| entry.tenant.as_deref() == Some(tenant));
        all
    }

    /// The questions where a tenant lives.
    pub async fn discoveries(&self) -> Vec<Journaled> {
        let mut all = self.journal().await;
        all.retain(|entry| entry.kind == "discovery");
        all
    }

    /// The token requests.
    pub async fn all_token_requests(&self) -> Vec<Journaled> {
        let mut all = self.journal().await;
        all.retain(|entry| entry.kind == "token");
        all
    }
}
