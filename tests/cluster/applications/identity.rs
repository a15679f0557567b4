//! The cluster's own service account token, as its API server signs it, exchanged for a customer's token.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{CLIENT, Lab, Patience, Setup, condition, guid, rbac, run};

/// Microsoft's convention.
const AUDIENCE: &str = "api://AzureADTokenExchange";
/// A file that comes is used within a minute.
const MINUTE: Patience = Patience::seconds(60);

/// What the API server says of itself.
async fn raw(lab: &Lab, path: &str) -> Value {
    let request = http::Request::get(path)
        .body(Vec::new())
        .expect("a request");
    let text = lab.arena.admin.request_text(request).await;
    serde_json::from_str(&text.expect("an answer")).expect("JSON")
}

/// Puts another token of the operator's account into the file, as the kubelet does.
async fn renew(lab: &Lab, file: &Path) -> String {
    let token = rbac::token_for(&lab.arena.admin, &lab.home(), rbac::ACCOUNT, &[AUDIENCE]).await;
    lab.guard(token.rsplit('.').next().expect("a signature"));
    let next = file.with_extension("next");
    std::fs::write(&next, &token).expect("a file");
    std::fs::rename(next, file).expect("renamed");
    token
}

/// The application trusts this subject, in the words of this cluster's issuer.
async fn trusted(lab: &Lab, subject: &str) -> String {
    let issuer = raw(lab, "/.well-known/openid-configuration").await["issuer"].take();
    let federated = json!({
        "issuer": issuer, "subject": subject, "audience": AUDIENCE,
        "jwks": raw(lab, "/openid/v1/jwks").await,
    });
    let path = format!("applications/{CLIENT}");
    let body = json!({"federated": [federated]});
    lab.emulator.put(&path, &body).await;
    issuer.as_str().expect("an issuer").to_owned()
}

async fn contoso(lab: &Lab) {
    lab.emulator
        .consented(&guid(1), CLIENT, &["Alert.Read.All"])
        .await;
    lab.application(
        "soc-reader",
        json!({
            "credentials": [{"name": "federated", "workloadIdentity": {}}],
            "grants": [{"namespaces": {"names": [lab.ns]}, "tenantIds": [guid(1)]}],
        }),
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

async fn outcomes(lab: &Lab) -> Vec<String> {
    let requests = lab.emulator.all_token_requests().await;
    requests.into_iter().map(|one| one.outcome).collect()
}

/// A lab whose operator isn't started, and has this token file.
async fn lab(name: &str, file: &Path) -> Lab {
    let flag = ["--federated-token-file", &file.to_string_lossy()].map(str::to_owned);
    let setup = Setup {
        args: flag.into(),
        no_operator: true,
        ..Setup::default()
    };
    Lab::of_applications(name, setup).await
}

#[test]
fn a_token_that_the_api_server_signed_is_exchanged_and_so_is_its_successor() {
    run(async {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("token");
        let mut lab = lab("realtoken", &file).await;
        let subject = format!("system:serviceaccount:{}:{}", lab.home(), rbac::ACCOUNT);
        trusted(&lab, &subject).await;
        let first = renew(&lab, &file).await;
        lab.start().await;
        contoso(&lab).await;
        lab.reason("contoso", "True", "TokenPublished").await;
        lab.application_says("soc-reader", "CredentialReady", "True", "Usable")
            .await;
        let before = lab.token("contoso").await.expect("a token");
        let answer = lab
            .call("https://api.security.microsoft.com/api/alerts", &before)
            .await;
        assert_eq!(answer, 200);

        let second = renew(&lab, &file).await;
        assert_ne!(first, second);
        lab.force("contoso", "rotated").await;
        lab.until("contoso", "the forced mint", MINUTE, |tenant| {
            tenant
                .status
                .as_ref()
                .is_some_and(|status| status.handled_refresh_request.as_deref() == Some("rotated"))
        })
        .await;
        lab.reason("contoso", "True", "TokenPublished").await;
        assert_ne!(lab.token("contoso").await, Some(before));
        assert_eq!(outcomes(&lab).await, ["ok", "ok"]);
        lab.finish().await;
    });
}

#[test]
fn a_token_of_an_account_that_is_not_trusted_is_refused_and_shown() {
    run(async {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("token");
        let mut lab = lab("othertoken", &file).await;
        let other = format!("system:serviceaccount:{}:default", lab.ns);
        let issuer = trusted(&lab, &other).await;
        renew(&lab, &file).await;
        lab.start().await;
        contoso(&lab).await;
        let seen = lab.reason("contoso", "False", "FederationMismatch").await;
        let message = &condition(&seen, "CredentialReady").expect("one").message;
        let shown = format!(
            "issuer {issuer}, subject system:serviceaccount:{}:{}, audience {AUDIENCE}",
            lab.home(),
            rbac::ACCOUNT
        );
        assert!(message.contains(&shown), "{message}");
        assert_eq!(outcomes(&lab).await, ["AADSTS700213"]);
        lab.finish().await;
    });
}
