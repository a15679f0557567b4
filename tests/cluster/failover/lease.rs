//! The Lease itself, and the ways in which a leader ends well.

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

use super::fleet::{lab, leader};
use crate::support::{Act, Call, Lab, Member, Patience, Rule, Setup, eventually, guid, run};

const NAME: &str = "defender-tenant-operator-0";

fn leases(lab: &Lab) -> Api<Lease> {
    Api::namespaced(lab.arena.admin.clone(), &lab.home())
}

async fn holder(lab: &Lab) -> Option<String> {
    let lease = leases(lab).get_opt(NAME).await.expect("an answer")?;
    lease.spec?.holder_identity
}

/// A leader, and one that stands by.
async fn pair(lab: &mut Lab) -> (Member, Member) {
    let mut first = lab.member().await;
    first.operator.ready().await;
    eventually("it leads", Patience::default(), async || {
        first.leads().await.then_some(())
    })
    .await;
    let mut second = lab.member().await;
    second.operator.ready().await;
    assert!(!second.leads().await);
    (first, second)
}

async fn takes_over(member: &Member) {
    eventually("it takes over", Patience::seconds(40), async || {
        member.leads().await.then_some(())
    })
    .await;
}

#[test]
fn a_leader_that_is_told_to_stop_gives_the_lease_back_at_once() {
    run(async {
        // It serves the whole cluster, for a change.
        let setup = Setup {
            no_operator: true,
            ..Setup::default()
        };
        let mut lab = Lab::of_applications("handover", setup).await;
        let (mut first, second) = pair(&mut lab).await;
        lab.consented("contoso", &guid(1), json!({})).await;
        lab.ready("contoso").await;
        let before = holder(&lab).await.expect("somebody");
        let stopped = Timestamp::now();
        assert_eq!(first.operator.stop().await.code(), Some(0));
        takes_over(&second).await;
        let waited = Timestamp::now().duration_since(stopped);
        assert!(
            waited.as_secs() < 12,
            "without a release it is 15 s: {waited:#}"
        );
        let lease = leases(&lab)
            .get(NAME)
            .await
            .expect("it stays")
            .spec
            .expect("one");
        assert_ne!(lease.holder_identity, Some(before));
        assert_eq!(lease.lease_duration_seconds, Some(15));
        assert_eq!(lease.lease_transitions, Some(1));
        lab.consented("fabrikam", &guid(2), json!({})).await;
        lab.ready("fabrikam").await;
        assert_eq!(
            lab.mints(&guid(1)).await,
            1,
            "the new one trusts the Secret"
        );
        let mut second = second;
        assert_eq!(second.operator.stop().await.code(), Some(0));
        let left = leases(&lab)
            .get(NAME)
            .await
            .expect("it stays")
            .spec
            .expect("one");
        assert_eq!(left.holder_identity, None);
        lab.finish().await;
    });
}

#[test]
fn who_stands_by_is_ready_asks_microsoft_nothing_and_counts_nothing() {
    run(async {
        let mut lab = lab("standby", &[]).await;
        let (mut first, mut second) = pair(&mut lab).await;
        lab.consented("contoso", &guid(1), json!({})).await;
        lab.ready("contoso").await;
        let series = "defender_tenant_ready{namespace=";
        assert!(first.operator.metrics().await.contains(series));
        let told = second.operator.metrics().await;
        assert!(!told.contains(series), "{told}");
        assert!(told.contains("defender_tenant_leader 0"), "{told}");
        let of_second = |lab: &Lab| {
            let mut requests = lab.attributed();
            requests.retain(|request| request.credential == second.credential);
            requests
        };
        let asked = of_second(&lab);
        assert!(
            asked.iter().all(|r| r.is_lease && r.verb == "get"),
            "{asked:?}"
        );
        assert!(second.operator.lines("mint").is_empty());
        for member in [&mut first, &mut second] {
            assert_eq!(member.operator.stop().await.code(), Some(0));
        }
        lab.finish().await;
    });
}

/// The standby's watches tell nothing: what it knows of the tenant is as old as its own start.
#[test]
fn an_heir_whose_copies_are_old_looks_before_it_mints() {
    run(async {
        let mut lab = lab("heir", &["--refresh-margin", "20"]).await;
        lab.emulator.lifetime(60).await;
        let mut first = lab.member().await;
        first.operator.ready().await;
        let spec = json!({"refresh": {"minRemainingSeconds": 5}});
        lab.consented("contoso", &guid(1), spec).await;
        lab.ready("contoso").await;
        // Its first list tells it of the first token.
        let mut second = lab.member().await;
        second.operator.ready().await;
        let deaf = second
            .proxy
            .rule(Rule::always(Act::DelayEvents, |call| call.watch));
        second.proxy.cut_watches();
        deaf.hit().await;
        let requests = async || lab.emulator.token_requests(&guid(1)).await.len();
        eventually(
            "a refresh that the standby doesn't see",
            Patience::default(),
            async || (requests().await == 2).then_some(()),
        )
        .await;
        lab.until("contoso", "written", Patience::default(), |tenant| {
            let token = tenant
                .status
                .as_ref()
                .and_then(|status| status.token.as_ref());
            token.is_some_and(|token| {
                token
                    .expires_at
                    .0
                    .duration_since(Timestamp::now())
                    .as_secs()
                    > 50
            })
        })
        .await;
        first.operator.kill().await;
        takes_over(&second).await;
        // By its copies the token is due: it looks, and asks Microsoft for nothing.
        eventually("it looks", Patience::default(), async || {
            let looked = lab.attributed().into_iter().any(|request| {
                request.credential == second.credential
                    && request.resource == "secrets"
                    && request.verb == "get"
            });
            looked.then_some(())
        })
        .await;
        deaf.lift();
        // What is under way ends first.
        assert_eq!(second.operator.stop().await.code(), Some(0));
        assert_eq!(requests().await, 2);
        lab.finish().await;
    });
}

#[test]
fn a_lease_that_somebody_edits_or_deletes_stays_its_holders() {
    run(async {
        let mut lab = lab("edited", &[]).await;
        let (mut first, mut second) = pair(&mut lab).await;
        let before = holder(&lab).await.expect("somebody");
        let label = json!({"metadata": {"labels": {"team": "soc"}}});
        leases(&lab)
            .patch(NAME, &PatchParams::default(), &Patch::Merge(&label))
            .await
            .expect("a change");
        let renewed = async || {
            let lease = leases(&lab).get_opt(NAME).await.expect("an answer")?;
            lease.spec?.renew_time.map(|at| at.0)
        };
        let at = Timestamp::now();
        eventually("it is renewed", Patience::default(), async || {
            renewed().await.filter(|renewed| *renewed > at)
        })
        .await;
        let kept = leases(&lab).get(NAME).await.expect("it is there");
        assert_eq!(kept.metadata.labels.expect("labels")["team"], "soc");
        leases(&lab)
            .delete(NAME, &DeleteParams::default())
            .await
            .expect("it was there");
        eventually("it is made again", Patience::default(), async || {
            renewed().await
        })
        .await;
        assert_eq!(holder(&lab).await, Some(before));
        assert!(first.leads().await && !second.leads().await);
        for member in [&mut first, &mut second] {
            assert_eq!(member.operator.stop().await.code(), Some(0));
        }
        lab.finish().await;
    });
}

#[test]
fn a_lease_that_somebody_else_took_is_lost_and_what_was_under_way_is_not_written() {
    run(async {
        let mut lab = lab("taken", &[]).await;
        let mut first = lab.member().await;
        first.operator.ready().await;
        let alone = [first];
        leader(&alone).await;
        let [mut first] = alone;
        let held = first
            .proxy
            .rule(Rule::once(Act::HoldBefore, Call::creates_secret));
        lab.consented("contoso", &guid(1), json!({})).await;
        held.hit().await;
        let other = json!({"spec": {"holderIdentity": "another"}});
        leases(&lab)
            .patch(NAME, &PatchParams::default(), &Patch::Merge(&other))
            .await
            .expect("a change");
        let status = first.operator.ended(Patience::seconds(20)).await;
        assert_eq!(status.code(), Some(1));
        assert!(first.operator.log().contains("another holds it"));
        held.lift();
        let _ = lab.settled().await;
        assert!(lab.target("contoso").await.is_none());
        assert_eq!(
            holder(&lab).await.as_deref(),
            Some("another"),
            "it isn't taken back"
        );
        lab.finish().await;
    });
}

#[test]
fn without_permission_for_leases_it_does_not_start_and_one_that_loses_it_ends() {
    run(async {
        let mut lab = lab("leaseless", &[]).await;
        let mut first = lab.member().await;
        first.operator.ready().await;
        let alone = [first];
        leader(&alone).await;
        let [mut first] = alone;
        let bindings: Api<RoleBinding> = Api::namespaced(lab.arena.admin.clone(), &lab.home());
        bindings
            .delete("defender-tenant-operator-leader", &DeleteParams::default())
            .await
            .expect("it was there");
        let status = first.operator.ended(Patience::seconds(30)).await;
        assert_eq!(status.code(), Some(1));
        assert!(
            first
                .operator
                .log()
                .contains("get, create and update of leases")
        );
        let mut second = lab.member().await;
        let status = second.operator.ended(Patience::seconds(30)).await;
        assert_eq!(status.code(), Some(1));
        let log = second.operator.log();
        for verb in ["get", "update"] {
            let text = format!(
                "{verb} leases.coordination.k8s.io {NAME} in namespace {}",
                lab.home()
            );
            assert!(log.contains(&text), "{log}");
        }
        assert!(
            log.contains("create leases.coordination.k8s.io in namespace"),
            "{log}"
        );
        lab.finish().await;
    });
}

/// The Role names one Lease: another name needs another Role.
#[test]
fn another_lease_name_needs_another_permission() {
    run(async {
        let mut lab = lab("twoleases", &[]).await;
        let mut first = lab.member().await;
        first.operator.ready().await;
        let alone = [first];
        leader(&alone).await;
        let [mut first] = alone;
        lab.flag("--lease-name", "another");
        let mut second = lab.member().await;
        let status = second.operator.ended(Patience::seconds(30)).await;
        assert_eq!(status.code(), Some(1));
        assert!(second.operator.log().contains("another-0"));
        assert_eq!(first.operator.stop().await.code(), Some(0));
        lab.finish().await;
    });
}
