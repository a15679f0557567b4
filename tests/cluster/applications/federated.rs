//! The operator's own service account token as an application's credential.

use std::path::PathBuf;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::{CLIENT, Identity, Lab, Patience, Setup, condition, guid, run};

/// A file that comes back is used within a minute.
const MINUTE: Patience = Patience::seconds(60);

/// A lab whose operator has a token file, with one customer who consented.
struct Bench {
    lab: Lab,
    issuer: Identity,
    file: PathBuf,
    _folder: tempfile::TempDir,
}

impl Bench {
    async fn new(name: &str) -> Self {
        Self::with(name, Setup::default()).await
    }

    async fn with(name: &str, setup: Setup) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("token");
        let flag = ["--federated-token-file", &file.to_string_lossy()].map(str::to_owned);
        let setup = Setup {
            args: flag.into(),
            ..setup
        };
        let lab = Lab::of_applications(name, setup).await;
        lab.emulator
            .consented(&guid(1), CLIENT, &["Alert.Read.All"])
            .await;
        Self {
            lab,
            issuer: Identity::new(0),
            file,
            _folder: folder,
        }
    }

    /// As the kubelet renews it.
    fn renew(&self, changes: Value) {
        let token = self.issuer.token(Timestamp::now().as_second(), changes);
        self.lab
            .guard(token.rsplit('.').next().expect("a signature"));
        let next = self.file.with_extension("next");
        std::fs::write(&next, token).expect("a file");
        std::fs::rename(next, &self.file).expect("renamed");
    }

    /// The application trusts this cluster's tokens, with other fields if wanted.
    async fn trusted(&self, changes: Value) {
        let path = format!("applications/{CLIENT}");
        let federated = self.issuer.federated(changes);
        self.lab
            .emulator
            .put(&path, &json!({"federated": [federated]}))
            .await;
    }

    async fn granted(&self, credentials: Value) {
        let lab = &self.lab;
        lab.application(
            "soc-reader",
            json!({"credentials": credentials, "grants": [{"namespaces": {"names": [lab.ns]}, "tenantIds": [guid(1)]}]}),
        )
        .await;
        lab.granted(
            &lab.ns,
            "contoso",
            "soc-reader",
            json!({"tenantId": guid(1)}),
        )
        .await;
    }

    async fn message(&self, ready: &str, reason: &str) -> String {
        let seen = self.lab.reason("contoso", ready, reason).await;
        let credential = condition(&seen, "CredentialReady").expect("CredentialReady");
        assert_eq!(credential.status, "False");
        credential.message.clone()
    }

    async fn outcomes(&self) -> Vec<String> {
        let requests = self.lab.emulator.all_token_requests().await;
        requests
            .into_iter()
            .map(|request| request.outcome)
            .collect()
    }

    async fn forced(&self, value: &str) {
        self.lab
            .until("contoso", "the forced mint", MINUTE, |tenant| {
                tenant
                    .status
                    .as_ref()
                    .is_some_and(|status| status.handled_refresh_request.as_deref() == Some(value))
            })
            .await;
    }
}

fn alone() -> Value {
    json!([{"name": "federated", "workloadIdentity": {}}])
}

#[test]
fn the_token_file_is_read_for_each_mint_and_one_that_comes_back_is_used() {
    run(async {
        let bench = Bench::new("federated").await;
        let lab = &bench.lab;
        bench.trusted(json!({})).await;
        bench.granted(alone()).await;
        // Nobody has mounted it yet.
        let message = bench.message("False", "CredentialMalformed").await;
        let path = bench.file.to_string_lossy();
        assert!(
            message.contains(&format!("{path}: there is no such file")),
            "{message}"
        );
        assert!(message.contains("api://AzureADTokenExchange"), "{message}");
        lab.application_says(
            "soc-reader",
            "CredentialReady",
            "False",
            "CredentialMalformed",
        )
        .await;
        assert_eq!(bench.outcomes().await, Vec::<String>::new());

        bench.renew(json!({}));
        lab.until("contoso", "a token", MINUTE, |tenant| {
            condition(tenant, "Ready").is_some_and(|c| c.reason == "TokenPublished")
        })
        .await;
        let before = lab.token("contoso").await;

        // It went away: the token that is there stays, and is renewed as soon as the file is back.
        std::fs::remove_file(&bench.file).expect("removed");
        tokio::time::sleep(std::time::Duration::from_secs(6)).await;
        lab.force("contoso", "now").await;
        bench.message("True", "CredentialMalformed").await;
        assert_eq!(lab.token("contoso").await, before);
        bench.renew(json!({}));
        bench.forced("now").await;
        assert_ne!(lab.token("contoso").await, before);
        assert_eq!(bench.outcomes().await, ["ok", "ok"]);
        bench.lab.finish().await;
    });
}

#[test]
fn a_token_that_microsoft_refuses_is_shown_by_issuer_subject_and_audience() {
    run(async {
        let setup = Setup {
            no_operator: true,
            ..Setup::default()
        };
        let mut bench = Bench::with("mismatch", setup).await;
        bench.renew(json!({}));
        bench
            .trusted(json!({"subject": "system:serviceaccount:other:operator"}))
            .await;
        bench.granted(alone()).await;
        // There before the operator: nobody saw it change, so that it isn't a fresh one.
        bench.lab.start().await;
        let message = bench.message("False", "FederationMismatch").await;
        let shown = "issuer https://oidc.example/cluster, subject system:serviceaccount:defender-tenant-operator:defender-tenant-operator, audience api://AzureADTokenExchange";
        assert!(message.contains(shown), "{message}");
        assert_eq!(bench.outcomes().await, ["AADSTS700213"]);
        bench.lab.finish().await;
    });
}

#[test]
fn without_a_token_the_application_s_other_credential_is_used() {
    run(async {
        let bench = Bench::new("fallback").await;
        let lab = &bench.lab;
        lab.home_credential("partner", &lab.secret).await;
        bench
            .granted(json!([
                {"name": "federated", "workloadIdentity": {}},
                {"name": "secret", "clientSecret": {"secretRef": {"name": "partner"}}},
            ]))
            .await;
        lab.ready("contoso").await;
        assert_eq!(bench.outcomes().await, ["ok"]);
        let message = lab
            .application_says("soc-reader", "CredentialReady", "True", "Usable")
            .await;
        assert!(message.starts_with("secret is used."), "{message}");
        assert!(message.contains("there is no such file"), "{message}");
        bench.lab.finish().await;
    });
}
