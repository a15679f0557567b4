//! The API server is away, forgets, or answers late.

use std::time::Duration;

use kube::api::DeleteParams;
use serde_json::json;

use crate::support::{
    Act, Arena, Call, Lab, Patience, Proxy, Rule, Setup, count, eventually, guid, instant, run,
    status, token,
};

const TENANTS: u64 = 8;
/// An outage as long as a control plane's restart may take.
const OUTAGE: Duration = Duration::from_mins(1);

fn short() -> Setup {
    Setup {
        args: ["--refresh-margin", "0"].map(str::to_owned).into(),
        ..Setup::default()
    }
}

/// Tenants whose tokens fall due while the API server is away, and that outlive the outage.
async fn fleet(lab: &Lab) {
    lab.emulator.lifetime(90).await;
    for n in 0..TENANTS {
        lab.consented(&format!("t{n}"), &guid(n), json!({})).await;
    }
    for n in 0..TENANTS {
        lab.ready(&format!("t{n}")).await;
    }
    lab.emulator.lifetime(3600).await;
}

/// Every token was renewed by one mint, and what was written was written once.
async fn renewed_once(lab: &Lab, created: u64, patience: Patience) {
    for n in 0..TENANTS {
        let name = format!("t{n}");
        eventually(&format!("{name} is renewed"), patience, async || {
            let secret = lab.target(&name).await?;
            let left = instant(&secret, "expires-at")?.duration_since(jiff::Timestamp::now());
            (left.as_secs() > 600).then_some(())
        })
        .await;
        lab.ready(&name).await;
    }
    let (_, requests) = lab.settled().await;
    for n in 0..TENANTS {
        assert_eq!(
            lab.mints(&guid(n)).await,
            2,
            "t{n}: the first and the due one"
        );
    }
    let done = requests.iter().filter(|request| request.code < 300);
    let count = count(done);
    assert_eq!(count["create secrets"] as u64, created);
    assert_eq!(count["patch secrets"] as u64, TENANTS, "each once");
}

/// A new tenant is served within seconds: the watches are back.
async fn is_back(lab: &Lab) {
    lab.consented("late", &guid(99), json!({})).await;
    lab.ready("late").await;
}

#[test]
fn due_tokens_are_minted_once_though_the_api_server_refuses_connections_for_a_minute() {
    run(async {
        let (lab, proxy) = Lab::behind_proxy("refused", short()).await;
        fleet(&lab).await;
        proxy.refuse();
        tokio::time::sleep(OUTAGE).await;
        proxy.restore();
        renewed_once(&lab, TENANTS, Patience::seconds(30)).await;
        is_back(&lab).await;
        lab.finish().await;
    });
}

#[test]
fn due_tokens_are_minted_once_though_the_api_server_is_silent_for_a_minute() {
    run(async {
        let (lab, proxy) = Lab::behind_proxy("silent", short()).await;
        fleet(&lab).await;
        proxy.silence();
        tokio::time::sleep(OUTAGE).await;
        proxy.restore();
        renewed_once(&lab, TENANTS, Patience::seconds(30)).await;
        is_back(&lab).await;
        lab.finish().await;
    });
}

#[test]
fn an_api_server_that_was_killed_and_came_back_finds_an_operator_that_goes_on() {
    run(async {
        let arena = Arena::own().await;
        arena.install_crd().await;
        let lab = Lab::on(arena, "killed", short()).await;
        // A controller manager that is still starting ends when the API server does; one that collects goes on.
        lab.consented("first", &guid(98), json!({})).await;
        lab.ready("first").await;
        let params = DeleteParams::background();
        lab.tenants().delete("first", &params).await.expect("200");
        lab.eventually("garbage is collected", async || {
            lab.target("first").await.is_none().then_some(())
        })
        .await;
        fleet(&lab).await;
        lab.arena
            .cluster
            .lock()
            .await
            .kill_apiserver()
            .await
            .expect("it ran");
        tokio::time::sleep(OUTAGE).await;
        lab.arena
            .cluster
            .lock()
            .await
            .start_apiserver()
            .await
            .expect("it starts");
        renewed_once(&lab, TENANTS + 1, Patience::default()).await;
        is_back(&lab).await;
        lab.finish().await;
    });
}

/// Ready tenants and what was asked until then.
async fn quiet(name: &str) -> (Lab, Proxy, usize) {
    let (lab, proxy) = Lab::behind_proxy(name, Setup::default()).await;
    for n in 0..3 {
        lab.consented(&format!("t{n}"), &guid(n), json!({})).await;
    }
    for n in 0..3 {
        lab.ready(&format!("t{n}")).await;
    }
    let _ = lab.settled().await;
    let writes = lab.own_writes().len();
    (lab, proxy, writes)
}

async fn nothing_more(lab: &Lab, writes: usize) {
    let _ = lab.settled().await;
    for n in 0..3 {
        assert_eq!(lab.mints(&guid(n)).await, 1, "t{n}");
    }
    // What the late tenant cost apart: its Secret, and a status or two.
    let more = lab.own_writes();
    let more: Vec<_> = more[writes..]
        .iter()
        .filter(|write| !write.name.starts_with("late"))
        .collect();
    assert!(more.is_empty(), "{more:?}");
}

#[test]
fn watches_that_break_go_on_where_they_were() {
    run(async {
        let (lab, proxy, writes) = quiet("cut").await;
        for _ in 0..3 {
            proxy.cut_watches();
        }
        is_back(&lab).await;
        nothing_more(&lab, writes).await;
        lab.finish().await;
    });
}

#[test]
fn a_watch_that_is_too_old_is_answered_by_a_list_and_no_write() {
    run(async {
        let (lab, proxy, writes) = quiet("expired").await;
        // Both ways in which it is told: as the answer, and as an event.
        let gone = status(410, "Expired");
        let event = json!({"type": "ERROR", "object": gone});
        let watches = |call: &Call| call.watch;
        let answered = proxy.rule(Rule::times(3, Act::Answer(410, gone), watches));
        let told = proxy.rule(Rule::times(3, Act::Answer(200, event), watches));
        proxy.cut_watches();
        eventually("all were told", Patience::default(), async || {
            (answered.count() == 3 && told.count() == 3).then_some(())
        })
        .await;
        is_back(&lab).await;
        nothing_more(&lab, writes).await;
        lab.finish().await;
    });
}

#[test]
fn watches_that_lag_behind_own_writes_cost_no_mint_and_no_write() {
    run(async {
        let (lab, proxy, _) = quiet("lagging").await;
        let delayed = proxy.rule(Rule::always(Act::DelayEvents, |call: &Call| {
            call.watch && call.path.ends_with("/secrets")
        }));
        proxy.cut_watches();
        lab.eventually("the Secrets' watches are new", async || {
            (delayed.count() >= 2).then_some(())
        })
        .await;
        // Two refreshes, and a tenant whose Secret no watch tells.
        for value in ["1", "2"] {
            let before = lab.target("t0").await.expect("a Secret");
            lab.force("t0", value).await;
            lab.eventually("a refresh", async || {
                (token(&lab.target("t0").await?) != token(&before)).then_some(())
            })
            .await;
            lab.until("t0", "it says so", Patience::default(), |tenant| {
                let handled = |s: &defender_tenant_operator::api::DefenderTenantStatus| {
                    s.handled_refresh_request.as_deref() == Some(value)
                };
                tenant.status.as_ref().is_some_and(handled)
            })
            .await;
        }
        is_back(&lab).await;
        lab.poke("late", 1).await;
        let (_, before) = lab.settled().await;
        delayed.lift();
        lab.poke("late", 2).await;
        let (_, after) = lab.settled().await;
        assert_eq!(lab.mints(&guid(0)).await, 3);
        assert_eq!(lab.mints(&guid(99)).await, 1);
        let conflicts: Vec<_> = after.iter().filter(|request| request.code == 409).collect();
        assert!(conflicts.is_empty(), "{conflicts:?}");
        let count = count(&after);
        assert_eq!(count["create secrets"], 4);
        assert_eq!(count["patch secrets"], 2);
        let late = &after[before.len()..];
        assert!(late.iter().all(|request| !request.is_write()), "{late:?}");
        assert!(late.iter().all(|request| request.verb != "get"), "{late:?}");
        lab.finish().await;
    });
}

#[test]
fn tenants_whose_status_is_told_late_are_served_once() {
    run(async {
        let (lab, proxy) = Lab::behind_proxy("unheard", short()).await;
        lab.emulator.lifetime(24).await;
        lab.consented("contoso", &guid(1), json!({})).await;
        lab.ready("contoso").await;
        // From here on the operator hears of none of its own writes, and the token falls due.
        let delayed = proxy.rule(Rule::always(Act::DelayEvents, |call: &Call| call.watch));
        proxy.cut_watches();
        lab.eventually("a due refresh", async || {
            (lab.mints(&guid(1)).await == 2).then_some(())
        })
        .await;
        lab.emulator.lifetime(3600).await;
        lab.eventually("another", async || {
            (lab.mints(&guid(1)).await == 3).then_some(())
        })
        .await;
        let _ = lab.settled().await;
        delayed.lift();
        let (_, requests) = lab.settled().await;
        assert_eq!(lab.mints(&guid(1)).await, 3);
        assert!(
            requests.iter().all(|request| request.code != 409),
            "{requests:?}"
        );
        assert_eq!(count(&requests)["patch secrets"], 2);
        lab.ready("contoso").await;
        lab.finish().await;
    });
}

/// One tenant, the first request of a kind gone wrong in one way: it is ready all the same, after one mint.
async fn one_mint(name: &str, times: usize, act: Act, what: fn(&Call) -> bool) -> (Lab, Proxy) {
    let (lab, proxy) = Lab::behind_proxy(name, Setup::default()).await;
    let rule = proxy.rule(Rule::times(times, act, what));
    lab.consented("contoso", &guid(1), json!({})).await;
    lab.ready("contoso").await;
    lab.eventually("the rule is used up", async || {
        (rule.count() == times).then_some(())
    })
    .await;
    let _ = lab.settled().await;
    assert_eq!(lab.mints(&guid(1)).await, 1);
    let creates = lab.own_writes();
    let creates = creates
        .iter()
        .filter(|w| w.verb == "create" && w.resource == "secrets");
    assert_eq!(creates.filter(|write| write.code == 201).count(), 1);
    (lab, proxy)
}

#[test]
fn a_status_that_lost_against_another_writer_is_said_again_at_once() {
    run(async {
        let act = Act::Answer(409, status(409, "Conflict"));
        let (lab, _proxy) = one_mint("conflict", 1, act, Call::puts_status).await;
        lab.finish().await;
    });
}

#[test]
fn a_status_whose_answer_was_lost_costs_no_mint() {
    run(async {
        let (lab, _proxy) = one_mint("answer", 1, Act::DropAfter, Call::puts_status).await;
        lab.finish().await;
    });
}

#[test]
fn a_status_that_never_arrived_is_written_later_without_a_mint() {
    run(async {
        let (lab, _proxy) = one_mint("status", 1, Act::DropBefore, Call::puts_status).await;
        lab.finish().await;
    });
}

#[test]
fn a_token_is_held_while_its_secret_cant_be_written() {
    run(async {
        let act = Act::Answer(500, status(500, "InternalError"));
        let (lab, _proxy) = one_mint("held", 3, act, Call::creates_secret).await;
        lab.finish().await;
    });
}

#[test]
fn a_throttled_write_is_tried_again_with_the_same_token() {
    run(async {
        let act = Act::Answer(429, status(429, "TooManyRequests"));
        let (lab, _proxy) = one_mint("throttled", 2, act, Call::creates_secret).await;
        lab.finish().await;
    });
}

#[test]
fn a_secret_whose_creation_was_not_told_is_found_to_be_ours() {
    run(async {
        let (lab, _proxy) = one_mint("untold", 1, Act::DropAfter, Call::creates_secret).await;
        lab.finish().await;
    });
}
