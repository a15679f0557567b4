//! Tokens that aren't the ones asked for are never written.

use serde_json::{Value, json};

use crate::support::{CLIENT, Lab, Patience, condition, guid, run};

struct Case {
    name: &'static str,
    fault: Value,
    reason: &'static str,
    /// Part of the message.
    detail: &'static str,
}

fn cases() -> Vec<Case> {
    let case = |name, fault, reason, detail| Case {
        name,
        fault,
        reason,
        detail,
    };
    let claims = |claims: Value| json!({"claims": claims});
    let mismatch = "TokenMismatch";
    vec![
        case(
            "tid",
            claims(json!({"tid": guid(999)})),
            mismatch,
            "its tenant (tid) is another",
        ),
        case(
            "no-tid",
            claims(json!({"tid": null})),
            mismatch,
            "it can't be decoded",
        ),
        case(
            "aud",
            claims(json!({"aud": "https://graph.microsoft.com"})),
            mismatch,
            "its audience (aud) is another",
        ),
        case(
            "app",
            claims(json!({"appid": guid(998)})),
            mismatch,
            "its application (appid) is another",
        ),
        case(
            "roles-shape",
            claims(json!({"roles": "Alert.Read.All"})),
            mismatch,
            "it can't be decoded",
        ),
        case(
            "delegated",
            claims(json!({"scp": "Alert.Read"})),
            mismatch,
            "it is a delegated one (scp)",
        ),
        case(
            "exp",
            claims(json!({"exp": 1_700_000_000})),
            mismatch,
            "it has expired already (exp)",
        ),
        case(
            "no-roles",
            claims(json!({"roles": null})),
            "NoRoles",
            "The token carries no role: send status.consentUrl to an administrator of the customer.",
        ),
        case(
            "truncated",
            json!({"body": "truncated"}),
            "ServiceUnavailable",
            "",
        ),
        case("html", json!({"body": "html"}), "ServiceUnavailable", ""),
    ]
}

#[test]
fn a_wrong_token_is_never_written_and_the_older_one_stays() {
    run(async {
        let lab = Lab::new("wrong-later").await;
        let mut held = Vec::new();
        for (n, case) in (1..).zip(cases()) {
            lab.emulator
                .consented(&guid(n), CLIENT, &["Alert.Read.All"])
                .await;
            lab.tenant(case.name, json!({"tenantId": guid(n)})).await;
        }
        for case in cases() {
            lab.reason(case.name, "True", "TokenPublished").await;
            let target = lab.target(case.name).await.expect("the Secret");
            held.push((target.metadata.resource_version, target.data));
        }
        for (n, case) in (1..).zip(cases()) {
            lab.emulator.token_fault(&guid(n), case.fault).await;
            lab.force(case.name, "now").await;
        }
        for (case, before) in cases().into_iter().zip(held) {
            let seen = lab.reason(case.name, "True", case.reason).await;
            let message = &condition(&seen, "Ready").expect("Ready").message;
            assert!(message.contains(case.detail), "{}: {message}", case.name);
            let error = seen
                .status
                .and_then(|status| status.last_error)
                .expect("an error");
            assert_eq!(error.reason, case.reason, "{}", case.name);
            let target = lab.target(case.name).await.expect("the Secret");
            assert_eq!(
                (target.metadata.resource_version, target.data),
                before,
                "{}: untouched",
                case.name
            );
        }
        lab.settled().await;
        // The emulator says what Microsoft said: the tokens did come.
        let ok = lab
            .emulator
            .all_token_requests()
            .await
            .iter()
            .filter(|entry| entry.outcome == "ok")
            .count();
        assert!(ok >= 18, "{ok}");
        lab.finish().await;
    });
}

#[test]
fn a_wrong_first_token_leaves_no_secret_and_says_which_mistake() {
    run(async {
        let lab = Lab::new("wrong-first").await;
        for (n, case) in (1..).zip(cases()) {
            lab.emulator
                .consented(&guid(n), CLIENT, &["Alert.Read.All"])
                .await;
            lab.emulator.token_fault(&guid(n), case.fault).await;
            lab.tenant(case.name, json!({"tenantId": guid(n)})).await;
        }
        for case in cases() {
            let seen = lab.reason(case.name, "False", case.reason).await;
            let message = &condition(&seen, "Ready").expect("Ready").message;
            assert!(message.contains(case.detail), "{}: {message}", case.name);
            let stalled = condition(&seen, "Stalled").is_some();
            assert_eq!(
                stalled,
                case.reason != "ServiceUnavailable",
                "{}",
                case.name
            );
        }
        for case in cases() {
            assert_eq!(lab.target(case.name).await, None, "{}", case.name);
        }
        let created: Vec<_> = lab
            .writes()
            .into_iter()
            .filter(|request| request.resource == "secrets")
            .collect();
        assert!(created.is_empty(), "{created:?}");
        // What was wrong with Microsoft passes by itself; what was wrong with a token is asked for again on demand.
        lab.emulator.clear_faults().await;
        lab.force("tid", "again").await;
        for name in ["tid", "html"] {
            lab.until(name, "TokenPublished", Patience::default(), |tenant| {
                condition(tenant, "Ready").is_some_and(|c| c.reason == "TokenPublished")
            })
            .await;
        }
        let recovered = lab.eventually("an Event", async || {
            lab.events("tid")
                .await
                .into_iter()
                .find(|(reason, _)| reason == "Recovered")
        });
        recovered.await;
        lab.finish().await;
    });
}
