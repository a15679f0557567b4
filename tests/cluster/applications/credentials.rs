//! Two credentials, one after the other: a rotation costs no refresh, and a bad one is one failure, not one a customer.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::ListParams;
use serde_json::json;

use crate::support::{CLIENT, Lab, Patience, Setup, condition, guid, run};

const ROLES: &[&str] = &["Alert.Read.All"];

/// Tried in this order.
fn two() -> serde_json::Value {
    json!([
        {"name": "current", "clientSecret": {"secretRef": {"name": "current"}}},
        {"name": "next", "clientSecret": {"secretRef": {"name": "next"}}},
    ])
}

/// Secrets of the lab that must not be found anywhere.
fn secret(lab: &Lab, name: &str) -> String {
    let secret = format!("{}~{name}", lab.secret);
    lab.guard(&secret);
    secret
}

async fn lab(name: &str, namespaces: &[&'static str]) -> Lab {
    let setup = Setup {
        more_namespaces: namespaces.to_vec(),
        ..Setup::default()
    };
    let lab = Lab::of_applications(name, setup).await;
    lab.home_credential("current", &secret(&lab, "current"))
        .await;
    lab.home_credential("next", &secret(&lab, "next")).await;
    let all: Vec<String> = [""]
        .iter()
        .chain(namespaces)
        .map(|ns| {
            if ns.is_empty() {
                lab.ns.clone()
            } else {
                lab.namespace(ns)
            }
        })
        .collect();
    lab.application(
        "soc-reader",
        json!({
            "credentials": two(),
            "grants": [{"namespaces": {"names": all}, "allTenants": true}],
        }),
    )
    .await;
    lab
}

async fn in_use(lab: &Lab, name: &str) {
    lab.eventually(&format!("{name} is in use"), async || {
        let application = lab.applications().get("soc-reader").await.ok()?;
        (application.status?.credential_in_use? == name).then_some(())
    })
    .await;
}

/// Waits until the condition Ready of every tenant of these namespaces is so.
async fn all_are(lab: &Lab, namespaces: &[String], what: &str, is: impl Fn(&Condition) -> bool) {
    for ns in namespaces {
        lab.eventually(&format!("all of {ns} are {what}"), async || {
            let list = lab.tenants_in(ns).list(&ListParams::default()).await.ok()?;
            let so = |tenant| condition(tenant, "Ready").is_some_and(&is);
            list.items.iter().all(so).then_some(())
        })
        .await;
    }
}

#[test]
fn the_next_credential_steps_in_for_a_refused_one_in_the_very_same_refresh() {
    run(async {
        let lab = lab("rotate", &[]).await;
        let (current, next) = (secret(&lab, "current"), secret(&lab, "next"));
        lab.emulator
            .application(CLIENT, &[json!(current), json!(next)])
            .await;
        for n in 1..=2 {
            lab.emulator.consented(&guid(n), CLIENT, ROLES).await;
        }
        lab.granted(
            &lab.ns,
            "contoso",
            "soc-reader",
            json!({"tenantId": guid(1)}),
        )
        .await;
        let before = lab
            .ready("contoso")
            .await
            .status
            .expect("a status")
            .token
            .expect("a token");
        in_use(&lab, "current").await;
        assert_eq!(lab.emulator.token_requests(&guid(1)).await.len(), 1);

        // The current one expires at Microsoft.
        let expired = json!({"value": current, "expires": "2026-01-01T00:00:00Z"});
        lab.emulator
            .application(CLIENT, &[expired, json!(next)])
            .await;
        lab.force("contoso", "now").await;
        let after = lab
            .until("contoso", "a newer token", Patience::default(), |tenant| {
                let token = tenant
                    .status
                    .as_ref()
                    .and_then(|status| status.token.as_ref());
                token.is_some_and(|token| token.issued_at.0 > before.issued_at.0)
            })
            .await;
        let ready = condition(&after, "Ready").expect("Ready");
        assert_eq!((&*ready.status, &*ready.reason), ("True", "TokenPublished"));
        let asked: Vec<String> = lab
            .emulator
            .token_requests(&guid(1))
            .await
            .into_iter()
            .map(|e| e.outcome)
            .collect();
        assert_eq!(
            asked,
            ["ok", "AADSTS7000222", "ok"],
            "one request more, and no more"
        );
        in_use(&lab, "next").await;
        let said = lab
            .application_says("soc-reader", "CredentialReady", "True", "Usable")
            .await;
        assert!(
            said.contains("current") && said.contains("expired"),
            "{said}"
        );
        assert!(
            lab.events("contoso").await.is_empty(),
            "nobody had anything to notice"
        );

        // Whoever comes now doesn't try the refused one.
        lab.granted(
            &lab.ns,
            "fabrikam",
            "soc-reader",
            json!({"tenantId": guid(2)}),
        )
        .await;
        lab.ready("fabrikam").await;
        assert_eq!(lab.emulator.token_requests(&guid(2)).await.len(), 1);

        // The new credential takes the first place: one request proves it, and it is in use again.
        let newest = secret(&lab, "newest");
        lab.emulator
            .application(CLIENT, &[json!(newest), json!(next)])
            .await;
        lab.home_credential("current", &newest).await;
        in_use(&lab, "current").await;
        lab.eventually("the proof", async || {
            let metric = lab.operator.lines("mint");
            metric
                .iter()
                .any(|line| line["why"] == "proof" && line["outcome"] == "ok")
                .then_some(())
        })
        .await;
        let (journal, _) = lab.settled().await;
        assert_eq!(
            journal.iter().filter(|e| e.kind == "token").count(),
            5,
            "nobody else minted"
        );
        lab.finish().await;
    });
}

#[test]
fn two_refused_credentials_are_one_failure_each_and_everybody_is_told_once() {
    run(async {
        let lab = lab("bothbad", &["blue", "red", "green"]).await;
        lab.emulator.application(CLIENT, &[json!("neither")]).await;
        let namespaces = [
            lab.ns.clone(),
            lab.namespace("blue"),
            lab.namespace("red"),
            lab.namespace("green"),
        ];
        let ids: Vec<String> = (1..=40).map(guid).collect();
        lab.emulator.fleet(&ids, CLIENT, ROLES).await;
        for (n, id) in ids.iter().enumerate() {
            lab.granted(
                &namespaces[n % 4],
                &format!("t{n}"),
                "soc-reader",
                json!({"tenantId": id}),
            )
            .await;
        }
        all_are(&lab, &namespaces, "told", |ready| {
            ready.reason == "CredentialRejected"
        })
        .await;
        lab.application_says("soc-reader", "Ready", "False", "CredentialRejected")
            .await;
        let asked = lab.emulator.all_token_requests().await.len();
        assert!(
            asked <= 4,
            "one probe a credential and a step, not one a tenant: {asked}"
        );
        let (_, requests) = lab.settled().await;
        let statuses = requests
            .iter()
            .filter(|request| request.resource == "defendertenants/status")
            .count();
        assert!(
            (40..=48).contains(&statuses),
            "everybody is told once, who probes sees it again: {statuses}"
        );

        let (current, next) = (secret(&lab, "current"), secret(&lab, "next"));
        lab.emulator
            .application(CLIENT, &[json!(next), json!(format!("{current}~2"))])
            .await;
        lab.guard(&format!("{current}~2"));
        lab.home_credential("current", &format!("{current}~2"))
            .await;
        all_are(&lab, &namespaces, "well", |ready| ready.status == "True").await;
        in_use(&lab, "current").await;
        lab.finish().await;
    });
}

#[test]
fn a_credential_that_cannot_be_used_is_said_on_the_application_and_on_its_tenants() {
    run(async {
        let lab = Lab::of_applications("unusable", Setup::default()).await;
        lab.emulator.consented(&guid(1), CLIENT, ROLES).await;
        let grants = json!([{"namespaces": {"names": [lab.ns]}, "allTenants": true}]);
        lab.application("soc-reader", json!({"grants": grants}))
            .await;
        lab.granted(
            &lab.ns,
            "contoso",
            "soc-reader",
            json!({"tenantId": guid(1)}),
        )
        .await;
        lab.application_says("soc-reader", "Ready", "False", "CredentialSecretNotFound")
            .await;
        lab.reason("contoso", "False", "CredentialSecretNotFound")
            .await;
        // Without the label it is nobody's credential.
        lab.secret_in(
            &lab.home(),
            "partner",
            json!({}),
            &[("client-secret", &lab.secret)],
        )
        .await;
        lab.eventually("the label is missed", async || {
            // A look counts for a few seconds.
            lab.force("contoso", &uuid::Uuid::new_v4().to_string())
                .await;
            let tenant = lab.tenants().get("contoso").await.ok()?;
            let reason = &condition(&tenant, "Ready")?.reason;
            (reason == "CredentialSecretNotLabelled").then_some(())
        })
        .await;
        // Another application's.
        let labels = json!({"defendertenant.io/credential": "true"});
        let keys = [("client-id", &*guid(77)), ("client-secret", &*lab.secret)];
        lab.secret_in(&lab.home(), "partner", labels.clone(), &keys)
            .await;
        lab.reason("contoso", "False", "CredentialMalformed").await;
        let said = lab
            .application_says(
                "soc-reader",
                "CredentialReady",
                "False",
                "CredentialMalformed",
            )
            .await;
        assert!(said.contains("client-id"), "{said}");
        assert_eq!(lab.emulator.all_token_requests().await.len(), 0);
        let keys = [("client-id", CLIENT), ("client-secret", &*lab.secret)];
        lab.secret_in(&lab.home(), "partner", labels, &keys).await;
        lab.ready("contoso").await;
        lab.application_says("soc-reader", "Ready", "True", "Available")
            .await;
        lab.application_says(
            "soc-reader",
            "CredentialExpiring",
            "Unknown",
            "ExpiryNotDeclared",
        )
        .await;
        lab.finish().await;
    });
}

#[test]
fn a_new_credential_that_is_not_known_everywhere_yet_comes_into_use_by_itself() {
    run(async {
        let lab = lab("propagate", &[]).await;
        let (current, next) = (secret(&lab, "current"), secret(&lab, "next"));
        lab.emulator
            .application(CLIENT, &[json!(current), json!(next)])
            .await;
        lab.emulator.consented(&guid(1), CLIENT, ROLES).await;
        lab.granted(
            &lab.ns,
            "contoso",
            "soc-reader",
            json!({"tenantId": guid(1)}),
        )
        .await;
        lab.ready("contoso").await;
        // A new secret in the first place, which Microsoft knows twelve seconds later.
        let newest = secret(&lab, "newest");
        let late = json!({"value": newest, "visibleAfterSeconds": 12});
        lab.emulator.application(CLIENT, &[late, json!(next)]).await;
        lab.home_credential("current", &newest).await;
        in_use(&lab, "next").await;
        in_use(&lab, "current").await;
        let tenant = lab.ready("contoso").await;
        let ready = condition(&tenant, "Ready").expect("Ready");
        assert_eq!((&*ready.status, &*ready.reason), ("True", "TokenPublished"));
        let whys: Vec<String> = lab
            .operator
            .lines("mint")
            .iter()
            .map(|line| {
                format!(
                    "{} {}",
                    line["why"].as_str().unwrap_or_default(),
                    line["outcome"].as_str().unwrap_or_default()
                )
            })
            .collect();
        assert!(
            whys.len() <= 5 && whys[1..].iter().all(|why| why.starts_with("proof")),
            "{whys:?}"
        );
        lab.finish().await;
    });
}
