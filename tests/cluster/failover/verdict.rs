//! What must hold of all rounds, from the audit log, Microsoft's journal, the logs and the Secrets themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::{SignedDuration, Timestamp};

use super::fleet::{Fleet, PROMISED, Seen, TENANTS};
use super::rounds::Trouble;
use crate::support::{Attributed, Journaled, guid};

/// One change of the leader.
pub struct Round {
    pub trouble: Trouble,
    pub at: Timestamp,
    pub old: String,
    pub next: String,
}

#[derive(Debug, Default)]
pub struct Figures {
    /// From the last accepted renewal of the old one to the first of the next, by trouble, in seconds.
    take_over: Vec<(Trouble, f64)>,
    /// The least that was left of a token when it was replaced, beyond what was promised, in seconds.
    spare: f64,
    mints: usize,
    published: usize,
    /// Minted under way when its leader failed, and never written.
    lost: usize,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "take-over")?;
        for (trouble, seconds) in &self.take_over {
            write!(f, " {trouble:?} {seconds:.1} s")?;
        }
        write!(
            f,
            "; least left of a token beyond the promise {:.1} s; {} mints, {} written, {} under way at a fault",
            self.spare, self.mints, self.published, self.lost
        )
    }
}

/// A leader ends so long after the start of its last accepted request.
const TERM: SignedDuration = SignedDuration::from_secs(10);
/// What was begun in time may have been on its way.
const SLACK: SignedDuration = SignedDuration::from_millis(500);
/// The Lease's duration, and five seconds.
const TAKE_OVER: SignedDuration = SignedDuration::from_secs(20);

fn seconds(duration: SignedDuration) -> f64 {
    duration.as_secs_f64()
}

pub async fn verdict(fleet: &Fleet, rounds: &[Round]) -> Figures {
    let requests = fleet.lab.attributed();
    let seen = fleet.seen.lock().expect("what was seen").clone();
    let journal = fleet.lab.emulator.all_token_requests().await;
    let mut figures = Figures::default();
    let mut ends = Vec::new();
    for round in rounds {
        let (last, gap) = handed_over(&requests, round);
        figures.take_over.push((round.trouble, seconds(gap)));
        ends.push(last + TERM);
    }
    figures.spare = never_too_old(&seen);
    figures.published = seen.len();
    figures.mints = journal.len();
    figures.lost = minted_once(&journal, &seen, rounds);
    begun_by_the_living(fleet, &journal, rounds, &ends);
    figures
}

/// The old leader begins nothing after its term, and writes nothing over what its successor wrote.
fn handed_over(requests: &[Attributed], round: &Round) -> (Timestamp, SignedDuration) {
    let renewals = |credential: &str| {
        requests
            .iter()
            .filter(move |r| r.is_lease && r.credential == credential && r.code < 300)
            .filter(|r| r.verb == "update" || r.verb == "create")
            .map(|r| r.at)
            .collect::<Vec<_>>()
    };
    let last = *renewals(&round.old).last().expect("it led");
    let first = *renewals(&round.next).first().expect("it leads");
    let gap = first.duration_since(last);
    assert!(gap <= TAKE_OVER, "{:?}: {gap:#}", round.trouble);
    for request in requests.iter().filter(|r| r.credential == round.old) {
        let late = request.at.duration_since(last);
        assert!(
            request.is_lease || late <= TERM + SLACK,
            "{:?}: {late:#} after its last renewal: {request:?}",
            round.trouble
        );
        assert!(
            request.at < first || request.code >= 300 || request.verb == "get",
            "{:?}: written after its successor began: {request:?}",
            round.trouble
        );
    }
    (last, gap)
}

/// At every instant the Secret's token has left what was promised.
fn never_too_old(seen: &[Seen]) -> f64 {
    let mut least = f64::MAX;
    let mut last: BTreeMap<&str, &Seen> = BTreeMap::new();
    for token in seen {
        if let Some(before) = last.insert(&token.tenant, token) {
            let number: i64 = number_of(&token.tenant);
            let promised = PROMISED + SignedDuration::from_secs(number % 15);
            let spare = seconds(before.expires_at.duration_since(token.at) - promised);
            assert!(
                spare >= 0.0,
                "{}: {spare} s under its promise",
                token.tenant
            );
            least = least.min(spare);
        }
    }
    assert_eq!(last.len(), usize::try_from(TENANTS).expect("small"));
    for (secret, token) in last {
        let left = token.expires_at.duration_since(Timestamp::now());
        assert!(left > PROMISED, "{secret}: {left:#} left");
    }
    least
}

fn number_of(secret: &str) -> i64 {
    let name = secret.strip_suffix("-defender-token").expect("a target");
    name.strip_prefix('t')
        .and_then(|n| n.parse().ok())
        .expect("a number")
}

/// Each mint is in a Secret, but for those that were under way when their leader failed: one a tenant and round.
fn minted_once(journal: &[Journaled], seen: &[Seen], rounds: &[Round]) -> usize {
    let mut lost = BTreeSet::new();
    let mut count = 0;
    for number in 0..TENANTS {
        let tenant = guid(number);
        let secret = format!("t{number}-defender-token");
        let mut written: Vec<_> = seen.iter().filter(|seen| seen.tenant == secret).collect();
        for mint in journal
            .iter()
            .filter(|e| e.tenant.as_deref() == Some(&tenant))
        {
            assert_eq!(mint.outcome, "ok");
            let near = |seen: &&Seen| {
                mint.at.duration_since(seen.issued_at).abs() < SignedDuration::from_secs(3)
            };
            if let Some(at) = written.iter().position(near) {
                written.remove(at);
                continue;
            }
            let round = rounds.iter().position(|round| {
                let from = round.at - SignedDuration::from_secs(3);
                (from..=round.at + TERM).contains(&mint.at)
            });
            let round = round.unwrap_or_else(|| panic!("{secret}: nobody needed {mint:?}"));
            assert!(lost.insert((number, round)), "{secret}: twice in one round");
            count += 1;
        }
        assert!(
            written.is_empty(),
            "{secret}: {written:?} came from nowhere"
        );
    }
    count
}

/// What Microsoft was asked after an old leader's term was asked by somebody who was still alive to tell.
fn begun_by_the_living(fleet: &Fleet, journal: &[Journaled], rounds: &[Round], ends: &[Timestamp]) {
    let logs: Vec<(String, String)> = fleet
        .former
        .iter()
        .chain(&fleet.members)
        .map(|member| (member.credential.clone(), member.operator.log()))
        .collect();
    for (index, (round, end)) in rounds.iter().zip(ends).enumerate() {
        // The next fault may take the one that asked before it tells.
        let until = rounds.get(index + 1).map_or(Timestamp::MAX, |next| {
            next.at - SignedDuration::from_secs(3)
        });
        let after: Vec<_> = journal
            .iter()
            .filter(|e| e.at > *end + SLACK && e.at < until)
            .collect();
        for entry in after {
            let id = entry.correlation_id.as_deref().expect("an id");
            let told = logs
                .iter()
                .any(|(who, log)| *who != round.old && log.contains(id));
            assert!(
                told,
                "{:?}: {entry:?} was asked by nobody who leads",
                round.trouble
            );
        }
    }
}
