//! Another number of shards, a pod after the other.

use super::fleet::Fleet;
use crate::support::{Patience, eventually, run};
use jiff::Timestamp;

impl Fleet {
    /// As a Deployment rolls: each new pod is ready before an old one goes.
    async fn roll(&mut self, shards: u32, processes: usize) {
        self.wants(shards);
        let mut old = self.members.len();
        for started in 1..=processes {
            self.start().await;
            while old > 0 && old + started > processes {
                self.stop_oldest().await;
                old -= 1;
            }
        }
        while old > 0 {
            self.stop_oldest().await;
            old -= 1;
        }
        self.whole(shards, Patience::seconds(40)).await;
        assert_eq!(self.in_force().await, shards);
    }
}

#[test]
fn from_one_to_three_to_two_under_load() {
    run(async {
        let mut fleet = Fleet::new("shards-rolled", 2, 1, 150).await;
        assert_eq!(fleet.in_force().await, 1);
        fleet.renewed(12).await;
        fleet.roll(3, 4).await;
        fleet.renewed(20).await;
        fleet.roll(2, 3).await;
        fleet.renewed(20).await;
        fleet.finish().await;
    });
}

/// The first new pod comes, and no old one goes. Those of the old number go on undisturbed, the new one is ready and waits;
/// it is taken back. Then all of the old number die, and the new one doesn't wait for ever.
#[test]
fn a_roll_out_that_is_stuck_leaves_the_old_number_in_force() {
    run(async {
        let mut fleet = Fleet::new("shards-stuck", 3, 2, 270).await;
        let before = fleet.held().await;
        fleet.wants(3);
        fleet.start().await;
        fleet.start().await;
        let waiting = [&before[..], &[0, 0]].concat();
        fleet.renewed(10).await;
        assert_eq!(fleet.held().await, waiting);
        assert_eq!(fleet.in_force().await, 2);
        // Back, half-way.
        let mut back = fleet.members.pop().expect("a new one");
        assert_eq!(back.operator.stop().await.code(), Some(0));
        fleet.renewed(5).await;
        assert_eq!(fleet.in_force().await, 2);
        assert_eq!(fleet.held().await, waiting[..4]);
        // All of the old number die, though they were never told to go.
        for mut old in fleet.members.drain(..3) {
            old.operator.kill().await;
        }
        fleet.faults.push(Timestamp::now());
        eventually(
            "the new number is in force",
            Patience::seconds(40),
            async || (fleet.in_force().await == 3).then_some(()),
        )
        .await;
        // The only one there is serves all, a minute later.
        fleet.whole(3, Patience::seconds(120)).await;
        assert_eq!(fleet.held().await, [3]);
        // And shares with those that come.
        fleet.start().await;
        fleet.start().await;
        eventually("they share", Patience::seconds(150), async || {
            (fleet.held().await == [1, 1, 1]).then_some(())
        })
        .await;
        fleet.renewed(10).await;
        fleet.finish().await;
    });
}
