//! A running emulator and clients for it.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra_emulator::{Config, Emulator, Options};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Method, Proxy, RequestBuilder, Response, StatusCode};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

pub const TENANT: &str = "6b1f0f3e-5c0a-4d9b-9a43-0d5f5a1c7e10";
pub const CLIENT: &str = "0c4f3a52-9d1b-4c3e-8f57-2a6b9e1d4f88";
pub const SECRET: &str = "canary~Secret.value";
pub const AUDIENCE: &str = "https://api.securitycenter.microsoft.com";
pub const SCOPE: &str = "https://api.securitycenter.microsoft.com/.default";
pub const LOGIN: &str = "https://login.microsoftonline.com";
pub const API: &str = "https://api.security.microsoft.com";

/// An emulator, a client that reaches Microsoft through it, and one for the control API.
pub struct Bed {
    pub emulator: Emulator,
    pub client: Client,
    pub control: Client,
    /// Where the CA file lies; gone when the bed is.
    _directory: TempDir,
}

/// A status and a JSON body.
pub type Answer = (u16, Value);

impl Bed {
    pub async fn empty() -> Self {
        Self::with_config(json!({})).await
    }

    /// With `CLIENT`, `SECRET`, and `TENANT` that granted it these roles.
    pub async fn granting(roles: &[&str]) -> Self {
        Self::with_config(json!({
            "applications": {CLIENT: {"secrets": [SECRET]}},
            "tenants": {TENANT: {"consents": {CLIENT: roles}}},
        }))
        .await
    }

    pub async fn new() -> Self {
        Self::granting(&["Alert.Read.All", "Machine.Read.All"]).await
    }

    pub async fn with_config(config: Value) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let options = Options {
            config: Some(Config::from_json(config.to_string())),
            ..Options::on_free_ports(directory.path().join("ca.crt"))
        };
        let emulator = entra_emulator::start(options).await.unwrap();
        let client = client(&emulator, false);
        let control = control_client();
        Self {
            emulator,
            client,
            control,
            _directory: directory,
        }
    }

    pub fn control_request(&self, method: Method, path: &str) -> RequestBuilder {
        self.control
            .request(method, format!("http://{}{path}", self.emulator.control()))
    }

    /// A control call that must succeed.
    pub async fn put(&self, path: &str, body: Value) {
        let response = self
            .control_request(Method::PUT, path)
            .json(&body)
            .send()
            .await
            .unwrap();
        assert_eq!(
            response.status(),
            StatusCode::NO_CONTENT,
            "{}",
            response.text().await.unwrap()
        );
    }

    pub async fn put_tenant(&self, body: Value) {
        self.put(&format!("/v1/tenants/{TENANT}"), body).await;
    }

    pub async fn put_application(&self, body: Value) {
        self.put(&format!("/v1/applications/{CLIENT}"), body).await;
    }

    /// Adds a fault for one request.
    pub async fn fault_once(&self, fault: Value) {
        self.fault(json!({"times": 1, "fault": fault})).await;
    }

    pub async fn fault(&self, body: Value) -> String {
        let request = self.control_request(Method::POST, "/v1/faults").json(&body);
        let (status, body) = answer(request.send().await.unwrap()).await;
        assert_eq!(status, 201, "{body}");
        body["id"].as_str().unwrap().to_owned()
    }

    pub async fn get_control(&self, path: &str) -> Value {
        let (status, body) = answer(
            self.control_request(Method::GET, path)
                .send()
                .await
                .unwrap(),
        )
        .await;
        assert_eq!(status, 200, "{body}");
        body
    }

    pub async fn journal(&self) -> Vec<Value> {
        self.get_control("/v1/journal").await["entries"]
            .as_array()
            .unwrap()
            .clone()
    }

    /// Posts a form to a token endpoint.
    pub async fn post_form(&self, url: &str, form: &[(&str, &str)]) -> Response {
        self.client.post(url).form(form).send().await.unwrap()
    }

    /// A token request that has everything right except for these parameters; an empty value leaves one out.
    pub async fn ask_with(&self, host: &str, tenant: &str, changes: &[(&str, &str)]) -> Answer {
        answer(
            self.post_form(&token_url(host, tenant), &form(changes))
                .await,
        )
        .await
    }

    pub async fn ask(&self) -> Answer {
        self.ask_with(LOGIN, TENANT, &[]).await
    }

    /// An access token.
    pub async fn token(&self) -> String {
        let (status, body) = self.ask().await;
        assert_eq!(status, 200, "{body}");
        body["access_token"].as_str().unwrap().to_owned()
    }

    /// An access token for a resource, whose address this is.
    pub async fn token_for(&self, host: &str, resource: &str) -> String {
        let scope = format!("{resource}/.default");
        let (status, body) = self.ask_with(host, TENANT, &[("scope", &scope)]).await;
        assert_eq!(status, 200, "{body}");
        body["access_token"].as_str().unwrap().to_owned()
    }

    pub async fn post_api(&self, url: &str, token: &str, body: &Value) -> Answer {
        let request = self.client.post(url).bearer_auth(token).json(body);
        answer(request.send().await.unwrap()).await
    }

    pub async fn get_api(&self, url: &str, token: &str) -> Answer {
        answer(
            self.client
                .get(url)
                .bearer_auth(token)
                .send()
                .await
                .unwrap(),
        )
        .await
    }
}

pub fn token_url(host: &str, tenant: &str) -> String {
    format!("{host}/{tenant}/oauth2/v2.0/token")
}

/// A good v2 form with changes; an empty value leaves a parameter out.
pub fn form<'a>(changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let good = [
        ("grant_type", "client_credentials"),
        ("client_id", CLIENT),
        ("client_secret", SECRET),
        ("scope", SCOPE),
    ];
    let kept = good
        .into_iter()
        .filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    kept.chain(changes.iter().copied())
        .filter(|(_, value)| !value.is_empty())
        .collect()
}

pub fn client(emulator: &Emulator, http1: bool) -> Client {
    client_of(&emulator.proxy().to_string(), emulator.ca_file(), http1)
}

/// A client of the control port.
pub fn control_client() -> Client {
    crypto();
    Client::builder().no_proxy().build().unwrap()
}

/// Tests of the program start no emulator in this process, which would have done this.
fn crypto() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// A client that knows a proxy and a CA, and nothing else of the emulator.
pub fn client_of(proxy: &str, ca_file: &Path, http1: bool) -> Client {
    let builder = builder_of(proxy, ca_file);
    let builder = if http1 { builder.http1_only() } else { builder };
    builder.build().unwrap()
}

/// A client that shows where it is sent instead of going there.
pub fn browser(emulator: &Emulator) -> Client {
    builder_of(&emulator.proxy().to_string(), emulator.ca_file())
        .redirect(Policy::none())
        .build()
        .unwrap()
}

fn builder_of(proxy: &str, ca_file: &Path) -> ClientBuilder {
    crypto();
    let ca = std::fs::read(ca_file).unwrap();
    Client::builder()
        .proxy(Proxy::https(format!("http://{proxy}")).unwrap())
        .tls_certs_only([reqwest::Certificate::from_pem(&ca).unwrap()])
}

pub async fn answer(response: Response) -> Answer {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (
        status,
        serde_json::from_str(&text).unwrap_or(Value::String(text)),
    )
}

/// A token's claims.
pub fn claims(token: &str) -> Map<String, Value> {
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

pub fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}
