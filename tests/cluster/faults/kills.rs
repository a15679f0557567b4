//! SIGKILL between any two writes: the next start goes on from what is in the Secret.

use k8s_openapi::api::core::v1::Secret;
use serde_json::json;

use crate::support::{Act, Call, Lab, Proxy, Rule, Setup, count, guid, instant, run, token};

/// What is to be found after the next start.
struct Expected {
    /// Token requests in all.
    mints: usize,
    /// Secrets created.
    creates: usize,
    /// Secrets patched.
    patches: usize,
    /// Statuses written.
    statuses: usize,
}

async fn lab(name: &str) -> (Lab, Proxy) {
    let setup = Setup {
        args: ["--refresh-margin", "0"].map(str::to_owned).into(),
        ..Setup::default()
    };
    Lab::behind_proxy(name, setup).await
}

/// Kills the operator where the rule holds it, starts it again, and counts what came of it.
async fn killed(
    mut lab: Lab,
    proxy: &Proxy,
    act: Act,
    what: fn(&Call) -> bool,
    expected: Expected,
) {
    // What is held may be the first write or the second: the lab says which.
    let held = proxy.rule(Rule::once(act, what));
    if lab
        .tenants()
        .get_opt("contoso")
        .await
        .expect("an answer")
        .is_none()
    {
        lab.consented("contoso", &guid(1), json!({})).await;
    }
    held.hit().await;
    let before = lab.target("contoso").await;
    lab.operator.kill().await;
    lab.emulator.lifetime(3600).await;
    held.lift();
    lab.start().await;
    lab.until(
        "contoso",
        "ready, and for long",
        crate::support::Patience::default(),
        |tenant| {
            let token = tenant
                .status
                .as_ref()
                .and_then(|status| status.token.as_ref());
            let long =
                |at: jiff::Timestamp| at.duration_since(jiff::Timestamp::now()).as_secs() > 20;
            token.is_some_and(|token| long(token.refresh_at.0))
        },
    )
    .await;
    let (_, requests) = lab.settled().await;
    let after = lab.target("contoso").await.expect("a Secret");
    if let Some(before) = before {
        kept_or_younger(&before, &after);
    }
    let done = count(requests.iter().filter(|request| request.code < 300));
    let of = |what: &str| done.get(what).copied().unwrap_or_default();
    assert_eq!(lab.mints(&guid(1)).await, expected.mints, "mints; {done:?}");
    assert_eq!(of("create secrets"), expected.creates, "{done:?}");
    assert_eq!(of("patch secrets"), expected.patches, "{done:?}");
    assert_eq!(
        of("update defendertenants/status"),
        expected.statuses,
        "{done:?}"
    );
    lab.finish().await;
}

fn kept_or_younger(before: &Secret, after: &Secret) {
    let (was, is) = (instant(before, "issued-at"), instant(after, "issued-at"));
    assert!(
        is > was || token(after) == token(before),
        "{was:?} → {is:?}"
    );
}

#[test]
fn before_the_secret_is_created_the_mint_is_repeated() {
    run(async {
        let (lab, proxy) = lab("kill-1").await;
        let expected = Expected {
            mints: 2,
            creates: 1,
            patches: 0,
            statuses: 1,
        };
        killed(lab, &proxy, Act::HoldBefore, Call::creates_secret, expected).await;
    });
}

#[test]
fn after_the_secret_was_created_its_token_is_taken_over() {
    run(async {
        let (lab, proxy) = lab("kill-2").await;
        let expected = Expected {
            mints: 1,
            creates: 1,
            patches: 0,
            statuses: 1,
        };
        killed(lab, &proxy, Act::HoldAfter, Call::creates_secret, expected).await;
    });
}

#[test]
fn before_the_first_status_is_written_nothing_is_repeated() {
    run(async {
        let (lab, proxy) = lab("kill-3").await;
        let expected = Expected {
            mints: 1,
            creates: 1,
            patches: 0,
            statuses: 1,
        };
        killed(lab, &proxy, Act::HoldBefore, Call::puts_status, expected).await;
    });
}

#[test]
fn after_the_first_status_was_written_nothing_is_left_to_do() {
    run(async {
        let (lab, proxy) = lab("kill-4").await;
        let expected = Expected {
            mints: 1,
            creates: 1,
            patches: 0,
            statuses: 1,
        };
        killed(lab, &proxy, Act::HoldAfter, Call::puts_status, expected).await;
    });
}

/// A tenant that is ready and whose token falls due within seconds.
async fn due_soon(name: &str) -> (Lab, Proxy) {
    let (lab, proxy) = lab(name).await;
    lab.emulator.lifetime(30).await;
    let spec = json!({"refresh": {"minRemainingSeconds": 5}});
    lab.consented("contoso", &guid(1), spec).await;
    lab.ready("contoso").await;
    lab.emulator.lifetime(3600).await;
    (lab, proxy)
}

#[test]
fn before_the_refreshed_secret_is_written_the_mint_is_repeated() {
    run(async {
        let (lab, proxy) = due_soon("kill-5").await;
        let expected = Expected {
            mints: 3,
            creates: 1,
            patches: 1,
            statuses: 2,
        };
        killed(lab, &proxy, Act::HoldBefore, Call::patches_secret, expected).await;
    });
}

#[test]
fn after_the_refreshed_secret_was_written_its_token_is_taken_over() {
    run(async {
        let (lab, proxy) = due_soon("kill-6").await;
        let expected = Expected {
            mints: 2,
            creates: 1,
            patches: 1,
            statuses: 2,
        };
        killed(lab, &proxy, Act::HoldAfter, Call::patches_secret, expected).await;
    });
}

#[test]
fn before_the_refreshs_status_is_written_nothing_is_repeated() {
    run(async {
        let (lab, proxy) = due_soon("kill-7").await;
        let expected = Expected {
            mints: 2,
            creates: 1,
            patches: 1,
            statuses: 2,
        };
        killed(lab, &proxy, Act::HoldBefore, Call::puts_status, expected).await;
    });
}

#[test]
fn after_the_refreshs_status_was_written_nothing_is_left_to_do() {
    run(async {
        let (lab, proxy) = due_soon("kill-8").await;
        let expected = Expected {
            mints: 2,
            creates: 1,
            patches: 1,
            statuses: 2,
        };
        killed(lab, &proxy, Act::HoldAfter, Call::puts_status, expected).await;
    });
}

#[test]
fn between_the_new_target_and_the_end_of_the_old_one_both_are_there_and_no_mint_is_made() {
    run(async {
        let (mut lab, proxy) = lab("kill-9").await;
        lab.consented("contoso", &guid(1), json!({})).await;
        lab.ready("contoso").await;
        let before = lab.target("contoso").await.expect("a Secret");
        let held = proxy.rule(Rule::once(Act::HoldBefore, |call: &Call| {
            call.method == http::Method::DELETE
        }));
        lab.change("contoso", json!({"target": {"name": "elsewhere"}}))
            .await;
        held.hit().await;
        assert!(lab.target("contoso").await.is_some());
        lab.operator.kill().await;
        held.lift();
        lab.start().await;
        lab.eventually("the old one is gone", async || {
            lab.target("contoso").await.is_none().then_some(())
        })
        .await;
        lab.ready("contoso").await;
        let after = lab.secrets().get("elsewhere").await.expect("a Secret");
        assert_eq!(after.data, before.data);
        assert_eq!(lab.mints(&guid(1)).await, 1);
        lab.finish().await;
    });
}
