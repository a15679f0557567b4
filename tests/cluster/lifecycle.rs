//! A token's life: renewed before it ends, never alive after; on demand; and a tenant that is suspended.

use defender_tenant_operator::api::DefenderTenant;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::support::{CLIENT, Lab, Patience, Setup, condition, guid, key, run};

fn is(tenant: &DefenderTenant, type_: &str) -> Option<(String, String)> {
    condition(tenant, type_).map(|c| (c.status.clone(), c.reason.clone()))
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "compared with what may not be there"
)]
fn so(status: &str, reason: &str) -> Option<(String, String)> {
    Some((status.to_owned(), reason.to_owned()))
}

fn handled(tenant: &DefenderTenant) -> Option<&str> {
    tenant.status.as_ref()?.handled_refresh_request.as_deref()
}

#[test]
fn a_suspended_tenant_keeps_its_token_and_mints_nothing() {
    run(async {
        let lab = Lab::new("suspend").await;
        for n in 1..=2 {
            lab.emulator
                .consented(&guid(n), CLIENT, &["Alert.Read.All"])
                .await;
        }
        lab.tenant("contoso", json!({"tenantId": guid(1)})).await;
        lab.tenant("never", json!({"tenantId": guid(2), "suspend": true}))
            .await;
        lab.reason("contoso", "True", "TokenPublished").await;
        let before = lab.token("contoso").await;
        lab.change("contoso", json!({"suspend": true})).await;
        let seen = lab.reason("contoso", "True", "Suspended").await;
        assert_eq!(
            (is(&seen, "Stalled"), is(&seen, "Reconciling")),
            (None, None)
        );
        let seen = lab.reason("never", "False", "Suspended").await;
        assert_eq!(is(&seen, "Stalled"), so("True", "Suspended"));
        lab.force("contoso", "now").await;
        lab.force("never", "now").await;
        let (journal, _) = lab.settled().await;
        assert_eq!(journal.len(), 1, "{journal:?}");
        assert_eq!(lab.token("contoso").await, before);
        lab.change("never", json!({"suspend": false})).await;
        lab.reason("never", "True", "TokenPublished").await;
        lab.finish().await;
    });
}

#[test]
fn force_mints_once_a_value_and_never_within_ten_seconds() {
    run(async {
        let lab = Lab::new("force").await;
        lab.emulator
            .consented(&guid(1), CLIENT, &["Alert.Read.All"])
            .await;
        lab.tenant("contoso", json!({"tenantId": guid(1)})).await;
        lab.reason("contoso", "True", "TokenPublished").await;
        let first = lab.token("contoso").await;
        for value in ["one", "two", "three"] {
            lab.force("contoso", value).await;
        }
        lab.until(
            "contoso",
            "the last value is served",
            Patience::default(),
            |tenant| handled(tenant) == Some("three"),
        )
        .await;
        let requests = lab.emulator.token_requests(&guid(1)).await;
        assert_eq!(
            requests.len(),
            2,
            "the values in between are no longer there: {requests:?}"
        );
        let gap = requests[1].at.duration_since(requests[0].at);
        assert!(gap >= SignedDuration::from_secs(10), "{gap}");
        assert_ne!(lab.token("contoso").await, first);
        // The same value again, and no value.
        lab.force("contoso", "three").await;
        lab.change("contoso", json!({"probe": "Never"})).await;
        let patch =
            json!({"metadata": {"annotations": {"defendertenant.io/refresh-requested-at": null}}});
        let merge = kube::api::Patch::Merge(&patch);
        lab.tenants()
            .patch("contoso", &kube::api::PatchParams::default(), &merge)
            .await
            .expect("a patch");
        lab.settled().await;
        assert_eq!(lab.emulator.token_requests(&guid(1)).await.len(), 2);
        lab.finish().await;
    });
}

#[test]
fn a_failed_forced_mint_is_served_too_and_not_repeated_for_the_same_value() {
    run(async {
        let lab = Lab::new("force-fails").await;
        lab.emulator.tenant(&guid(1), &json!({})).await;
        lab.tenant("contoso", json!({"tenantId": guid(1)})).await;
        lab.reason("contoso", "False", "ConsentRequired").await;
        lab.force("contoso", "now").await;
        lab.until("contoso", "served", Patience::default(), |tenant| {
            handled(tenant) == Some("now")
        })
        .await;
        lab.settled().await;
        assert_eq!(lab.emulator.token_requests(&guid(1)).await.len(), 2);
        lab.finish().await;
    });
}

#[test]
fn a_probe_finds_out_that_defender_is_not_set_up() {
    run(async {
        let lab = Lab::new("probe").await;
        let consents = json!({CLIENT: ["Alert.Read.All"]});
        lab.emulator
            .tenant(
                &guid(1),
                &json!({"consents": consents, "provisioned": false}),
            )
            .await;
        lab.emulator
            .tenant(&guid(2), &json!({"consents": consents}))
            .await;
        lab.tenant("bare", json!({"tenantId": guid(1), "probe": "OnChange"}))
            .await;
        lab.tenant("fine", json!({"tenantId": guid(2), "probe": "OnChange"}))
            .await;
        let seen = lab.reason("bare", "True", "NotProvisioned").await;
        assert_eq!(is(&seen, "ConsentGranted"), so("Unknown", "NotProvisioned"));
        assert_eq!(is(&seen, "Stalled"), so("True", "NotProvisioned"));
        assert!(
            lab.token("bare").await.is_some(),
            "the token is the right one all the same"
        );
        let seen = lab.reason("fine", "True", "TokenPublished").await;
        assert!(seen.status.is_some_and(|status| status.probed_at.is_some()));
        let (journal, _) = lab.settled().await;
        let calls: Vec<_> = journal.iter().filter(|entry| entry.kind == "api").collect();
        assert_eq!(calls.len(), 2, "one call each: {calls:?}");
        assert!(
            calls
                .iter()
                .all(|entry| entry.host == "api.security.microsoft.com"),
            "{calls:?}"
        );
        lab.change("fine", json!({"region": "eu"})).await;
        lab.eventually("a changed spec is probed", async || {
            let journal = lab.emulator.journal().await;
            journal
                .iter()
                .any(|entry| entry.kind == "api" && entry.host == "eu.api.security.microsoft.com")
                .then_some(())
        })
        .await;
        lab.finish().await;
    });
}

#[test]
fn an_expired_token_never_looks_alive() {
    run(async {
        let lab = Lab::new("expiry").await;
        lab.emulator.lifetime(24).await;
        for (n, policy) in [(1, "Delete"), (2, "Empty")] {
            lab.emulator
                .consented(&guid(n), CLIENT, &["Alert.Read.All"])
                .await;
            let target =
                json!({"expiredTokenPolicy": policy, "formats": ["Header", "Json", "Env"]});
            lab.tenant(
                &policy.to_lowercase(),
                json!({"tenantId": guid(n), "target": target}),
            )
            .await;
        }
        let mut expiries = Vec::new();
        for name in ["delete", "empty"] {
            lab.ready(name).await;
            let target = lab.target(name).await.expect("the Secret");
            let expires: Timestamp = key(&target, "expires-on")
                .expect("a date")
                .parse()
                .expect("RFC 3339");
            expiries.push(expires);
        }
        // No other comes.
        lab.emulator
            .fault(json!({"endpoint": "token"}), None, json!({"aadsts": 90033}))
            .await;
        lab.eventually("the Secret goes", async || {
            lab.target("delete").await.is_none().then_some(())
        })
        .await;
        let emptied = lab
            .eventually("the Secret is emptied", async || {
                let target = lab.target("empty").await?;
                (key(&target, "token").as_deref() == Some("")).then_some(target)
            })
            .await;
        let now = Timestamp::now();
        for expires in expiries {
            let late = now.duration_since(expires);
            assert!(
                late > SignedDuration::ZERO && late < SignedDuration::from_secs(10),
                "{late}"
            );
        }
        for name in ["authorization", "expires-on", "header", "json", "env"] {
            assert_eq!(key(&emptied, name).as_deref(), Some(""), "{name}");
        }
        assert_eq!(key(&emptied, "tenant-id"), Some(guid(2)));
        for name in ["delete", "empty"] {
            let seen = lab.reason(name, "False", "ServiceUnavailable").await;
            assert!(is(&seen, "Reconciling").is_some() && is(&seen, "Stalled").is_none());
            assert!(seen.status.is_some_and(|status| status.token.is_none()));
        }
        lab.emulator.clear_faults().await;
        for name in ["delete", "empty"] {
            lab.reason(name, "True", "TokenPublished").await;
            let token = lab.token(name).await;
            assert!(token.is_some_and(|token| !token.is_empty()));
        }
        lab.finish().await;
    });
}

#[test]
fn short_lived_tokens_are_renewed_before_they_end() {
    run(async {
        let args = ["--refresh-margin", "2"].map(str::to_owned).into();
        let lab = Lab::with(
            "renew",
            Setup {
                args,
                ..Setup::default()
            },
        )
        .await;
        lab.emulator.lifetime(30).await;
        lab.emulator
            .consented(&guid(1), CLIENT, &["Alert.Read.All"])
            .await;
        lab.tenant(
            "contoso",
            json!({"tenantId": guid(1), "refresh": {"minRemainingSeconds": 5}}),
        )
        .await;
        lab.reason("contoso", "True", "TokenPublished").await;
        let mut tokens = Vec::new();
        let mut least = SignedDuration::from_secs(30);
        lab.eventually("three tokens", async || {
            let target = lab
                .target("contoso")
                .await
                .expect("the Secret is always there");
            let expires: Timestamp = key(&target, "expires-on")?.parse().expect("RFC 3339");
            least = least.min(expires.duration_since(Timestamp::now()));
            let token = key(&target, "token")?;
            if !tokens.contains(&token) {
                tokens.push(token);
            }
            (tokens.len() == 3).then_some(())
        })
        .await;
        assert!(
            least >= SignedDuration::from_secs(5),
            "{least} left at the least"
        );
        assert!(
            lab.events("contoso").await.is_empty(),
            "a renewal is no Event"
        );
        let outcomes: Vec<_> = lab
            .emulator
            .token_requests(&guid(1))
            .await
            .into_iter()
            .map(|e| e.outcome)
            .collect();
        assert_eq!(outcomes, ["ok", "ok", "ok"]);
        lab.finish().await;
    });
}

#[test]
fn a_lifetime_that_is_too_short_for_the_promise_is_said_once() {
    run(async {
        let lab = Lab::new("short").await;
        lab.emulator.lifetime(30).await;
        lab.emulator
            .consented(&guid(1), CLIENT, &["Alert.Read.All"])
            .await;
        lab.tenant("contoso", json!({"tenantId": guid(1)})).await;
        lab.reason("contoso", "True", "TokenPublished").await;
        lab.eventually("a second token", async || {
            (lab.emulator.token_requests(&guid(1)).await.len() == 2).then_some(())
        })
        .await;
        lab.reason("contoso", "True", "TokenPublished").await;
        let events = lab.events("contoso").await;
        let reasons: Vec<_> = events.iter().map(|(reason, _)| reason.as_str()).collect();
        assert_eq!(reasons, ["LifetimeTooShort"], "{events:?}");
        lab.finish().await;
    });
}
