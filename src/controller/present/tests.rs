use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use kube::{Client, Config};
use serde_json::{Value, json};

use super::*;
use crate::controller::context::{Clock, Parts};
use crate::controller::{Events, KubeApi};
use crate::core::credential::certificate_tests::credential;
use crate::core::gathered::{Policy, SecretRefPolicy};
use crate::core::testing::{AUDIENCE, CLIENT, LOGIN, TENANT};
use crate::defender::probe::Prober;
use crate::entra::client::TokenClient;
use crate::entra::discovery::DiscoveryClient;
use crate::entra::federated::TokenFile;
use crate::entra::http::{self, ProxyChoice, Settings};
use crate::lease::Leadership;
use crate::metrics::Metrics;

/// Each time that somebody asks for the time, the kubelet has renewed the file, as long as it does.
struct Kubelet {
    file: PathBuf,
    renewals: usize,
    asked: AtomicUsize,
}

impl Clock for Kubelet {
    fn now(&self) -> Timestamp {
        let nth = self.asked.fetch_add(1, Ordering::SeqCst);
        if nth <= self.renewals {
            std::fs::write(&self.file, token(nth)).unwrap();
        }
        Timestamp::UNIX_EPOCH
    }
}

/// The n-th token, which nobody has signed.
fn token(nth: usize) -> String {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({"iss": "i", "sub": nth.to_string(), "aud": "a"});
    format!("{}.{}.c2ln", part(json!({"alg": "RS256"})), part(claims))
}

/// How the emulator answered a mint with this credential, when it was to answer 700024 so many times.
async fn outcomes(credential: &Credential, renewals: usize, faults: u32) -> Vec<String> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let options = entra_emulator::Options::on_free_ports(folder.path().join("ca.crt"));
    let emulator = entra_emulator::start(options).await.unwrap();
    let control = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .build()
        .unwrap();
    let url = |path: &str| format!("http://{}/v1/{path}", emulator.control());
    for (path, body) in [
        (
            format!("applications/{CLIENT}"),
            json!({"secrets": ["s~1"]}),
        ),
        (
            format!("tenants/{TENANT}"),
            json!({"consents": {CLIENT: []}}),
        ),
    ] {
        control.put(url(&path)).json(&body).send().await.unwrap();
    }
    let fault = json!({"match": {}, "times": faults, "fault": {"aadsts": 700_024}});
    control
        .post(url("faults"))
        .json(&fault)
        .send()
        .await
        .unwrap();

    // Nobody listens there.
    let kube = Client::try_from(Config::new("http://127.0.0.1:1".parse().unwrap())).unwrap();
    let proxy = ProxyChoice::Through {
        url: format!("http://{}", emulator.proxy()).into(),
        except: None,
    };
    let microsoft = http::build(&Settings {
        proxy,
        ca_bundle: Some(emulator.ca_file().to_owned()),
        ..Settings::default()
    })
    .unwrap();
    let metrics = Metrics::new();
    let file = folder.path().join("token");
    let ctx = Context::new(Parts {
        shards: crate::controller::shards::Shards::new(1, false),
        leadership: Leadership::for_good(),
        kube: KubeApi::new(kube.clone(), metrics.clone(), Leadership::for_good()),
        entra: TokenClient::new(microsoft.clone()),
        discovery: DiscoveryClient::new(microsoft.clone()),
        federated: TokenFile::new(Some(file.clone()), None),
        prober: Prober::new(microsoft, reqwest::header::HeaderValue::from_static("test")),
        events: Events::new(kube, None, Leadership::for_good()),
        metrics,
        clock: Arc::new(Kubelet {
            file,
            renewals,
            asked: AtomicUsize::new(0),
        }),
        policy: Policy {
            refresh_margin: SignedDuration::ZERO,
            target_metadata_allow: Vec::new(),
            secret_ref: SecretRefPolicy::Allow,
            namespace_selectors: false,
        },
        operator_namespace: None,
        serves_cluster: true,
        entra_rate: 1.0,
    });
    let purpose = Purpose {
        login: LOGIN,
        tenant: TENANT.parse().unwrap(),
        application: CLIENT.parse().unwrap(),
    };
    let answer = ask_microsoft(&ctx, credential, purpose, AUDIENCE).await;
    assert!(answer.is_some_and(|answer| answer.is_err()));
    let journal = control.get(url("journal?after=0")).send().await.unwrap();
    let journal: Value = journal.json().await.unwrap();
    let entries = journal["entries"].as_array().unwrap().iter();
    entries
        .map(|entry| entry["outcome"].as_str().unwrap().to_owned())
        .collect()
}

fn federated() -> Credential {
    Credential::workload_identity(CLIENT.parse().unwrap(), None)
}

#[tokio::test]
async fn a_token_that_was_renewed_meanwhile_is_presented_once_more() {
    assert_eq!(
        outcomes(&federated(), 9, 1).await,
        ["AADSTS700024", "AADSTS70025"]
    );
}

#[tokio::test]
async fn two_are_all() {
    assert_eq!(
        outcomes(&federated(), 9, 9).await,
        ["AADSTS700024", "AADSTS700024"]
    );
}

#[tokio::test]
async fn the_same_token_is_not_presented_again() {
    assert_eq!(outcomes(&federated(), 0, 9).await, ["AADSTS700024"]);
}

#[tokio::test]
async fn neither_a_certificate_nor_another_answer_is_tried_again() {
    assert_eq!(outcomes(&credential(&[]), 9, 9).await, ["AADSTS700024"]);
    assert_eq!(outcomes(&federated(), 9, 0).await, ["AADSTS70025"]);
}
