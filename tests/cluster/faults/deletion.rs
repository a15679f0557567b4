//! Tenants and namespaces that go, with whatever is under way.

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Preconditions};
use serde_json::{Value, json};

use crate::support::{
    Act, Call, Lab, Patience, Rule, Setup, condition, count, eventually, guid, key, run,
};

const TARGET: &str = "contoso-defender-token";

async fn delete(lab: &Lab, name: &str) {
    let params = DeleteParams::background();
    lab.tenants().delete(name, &params).await.expect("200");
}

/// Waits for the garbage collector.
async fn collected(lab: &Lab) {
    lab.eventually("the Secret is collected", async || {
        lab.target("contoso").await.is_none().then_some(())
    })
    .await;
}

#[test]
fn a_deleted_tenants_secret_is_collected() {
    run(async {
        let lab = Lab::new("gone").await;
        lab.consented("contoso", &guid(1), json!({})).await;
        lab.ready("contoso").await;
        delete(&lab, "contoso").await;
        collected(&lab).await;
        let _ = lab.settled().await;
        assert!(lab.target("contoso").await.is_none());
        assert_eq!(lab.mints(&guid(1)).await, 1);
        lab.finish().await;
    });
}

#[test]
fn a_tenant_deleted_while_the_operator_is_down_takes_its_secret_along() {
    run(async {
        let mut lab = Lab::new("down").await;
        lab.consented("contoso", &guid(1), json!({})).await;
        lab.ready("contoso").await;
        lab.operator.kill().await;
        delete(&lab, "contoso").await;
        collected(&lab).await;
        lab.start().await;
        lab.operator.ready().await;
        let _ = lab.settled().await;
        assert!(lab.target("contoso").await.is_none());
        assert_eq!(lab.mints(&guid(1)).await, 1);
        lab.finish().await;
    });
}

#[test]
fn a_tenant_deleted_during_its_mint_gets_no_secret() {
    run(async {
        let lab = Lab::new("mid-mint").await;
        lab.emulator
            .token_fault(&guid(1), json!({"latencyMs": 3000}))
            .await;
        lab.consented("contoso", &guid(1), json!({})).await;
        lab.eventually("the mint has begun", async || {
            lab.operator.log().contains("Mint(NoToken)").then_some(())
        })
        .await;
        delete(&lab, "contoso").await;
        lab.eventually("the mint has ended", async || {
            (lab.mints(&guid(1)).await == 1).then_some(())
        })
        .await;
        let (_, requests) = lab.settled().await;
        assert_eq!(count(&requests).get("create secrets"), None);
        assert!(lab.target("contoso").await.is_none());
        lab.finish().await;
    });
}

#[test]
fn a_secret_that_crosses_its_tenants_deletion_is_collected() {
    run(async {
        let (lab, proxy) = Lab::behind_proxy("crossing", Setup::default()).await;
        let held = proxy.rule(Rule::once(Act::HoldBefore, Call::creates_secret));
        lab.consented("contoso", &guid(1), json!({})).await;
        held.hit().await;
        delete(&lab, "contoso").await;
        lab.until_gone("contoso").await;
        held.lift();
        lab.eventually("the Secret was created", async || {
            let requests = lab.requests();
            let created = requests
                .iter()
                .find(|r| r.verb == "create" && r.resource == "secrets");
            created.map(|request| assert_eq!(request.code, 201))
        })
        .await;
        collected(&lab).await;
        let (_, requests) = lab.settled().await;
        assert!(lab.target("contoso").await.is_none());
        assert_eq!(count(&requests)["create secrets"], 1);
        assert_eq!(lab.mints(&guid(1)).await, 1);
        lab.finish().await;
    });
}

#[test]
fn a_tenant_made_again_at_once_becomes_ready_by_itself() {
    run(async {
        let lab = Lab::new("again").await;
        lab.consented("contoso", &guid(1), json!({})).await;
        lab.ready("contoso").await;
        // The predecessor's Secret can't go yet.
        let hold = json!({"metadata": {"finalizers": ["example.com/hold"]}});
        let before = lab.meddle(TARGET, hold).await;
        delete(&lab, "contoso").await;
        lab.until_gone("contoso").await;
        lab.consented("contoso", &guid(1), json!({})).await;
        let tenant = lab.reason("contoso", "False", "Pending").await;
        assert!(condition(&tenant, "Stalled").is_none(), "nobody must act");
        let _ = lab.settled().await;
        assert!(lab.mints(&guid(1)).await <= 2);
        lab.meddle(TARGET, json!({"metadata": {"finalizers": Value::Null}}))
            .await;
        lab.ready("contoso").await;
        let after = lab.target("contoso").await.expect("a Secret");
        assert_ne!(after.metadata.uid, before.metadata.uid);
        assert_ne!(key(&after, "token"), key(&before, "token"));
        assert!(lab.mints(&guid(1)).await <= 3);
        lab.finish().await;
    });
}

#[test]
fn an_orphaned_secret_of_a_predecessor_is_a_strangers() {
    run(async {
        let lab = Lab::new("orphan").await;
        lab.consented("contoso", &guid(1), json!({})).await;
        lab.ready("contoso").await;
        let uid = lab
            .tenants()
            .get("contoso")
            .await
            .expect("200")
            .metadata
            .uid;
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid,
                resource_version: None,
            }),
            ..DeleteParams::orphan()
        };
        lab.tenants().delete("contoso", &params).await.expect("200");
        lab.until_gone("contoso").await;
        let orphan = lab.target("contoso").await.expect("it stays");
        lab.consented("contoso", &guid(1), json!({})).await;
        lab.reason("contoso", "False", "TargetConflict").await;
        assert_eq!(lab.target("contoso").await, Some(orphan), "no adoption");
        lab.finish().await;
    });
}

#[test]
fn nothing_comes_back_in_a_namespace_that_goes_and_there_is_no_storm() {
    const TENANTS: usize = 20;
    run(async {
        let lab = Lab::new("terminating").await;
        for n in 0..TENANTS {
            lab.consented(&format!("t{n}"), &guid(n as u64), json!({}))
                .await;
        }
        lab.all(TENANTS, "ready", |tenant| {
            condition(tenant, "Ready").is_some_and(|c| c.status == "True")
        })
        .await;
        let (journal, requests) = lab.settled().await;
        let namespaces: Api<Namespace> = Api::all(lab.arena.admin.clone());
        // Its end waits for this, as it does for whatever else somebody keeps there.
        lab.secret_in(&lab.ns, "kept", json!({}), &[("a", "b")])
            .await;
        lab.meddle(
            "kept",
            json!({"metadata": {"finalizers": ["example.com/hold"]}}),
        )
        .await;
        namespaces
            .delete(&lab.ns, &DeleteParams::background())
            .await
            .expect("200");
        eventually(
            "nothing but what is kept",
            Patience::default(),
            async || {
                let secrets = lab.secrets().list(&ListParams::default()).await.ok()?;
                let tenants = lab.tenants().list(&ListParams::default()).await.ok()?;
                (secrets.items.len() == 1 && tenants.items.is_empty()).then_some(())
            },
        )
        .await;
        let (after, more) = lab.settled().await;
        let minted = after.len() - journal.len();
        assert!(minted <= TENANTS, "a mint a tenant at the most: {minted}");
        let more = &more[requests.len()..];
        assert!(more.len() <= TENANTS * 6, "{:?}", count(more));
        assert!(
            more.iter()
                .all(|r| r.verb != "create" || r.resource != "secrets" || r.code != 201),
            "{more:?}"
        );
        lab.meddle("kept", json!({"metadata": {"finalizers": Value::Null}}))
            .await;
    });
}

#[test]
fn a_namespace_that_is_being_deleted_is_said_and_costs_one_mint() {
    run(async {
        let (lab, proxy) = Lab::behind_proxy("leaving", Setup::default()).await;
        let mut body = crate::support::status(403, "Forbidden");
        body["details"] = json!({"causes": [{"reason": "NamespaceTerminating", "message": "x"}]});
        proxy.rule(Rule::always(Act::Answer(403, body), Call::creates_secret));
        lab.consented("contoso", &guid(1), json!({})).await;
        let tenant = lab.reason("contoso", "False", "NamespaceTerminating").await;
        assert!(condition(&tenant, "Stalled").is_some());
        for n in 0..3 {
            lab.poke("contoso", n).await;
        }
        let _ = lab.settled().await;
        assert_eq!(lab.mints(&guid(1)).await, 1);
        let creates = proxy
            .passed()
            .iter()
            .filter(|p| p.call.creates_secret())
            .count();
        assert_eq!(creates, 1, "it isn't tried again before its time");
        lab.finish().await;
    });
}
