//! A mistyped tenant id and a customer of another cloud are told from a missing consent.

use defender_tenant_operator::api::DefenderTenant;
use jiff::SignedDuration;
use kube::api::ListParams;
use serde_json::json;

use crate::support::{CLIENT, Journaled, Lab, Patience, Setup, condition, guid, run};

const NOISY: usize = 100;
/// Registered nowhere.
const UNKNOWN_CLIENT: &str = "11111111-2222-4333-8444-555555555555";
/// Five a second.
const INTERVAL: SignedDuration = SignedDuration::from_millis(200);
/// What a busy machine may shift a request's instant by.
const BLUR: SignedDuration = SignedDuration::from_millis(500);

fn discovered(tenant: &DefenderTenant) -> Option<i64> {
    tenant.status.as_ref()?.discovered_generation
}

fn message(tenant: &DefenderTenant) -> String {
    let ready = condition(tenant, "Ready").expect("Ready");
    ready.message.clone()
}

fn consent_url(tenant: &DefenderTenant) -> Option<String> {
    tenant.status.as_ref()?.consent_url.clone()
}

/// Waits until a forced mint has been made, and tells what is said after it.
async fn forced(lab: &Lab, name: &str, value: &str) -> DefenderTenant {
    lab.force(name, value).await;
    lab.until(name, "a forced mint", Patience::default(), |tenant| {
        let status = tenant.status.as_ref();
        status.and_then(|status| status.handled_refresh_request.as_deref()) == Some(value)
    })
    .await
}

async fn answered(lab: &Lab, name: &str, generation: i64) -> DefenderTenant {
    lab.until(name, "an answer", Patience::default(), |tenant| {
        discovered(tenant) == Some(generation)
    })
    .await
}

#[test]
fn a_mistyped_tenant_is_looked_for_once_whatever_is_retried_forced_or_restarted() {
    run(async {
        let mut lab = Lab::new("typo").await;
        lab.tenant("typo", json!({"tenantId": guid(1)})).await;
        let seen = answered(&lab, "typo", 1).await;
        let said = message(&seen);
        assert!(said.contains("in none of the clouds"), "{said}");
        let about = |tenant: &DefenderTenant| {
            let granted = condition(tenant, "ConsentGranted").expect("ConsentGranted");
            (granted.status.clone(), granted.reason.clone())
        };
        let unknown = ("Unknown".to_owned(), "TenantNotFound".to_owned());
        assert_eq!(about(&seen), unknown);
        assert_eq!(consent_url(&seen), None);

        let seen = forced(&lab, "typo", "a").await;
        assert_eq!(
            (about(&seen), message(&seen)),
            (unknown.clone(), said.clone())
        );
        lab.operator.kill().await;
        lab.start().await;
        lab.operator.ready().await;
        let seen = forced(&lab, "typo", "b").await;
        assert_eq!((about(&seen), message(&seen)), (unknown, said));
        assert_eq!(lab.emulator.token_requests(&guid(1)).await.len(), 3);
        let asked = lab.emulator.discoveries().await;
        assert_eq!(asked.len(), 1, "{asked:?}");
        assert_eq!(asked[0].outcome, "AADSTS90002");

        // Another spec is another question.
        lab.change("typo", json!({"region": "eu"})).await;
        answered(&lab, "typo", 2).await;
        let (journal, _) = lab.settled().await;
        let asked = journal.iter().filter(|entry| entry.kind == "discovery");
        assert_eq!(asked.count(), 2, "{journal:?}");
        lab.finish().await;
    });
}

#[test]
fn a_customer_of_another_cloud_is_told_which_and_one_of_this_cloud_keeps_its_reason() {
    // Where the tenant lives, what spec.cloud says, the reason, what the message says, whom was asked.
    let cases = [
        (
            "GCCHigh",
            "Commercial",
            "WrongCloud",
            "set spec.cloud to GCCHigh.",
            ".com",
        ),
        (
            "DoD",
            "Commercial",
            "WrongCloud",
            "set spec.cloud to DoD.",
            ".com",
        ),
        (
            "Commercial",
            "GCCHigh",
            "WrongCloud",
            "set spec.cloud to Commercial.",
            ".us.com",
        ),
        // Consent is there, the product isn't: as in another cloud.
        (
            "GCC",
            "Commercial",
            "WrongCloud",
            "set spec.cloud to GCC and",
            ".com",
        ),
        (
            "DoD",
            "GCCHigh",
            "WrongCloud",
            "set spec.cloud to DoD.",
            ".us",
        ),
        (
            "Commercial",
            "Commercial",
            "ResourceNotInTenant",
            "the product behind spec.api",
            ".com",
        ),
        (
            "GCCHigh",
            "GCCHigh",
            "ResourceNotInTenant",
            "the product behind spec.api",
            ".us",
        ),
    ];
    run(async {
        let lab = Lab::new("cloud").await;
        let consents = json!({CLIENT: ["Alert.Read.All"]});
        for (n, (home, spec, ..)) in (1..).zip(cases) {
            let body = json!({"cloud": home, "consents": consents, "resources": []});
            lab.emulator.tenant(&guid(n), &body).await;
            lab.tenant(
                &format!("t{n}"),
                json!({"tenantId": guid(n), "cloud": spec}),
            )
            .await;
        }
        for (n, (home, spec, reason, text, hosts)) in (1..).zip(cases) {
            let case = format!("{home} entered as {spec}");
            let seen = answered(&lab, &format!("t{n}"), 1).await;
            let ready = condition(&seen, "Ready").expect("Ready");
            assert_eq!(
                (ready.status.as_str(), ready.reason.as_str()),
                ("False", reason),
                "{case}"
            );
            assert!(ready.message.contains(text), "{case}: {}", ready.message);
            assert_eq!(
                consent_url(&seen).is_none(),
                reason == "WrongCloud",
                "{case}"
            );
            let error = seen
                .status
                .as_ref()
                .and_then(|status| status.last_error.as_ref());
            assert_eq!(
                error.map(|error| error.reason.as_str()),
                Some(reason),
                "{case}"
            );
            let asked = lab.emulator.discoveries().await;
            let asked = asked.iter().filter(|entry| entry.tenant == Some(guid(n)));
            let asked: String = asked
                .map(|entry| entry.host.trim_start_matches("login.microsoftonline"))
                .collect();
            assert_eq!(asked, hosts, "{case}");
        }
        lab.finish().await;
    });
}

#[test]
fn an_application_that_is_missing_in_the_right_cloud_is_a_question_of_consent() {
    run(async {
        let lab = Lab::new("missing").await;
        let keys = [
            ("client-id", UNKNOWN_CLIENT),
            ("client-secret", lab.secret.as_str()),
        ];
        lab.labelled("partner", &keys).await;
        lab.emulator.tenant(&guid(1), &json!({})).await;
        lab.tenant("contoso", json!({"tenantId": guid(1)})).await;
        let seen = answered(&lab, "contoso", 1).await;
        let ready = condition(&seen, "Ready").expect("Ready");
        assert_eq!(ready.reason, "ConsentRequired");
        assert!(consent_url(&seen).is_some_and(|url| url.contains(UNKNOWN_CLIENT)));
        let seen = forced(&lab, "contoso", "a").await;
        assert_eq!(
            condition(&seen, "Ready").map(|c| c.reason.as_str()),
            Some("ConsentRequired")
        );
        assert_eq!(lab.emulator.discoveries().await.len(), 1);
        lab.finish().await;
    });
}

#[test]
fn without_an_answer_the_next_failing_mint_asks_again_and_nobody_sooner() {
    run(async {
        let mut lab = Lab::new("silent").await;
        // The worldwide sign-in says nothing of the cloud here.
        lab.emulator
            .tenant(&guid(1), &json!({"cloud": "GCCHigh"}))
            .await;
        lab.emulator
            .token_fault(&guid(1), json!({"aadsts": 90_002}))
            .await;
        let matching = json!({"tenant": guid(1), "endpoint": "discovery"});
        lab.emulator
            .fault(matching, Some(1), json!({"status": 503}))
            .await;
        lab.tenant("contoso", json!({"tenantId": guid(1)})).await;
        let seen = lab.reason("contoso", "False", "TenantNotFound").await;
        assert_eq!(discovered(&seen), None);
        lab.operator.kill().await;
        lab.start().await;
        lab.operator.ready().await;
        let _ = lab.settled().await;
        assert_eq!(lab.emulator.discoveries().await.len(), 1);

        let seen = forced(&lab, "contoso", "a").await;
        assert!(message(&seen).contains("GCCHigh"), "{}", message(&seen));
        let outcomes: Vec<_> = lab.emulator.discoveries().await;
        let outcomes: Vec<_> = outcomes
            .iter()
            .map(|entry| entry.outcome.as_str())
            .collect();
        assert_eq!(outcomes, ["http 503", "ok"]);
        let text = lab.operator.metrics().await;
        assert!(
            text.contains("defender_tenant_discovery_requests_total{outcome=\"found\"} 1"),
            "{text}"
        );
        lab.finish().await;
    });
}

/// Any stretch of questions took its time.
fn assert_paced(asked: &[Journaled]) {
    let mut instants: Vec<_> = asked.iter().map(|entry| entry.at).collect();
    instants.sort();
    for (n, first) in instants.iter().enumerate() {
        for (steps, last) in (0..).zip(&instants[n..]) {
            let took = last.duration_since(*first);
            assert!(
                took + BLUR >= INTERVAL * steps,
                "{steps} more within {took}"
            );
        }
    }
}

#[test]
fn a_hundred_unknown_tenants_hold_up_neither_a_token_nor_a_question_of_another_namespace() {
    run(async {
        let setup = Setup {
            more_namespaces: vec!["noisy"],
            args: ["--log-level", "info"].map(str::to_owned).into(),
            ..Setup::default()
        };
        let lab = Lab::with("hundred", setup).await;
        let noisy = lab.namespace("noisy");
        lab.consented("good", &guid(1), json!({})).await;
        lab.ready("good").await;
        let label = json!({"defendertenant.io/credential": "true"});
        let keys = [
            ("client-id", CLIENT),
            ("client-secret", lab.secret.as_str()),
        ];
        lab.secret_in(&noisy, "partner", label, &keys).await;
        for (n, id) in (1_000..).map(guid).take(NOISY).enumerate() {
            lab.tenant_in(&noisy, &format!("n{n}"), json!({"tenantId": id}))
                .await;
        }
        lab.eventually("the questions have begun, and wait", async || {
            let journal = lab.emulator.journal().await;
            let count = |kind: &str| journal.iter().filter(|entry| entry.kind == kind).count();
            (count("token") > NOISY && count("discovery") > 2).then_some(())
        })
        .await;

        lab.tenant("typo", json!({"tenantId": guid(2)})).await;
        answered(&lab, "typo", 1).await;
        forced(&lab, "good", "a").await;
        let journal = lab.emulator.journal().await;
        let questions = |from: usize, to: usize| {
            let between = &journal[from..to];
            between
                .iter()
                .filter(|entry| entry.kind == "discovery")
                .count()
        };
        let place = |kind: &str, tenant: u64| {
            let found = journal
                .iter()
                .rposition(|entry| entry.kind == kind && entry.tenant == Some(guid(tenant)));
            found.expect("it was asked")
        };
        let mut between = questions(place("token", 2), place("discovery", 2));
        // Its own turn comes next, or after the one whose turn it was.
        between = between.saturating_sub(1);
        assert!(between <= 1, "{between} were asked before it: {journal:?}");
        assert!(
            questions(0, place("token", 1)) < NOISY,
            "the refresh waited for none of them"
        );

        let tenants = lab.tenants_in(&noisy);
        lab.eventually("all have their answer", async || {
            let list = tenants.list(&ListParams::default()).await.ok()?;
            list.iter()
                .all(|tenant| discovered(tenant) == Some(1))
                .then_some(())
        })
        .await;
        let asked = lab.emulator.discoveries().await;
        assert_eq!(asked.len(), NOISY + 1, "one each");
        assert_paced(&asked);
        lab.finish().await;
    });
}

#[test]
fn a_429_holds_all_questions_up_and_who_has_none_any_more_leaves_the_line() {
    run(async {
        let lab = Lab::new("line").await;
        let matching = json!({"endpoint": "discovery"});
        let fault = json!({"status": 429, "retryAfter": 8});
        lab.emulator.fault(matching, Some(1), fault).await;
        lab.tenant("t0", json!({"tenantId": guid(0)})).await;
        lab.reason("t0", "False", "TenantNotFound").await;
        for n in 1..4 {
            lab.tenant(&format!("t{n}"), json!({"tenantId": guid(n)}))
                .await;
        }
        let waiting = async |count: f64| {
            let gauge = "defender_tenant_queue_depth{queue=\"discovery\"}";
            lab.eventually(&format!("{count} wait"), async || {
                let waits = lab.operator.metric(gauge).await;
                ((waits - count).abs() < 0.1).then_some(())
            })
            .await;
        };
        waiting(3.0).await;
        lab.change("t1", json!({"suspend": true})).await;
        lab.delete("t2").await;
        waiting(1.0).await;
        answered(&lab, "t3", 1).await;
        waiting(0.0).await;
        let asked = lab.emulator.discoveries().await;
        let about: Vec<_> = asked.iter().map(|entry| entry.tenant.clone()).collect();
        assert_eq!(about, [Some(guid(0)), Some(guid(3))]);
        let took = asked[1].at.duration_since(asked[0].at);
        assert!(took + BLUR >= SignedDuration::from_secs(8), "{took}");
        lab.finish().await;
    });
}

#[test]
fn questions_that_hang_take_no_slot() {
    run(async {
        let setup = Setup {
            args: ["--concurrency", "1"].map(str::to_owned).into(),
            ..Setup::default()
        };
        let lab = Lab::with("hang", setup).await;
        lab.consented("first", &guid(1), json!({})).await;
        lab.ready("first").await;
        let matching = json!({"endpoint": "discovery"});
        lab.emulator
            .fault(matching, None, json!({"latencyMs": 30_000}))
            .await;
        for n in 0..3 {
            lab.tenant(&format!("lost{n}"), json!({"tenantId": guid(100 + n)}))
                .await;
        }
        let running = "defender_tenant_queue_depth{queue=\"running\"}";
        lab.eventually("all of them ask", async || {
            (lab.operator.metric(running).await >= 3.0).then_some(())
        })
        .await;
        lab.consented("second", &guid(2), json!({})).await;
        lab.ready("second").await;
        // The first one asked before it had a status to write.
        let first = lab.tenants().get("lost0").await.expect("a tenant");
        let told = condition(&first, "Ready").is_some_and(|c| c.reason == "TenantNotFound");
        assert!(!told, "it didn't wait for them");
        lab.finish().await;
    });
}
