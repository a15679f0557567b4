//! The API server leaves out what is another shard's.

use serde_json::json;

use crate::support::{Arena, Lab, Member, Patience, Setup, eventually, guid, run};

const TENANTS: u64 = 24;

async fn held(members: &[Member]) -> Vec<usize> {
    let mut held = Vec::new();
    for member in members {
        held.push(member.shards().await);
    }
    held
}

async fn foreign(member: &Member) -> f64 {
    let series = "defender_tenant_foreign_objects_total";
    member.operator.metric(series).await
}

#[test]
fn each_process_receives_only_its_own() {
    // The oldest version that is promised doesn't know the gate.
    if std::env::var("DEVCLUSTER_MINOR").is_ok_and(|minor| minor == "1.34") {
        return;
    }
    run(async {
        let arena = Arena::own_with("--feature-gates=ShardedListAndWatch=true").await;
        arena.install_crd().await;
        let setup = Setup {
            no_operator: true,
            home: Some("home"),
            more_namespaces: vec!["home"],
            args: ["--shards", "2", "--server-side-shards"]
                .map(str::to_owned)
                .into(),
            ..Setup::default()
        };
        let mut lab = Lab::on(arena, "shards-served", setup).await;
        let mut members = Vec::new();
        for _ in 0..2 {
            let mut member = lab.member().await;
            member.operator.ready().await;
            members.push(member);
        }
        // Half of them are listed, the others come by the watch.
        for n in 0..TENANTS / 2 {
            lab.consented(&format!("t{n}"), &guid(n), json!({})).await;
        }
        eventually("one each", Patience::seconds(40), async || {
            (held(&members).await == [1, 1]).then_some(())
        })
        .await;
        for n in TENANTS / 2..TENANTS {
            lab.consented(&format!("t{n}"), &guid(n), json!({})).await;
        }
        for n in 0..TENANTS {
            lab.ready(&format!("t{n}")).await;
        }
        for member in &members {
            assert_eq!(foreign(member).await.to_bits(), 0.0_f64.to_bits());
        }
        // One that asks for all receives all, and serves the same.
        let mut old = members.remove(0);
        assert_eq!(old.operator.stop().await.code(), Some(0));
        lab.without_flag("--server-side-shards");
        let mut member = lab.member().await;
        member.operator.ready().await;
        eventually(
            "it has the other's shard",
            Patience::seconds(40),
            async || (member.shards().await == 1).then_some(()),
        )
        .await;
        eventually("it drops the other half", Patience::default(), async || {
            (foreign(&member).await > 0.5).then_some(())
        })
        .await;
        lab.consented("late", &guid(TENANTS), json!({})).await;
        lab.ready("late").await;
        assert_eq!(lab.emulator.all_token_requests().await.len(), 25);
        members.push(member);
        for member in &mut members {
            assert_eq!(member.operator.stop().await.code(), Some(0));
        }
        let log = std::fs::read_to_string(lab.arena.audit_log()).expect("the audit log");
        let selected = |verb: &str| {
            log.lines().any(|line| {
                line.contains(&format!("\"verb\":\"{verb}\""))
                    && line.contains("/defendertenants?")
                    && line.contains("shardSelector=shardRange%28object.metadata.uid%2C%20%270x8000000000000000%27%2C%20%270x10000000000000000%27%29")
            })
        };
        assert!(selected("list") && selected("watch"));
        lab.finish().await;
    });
}
