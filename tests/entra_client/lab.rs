//! One emulator with one partner, and clients that reach it as they would reach Microsoft.

use std::path::PathBuf;
use std::time::Duration;

use defender_tenant_operator::api::cloud::{Cloud, DefenderApi};
use defender_tenant_operator::core::claims::{Checked, Claims, Expected, Mismatch, check};
use defender_tenant_operator::core::errors::Failure;
use defender_tenant_operator::defender::hosts;
use defender_tenant_operator::entra::client::{
    ClientCredential, Minted, TokenClient, TokenRequest,
};
use defender_tenant_operator::entra::clouds;
use defender_tenant_operator::entra::http::{self, ProxyChoice, Settings};
use entra_emulator::{Emulator, Options};
use serde_json::{Value, json};

pub const TENANT: &str = "6b1f0f3e-5c0a-4d9b-9a43-0d5f5a1c7e10";
pub const APPLICATION: &str = "0c4f3a52-9d1b-4c3e-8f57-2a6b9e1d4f88";
/// Every character that a form treats in its own way.
pub const SECRET: &str = "s3cret~&client_id=x+y %41é/?";

/// An emulator that knows [`APPLICATION`] with [`SECRET`] and a consenting [`TENANT`].
pub struct Lab {
    pub emulator: Emulator,
    control: reqwest::Client,
    _folder: tempfile::TempDir,
}

impl Lab {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = Options::on_free_ports(folder.path().join("ca.crt"));
        let emulator = entra_emulator::start(options).await.unwrap();
        // The control port is plain HTTP: no root is needed, and the machine may have none.
        let control = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([])
            .build()
            .unwrap();
        let lab = Self {
            emulator,
            control,
            _folder: folder,
        };
        lab.put(
            &format!("applications/{APPLICATION}"),
            &json!({"secrets": [SECRET]}),
        )
        .await;
        lab.tenant(json!({})).await;
        lab
    }

    /// The customer as usual, some fields replaced.
    pub async fn tenant(&self, changes: Value) {
        let mut body = json!({"consents": {APPLICATION: ["Alert.Read.All", "Machine.Read.All"]}});
        let Value::Object(changes) = changes else {
            panic!("an object")
        };
        body.as_object_mut().unwrap().extend(changes);
        self.put(&format!("tenants/{TENANT}"), &body).await;
    }

    pub async fn put(&self, path: &str, body: &Value) {
        let url = format!("http://{}/v1/{path}", self.emulator.control());
        let answer = self.control.put(url).json(body).send().await.unwrap();
        assert_eq!(answer.status(), 204, "{}", answer.text().await.unwrap());
    }

    /// The next token request (or API call) meets this fault.
    pub async fn fault(&self, endpoint: &str, fault: Value) {
        let url = format!("http://{}/v1/faults", self.emulator.control());
        let body = json!({"match": {"endpoint": endpoint}, "times": 1, "fault": fault});
        let answer = self.control.post(url).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
    }

    /// What the emulator was asked.
    pub async fn journal(&self) -> Vec<Value> {
        let url = format!("http://{}/v1/journal?after=0", self.emulator.control());
        let body: Value = self
            .control
            .get(url)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        body["entries"].as_array().unwrap().clone()
    }

    /// The emulator's counters.
    pub async fn counters(&self) -> Value {
        let url = format!("http://{}/v1/counters", self.emulator.control());
        let answer = self.control.get(url).send().await.unwrap();
        answer.json().await.unwrap()
    }

    /// How its answers went, in their order.
    pub async fn outcomes(&self) -> Vec<String> {
        let journal = self.journal().await;
        let outcome = |entry: &Value| entry["outcome"].as_str().unwrap().to_owned();
        journal.iter().map(outcome).collect()
    }

    pub fn ca(&self) -> PathBuf {
        self.emulator.ca_file().to_owned()
    }

    /// Through the emulator's proxy, trusting its CA.
    pub fn settings(&self) -> Settings {
        let url = format!("http://name:canary@{}", self.emulator.proxy());
        Settings {
            proxy: ProxyChoice::Through {
                url: url.into(),
                except: None,
            },
            ca_bundle: Some(self.ca()),
            ..Settings::default()
        }
    }

    pub fn http(&self) -> reqwest::Client {
        http::build(&self.settings()).unwrap()
    }

    pub async fn mint(&self, request: &TokenRequest) -> Result<Minted, Failure> {
        TokenClient::new(self.http()).mint(request).await
    }
}

/// What the operator asks for [`TENANT`].
pub fn request() -> TokenRequest {
    request_in(Cloud::Commercial)
}

pub fn request_in(cloud: Cloud) -> TokenRequest {
    TokenRequest {
        login: clouds::login_host(cloud),
        tenant: TENANT.parse().unwrap(),
        application: APPLICATION.parse().unwrap(),
        audience: hosts::audience(cloud, DefenderApi::Endpoint),
        credential: ClientCredential::Secret(SECRET.into()),
    }
}

/// What the operator checks before it publishes.
pub fn checked(request: &TokenRequest, minted: &Minted) -> Result<Checked, Mismatch> {
    let expected = Expected {
        tenant: request.tenant,
        audience: request.audience,
        application: request.application,
        resource_id: hosts::resource_id(DefenderApi::Endpoint),
    };
    let claims = Claims::decode(minted.answer.token.expose())?;
    check(
        &claims,
        &expected,
        minted.answer.expires_in,
        minted.received_at,
    )
}

/// `Minted` has no `Debug`, since it holds a token.
pub fn refused(outcome: Result<Minted, Failure>) -> Failure {
    outcome.err().expect("a failure, not a token")
}

/// Times out soon, and nothing else.
pub const IMPATIENT: Duration = Duration::from_millis(300);
