//! Twenty rounds: the leader is killed, stands still or is cut off, while refreshes are due.

use jiff::Timestamp;

use super::fleet::{Fleet, leader};
use super::verdict::{Round, verdict};
use crate::support::{Patience, eventually, run};

/// What happens to a leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// SIGKILL
    Killed,
    /// SIGSTOP, and SIGCONT once another one leads.
    Paused,
    /// The API server's answers and its requests get lost; Microsoft is reached.
    Silent,
    /// The API server takes no connection; Microsoft is reached.
    Refused,
}

async fn round(fleet: &mut Fleet, trouble: Trouble) -> Round {
    // Never twice at the same moment of the tokens' lives.
    fleet.renewed(5).await;
    let mut old = fleet.take_leader().await;
    let at = Timestamp::now();
    match trouble {
        Trouble::Killed => old.operator.kill().await,
        Trouble::Paused => old.signal("STOP"),
        Trouble::Silent => old.proxy.silence(),
        Trouble::Refused => old.proxy.refuse(),
    }
    let next = leader(&fleet.members).await;
    let next = fleet.members[next].credential.clone();
    if trouble == Trouble::Paused {
        old.signal("CONT");
    }
    if trouble != Trouble::Killed {
        let status = old.operator.ended(Patience::seconds(15)).await;
        assert_eq!(status.code(), Some(1), "{}", old.operator.tail());
        old.proxy.restore();
    }
    let round = Round {
        trouble,
        at,
        old: old.credential.clone(),
        next,
    };
    fleet.former.push(old);
    fleet.fill().await;
    round
}

fn rounds(name: &'static str, troubles: [Trouble; 5]) {
    run(async {
        let mut fleet = Fleet::new(name).await;
        let mut rounds = Vec::new();
        for trouble in troubles {
            rounds.push(round(&mut fleet, trouble).await);
        }
        fleet.renewed(5).await;
        eventually(
            "the audit log has the last write",
            Patience::default(),
            async || {
                let next = &rounds.last().expect("one").next;
                let requests = fleet.lab.attributed();
                requests
                    .iter()
                    .any(|r| r.is_lease && r.credential == *next)
                    .then_some(())
            },
        )
        .await;
        let figures = verdict(&fleet, &rounds).await;
        println!("{name}: {figures}");
        fleet.finish().await;
    });
}

#[test]
fn five_rounds_killed_first() {
    use Trouble::{Killed, Paused, Refused, Silent};
    rounds("failover-a", [Killed, Paused, Silent, Refused, Killed]);
}

#[test]
fn five_rounds_paused_first() {
    use Trouble::{Killed, Paused, Refused, Silent};
    rounds("failover-b", [Paused, Silent, Killed, Paused, Refused]);
}

#[test]
fn five_rounds_silent_first() {
    use Trouble::{Killed, Paused, Silent};
    rounds("failover-c", [Silent, Killed, Paused, Killed, Silent]);
}

#[test]
fn five_rounds_refused_first() {
    use Trouble::{Killed, Paused, Refused};
    rounds("failover-d", [Refused, Paused, Killed, Paused, Refused]);
}
