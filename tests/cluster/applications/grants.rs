//! Namespaces × tenants × APIs: what isn't granted is denied, and what is taken back goes.

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

use crate::support::{CLIENT, Lab, Patience, Setup, condition, eventually, guid, run};

const ROLES: &[&str] = &["Alert.Read.All"];

/// A lab with a good credential in the operator's namespace, and so many customers that consented.
async fn lab(name: &str, customers: u64, setup: Setup) -> Lab {
    let lab = Lab::of_applications(name, setup).await;
    lab.home_credential("partner", &lab.secret).await;
    for n in 1..=customers {
        lab.emulator.consented(&guid(n), CLIENT, ROLES).await;
    }
    lab
}

fn message(tenant: &defender_tenant_operator::api::DefenderTenant) -> String {
    condition(tenant, "Ready").expect("Ready").message.clone()
}

#[test]
fn what_is_granted_is_minted_and_nothing_else() {
    run(async {
        let setup = Setup {
            more_namespaces: vec!["other"],
            ..Setup::default()
        };
        let lab = lab("grant", 3, setup).await;
        lab.application(
            "soc-reader",
            json!({"grants": [
                {"namespaces": {"names": [lab.ns]}, "tenantIds": [guid(1), guid(2)]},
                {"namespaces": {"names": [lab.namespace("elsewhere")]}, "tenantIds": [guid(3)]},
            ]}),
        )
        .await;
        lab.granted(
            &lab.ns,
            "granted",
            "soc-reader",
            json!({"tenantId": guid(1)}),
        )
        .await;
        lab.granted(
            &lab.ns,
            "stranger",
            "soc-reader",
            json!({"tenantId": guid(3)}),
        )
        .await;
        lab.granted(
            &lab.ns,
            "other-api",
            "soc-reader",
            json!({"tenantId": guid(2), "api": "XDR"}),
        )
        .await;
        lab.ready("granted").await;
        let token = lab.token("granted").await.expect("a token");
        assert_eq!(
            lab.call("https://api.security.microsoft.com/api/alerts", &token)
                .await,
            200
        );

        let denied = lab.reason("stranger", "False", "NotGranted").await;
        assert!(
            message(&denied).contains("doesn't grant this namespace this tenant"),
            "{}",
            message(&denied)
        );
        let denied = lab.reason("other-api", "False", "NotGranted").await;
        assert!(
            message(&denied).contains("this API"),
            "{}",
            message(&denied)
        );
        // The very tenant that is granted, from a namespace that isn't.
        let other = lab.namespace("other");
        lab.granted(
            &other,
            "granted",
            "soc-reader",
            json!({"tenantId": guid(1)}),
        )
        .await;
        let denied = lab
            .eventually("the other namespace is told", async || {
                let tenant = lab.tenants_in(&other).get("granted").await.ok()?;
                let ready = condition(&tenant, "Ready")?.clone();
                (ready.reason == "NotGranted").then_some(ready)
            })
            .await;
        assert!(
            denied.message.contains("grants this namespace nothing"),
            "{}",
            denied.message
        );
        assert!(
            !denied.message.contains(&lab.ns),
            "it says nothing of other grants"
        );

        assert_eq!(lab.emulator.token_requests(&guid(1)).await.len(), 1);
        assert_eq!(lab.emulator.token_requests(&guid(2)).await.len(), 0);
        assert_eq!(lab.emulator.token_requests(&guid(3)).await.len(), 0);
        lab.finish().await;
    });
}

#[test]
fn a_grant_that_is_taken_back_takes_the_secret_with_it_and_no_other() {
    run(async {
        let lab = lab("withdraw", 2, Setup::default()).await;
        let grants = |ids: &[u64]| {
            let ids: Vec<String> = ids.iter().map(|n| guid(*n)).collect();
            json!({"grants": [{"namespaces": {"names": [lab.ns]}, "tenantIds": ids}]})
        };
        lab.application("soc-reader", grants(&[1, 2])).await;
        for n in 1..=2 {
            lab.granted(
                &lab.ns,
                &format!("t{n}"),
                "soc-reader",
                json!({"tenantId": guid(n)}),
            )
            .await;
            lab.ready(&format!("t{n}")).await;
        }
        let kept = lab.target("t2").await.expect("a Secret");
        lab.application("soc-reader", grants(&[2])).await;
        lab.reason("t1", "False", "NotGranted").await;
        eventually("the Secret is gone", Patience::default(), async || {
            lab.target("t1").await.is_none().then_some(())
        })
        .await;
        let tenant = lab.reason("t1", "False", "NotGranted").await;
        assert!(tenant.status.expect("a status").token.is_none());
        let still = lab.target("t2").await.expect("the other Secret");
        assert_eq!(
            still.metadata.resource_version,
            kept.metadata.resource_version
        );
        // Given again, it comes again, at once.
        lab.application("soc-reader", grants(&[1, 2])).await;
        lab.ready("t1").await;
        assert!(lab.token("t1").await.is_some());
        assert_eq!(
            lab.emulator.token_requests(&guid(2)).await.len(),
            1,
            "nobody else is concerned"
        );
        lab.finish().await;
    });
}

#[test]
fn an_application_that_is_missing_or_goes_denies_and_deletes_nothing() {
    run(async {
        let lab = lab("missing", 1, Setup::default()).await;
        lab.granted(
            &lab.ns,
            "contoso",
            "soc-reader",
            json!({"tenantId": guid(1)}),
        )
        .await;
        let young = lab.reason("contoso", "False", "ApplicationNotFound").await;
        assert!(
            condition(&young, "Reconciling").is_some(),
            "it may be on its way"
        );
        // It comes later: its tenants are served at once.
        let spec = json!({"grants": [{"namespaces": {"names": [lab.ns]}, "allTenants": true}]});
        lab.application("soc-reader", spec).await;
        lab.ready("contoso").await;
        let before = lab.target("contoso").await.expect("a Secret");

        lab.applications()
            .delete("soc-reader", &DeleteParams::default())
            .await
            .expect("deleted");
        // The token lives, and lives on.
        lab.reason("contoso", "True", "ApplicationNotFound").await;
        let after = lab.target("contoso").await.expect("the Secret stays");
        assert_eq!(before.metadata.uid, after.metadata.uid);
        assert_eq!(lab.emulator.token_requests(&guid(1)).await.len(), 1);
        lab.finish().await;
    });
}

#[test]
fn a_namespace_that_is_labelled_is_served_and_one_that_loses_the_label_is_not() {
    run(async {
        let setup = Setup {
            selectors: true,
            ..Setup::default()
        };
        let lab = lab("label", 1, setup).await;
        lab.application("soc-reader", json!({"grants": [
            {"namespaces": {"selector": {"matchLabels": {"soc": lab.ns}}}, "tenantIds": [guid(1)]},
        ]}))
        .await;
        lab.granted(
            &lab.ns,
            "contoso",
            "soc-reader",
            json!({"tenantId": guid(1)}),
        )
        .await;
        lab.reason("contoso", "False", "NotGranted").await;
        label(&lab, json!(lab.ns)).await;
        lab.ready("contoso").await;
        label(&lab, json!(null)).await;
        lab.reason("contoso", "False", "NotGranted").await;
        eventually("the Secret is gone", Patience::default(), async || {
            lab.target("contoso").await.is_none().then_some(())
        })
        .await;
        lab.finish().await;
    });
}

#[test]
fn an_operator_that_is_started_without_the_flag_renews_nothing_and_deletes_nothing() {
    run(async {
        let setup = Setup {
            selectors: true,
            ..Setup::default()
        };
        let mut lab = lab("forgotten", 1, setup).await;
        lab.application(
            "soc-reader",
            json!({"grants": [
                {"namespaces": {"selector": {"matchLabels": {"soc": lab.ns}}}, "tenantIds": [guid(1)]},
            ]}),
        )
        .await;
        label(&lab, json!(lab.ns)).await;
        lab.granted(
            &lab.ns,
            "contoso",
            "soc-reader",
            json!({"tenantId": guid(1)}),
        )
        .await;
        lab.ready("contoso").await;
        let before = lab.target("contoso").await.expect("a Secret");
        lab.operator.stop().await;
        lab.without_flag("--allow-namespace-selectors");
        lab.start().await;
        lab.operator.ready().await;
        // The token lives, and its Secret stays.
        lab.reason("contoso", "True", "NotGranted").await;
        lab.settled().await;
        let after = lab.target("contoso").await.expect("the Secret stays");
        assert_eq!(before.metadata.uid, after.metadata.uid);
        lab.finish().await;
    });
}

#[test]
fn without_the_flag_labels_grant_nothing_and_both_sides_are_told() {
    run(async {
        let lab = lab("noflag", 1, Setup::default()).await;
        lab.application("soc-reader", json!({"grants": [
            {"namespaces": {"selector": {"matchLabels": {"soc": lab.ns}}}, "tenantIds": [guid(1)]},
        ]}))
        .await;
        label(&lab, json!(lab.ns)).await;
        lab.granted(
            &lab.ns,
            "contoso",
            "soc-reader",
            json!({"tenantId": guid(1)}),
        )
        .await;
        let denied = lab.reason("contoso", "False", "NotGranted").await;
        assert!(
            message(&denied).contains("grants this namespace nothing"),
            "{}",
            message(&denied)
        );
        let told = lab
            .application_says("soc-reader", "Ready", "True", "Available")
            .await;
        assert!(told.contains("--allow-namespace-selectors"), "{told}");
        assert_eq!(lab.emulator.all_token_requests().await.len(), 0);
        lab.finish().await;
    });
}

async fn label(lab: &Lab, value: serde_json::Value) {
    let api: Api<Namespace> = Api::all(lab.arena.admin.clone());
    let patch = json!({"metadata": {"labels": {"soc": value}}});
    api.patch(&lab.ns, &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .expect("a label");
}

#[test]
fn a_token_that_is_on_its_way_when_its_grant_goes_is_published_to_nobody() {
    run(async {
        let lab = lab("onitsway", 1, Setup::default()).await;
        let granted = json!({"grants": [{"namespaces": {"names": [lab.ns]}, "allTenants": true}]});
        lab.application("soc-reader", granted).await;
        lab.emulator
            .token_fault(&guid(1), json!({"latencyMs": 3_000}))
            .await;
        lab.granted(
            &lab.ns,
            "contoso",
            "soc-reader",
            json!({"tenantId": guid(1)}),
        )
        .await;
        lab.eventually("Microsoft is being asked", async || {
            let steps = lab.operator.lines("step");
            steps
                .iter()
                .any(|line| {
                    line["step"]
                        .as_str()
                        .is_some_and(|step| step.starts_with("Mint"))
                })
                .then_some(())
        })
        .await;
        lab.application("soc-reader", json!({"grants": []})).await;
        lab.reason("contoso", "False", "NotGranted").await;
        let (journal, requests) = lab.settled().await;
        let came = journal
            .iter()
            .filter(|e| e.kind == "token" && e.outcome == "ok");
        assert_eq!(came.count(), 1, "the token came all the same");
        assert!(
            !requests
                .iter()
                .any(|request| request.resource == "secrets" && request.is_write()),
            "{requests:?}"
        );
        lab.finish().await;
    });
}
