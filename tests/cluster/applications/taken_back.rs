//! What is taken back goes, once the API server itself confirms it; what goes otherwise takes nothing with it.

use std::panic::{AssertUnwindSafe, resume_unwind};

use futures::FutureExt as _;
use http::Method;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::support::{
    Act, CLIENT, Call, Lab, Patience, Rule, Setup, condition, eventually, guid, overlay, run,
    status, version,
};

const ROLES: &[&str] = &["Alert.Read.All"];
/// A minute after a look that confirmed nothing there is another.
const LOOK: Patience = Patience::seconds(90);

/// Grants the lab's namespace these customers.
async fn grants(lab: &Lab, ids: &[u64], more: Value) {
    let ids: Vec<String> = ids.iter().map(|n| guid(*n)).collect();
    let spec = json!({"grants": [{"namespaces": {"names": [lab.ns]}, "tenantIds": ids}]});
    lab.application("soc-reader", overlay(spec, more)).await;
}

/// Customers who consented, granted, with a tenant each.
async fn customers(lab: &Lab, count: u64) {
    lab.home_credential("partner", &lab.secret).await;
    let ids: Vec<u64> = (1..=count).collect();
    grants(lab, &ids, json!({})).await;
    for n in ids {
        lab.emulator.consented(&guid(n), CLIENT, ROLES).await;
        let spec = json!({"tenantId": guid(n)});
        lab.granted(&lab.ns, &format!("t{n}"), "soc-reader", spec)
            .await;
        lab.ready(&format!("t{n}")).await;
    }
}

async fn uid(lab: &Lab, name: &str) -> Option<String> {
    lab.target(name).await?.metadata.uid
}

async fn gone(lab: &Lab, name: &str) {
    let is = async || lab.target(name).await.is_none().then_some(());
    eventually("the Secret is gone", LOOK, is).await;
}

/// A look at the application, past any cache.
fn looks(call: &Call) -> bool {
    call.method == Method::GET && call.path.ends_with("/defenderapplications/soc-reader")
}

#[test]
fn a_grant_that_the_api_server_does_not_confirm_as_gone_takes_no_secret() {
    run(async {
        let (lab, proxy) = Lab::of_applications_behind_proxy("unconfirmed", Setup::default()).await;
        customers(&lab, 2).await;
        let before = uid(&lab, "t1").await.expect("a Secret");
        let mut last = None;
        for (n, (code, reason)) in [
            (403, "Forbidden"),
            (500, "InternalError"),
            (404, "NotFound"),
        ]
        .into_iter()
        .enumerate()
        {
            let answer = Act::Answer(code, status(code, reason));
            let rule = proxy.rule(Rule::always(answer, looks));
            match last.replace(rule.clone()) {
                None => grants(&lab, &[2], json!({})).await,
                Some(before) => before.lift(),
            }
            // Whatever the watch told, it is looked for again.
            lab.poke("t1", n).await;
            rule.hit().await;
            lab.reason("t1", "True", "NotGranted").await;
            let _ = lab.settled().await;
            assert_eq!(uid(&lab, "t1").await.as_ref(), Some(&before), "{code}");
        }
        last.expect("a rule").lift();
        // Without anybody's doing.
        gone(&lab, "t1").await;
        lab.reason("t1", "False", "NotGranted").await;
        assert!(uid(&lab, "t2").await.is_some(), "nobody else is concerned");
        lab.finish().await;
    });
}

#[test]
fn an_application_that_is_granted_again_before_the_look_takes_no_secret() {
    run(async {
        let (lab, proxy) = Lab::of_applications_behind_proxy("hasty", Setup::default()).await;
        customers(&lab, 1).await;
        let before = uid(&lab, "t1").await.expect("a Secret");
        let held = proxy.rule(Rule::once(Act::HoldBefore, looks));
        grants(&lab, &[2], json!({})).await;
        held.hit().await;
        grants(&lab, &[1], json!({})).await;
        held.lift();
        lab.reason("t1", "True", "TokenPublished").await;
        let _ = lab.settled().await;
        assert_eq!(uid(&lab, "t1").await, Some(before));
        assert_eq!(lab.mints(&guid(1)).await, 1);
        lab.finish().await;
    });
}

#[test]
fn what_a_secret_ref_gave_no_application_takes() {
    run(async {
        let lab = Lab::of_applications("notmine", Setup::default()).await;
        grants(&lab, &[2], json!({})).await;
        lab.consented("contoso", &guid(1), json!({})).await;
        lab.ready("contoso").await;
        let before = uid(&lab, "contoso").await.expect("a Secret");
        let reference = json!({"secretRef": null, "applicationRef": {"name": "soc-reader"}});
        lab.change("contoso", reference).await;
        lab.reason("contoso", "True", "NotGranted").await;
        let stop = json!({"suspend": true, "suspendedSecrets": "Delete"});
        grants(&lab, &[1], stop).await;
        lab.reason("contoso", "True", "ApplicationSuspended").await;
        let _ = lab.settled().await;
        assert_eq!(uid(&lab, "contoso").await, Some(before));
        assert_eq!(lab.mints(&guid(1)).await, 1);
        lab.finish().await;
    });
}

#[test]
fn what_an_application_gave_its_namesake_does_not_take() {
    run(async {
        let lab = Lab::of_applications("namesake", Setup::default()).await;
        customers(&lab, 1).await;
        let before = uid(&lab, "t1").await.expect("a Secret");
        lab.applications()
            .delete("soc-reader", &DeleteParams::default())
            .await
            .expect("deleted");
        lab.reason("t1", "True", "ApplicationNotFound").await;
        grants(&lab, &[2], json!({})).await;
        lab.reason("t1", "True", "NotGranted").await;
        let _ = lab.settled().await;
        assert_eq!(uid(&lab, "t1").await, Some(before));
        lab.finish().await;
    });
}

/// Holds a deleted application back, or lets it go.
async fn finalizers(lab: &Lab, finalizers: Value) {
    let patch = json!({"metadata": {"finalizers": finalizers}});
    let params = PatchParams::default();
    let api = lab.applications();
    api.patch("soc-reader", &params, &Patch::Merge(&patch))
        .await
        .expect("finalizers");
}

/// Its tenant with a live token, and one that comes, while the application is being deleted.
async fn is_being_deleted(lab: &Lab, before: &Secret) {
    lab.applications()
        .delete("soc-reader", &DeleteParams::default())
        .await
        .expect("deleted");
    lab.reason("t1", "True", "ApplicationTerminating").await;
    lab.force("t1", "now").await;
    let spec = json!({"tenantId": guid(2)});
    lab.granted(&lab.ns, "t2", "soc-reader", spec).await;
    lab.reason("t2", "False", "ApplicationTerminating").await;
    lab.application_says("soc-reader", "Ready", "False", "ApplicationTerminating")
        .await;
    // Nor does what it takes back meanwhile go.
    grants(lab, &[2], json!({})).await;
    lab.reason("t1", "True", "NotGranted").await;
    let (journal, _) = lab.settled().await;
    let asked = journal.iter().filter(|e| e.kind == "token").count();
    assert_eq!(asked, 1, "{journal:?}");
    let after = lab.target("t1").await.expect("the Secret stays");
    assert_eq!(version(&after), version(before));
}

#[test]
fn an_application_that_is_being_deleted_gives_nothing_and_takes_nothing() {
    run(async {
        let lab = Lab::of_applications("terminating", Setup::default()).await;
        customers(&lab, 1).await;
        lab.emulator.consented(&guid(2), CLIENT, ROLES).await;
        grants(&lab, &[1, 2], json!({})).await;
        let before = lab.target("t1").await.expect("a Secret");
        finalizers(&lab, json!(["test.example/hold"])).await;
        let seen = AssertUnwindSafe(is_being_deleted(&lab, &before));
        let seen = seen.catch_unwind().await;
        // Whatever was seen: it would outlive this test.
        finalizers(&lab, json!(null)).await;
        if let Err(panic) = seen {
            resume_unwind(panic);
        }
        lab.reason("t1", "True", "ApplicationNotFound").await;
        lab.reason("t2", "False", "ApplicationNotFound").await;
        assert_eq!(uid(&lab, "t1").await, before.metadata.uid);
        lab.finish().await;
    });
}

#[test]
fn where_secret_refs_are_denied_nobody_is_asked_with_one() {
    run(async {
        let args = ["--secret-ref=deny"].map(str::to_owned).into();
        let setup = Setup {
            args,
            ..Setup::default()
        };
        let lab = Lab::with("denysecret", setup).await;
        lab.consented("contoso", &guid(1), json!({})).await;
        let seen = lab.reason("contoso", "False", "SecretRefDenied").await;
        let credential = condition(&seen, "CredentialReady").expect("CredentialReady");
        assert_eq!(credential.status, "False");
        assert!(condition(&seen, "Stalled").is_some());
        lab.force("contoso", "now").await;
        let (journal, _) = lab.settled().await;
        assert_eq!(journal.len(), 0, "{journal:?}");
        assert!(lab.target("contoso").await.is_none());
        lab.finish().await;
    });
}

#[test]
fn a_token_of_a_secret_ref_outlives_the_flag_that_denies_it() {
    run(async {
        let mut lab = Lab::new("denylater").await;
        lab.consented("contoso", &guid(1), json!({})).await;
        lab.ready("contoso").await;
        let before = uid(&lab, "contoso").await;
        lab.operator.stop().await;
        lab.flag("--secret-ref", "deny");
        lab.start().await;
        lab.reason("contoso", "True", "SecretRefDenied").await;
        lab.force("contoso", "now").await;
        let (journal, _) = lab.settled().await;
        assert_eq!(journal.len(), 1, "{journal:?}");
        assert_eq!(uid(&lab, "contoso").await, before);
        lab.finish().await;
    });
}
