use super::*;
use crate::core::election::Record;
use crate::core::shards::agreement::Agreement;

const WALL: Timestamp = Timestamp::UNIX_EPOCH;

fn at(seconds: u64) -> BootTime {
    BootTime(Duration::from_secs(seconds))
}

fn agreed(count: u32, intent: Option<u32>) -> Answer {
    Answer::Counted(Ok(Agreed {
        agreement: Agreement { count, intent },
        version: Some("1".to_owned()),
    }))
}

fn free() -> Standing {
    Standing {
        record: Record {
            holder: None,
            duration: Some(Duration::from_secs(1)),
            acquired_at: None,
            renewed_at: None,
            transitions: 0,
        },
        version: "7".to_owned(),
        wanted_by: None,
    }
}

/// Every order is carried out at once, by `serve`; `None`: it isn't answered.
fn settle(
    campaign: &mut Campaign,
    now: BootTime,
    mut serve: impl FnMut(&Order) -> Option<Answer>,
) -> Option<End> {
    for _ in 0..50 {
        let next = campaign.next(now, WALL);
        if next.orders.is_empty() {
            return next.end;
        }
        for order in next.orders {
            let answer = serve(&order);
            campaign.answered(answer.unwrap_or(order.unanswered()), now);
        }
    }
    panic!("it comes to no end");
}

fn granted(order: &Order) -> Option<Answer> {
    Some(match order {
        Order::Look(shard) => Answer::Looked(*shard, Ok(Some(free()))),
        Order::Claim(shard, claim) => {
            let accepted = Claimed::Accepted("8".to_owned());
            Answer::Claimed(*shard, claim.clone(), accepted)
        }
        Order::LookAtCount => agreed(2, None),
        Order::Propose(_) => return None,
    })
}

/// One that serves both shards, the second since a minute later.
fn of_both() -> (Campaign, BootTime) {
    let mut campaign = Campaign::new("me".to_owned(), 2, Terms::default(), at(0));
    campaign.able();
    for second in 0..=70 {
        assert_eq!(settle(&mut campaign, at(second), granted), None);
    }
    assert_eq!(campaign.serves().collect::<Vec<_>>(), [0, 1]);
    (campaign, at(70))
}

#[test]
fn a_process_acts_no_longer_than_the_first_of_its_leases_lets_it() {
    for lost in [0, 1] {
        let (mut campaign, now) = of_both();
        let until = campaign.acts_until().expect("it acts");
        let renewed = |order: &Order| match order {
            Order::Claim(shard, _) | Order::Look(shard) if *shard == lost => None,
            _ => granted(order),
        };
        for second in 1..=8 {
            let now = now.after(Duration::from_secs(second));
            assert_eq!(settle(&mut campaign, now, renewed), None);
        }
        assert!(
            campaign.acts_until() <= Some(until),
            "the other's renewals prolong nothing"
        );
        let end = settle(&mut campaign, now.after(Duration::from_secs(11)), renewed);
        assert_eq!(end, Some(End::Lost(lost)));
        assert_eq!(campaign.acts_until(), None);
    }
}

/// What was asked before the claim may have been answered by an API server that had not seen it.
#[test]
fn a_lease_counts_only_after_the_number_was_read_once_more() {
    let mut campaign = Campaign::new("me".to_owned(), 2, Terms::default(), at(0));
    campaign.able();
    let mut counts = 0;
    // The second time, nobody answers.
    settle(&mut campaign, at(0), |order| {
        counts += u32::from(*order == Order::LookAtCount);
        granted(order).filter(|_| *order != Order::LookAtCount || counts < 2)
    });
    assert_eq!(counts, 2, "before the claim, and after it");
    assert_eq!(campaign.serves().next(), None);
    assert_eq!(campaign.acts_until(), None);

    // A look that is under way when the claim is accepted proves nothing either.
    let mut campaign = Campaign::new("me".to_owned(), 2, Terms::default(), at(0));
    campaign.able();
    settle(&mut campaign, at(0), |order| match order {
        Order::LookAtCount => Some(agreed(2, None)),
        _ => None,
    });
    let asked = |next: Next| next.orders.contains(&Order::LookAtCount);
    // The number is asked for, and not answered yet.
    assert!(asked(campaign.next(at(2), WALL)));
    for shard in 0..2 {
        campaign.answered(Answer::Looked(shard, Ok(Some(free()))), at(2));
    }
    let claim = campaign.next(at(2), WALL).orders;
    let [Order::Claim(shard, claim)] = &claim[..] else {
        panic!("{claim:?}")
    };
    let accepted = Claimed::Accepted("8".to_owned());
    campaign.answered(Answer::Claimed(*shard, claim.clone(), accepted), at(2));
    campaign.answered(agreed(2, None), at(2));
    assert_eq!(campaign.serves().next(), None, "that answer is older");
    assert!(asked(campaign.next(at(2), WALL)));
    campaign.answered(agreed(2, None), at(2));
    assert_eq!(campaign.serves().collect::<Vec<_>>(), [*shard]);
}
