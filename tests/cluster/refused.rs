//! Microsoft refuses the credential: one failure, not one a tenant.

use defender_tenant_operator::api::DefenderTenant;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::support::{CLIENT, Lab, Patience, Setup, condition, guid, run};

const FLEET: usize = 300;
/// The breaker's first two steps.
const STEP: SignedDuration = SignedDuration::from_secs(30);

fn credential_is(reason: &'static str) -> impl Fn(&DefenderTenant) -> bool {
    move |tenant| {
        condition(tenant, "CredentialReady")
            .is_some_and(|c| c.status == "False" && c.reason == reason)
    }
}

fn published(tenant: &DefenderTenant) -> bool {
    condition(tenant, "Ready").is_some_and(|c| c.status == "True" && c.reason == "TokenPublished")
}

/// A lab whose operator isn't started: what it finds at its start doesn't count as fresh.
async fn prepared(name: &str, args: &[&str]) -> Lab {
    let args = args.iter().map(|arg| (*arg).to_owned()).collect();
    Lab::with(
        name,
        Setup {
            no_operator: true,
            args,
            ..Setup::default()
        },
    )
    .await
}

async fn fleet(lab: &Lab, count: usize) {
    let ids: Vec<String> = (1..).map(guid).take(count).collect();
    lab.emulator.fleet(&ids, CLIENT, &["Alert.Read.All"]).await;
    for (n, id) in ids.iter().enumerate() {
        lab.tenant(&format!("t{n:03}"), json!({"tenantId": id}))
            .await;
    }
}

#[test]
fn a_wrong_secret_costs_one_request_a_step_for_300_tenants_and_all_recover_within_seconds() {
    run(async {
        let mut lab = prepared("wrong", &["--log-level", "debug"]).await;
        lab.emulator
            .application(CLIENT, &[json!("another~secret")])
            .await;
        fleet(&lab, FLEET).await;
        lab.start().await;
        let all = lab
            .all(
                FLEET,
                "CredentialRejected",
                credential_is("CredentialRejected"),
            )
            .await;
        for tenant in &all {
            let ready = condition(tenant, "Ready").expect("Ready");
            assert_eq!(
                (ready.status.as_str(), ready.reason.as_str()),
                ("False", "CredentialRejected")
            );
            assert!(condition(tenant, "Stalled").is_some());
        }
        assert_eq!(
            lab.emulator.all_token_requests().await.len(),
            1,
            "one request for all of them"
        );
        // The next step, and the one after that isn't near.
        let requests = lab
            .eventually("the breaker's next probe", async || {
                let requests = lab.emulator.all_token_requests().await;
                (requests.len() > 1).then_some(requests)
            })
            .await;
        assert!(
            requests[1].at.duration_since(requests[0].at) >= STEP,
            "{requests:?}"
        );
        let (journal, _) = lab.settled().await;
        assert_eq!(journal.len(), 2, "{journal:?}");
        assert!(
            journal.iter().all(|entry| entry.outcome == "AADSTS7000215"),
            "{journal:?}"
        );
        assert!(
            (lab.operator
                .metric("defender_tenant_breakers{state=\"open\"}")
                .await
                - 1.0)
                .abs()
                < 0.1
        );

        lab.emulator
            .application(CLIENT, &[json!(lab.secret), json!("rotated~secret")])
            .await;
        lab.guard("rotated~secret");
        lab.credential("partner", "rotated~secret").await;
        let before = Timestamp::now();
        lab.all(FLEET, "TokenPublished", published).await;
        let took = Timestamp::now().duration_since(before);
        assert!(took < SignedDuration::from_secs(30), "{took}");
        let (journal, _) = lab.settled().await;
        assert_eq!(journal.len(), 2 + FLEET, "one mint a tenant");
        lab.finish().await;
    });
}

#[test]
fn an_expired_secret_is_told_as_such_and_mended_the_same_way() {
    run(async {
        let mut lab = prepared("expired", &[]).await;
        let expired = json!({"value": lab.secret, "expires": "2026-01-01T00:00:00Z"});
        lab.emulator.application(CLIENT, &[expired]).await;
        fleet(&lab, 10).await;
        lab.start().await;
        let all = lab
            .all(10, "CredentialExpired", credential_is("CredentialExpired"))
            .await;
        for tenant in &all {
            assert_eq!(
                condition(tenant, "CredentialReady").map(|c| c.message.as_str()),
                Some(
                    "The partner's credential has expired: create a new one and put it into the credential Secret."
                )
            );
        }
        let (journal, _) = lab.settled().await;
        assert_eq!(journal.len(), 1, "{journal:?}");
        assert_eq!(journal[0].outcome, "AADSTS7000222");
        lab.emulator
            .application(CLIENT, &[json!("rotated~secret")])
            .await;
        lab.credential("partner", "rotated~secret").await;
        lab.all(10, "TokenPublished", published).await;
        lab.finish().await;
    });
}

#[test]
fn a_mended_secret_serves_first_whose_token_expires_first() {
    run(async {
        let args = ["--concurrency", "1", "--refresh-margin", "0"];
        let mut lab = prepared("order", &args).await;
        lab.start().await;
        // Not in the order of names, nor of creation. At half its life a token is due; all are due before one expires.
        let lives = [96, 72, 88, 64, 80];
        for (n, life) in (1..).zip(lives) {
            lab.emulator.lifetime(life).await;
            lab.emulator
                .consented(&guid(n), CLIENT, &["Alert.Read.All"])
                .await;
            let refresh = json!({"minRemainingSeconds": 43200});
            lab.tenant(
                &format!("t{n}"),
                json!({"tenantId": guid(n), "refresh": refresh}),
            )
            .await;
            lab.ready(&format!("t{n}")).await;
        }
        // At Microsoft the secret is withdrawn.
        lab.emulator
            .application(CLIENT, &[json!("rotated~secret")])
            .await;
        let mut expiries = Vec::new();
        for n in 1..=5 {
            let tenant = lab.ready(&format!("t{n}")).await;
            let token = tenant
                .status
                .and_then(|status| status.token)
                .expect("a token");
            expiries.push((token.expires_at.0, token.refresh_at.0, guid(n)));
        }
        expiries.sort();
        let last_due = expiries.iter().map(|(_, due, _)| *due).max().expect("five");
        assert!(
            expiries[0].0 > last_due,
            "none expires before all are due: {expiries:?}"
        );
        lab.eventually("all are due, and the credential is refused", async || {
            let refused = lab
                .operator
                .metric("defender_tenant_breakers{state=\"open\"}")
                .await
                > 0.5
                || lab
                    .operator
                    .metric("defender_tenant_breakers{state=\"propagating\"}")
                    .await
                    > 0.5;
            (refused && Timestamp::now() > last_due).then_some(())
        })
        .await;
        let refused = lab.emulator.all_token_requests().await.len();
        lab.credential("partner", "rotated~secret").await;
        let minted = lab
            .eventually("five mints", async || {
                let mut all = lab.emulator.all_token_requests().await.split_off(refused);
                all.retain(|entry| entry.outcome == "ok");
                (all.len() == 5).then_some(all)
            })
            .await;
        let order: Vec<_> = minted
            .into_iter()
            .filter_map(|entry| entry.tenant)
            .collect();
        let expected: Vec<_> = expiries.into_iter().map(|(_, _, id)| id).collect();
        assert_eq!(order, expected);
        lab.all(5, "TokenPublished", published).await;
        lab.finish().await;
    });
}

#[test]
fn a_fresh_secret_that_is_not_known_everywhere_yet_is_waited_for() {
    run(async {
        let lab = Lab::new("fresh").await;
        lab.emulator
            .consented(&guid(1), CLIENT, &["Alert.Read.All"])
            .await;
        lab.tenant("contoso", json!({"tenantId": guid(1)})).await;
        lab.reason("contoso", "True", "TokenPublished").await;
        // Nobody else waits: this is a second customer, with a credential of its own.
        let fresh = json!({"value": "fresh~secret", "visibleAfterSeconds": 6});
        lab.emulator
            .application(CLIENT, &[json!(lab.secret), fresh])
            .await;
        lab.guard("fresh~secret");
        lab.credential("fresh", "fresh~secret").await;
        lab.emulator
            .consented(&guid(2), CLIENT, &["Alert.Read.All"])
            .await;
        lab.tenant(
            "fabrikam",
            json!({"tenantId": guid(2), "secretRef": {"name": "fresh"}}),
        )
        .await;
        let seen = lab
            .reason("fabrikam", "False", "CredentialPropagating")
            .await;
        assert!(condition(&seen, "Reconciling").is_some() && condition(&seen, "Stalled").is_none());
        lab.reason("fabrikam", "True", "TokenPublished").await;
        let outcomes: Vec<_> = lab
            .emulator
            .token_requests(&guid(2))
            .await
            .into_iter()
            .map(|e| e.outcome)
            .collect();
        assert_eq!(outcomes, ["AADSTS7000215", "ok"]);
        assert_eq!(lab.emulator.token_requests(&guid(1)).await.len(), 1);
        lab.finish().await;
    });
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
            list.items
                .iter()
                .all(credential_is("CredentialRejected"))
                .then_some(())
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
            credential_is("CredentialRejected"),
        )
        .await;
        assert!(
            lab.operator
                .metric("defender_tenant_breakers{state=\"open\"}")
                .await
                > 0.5
        );
        lab.until(
            "t1",
            "told as well",
            Patience::default(),
            credential_is("CredentialRejected"),
        )
        .await;
        assert!(
            condition(&lab.ready("t1").await, "Ready").is_some_and(|c| c.status == "True"),
            "its token lives on"
        );
        lab.finish().await;
    });
}
