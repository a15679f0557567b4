//! Whose failure it is: a credential's, a tenant's, or another namespace's.

use defender_tenant_operator::api::DefenderTenant;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::support::{CLIENT, Lab, Patience, Setup, condition, guid, run};

fn is_rejected(tenant: &DefenderTenant) -> bool {
    condition(tenant, "CredentialReady")
        .is_some_and(|c| c.status == "False" && c.reason == "CredentialRejected")
}

fn published(tenant: &DefenderTenant) -> bool {
    condition(tenant, "Ready").is_some_and(|c| c.status == "True" && c.reason == "TokenPublished")
}

#[test]
fn a_junk_secret_beside_the_same_client_id_in_another_namespace_touches_nobody_else() {
    run(async {
        let setup = Setup {
            no_operator: true,
            more_namespaces: vec!["b"],
            ..Setup::default()
        };
        let mut lab = Lab::with("junk", setup).await;
        let other = format!("{}-b", lab.ns);
        let labels = json!({"defendertenant.io/credential": "true"});
        lab.secret_in(
            &other,
            "partner",
            labels,
            &[("client-id", CLIENT), ("client-secret", "junk")],
        )
        .await;
        for n in 1..=6 {
            lab.emulator
                .consented(&guid(n), CLIENT, &["Alert.Read.All"])
                .await;
            // The very same customers in both.
            lab.tenant_in(&other, &format!("j{n}"), json!({"tenantId": guid(n)}))
                .await;
        }
        lab.start().await;
        let junk = lab.tenants_in(&other);
        lab.eventually("the junk is refused", async || {
            let list = junk.list(&kube::api::ListParams::default()).await.ok()?;
            list.items.iter().all(is_rejected).then_some(())
        })
        .await;
        assert_eq!(lab.emulator.all_token_requests().await.len(), 1);
        let begun = Timestamp::now();
        for n in 1..=6 {
            lab.tenant(&format!("t{n}"), json!({"tenantId": guid(n)}))
                .await;
        }
        let good = lab.all(6, "TokenPublished", published).await;
        let took = Timestamp::now().duration_since(begun);
        assert!(
            took < SignedDuration::from_secs(10),
            "no pause, no delay: {took}"
        );
        for tenant in &good {
            assert_eq!(
                condition(tenant, "CredentialReady").map(|c| c.status.as_str()),
                Some("True")
            );
        }
        // A mint on demand goes through as well, while the other breaker stays open.
        lab.force("t1", "now").await;
        lab.until("t1", "served", Patience::default(), |tenant| {
            let handled = tenant
                .status
                .as_ref()
                .and_then(|s| s.handled_refresh_request.as_deref());
            handled == Some("now")
        })
        .await;
        assert_eq!(
            lab.emulator
                .all_token_requests()
                .await
                .iter()
                .filter(|e| e.outcome == "ok")
                .count(),
            7
        );
        lab.finish().await;
    });
}

#[test]
fn an_unknown_invalid_client_is_the_tenants_own_until_a_second_tenant_confirms_it() {
    run(async {
        let lab = Lab::new("suspect").await;
        for n in 1..=4 {
            lab.emulator
                .consented(&guid(n), CLIENT, &["Alert.Read.All"])
                .await;
        }
        lab.tenant("t1", json!({"tenantId": guid(1)})).await;
        lab.reason("t1", "True", "TokenPublished").await;
        // A code that nobody has seen: all that is known is `invalid_client`.
        let text = json!({"error": "invalid_client", "error_description": "AADSTS7999999: Something new.", "error_codes": [7_999_999]});
        let fault = json!({"status": 401, "text": text.to_string()});
        lab.emulator.token_fault(&guid(2), fault.clone()).await;
        lab.tenant("t2", json!({"tenantId": guid(2)})).await;
        let seen = lab
            .until("t2", "its own failure", Patience::default(), |tenant| {
                tenant
                    .status
                    .as_ref()
                    .and_then(|s| s.last_error.as_ref())
                    .is_some()
            })
            .await;
        let error = seen.status.and_then(|s| s.last_error).expect("an error");
        assert_eq!(
            (error.code.as_deref(), error.scope.as_str()),
            (Some("AADSTS7999999"), "Tenant")
        );
        assert!(
            lab.operator
                .metric("defender_tenant_breakers{state=\"open\"}")
                .await
                < 0.5,
            "one is no proof"
        );
        // Others go on meanwhile. A success after the failure would be an alibi, so none is asked for with the same
        // credential before the second opinion: that is the next part.
        lab.emulator.token_fault(&guid(3), fault).await;
        lab.tenant("t3", json!({"tenantId": guid(3)})).await;
        lab.until(
            "t3",
            "the credential is refused",
            Patience::default(),
            is_rejected,
        )
        .await;
        assert!(
            lab.operator
                .metric("defender_tenant_breakers{state=\"open\"}")
                .await
                > 0.5
        );
        lab.until("t1", "told as well", Patience::default(), is_rejected)
            .await;
        assert!(
            condition(&lab.ready("t1").await, "Ready").is_some_and(|c| c.status == "True"),
            "its token lives on"
        );
        lab.finish().await;
    });
}
