//! A tenant that becomes another one while something is under way for what it was.

use kube::api::DeleteParams;
use serde_json::json;

use crate::published::claims;
use crate::support::{Act, Call, Lab, Rule, Setup, guid, key, run};

#[test]
fn the_token_of_a_deleted_tenant_never_reaches_the_customer_that_took_its_name() {
    run(async {
        let lab = Lab::new("successor").await;
        lab.emulator
            .token_fault(&guid(1), json!({"latencyMs": 4000}))
            .await;
        lab.consented("contoso", &guid(1), json!({})).await;
        lab.eventually("the mint has begun", async || {
            lab.operator.log().contains("Mint(NoToken)").then_some(())
        })
        .await;
        let params = DeleteParams::background();
        lab.tenants().delete("contoso", &params).await.expect("200");
        lab.until_gone("contoso").await;
        lab.consented("contoso", &guid(2), json!({})).await;
        lab.ready("contoso").await;
        let secret = lab.target("contoso").await.expect("a Secret");
        assert_eq!(key(&secret, "tenant-id").as_deref(), Some(&*guid(2)));
        assert_eq!(claims(&secret)["tid"], guid(2));
        assert_eq!(lab.mints(&guid(1)).await, 1, "it came, and was thrown away");
        lab.finish().await;
    });
}

#[test]
fn a_region_that_changes_while_the_secret_is_written_is_in_it_all_the_same() {
    run(async {
        let (lab, proxy) = Lab::behind_proxy("midwrite", Setup::default()).await;
        let held = proxy.rule(Rule::once(Act::HoldBefore, Call::creates_secret));
        lab.consented("contoso", &guid(1), json!({})).await;
        held.hit().await;
        lab.change("contoso", json!({"region": "uk"})).await;
        lab.eventually("the operator has heard of it", async || {
            let tenant = lab.tenants().get("contoso").await.ok()?;
            (tenant.metadata.generation == Some(2)).then_some(())
        })
        .await;
        held.lift();
        lab.eventually("the new region", async || {
            let secret = lab.target("contoso").await?;
            key(&secret, "api-url")
                .is_some_and(|url| url.contains("//uk."))
                .then_some(())
        })
        .await;
        lab.ready("contoso").await;
        assert_eq!(lab.mints(&guid(1)).await, 1, "the same token");
        lab.finish().await;
    });
}
