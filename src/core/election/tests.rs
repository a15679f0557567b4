use super::*;

fn at(seconds: u64) -> BootTime {
    BootTime(Duration::from_secs(seconds))
}

const WALL: Timestamp = Timestamp::UNIX_EPOCH;

fn elector() -> Elector {
    let mut elector = Elector::new("a".to_owned(), Terms::default(), at(0));
    elector.ready(at(0));
    elector
}

fn held_by(holder: Option<&str>, version: &str) -> Standing {
    Standing {
        record: Record {
            holder: holder.map(str::to_owned),
            duration: Some(Duration::from_secs(15)),
            acquired_at: Some(WALL),
            renewed_at: Some(WALL),
            transitions: 4,
        },
        version: version.to_owned(),
        wanted_by: None,
    }
}

fn claim(elector: &Elector, now: BootTime) -> Claim {
    match elector.next(now, WALL) {
        Move::Claim(claim) => claim,
        other => panic!("{other:?}"),
    }
}

fn accepted(version: &str) -> Claimed {
    Claimed::Accepted(version.to_owned())
}

/// One that leads since second 1.
fn leader() -> Elector {
    let mut elector = elector();
    elector.looked(None, at(1));
    let claim = claim(&elector, at(1));
    elector.claimed(claim, accepted("7"), at(1), at(1));
    elector
}

#[test]
fn the_first_one_creates_the_lease_and_renews_it_every_two_seconds() {
    let mut elector = elector();
    assert_eq!(elector.next(at(0), WALL), Move::Look);
    assert_eq!(elector.leads_until(), None);
    elector.looked(None, at(1));
    let first = claim(&elector, at(1));
    assert_eq!(first.over, None);
    assert_eq!(
        first.record,
        Record {
            holder: Some("a".to_owned()),
            duration: Some(Duration::from_secs(15)),
            acquired_at: Some(WALL),
            renewed_at: Some(WALL),
            transitions: 0,
        }
    );
    elector.claimed(first, accepted("7"), at(1), at(2));
    assert_eq!(
        elector.leads_until(),
        Some(at(11)),
        "from before the request"
    );
    assert!(!elector.is_heir());
    assert_eq!(elector.next(at(2), WALL), Move::Rest(at(3)));
    let later = WALL + jiff::SignedDuration::from_secs(9);
    let Move::Claim(renewal) = elector.next(at(3), later) else {
        panic!()
    };
    assert_eq!(renewal.over.as_deref(), Some("7"));
    assert_eq!(renewal.record.transitions, 0);
    assert_eq!(renewal.record.acquired_at, Some(WALL), "since then");
    assert_eq!(renewal.record.renewed_at, Some(later));
}

#[test]
fn a_foreign_lease_is_waited_for_as_long_as_it_changes() {
    let mut elector = elector();
    elector.looked(Some(held_by(Some("b"), "1")), at(1));
    assert!(elector.is_heir());
    assert_eq!(elector.next(at(2), WALL), Move::Rest(at(3)));
    // The same words, however the version changes: it runs out.
    elector.looked(Some(held_by(Some("b"), "2")), at(3));
    elector.looked(Some(held_by(Some("b"), "3")), at(15));
    assert_eq!(elector.next(at(15), WALL), Move::Rest(at(16)));
    let taken = claim(&elector, at(16));
    assert_eq!(taken.over.as_deref(), Some("3"));
    assert_eq!(taken.record.transitions, 5);

    let mut renewed = held_by(Some("b"), "4");
    renewed.record.renewed_at = Some(WALL + jiff::SignedDuration::from_secs(1));
    elector.looked(Some(renewed), at(16));
    assert_eq!(elector.next(at(18), WALL), Move::Look);
    assert_eq!(elector.next(at(30), WALL), Move::Look);
    assert!(matches!(elector.next(at(31), WALL), Move::Claim(_)));
}

#[test]
fn a_released_lease_is_anybodys_at_once() {
    for holder in [None, Some("")] {
        let mut elector = elector();
        elector.looked(Some(held_by(holder, "1")), at(1));
        assert_eq!(claim(&elector, at(1)).record.transitions, 5);
        assert!(!elector.is_heir());
    }
}

#[test]
fn who_is_not_ready_looks_and_claims_nothing() {
    let mut elector = Elector::new("a".to_owned(), Terms::default(), at(0));
    elector.looked(None, at(0));
    assert_eq!(elector.next(at(1), WALL), Move::Rest(at(2)));
    assert_eq!(elector.next(at(2), WALL), Move::Look);
    elector.looked(Some(held_by(None, "1")), at(2));
    assert_eq!(elector.next(at(3), WALL), Move::Rest(at(4)));
    assert_eq!(elector.next(at(4), WALL), Move::Look);
    elector.ready(at(3));
    assert!(matches!(elector.next(at(3), WALL), Move::Claim(_)));
}

#[test]
fn a_leader_ends_when_it_cannot_renew_in_time() {
    let mut elector = leader();
    for (sent, answered) in [(3, 6), (6, 9)] {
        assert_eq!(elector.patience(at(sent)), Duration::from_secs(3));
        let renewal = claim(&elector, at(sent));
        elector.claimed(renewal, Claimed::Failed, at(sent), at(answered));
    }
    assert_eq!(
        elector.patience(at(9)),
        Duration::from_secs(2),
        "its term's end"
    );
    let renewal = claim(&elector, at(9));
    elector.claimed(renewal, Claimed::Failed, at(9), at(9));
    assert_eq!(elector.next(at(10), WALL), Move::Rest(at(11)));
    assert_eq!(elector.next(at(11), WALL), Move::End);
}

#[test]
fn an_answer_after_the_end_of_the_term_brings_nothing_back() {
    let mut elector = leader();
    let renewal = claim(&elector, at(3));
    // The process stood still while its request was under way.
    elector.claimed(renewal, accepted("8"), at(3), at(60));
    assert_eq!(elector.leads_until(), None);
    assert_eq!(elector.next(at(60), WALL), Move::End);
}

#[test]
fn an_answer_that_was_lost_is_found_out() {
    let mut elector = elector();
    elector.looked(Some(held_by(None, "1")), at(1));
    let first = claim(&elector, at(1));
    elector.claimed(first, Claimed::Failed, at(1), at(4));
    let again = claim(&elector, at(4));
    elector.claimed(again, Claimed::Conflict, at(4), at(4));
    let soon = BootTime(Duration::from_millis(4_200));
    assert!(elector.is_heir(), "somebody may have been between");
    assert_eq!(elector.next(at(4), WALL), Move::Rest(soon));
    assert_eq!(elector.next(soon, WALL), Move::Look);
    elector.looked(Some(held_by(Some("a"), "2")), at(5));
    assert_eq!(elector.leads_until(), None, "nobody knows since when");
    let own = claim(&elector, at(5));
    assert_eq!(own.over.as_deref(), Some("2"));
    assert_eq!(own.record.transitions, 4, "the holder is the same");
}

#[test]
fn a_conflict_of_a_leader_is_a_loss_only_if_somebody_else_holds_it() {
    let mut elector = leader();
    let renewal = claim(&elector, at(3));
    elector.claimed(renewal, Claimed::Conflict, at(3), at(3));
    elector.looked(Some(held_by(Some("a"), "9")), at(4));
    assert_eq!(claim(&elector, at(4)).over.as_deref(), Some("9"));
    elector.looked(Some(held_by(Some("b"), "10")), at(4));
    assert_eq!(elector.leads_until(), None);
    assert_eq!(elector.next(at(4), WALL), Move::End);
    // Released by whoever: an operator that isn't in the Lease doesn't lead.
    let mut elector = leader();
    elector.looked(Some(held_by(None, "10")), at(4));
    assert_eq!(elector.next(at(4), WALL), Move::End);
}

#[test]
fn a_lease_that_somebody_deleted_is_made_again() {
    let mut elector = leader();
    let renewal = claim(&elector, at(3));
    elector.claimed(renewal, Claimed::NotFound, at(3), at(3));
    let soon = BootTime(Duration::from_millis(3_200));
    assert_eq!(claim(&elector, soon).over, None, "at once");
    assert_eq!(elector.leads_until(), Some(at(11)));
}

#[test]
fn foreign_durations_are_believed_within_reason() {
    for (seconds, free) in [
        (Some(0), 2),
        (Some(7), 8),
        (Some(1_000_000), 301),
        (None, 16),
    ] {
        let mut elector = elector();
        let mut standing = held_by(Some("b"), "1");
        standing.record.duration = seconds.map(Duration::from_secs);
        elector.looked(Some(standing), at(1));
        assert_eq!(
            elector.next(at(free - 1), WALL),
            if free > 3 {
                Move::Look
            } else {
                Move::Rest(at(2))
            }
        );
        assert!(
            matches!(elector.next(at(free), WALL), Move::Claim(_)),
            "{seconds:?}"
        );
    }
}

#[test]
fn a_release_names_nobody_and_is_over_what_was_written_last() {
    let release = leader().release(WALL).unwrap();
    assert_eq!(release.over.as_deref(), Some("7"));
    assert_eq!(release.record.holder, None);
    assert_eq!(elector().release(WALL), None);
}
