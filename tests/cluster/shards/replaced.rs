//! Replicas that fail, and are replaced.

use super::fleet::Fleet;
use crate::support::{Patience, eventually, run};
use jiff::Timestamp;

/// Three shards and one to spare: whoever fails, the spare takes over within the Lease's time, and a new one stands by.
#[test]
fn a_spare_takes_over_from_whoever_fails() {
    run(async {
        let mut fleet = Fleet::new("shards-replaced", 4, 3, 120).await;
        assert_eq!(fleet.held().await.into_iter().max(), Some(1), "one each");
        for silent in [false, true, false] {
            fleet.renewed(8).await;
            let holder = fleet.a_holder().await;
            let mut old = fleet.members.remove(holder);
            fleet.faults.push(Timestamp::now());
            if silent {
                old.proxy.silence();
            } else {
                old.operator.kill().await;
            }
            fleet.whole(3, Patience::seconds(25)).await;
            assert_eq!(fleet.held().await, [1, 1, 1]);
            if silent {
                let status = old.operator.ended(Patience::seconds(15)).await;
                assert_eq!(status.code(), Some(1), "{}", old.operator.tail());
                old.proxy.restore();
            }
            fleet.start().await;
        }
        // One that is told to stop gives its Lease back, and the spare doesn't wait for its end.
        let holder = fleet.a_holder().await;
        fleet.members.swap(0, holder);
        let stopped = Timestamp::now();
        fleet.stop_oldest().await;
        fleet.whole(3, Patience::seconds(25)).await;
        let waited = Timestamp::now().duration_since(stopped);
        assert!(waited.as_secs() < 12, "{waited:#}");
        fleet.renewed(8).await;
        fleet.finish().await;
    });
}

/// Two processes for three shards: after a minute one serves two; and gives one back when a third comes.
#[test]
fn with_too_few_one_serves_two_until_a_spare_comes() {
    run(async {
        // Nobody serves a shard for a minute.
        let mut fleet = Fleet::new("shards-few", 3, 3, 420).await;
        let at = Timestamp::now();
        fleet.stop_oldest().await;
        fleet.whole(3, Patience::seconds(120)).await;
        let waited = Timestamp::now().duration_since(at);
        assert!(waited.as_secs() >= 60, "{waited:#}");
        let mut held = fleet.held().await;
        held.sort_unstable();
        assert_eq!(held, [1, 2]);
        fleet.forced = true;
        // Under way for all of them while it is given back.
        for n in 0..super::fleet::TENANTS {
            fleet.lab.force(&format!("t{n}"), "now").await;
        }
        fleet.start().await;
        eventually("one is given back", Patience::seconds(30), async || {
            (fleet.held().await == [1, 1, 1]).then_some(())
        })
        .await;
        for n in 0..super::fleet::TENANTS {
            let request = Some("now".to_owned());
            fleet
                .lab
                .until(
                    &format!("t{n}"),
                    "served",
                    Patience::seconds(60),
                    |tenant| {
                        tenant
                            .status
                            .as_ref()
                            .is_some_and(|status| status.handled_refresh_request == request)
                    },
                )
                .await;
        }
        fleet.finish().await;
    });
}
