use super::*;
use crate::core::testing::millis;

type Key = (&'static str, u32);

fn namespace(key: Key) -> Arc<str> {
    Arc::from(key.0)
}

fn admit(pace: &mut Pace<Key>, key: Key, now: i64) -> bool {
    pace.admit(&key, &namespace(key), millis(now))
}

/// Whoever is called comes at once, and has an answer after so many milliseconds. Who asked, and when, until then.
fn serve(pace: &mut Pace<Key>, from: i64, until: i64, takes: i64) -> Vec<(i64, Key)> {
    let mut asked = Vec::new();
    let mut asking: Vec<(i64, Key)> = Vec::new();
    for now in from..until {
        asking.retain(|(end, key)| {
            let over = *end <= now;
            if over {
                pace.ended(&namespace(*key));
            }
            !over
        });
        while let Some(key) = pace.call(millis(now)) {
            assert!(admit(pace, key, now), "who is called may ask");
            asked.push((now, key));
            asking.push((now + takes, key));
        }
        let wake = pace.wake_at(millis(now));
        assert!(
            wake.is_none_or(|at| at > millis(now)),
            "a wake-up that finds nobody"
        );
    }
    asked
}

#[test]
fn the_first_asks_at_once_and_five_a_second_after_it() {
    let mut pace = Pace::default();
    assert!(admit(&mut pace, ("a", 0), 0));
    for n in 1..20 {
        assert!(!admit(&mut pace, ("a", n), 0));
    }
    assert_eq!(pace.wake_at(millis(0)), Some(millis(200)));
    pace.ended(&Arc::from("a"));
    let asked = serve(&mut pace, 1, 10_000, 50);
    let times: Vec<_> = asked.iter().map(|(at, _)| *at).collect();
    assert_eq!(times, (1..20).map(|n| n * 200).collect::<Vec<_>>());
    let keys: Vec<_> = asked.iter().map(|(_, key)| key.1).collect();
    assert_eq!(keys, (1..20).collect::<Vec<_>>());
    assert_eq!((pace.waiting(), pace.wake_at(millis(10_000))), (0, None));
}

#[test]
fn a_namespace_with_ten_thousand_delays_one_with_a_single_question_by_one_turn() {
    let mut pace = Pace::default();
    for n in 0..10_000 {
        admit(&mut pace, ("noisy", n), 0);
    }
    pace.ended(&Arc::from("noisy"));
    let _ = serve(&mut pace, 1, 1_000, 50);
    assert!(!admit(&mut pace, ("quiet", 0), 1_000));
    let asked = serve(&mut pace, 1_000, 3_000, 50);
    let place = asked.iter().position(|(_, key)| key.0 == "quiet");
    assert!(place.is_some_and(|place| place <= 1), "{asked:?}");
    assert!(asked.len() <= 10);
}

#[test]
fn answers_that_hang_leave_room_for_another_namespace_and_are_bounded() {
    let mut pace = Pace::default();
    for n in 0..100 {
        admit(&mut pace, ("a", n), 0);
    }
    // The first began at once.
    assert_eq!(
        serve(&mut pace, 1, 5_000, 100_000).len(),
        AT_ONCE_OF_ONE - 1
    );
    assert_eq!(
        pace.wake_at(millis(5_000)),
        None,
        "an answer is what it waits for"
    );
    for n in 0..100 {
        admit(&mut pace, ("b", n), 5_000);
    }
    assert_eq!(
        serve(&mut pace, 5_001, 10_000, 100_000).len(),
        AT_ONCE_OF_ONE
    );
    assert!(!admit(&mut pace, ("c", 0), 20_000));
    assert_eq!(pace.call(millis(20_000)), None);
    // Each namespace's turn comes round.
    let mut called = Vec::new();
    for (n, ended) in (0..).zip(["a", "b", "a"]) {
        pace.ended(&Arc::from(ended));
        called.extend(pace.call(millis(20_000 + n * 200)));
    }
    assert_eq!(called, [("a", 4), ("b", 4), ("c", 0)]);
}

#[test]
fn who_is_called_and_does_not_come_holds_nobody_up() {
    let mut pace = Pace::default();
    for n in 0..10 {
        admit(&mut pace, ("a", n), 0);
    }
    pace.ended(&Arc::from("a"));
    let mut called = Vec::new();
    for now in 1..5_000 {
        called.extend(pace.call(millis(now)));
    }
    assert_eq!(called, [("a", 1), ("a", 2), ("a", 3), ("a", 4)]);
    assert_eq!(pace.wake_at(millis(5_000)), Some(millis(10_200)));
    assert_eq!(pace.call(millis(10_200)), Some(("a", 5)));
    assert!(
        !admit(&mut pace, ("a", 1), 10_300),
        "it has lost its turn, and waits for the next"
    );
    assert!(pace.owes(&("a", 1)));
}

#[test]
fn who_has_nothing_to_ask_any_more_is_forgotten() {
    let mut pace = Pace::default();
    for n in 0..4 {
        admit(&mut pace, ("a", n), 0);
    }
    pace.ended(&Arc::from("a"));
    assert_eq!(pace.call(millis(200)), Some(("a", 1)));
    pace.forget(&("a", 1));
    pace.forget(&("a", 2));
    pace.forget(&("a", 99));
    assert!(!pace.owes(&("a", 1)) && !pace.owes(&("a", 2)));
    assert_eq!(pace.call(millis(400)), Some(("a", 3)));
    assert_eq!(pace.call(millis(9_000)), None);
}

#[test]
fn the_same_question_waits_once() {
    let mut pace = Pace::default();
    assert!(admit(&mut pace, ("a", 0), 0));
    for now in 0..10 {
        assert!(!admit(&mut pace, ("a", 1), now));
    }
    assert_eq!(pace.waiting(), 1);
}

#[test]
fn a_second_question_takes_a_turn_as_well() {
    let mut pace = Pace::default();
    assert!(admit(&mut pace, ("a", 0), 0));
    admit(&mut pace, ("a", 1), 0);
    assert_eq!(pace.again_at(millis(50)), millis(200));
    assert_eq!(pace.again_at(millis(60)), millis(400));
    assert_eq!(pace.call(millis(599)), None);
    assert_eq!(pace.call(millis(600)), Some(("a", 1)));
}

#[test]
fn a_429_pauses_all_questions_as_long_as_it_says() {
    for (asked, pause) in [(Some(7), 7_000), (None, 60_000), (Some(99_999), 3_600_000)] {
        let mut pace = Pace::default();
        pace.throttled(asked.map(Duration::from_secs), millis(0));
        assert!(!admit(&mut pace, ("a", 1), 10));
        assert_eq!(pace.wake_at(millis(10)), Some(millis(pause)));
        assert_eq!(pace.call(millis(pause - 1)), None);
        assert_eq!(pace.call(millis(pause)), Some(("a", 1)));
    }
}

#[test]
fn a_clock_that_is_set_back_stops_nobody() {
    let mut pace = Pace::default();
    let later = 7_200_000;
    assert!(admit(&mut pace, ("a", 0), later));
    admit(&mut pace, ("a", 1), later);
    admit(&mut pace, ("a", 2), later);
    assert_eq!(pace.call(millis(later + 200)), Some(("a", 1)));
    pace.throttled(None, millis(later + 200));
    // The one that was called in the future is called once more.
    assert_eq!(pace.call(millis(0)), Some(("a", 1)));
    assert_eq!(pace.call(millis(200)), Some(("a", 2)));
}
