//! Microsoft, or the way to it, fails: nothing is lost, and it is tried again.

use serde_json::{Value, json};

use crate::support::{CLIENT, Emulator, Journaled, Lab, Patience, Setup, condition, guid, run};

/// A body of 64 MiB for each of eight customers at once, were it kept, would be four times this.
const MEMORY_MOST_KIB: u64 = 128 * 1024;

#[test]
fn each_fault_of_the_service_is_retried_and_costs_no_token_and_no_memory() {
    run(async {
        let lab = Lab::new("away").await;
        let mut cases: Vec<(String, Value)> = [
            ("html", json!({"body": "html"})),
            ("empty", json!({"body": "empty"})),
            ("unavailable", json!({"status": 503})),
            ("text", json!({"status": 500, "text": "something broke"})),
            ("transient", json!({"aadsts": 90033})),
        ]
        .map(|(name, fault)| (name.to_owned(), fault))
        .into();
        cases.extend((0..8).map(|n| (format!("huge{n}"), json!({"body": "huge"}))));
        // It takes twenty seconds to be one: the others are over by then.
        cases.push(("latency".to_owned(), json!({"latencyMs": 30_000})));
        for (n, (name, _)) in (1..).zip(&cases) {
            lab.emulator
                .consented(&guid(n), CLIENT, &["Alert.Read.All"])
                .await;
            lab.tenant(name, json!({"tenantId": guid(n)})).await;
        }
        let mut tokens = Vec::new();
        for (n, (name, fault)) in (1..).zip(&cases) {
            lab.reason(name, "True", "TokenPublished").await;
            tokens.push(lab.token(name).await);
            lab.emulator
                .fault(
                    json!({"tenant": guid(n), "endpoint": "token"}),
                    Some(1),
                    fault.clone(),
                )
                .await;
            lab.force(name, "now").await;
        }
        for ((name, _), before) in cases.iter().zip(&tokens) {
            let seen = lab.reason(name, "True", "ServiceUnavailable").await;
            assert!(
                condition(&seen, "Reconciling").is_some() && condition(&seen, "Stalled").is_none(),
                "{name}"
            );
            assert_eq!(
                condition(&seen, "CredentialReady").map(|c| c.status.as_str()),
                Some("True"),
                "{name}"
            );
            let error = seen
                .status
                .and_then(|status| status.last_error)
                .expect("an error");
            assert_eq!(
                (error.reason.as_str(), error.scope.as_str()),
                ("ServiceUnavailable", "Service"),
                "{name}"
            );
            assert_eq!(
                lab.token(name).await,
                *before,
                "{name}: the older token stays"
            );
        }
        let open = lab
            .operator
            .metric("defender_tenant_breakers{state=\"open\"}")
            .await;
        assert!(open < 0.5, "nobody blames the credential");
        for ((name, _), before) in cases.iter().zip(&tokens) {
            lab.reason(name, "True", "TokenPublished").await;
            assert_ne!(lab.token(name).await, *before, "{name}: renewed by itself");
        }
        let peak = lab.operator.peak_memory_kib();
        assert!(peak < MEMORY_MOST_KIB, "{peak} KiB");
        lab.finish().await;
    });
}

/// One connection carries the requests of all.
#[test]
fn a_broken_connection_costs_nobody_a_try_and_one_that_breaks_again_is_retried_later() {
    run(async {
        let lab = Lab::new("reset").await;
        let fault = async |n: u64, times: u32, fault: Value| {
            let tenant = json!({"tenant": guid(n), "endpoint": "token"});
            lab.emulator.fault(tenant, Some(times), fault).await;
        };
        let mut tokens = Vec::new();
        for (n, name) in [(1, "slow"), (2, "broken")] {
            lab.emulator
                .consented(&guid(n), CLIENT, &["Alert.Read.All"])
                .await;
            lab.tenant(name, json!({"tenantId": guid(n)})).await;
            lab.ready(name).await;
            tokens.push(lab.token(name).await);
        }
        // While the one's answer is on its way, the other's breaks the connection.
        fault(1, 1, json!({"latencyMs": 10_000})).await;
        fault(2, 1, json!({"reset": true})).await;
        lab.force("slow", "now").await;
        lab.eventually("it is asked", async || {
            let asked = lab
                .operator
                .lines("step")
                .iter()
                .filter(|line| line["step"] == "Mint(Forced)")
                .count();
            (asked > 0).then_some(())
        })
        .await;
        lab.force("broken", "now").await;
        for (name, before) in ["slow", "broken"].into_iter().zip(&tokens) {
            lab.until(name, "renewed", Patience::seconds(30), |tenant| {
                tenant.status.as_ref().is_some_and(|status| {
                    status.handled_refresh_request.is_some() && status.last_error.is_none()
                })
            })
            .await;
            assert_ne!(lab.token(name).await, *before, "{name}");
            assert_eq!(lab.events(name).await, []);
        }
        let outcomes = |requests: Vec<Journaled>| -> Vec<String> {
            requests
                .into_iter()
                .map(|request| request.outcome)
                .collect()
        };
        let broken = outcomes(lab.emulator.token_requests(&guid(2)).await);
        assert_eq!(broken, ["ok", "reset", "ok"]);

        fault(2, 2, json!({"reset": true})).await;
        lab.force("broken", "again").await;
        lab.reason("broken", "True", "ServiceUnavailable").await;
        lab.reason("broken", "True", "TokenPublished").await;
        let broken = outcomes(lab.emulator.token_requests(&guid(2)).await);
        assert_eq!(broken[3..], ["reset", "reset", "ok"]);
        lab.finish().await;
    });
}

#[test]
fn a_certificate_that_nobody_trusts_is_no_service_and_sends_no_secret() {
    run(async {
        let mut lab = Lab::with(
            "tls",
            Setup {
                no_operator: true,
                ..Setup::default()
            },
        )
        .await;
        let folder = tempfile::tempdir().expect("a folder");
        let stranger = Emulator::start(folder.path().join("ca.crt")).await;
        let trusted = lab.emulator.ca_file().to_string_lossy().into_owned();
        lab.flag("--ca-bundle", &stranger.ca_file().to_string_lossy());
        lab.start().await;
        lab.emulator
            .consented(&guid(1), CLIENT, &["Alert.Read.All"])
            .await;
        lab.tenant("contoso", json!({"tenantId": guid(1)})).await;
        let seen = lab.reason("contoso", "False", "ServiceUnavailable").await;
        let message = &condition(&seen, "Ready").expect("Ready").message;
        assert!(message.contains("TLS"), "it says what failed: {message}");
        assert_eq!(lab.emulator.journal().await.len(), 0);
        lab.operator.stop().await;
        lab.flag("--ca-bundle", &trusted);
        lab.start().await;
        lab.until("contoso", "TokenPublished", Patience::default(), |tenant| {
            condition(tenant, "Ready").is_some_and(|c| c.status == "True")
        })
        .await;
        lab.finish().await;
    });
}
