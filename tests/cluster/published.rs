//! The main job: a customer who consented has a live token in a Secret.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};

use crate::support::{CLIENT, Lab, Setup, condition, guid, key, run};

/// The claims of the token in a Secret.
pub fn claims(secret: &Secret) -> Value {
    let token = key(secret, "token").expect("a token");
    let payload = token.split('.').nth(1).expect("three parts").to_owned();
    let bytes = URL_SAFE_NO_PAD.decode(payload).expect("base64url");
    serde_json::from_slice(&bytes).expect("JSON")
}

pub fn keys(secret: &Secret) -> BTreeSet<String> {
    secret
        .data
        .iter()
        .flat_map(|data| data.keys().cloned())
        .collect()
}

pub fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn the_secret_is_opaque_owned_and_says_what_a_restart_must_know() {
    run(async {
        let lab = Lab::new("shape").await;
        lab.emulator
            .consented(&guid(1), CLIENT, &["Alert.Read.All"])
            .await;
        lab.tenant("contoso", json!({"tenantId": guid(1)})).await;
        let tenant = lab.reason("contoso", "True", "TokenPublished").await;
        let uid = tenant.metadata.uid.clone().expect("a uid");
        let secret = lab.target("contoso").await.expect("the Secret");
        assert_eq!(secret.type_.as_deref(), Some("Opaque"));
        let owners = secret.metadata.owner_references.clone().expect("an owner");
        let [owner] = owners.as_slice() else {
            panic!("one owner: {owners:?}")
        };
        assert_eq!(
            (
                owner.api_version.as_str(),
                owner.kind.as_str(),
                owner.name.as_str(),
                owner.uid.as_str(),
                owner.controller
            ),
            (
                "defendertenant.io/v1alpha1",
                "DefenderTenant",
                "contoso",
                uid.as_str(),
                Some(true)
            )
        );
        let labels = secret.metadata.labels.clone().expect("labels");
        assert_eq!(
            labels.keys().collect::<Vec<_>>(),
            ["defendertenant.io/bucket"]
        );
        assert_eq!(labels["defendertenant.io/bucket"].len(), 2);
        let annotations = secret.metadata.annotations.clone().expect("annotations");
        let names: Vec<_> = annotations.keys().map(String::as_str).collect();
        let ours = [
            "credential-fingerprint",
            "digest",
            "expires-at",
            "issued-at",
            "mint-inputs",
            "owner-uid",
            "refresh-at",
        ];
        let mut expected: Vec<String> = ours
            .iter()
            .map(|name| format!("defendertenant.io/{name}"))
            .collect();
        expected.push("reloader.stakater.com/ignore".to_owned());
        assert_eq!(names, expected);
        assert_eq!(annotations["defendertenant.io/owner-uid"], uid);
        let status = tenant.status.as_ref().expect("a status");
        let target = status.target.as_ref().expect("a target");
        assert_eq!(target.name, "contoso-defender-token");
        assert_eq!(target.resource_version, secret.metadata.resource_version);
        let of = |type_| condition(&tenant, type_).map(|c| (c.status.clone(), c.reason.clone()));
        let yes = |reason: &str| Some(("True".to_owned(), reason.to_owned()));
        assert_eq!(of("Ready"), yes("TokenPublished"));
        assert_eq!(of("CredentialReady"), yes("Usable"));
        assert_eq!(of("ConsentGranted"), yes("Consented"));
        assert_eq!(of("RolesGranted"), yes("Granted"));
        assert_eq!((of("Reconciling"), of("Stalled")), (None, None));
        assert!(
            lab.events("contoso").await.is_empty(),
            "a first success is no Event"
        );
        let trail = lab.operator.lines("mint");
        assert_eq!(trail.len(), 1, "one line a mint");
        for (name, value) in [
            ("name", "contoso"),
            ("client_id", CLIENT),
            ("outcome", "ok"),
            ("why", "no_token"),
        ] {
            assert_eq!(trail[0][name], value, "{}", trail[0]);
        }
        let denied: Vec<_> = lab
            .requests()
            .into_iter()
            .filter(|request| request.code == 403)
            .collect();
        assert!(
            denied.is_empty(),
            "the manifest grants what is needed: {denied:?}"
        );
        lab.delete("contoso").await;
        lab.eventually("the Secret goes with its owner", async || {
            lab.target("contoso").await.is_none().then_some(())
        })
        .await;
        lab.finish().await;
    });
}

#[test]
fn extra_formats_come_and_go_without_a_mint() {
    run(async {
        let lab = Lab::new("formats").await;
        lab.emulator
            .consented(&guid(1), CLIENT, &["Alert.Read.All"])
            .await;
        let spec = json!({"tenantId": guid(1), "region": "eu", "target": {"formats": ["Header", "Json", "Env"]}});
        lab.tenant("contoso", spec).await;
        lab.reason("contoso", "True", "TokenPublished").await;
        let secret = lab.target("contoso").await.expect("the Secret");
        let of = |name| key(&secret, name).expect("the key");
        let (token, expires, url) = (
            of("token"),
            of("expires-on"),
            "https://eu.api.security.microsoft.com",
        );
        assert_eq!(of("header"), format!("Authorization: Bearer {token}"));
        let json: Value = serde_json::from_str(&of("json")).expect("JSON");
        let id = guid(1);
        assert_eq!(
            json,
            json!({"access_token": token, "token_type": "Bearer", "expires_on": expires, "tenant_id": id, "api_url": url})
        );
        assert_eq!(
            of("env"),
            format!(
                "DEFENDER_TOKEN={token}\nDEFENDER_TENANT_ID={id}\nDEFENDER_API_URL={url}\nDEFENDER_TOKEN_EXPIRES_ON={expires}\n"
            )
        );
        lab.change(
            "contoso",
            json!({"target": {"formats": []}, "region": "us"}),
        )
        .await;
        let secret = lab
            .eventually("the extra keys go", async || {
                let secret = lab.target("contoso").await?;
                (keys(&secret).len() == 5).then_some(secret)
            })
            .await;
        assert_eq!(key(&secret, "token"), Some(token), "the same token");
        assert_eq!(
            key(&secret, "api-url").as_deref(),
            Some("https://us.api.security.microsoft.com")
        );
        let (journal, _) = lab.settled().await;
        assert_eq!(journal.len(), 1, "one mint for all of it");
        lab.finish().await;
    });
}

#[test]
fn only_allowed_labels_and_annotations_reach_the_secret() {
    run(async {
        let args = ["--target-metadata-allow", "team,example.com/cost"]
            .map(str::to_owned)
            .into();
        let lab = Lab::with(
            "metadata",
            Setup {
                args,
                ..Setup::default()
            },
        )
        .await;
        lab.emulator
            .consented(&guid(1), CLIENT, &["Alert.Read.All"])
            .await;
        let wanted = json!({"team": "soc", "argocd/instance": "x"});
        let notes = json!({"example.com/cost": "4711", "sealedsecrets/managed": "true"});
        lab.tenant(
            "contoso",
            json!({"tenantId": guid(1), "target": {"labels": wanted, "annotations": notes}}),
        )
        .await;
        lab.reason("contoso", "True", "TokenPublished").await;
        let secret = lab.target("contoso").await.expect("the Secret");
        let labels = secret.metadata.labels.expect("labels");
        assert_eq!(
            labels.keys().collect::<Vec<_>>(),
            ["defendertenant.io/bucket", "team"]
        );
        let annotations = secret.metadata.annotations.expect("annotations");
        assert_eq!(
            annotations.get("example.com/cost").map(String::as_str),
            Some("4711")
        );
        assert!(!annotations.contains_key("sealedsecrets/managed"));
        let note = lab
            .eventually("it is told", async || {
                let events = lab.events("contoso").await;
                events
                    .into_iter()
                    .find(|(reason, _)| reason == "TargetMetadataDenied")
            })
            .await;
        assert!(
            note.1.contains("argocd/instance") && note.1.contains("sealedsecrets/managed"),
            "{}",
            note.1
        );
        lab.finish().await;
    });
}
