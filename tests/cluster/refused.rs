//! Microsoft refuses the credential: one failure, not one a tenant.

use defender_tenant_operator::api::DefenderTenant;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::support::{CLIENT, Lab, Setup, condition, guid, run};

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
