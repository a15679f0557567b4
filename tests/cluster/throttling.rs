//! Microsoft asks to slow down.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::{CLIENT, Lab, Patience, condition, guid, run};

/// An HTTP date so many seconds from now.
fn date(seconds: i64) -> String {
    let at = Timestamp::now() + SignedDuration::from_secs(seconds);
    let at: std::time::SystemTime = at.into();
    httpdate::fmt_http_date(at)
}

#[test]
fn a_429_pauses_that_customer_as_long_as_it_says_and_no_other() {
    run(async {
        let lab = Lab::new("throttled").await;
        // What Retry-After says, and the seconds from the answer to the next request that it may mean: whole ones,
        // rounded at both ends, and Microsoft's clock shows no fractions either.
        let cases: [(&str, Value, i64, i64); 5] = [
            ("seconds", json!({"status": 429, "retryAfter": 15}), 15, 18),
            (
                "date",
                json!({"status": 429, "retryAfter": date(25)}),
                12,
                28,
            ),
            (
                "nonsense",
                json!({"status": 429, "retryAfter": "soon"}),
                60,
                68,
            ),
            (
                "plain-text",
                json!({"status": 429, "retryAfter": 15, "text": "slow down, please"}),
                15,
                18,
            ),
            ("loop", json!({"aadsts": 50196}), 60, 68),
        ];
        for (n, (name, fault, ..)) in (1..).zip(&cases) {
            lab.emulator
                .consented(&guid(n), CLIENT, &["Alert.Read.All"])
                .await;
            lab.emulator
                .fault(
                    json!({"tenant": guid(n), "endpoint": "token"}),
                    Some(1),
                    fault.clone(),
                )
                .await;
            lab.tenant(name, json!({"tenantId": guid(n)})).await;
        }
        lab.emulator
            .consented(&guid(9), CLIENT, &["Alert.Read.All"])
            .await;
        lab.tenant("other", json!({"tenantId": guid(9)})).await;
        lab.until(
            "other",
            "TokenPublished at once",
            Patience::seconds(10),
            |tenant| condition(tenant, "Ready").is_some_and(|c| c.status == "True"),
        )
        .await;
        for (name, _, least, most) in &cases {
            let seen = lab.reason(name, "False", "Throttled").await;
            assert!(
                condition(&seen, "Reconciling").is_some() && condition(&seen, "Stalled").is_none(),
                "{name}"
            );
            assert_eq!(
                condition(&seen, "CredentialReady").map(|c| c.status.as_str()),
                Some("True"),
                "{name}"
            );
            let attempt = seen
                .status
                .and_then(|status| status.attempt)
                .expect("an attempt");
            let wait = attempt
                .next_at
                .expect("an instant")
                .0
                .duration_since(attempt.last_at.0)
                .as_secs();
            assert!((*least..=*most).contains(&wait), "{name}: {wait} s");
        }
        // Not a word before that, and then it goes well.
        for (n, (name, _, least, _)) in (1..).zip(&cases) {
            if *least > 30 {
                continue;
            }
            lab.reason(name, "True", "TokenPublished").await;
            let requests = lab.emulator.token_requests(&guid(n)).await;
            assert_eq!(requests.len(), 2, "{name}: {requests:?}");
            let gap = requests[1].at.duration_since(requests[0].at);
            assert!(gap >= SignedDuration::from_secs(*least), "{name}: {gap}");
        }
        for n in [3, 5] {
            let requests = lab.emulator.token_requests(&guid(n)).await;
            assert_eq!(requests.len(), 1, "{requests:?}");
        }
        lab.finish().await;
    });
}

#[test]
fn a_pause_outlives_force_a_changed_spec_and_a_restart() {
    run(async {
        let mut lab = Lab::new("pause").await;
        lab.emulator
            .consented(&guid(1), CLIENT, &["Alert.Read.All"])
            .await;
        let fault = json!({"status": 429, "retryAfter": 20});
        lab.emulator
            .fault(json!({"tenant": guid(1)}), Some(1), fault)
            .await;
        lab.tenant("contoso", json!({"tenantId": guid(1)})).await;
        lab.reason("contoso", "False", "Throttled").await;
        lab.force("contoso", "now").await;
        lab.change("contoso", json!({"region": "eu"})).await;
        lab.settled().await;
        assert_eq!(lab.emulator.token_requests(&guid(1)).await.len(), 1);
        lab.operator.stop().await;
        lab.start().await;
        lab.reason("contoso", "True", "TokenPublished").await;
        let requests = lab.emulator.token_requests(&guid(1)).await;
        assert_eq!(requests.len(), 2, "{requests:?}");
        let gap = requests[1].at.duration_since(requests[0].at);
        assert!(
            gap >= SignedDuration::from_secs(20) && gap < SignedDuration::from_secs(40),
            "{gap}"
        );
        lab.finish().await;
    });
}
