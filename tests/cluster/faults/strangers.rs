//! The target's name belongs to somebody else.

use serde_json::{Value, json};

use crate::support::{
    CLIENT, Lab, Patience, Setup, condition, count, eventually, guid, key, run, token, version,
};

const TARGET: &str = "contoso-defender-token";

async fn stranger(lab: &Lab) -> k8s_openapi::api::core::v1::Secret {
    let labels = json!({"app": "theirs"});
    lab.secret_in(&lab.ns, TARGET, labels, &[("token", "theirs")])
        .await;
    lab.target("contoso").await.expect("a Secret")
}

#[test]
fn a_strangers_secret_is_left_alone_with_one_mint_at_most_also_after_a_restart() {
    run(async {
        let mut lab = Lab::new("stranger").await;
        let theirs = stranger(&lab).await;
        lab.consented("contoso", &guid(1), json!({})).await;
        let tenant = lab.reason("contoso", "False", "TargetConflict").await;
        assert!(condition(&tenant, "Stalled").is_some());
        let _ = lab.settled().await;
        let mints = lab.mints(&guid(1)).await;
        assert!(mints <= 1, "{mints}");

        lab.operator.stop().await;
        lab.start().await;
        lab.operator.ready().await;
        // Every change makes it look again; none makes it mint.
        for value in ["1", "2"] {
            lab.force("contoso", value).await;
            let _ = lab.settled().await;
        }
        lab.reason("contoso", "False", "TargetConflict").await;
        assert_eq!(lab.mints(&guid(1)).await, mints);
        assert_eq!(lab.target("contoso").await, Some(theirs), "untouched");

        lab.take_away(TARGET).await;
        lab.operator.stop().await;
        lab.start().await;
        lab.reason("contoso", "True", "TokenPublished").await;
        assert_eq!(lab.mints(&guid(1)).await, mints + 1);
        lab.finish().await;
    });
}

#[test]
fn a_conflict_ends_at_the_next_look_once_the_stranger_is_gone() {
    run(async {
        let lab = Lab::new("left").await;
        stranger(&lab).await;
        lab.consented("contoso", &guid(1), json!({})).await;
        lab.reason("contoso", "False", "TargetConflict").await;
        lab.take_away(TARGET).await;
        // By itself it looks each five minutes; who doesn't want to wait changes anything about the tenant.
        lab.force("contoso", "now").await;
        lab.reason("contoso", "True", "TokenPublished").await;
        assert!(lab.mints(&guid(1)).await <= 2);
        lab.finish().await;
    });
}

#[test]
fn of_two_tenants_with_one_target_the_first_keeps_it() {
    run(async {
        let mut lab = Lab::new("shared").await;
        let target = json!({"target": {"name": "shared"}});
        lab.consented("first", &guid(1), target.clone()).await;
        lab.reason("first", "True", "TokenPublished").await;
        let secret = async |lab: &Lab| lab.secrets().get("shared").await.expect("a Secret");
        let mine = secret(&lab).await;

        lab.consented("second", &guid(2), target).await;
        lab.reason("second", "False", "TargetConflict").await;
        for value in ["1", "2"] {
            lab.force("second", value).await;
            let _ = lab.settled().await;
        }
        let series = format!(
            "defender_tenant_token_expiration_timestamp_seconds{{namespace=\"{}\",name=\"first\"}}",
            lab.ns
        );
        assert!(lab.operator.metric(&series).await > 0.0, "{series}");
        lab.operator.stop().await;
        lab.start().await;
        lab.operator.ready().await;
        let (_, requests) = lab.settled().await;
        assert!(lab.mints(&guid(2)).await <= 1);
        assert_eq!(lab.mints(&guid(1)).await, 1);
        assert_eq!(secret(&lab).await, mine, "untouched");
        assert_eq!(count(&requests).get("patch secrets"), None);

        // The first one's refresh isn't troubled.
        lab.force("first", "1").await;
        lab.eventually("a refresh", async || {
            (token(&secret(&lab).await) != token(&mine)).then_some(())
        })
        .await;
        lab.ready("first").await;
        lab.reason("second", "False", "TargetConflict").await;

        // And when it goes, the other one takes over by itself.
        let params = kube::api::DeleteParams::default();
        lab.tenants().delete("first", &params).await.expect("200");
        lab.reason("second", "True", "TokenPublished").await;
        assert_eq!(key(&secret(&lab).await, "tenant-id"), Some(guid(2)));
        assert!(lab.mints(&guid(2)).await <= 2);
        lab.finish().await;
    });
}

#[test]
fn a_secret_of_ours_that_lost_its_label_gets_it_back_without_a_mint() {
    run(async {
        let lab = Lab::new("label").await;
        lab.consented("contoso", &guid(1), json!({})).await;
        lab.ready("contoso").await;
        let before = lab.target("contoso").await.expect("a Secret");
        let label = json!({"metadata": {"labels": {"defendertenant.io/bucket": Value::Null}}});
        let stripped = lab.meddle(TARGET, label).await;
        assert_ne!(version(&stripped), version(&before));
        let after = lab
            .eventually("the label is back", async || {
                let secret = lab.target("contoso").await?;
                (secret.metadata.labels == before.metadata.labels).then_some(secret)
            })
            .await;
        assert_eq!(after.metadata.uid, before.metadata.uid);
        assert_eq!(after.data, before.data);
        lab.ready("contoso").await;
        let _ = lab.settled().await;
        assert_eq!(lab.mints(&guid(1)).await, 1);
        lab.finish().await;
    });
}

#[test]
fn a_label_lost_while_nobody_watched_is_found_by_the_create_that_fails() {
    run(async {
        let mut lab = Lab::new("unseen").await;
        lab.consented("contoso", &guid(1), json!({})).await;
        lab.ready("contoso").await;
        let before = lab.target("contoso").await.expect("a Secret");
        lab.operator.stop().await;
        let label = json!({"metadata": {"labels": {"defendertenant.io/bucket": Value::Null}}});
        lab.meddle(TARGET, label).await;
        // Nor does the status say that there is one.
        lab.wipe_status("contoso").await;
        lab.start().await;
        lab.ready("contoso").await;
        let after = lab.target("contoso").await.expect("a Secret");
        assert_eq!(after.metadata.uid, before.metadata.uid, "the same Secret");
        assert_eq!(after.metadata.labels, before.metadata.labels);
        let _ = lab.settled().await;
        let mints = lab.mints(&guid(1)).await;
        assert!(mints <= 2, "the mint that finds it, and no other: {mints}");
        lab.finish().await;
    });
}

#[test]
fn the_target_may_not_be_the_credential_itself() {
    run(async {
        let lab = Lab::with("itself", Setup::default()).await;
        let credential = lab.secrets().get("partner").await.expect("a Secret");
        lab.emulator
            .consented(&guid(1), CLIENT, &["Alert.Read.All"])
            .await;
        let spec = json!({"tenantId": guid(1), "target": {"name": "partner"}});
        let params = kube::api::PatchParams::apply("test").force();
        let body = json!({
            "apiVersion": "defendertenant.io/v1alpha1", "kind": "DefenderTenant",
            "metadata": {"name": "contoso", "namespace": lab.ns},
            "spec": crate::support::overlay(json!({"secretRef": {"name": "partner"}}), spec),
        });
        let patch = kube::api::Patch::Apply(&body);
        // Whether the schema or the operator says no: the credential stays.
        if lab
            .tenants()
            .patch("contoso", &params, &patch)
            .await
            .is_ok()
        {
            lab.reason("contoso", "False", "TargetConflict").await;
        }
        let patience = Patience::seconds(5);
        let after = eventually("the credential", patience, async || {
            lab.secrets().get("partner").await.ok()
        })
        .await;
        assert_eq!(after, credential);
        lab.finish().await;
    });
}
