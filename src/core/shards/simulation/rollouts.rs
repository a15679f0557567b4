//! What must hold, whatever happens; and how long nobody serves where little does.

use super::*;

const SLOTS: usize = 5;
/// Faults end here, so that what follows must be well.
const CALM: u64 = 120 * SECOND;

fn trouble() -> impl Strategy<Value = Trouble> {
    prop_oneof![
        Just(Trouble::Paused),
        Just(Trouble::Cut),
        Just(Trouble::Deaf),
        (100..9_000_u64).prop_map(Trouble::Slow),
    ]
}

fn fault() -> impl Strategy<Value = Fault> {
    (0..SLOTS, 0..90 * SECOND, 1..30 * SECOND, trouble()).prop_map(
        |(slot, from, length, trouble)| Fault {
            slot,
            from,
            length,
            trouble,
        },
    )
}

fn step() -> impl Strategy<Value = (u64, usize, Step)> {
    let step = prop_oneof![
        3 => (1..=4_u32).prop_map(Step::Start),
        1 => Just(Step::Stop),
        1 => Just(Step::Kill),
    ];
    (0..110 * SECOND, 0..SLOTS, step)
}

/// A Deployment of `from` shards is rolled to `to`, one pod after the other, the new one first; `stuck`: only so many.
fn rollout(
    at: u64,
    from: &[usize],
    to: &[usize],
    count: u32,
    stuck: usize,
) -> Vec<(u64, usize, Step)> {
    let mut script = Vec::new();
    for (n, slot) in to.iter().enumerate().take(stuck) {
        let at = at + u64::try_from(n).unwrap() * 4 * SECOND;
        script.push((at, *slot, Step::Start(count)));
        if let Some(old) = from.get(n).filter(|_| n + 1 < stuck || stuck >= to.len()) {
            script.push((at + 2 * SECOND, *old, Step::Stop));
        }
    }
    script
}

fn starts(slots: &[usize], count: u32) -> Vec<(u64, usize, Step)> {
    slots
        .iter()
        .map(|slot| (0, *slot, Step::Start(count)))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Never two numbers, never two at one shard, whatever happens; and all of one number soon after it has ended.
    #[test]
    fn one_number_one_server_a_shard_and_soon_all_are_served(
        first in prop::collection::vec(1..=4_u32, SLOTS),
        steps in prop::collection::vec(step(), 0..12),
        faults in prop::collection::vec(fault(), 0..8),
        seed: u64,
    ) {
        let mut script: Vec<_> = first.iter().enumerate().map(|(slot, count)| (0, slot, Step::Start(*count))).collect();
        script.extend(steps);
        // Whatever was stopped, somebody is left.
        script.push((CALM - SECOND, 0, Step::Start(first[0])));
        let mut sim = Sim::new(SLOTS, faults, &script, seed);
        sim.run_until(CALM);
        // A Lease that must run out, an intent that came to nothing, a minute for each that lacks a process.
        sim.run_until(CALM + 150 * SECOND);
        prop_assert!(sim.is_whole(), "{:?} of {:?}", sim.serving(), sim.agreed);
        let before = sim.serving();
        sim.run_until(CALM + 180 * SECOND);
        prop_assert_eq!(before, sim.serving(), "and so it stays");
    }

    /// Who fails is followed in time where there is somebody to spare.
    #[test]
    fn a_spare_takes_over_in_time(
        count in 2..=4_u32,
        killed in 0..SLOTS,
        trouble in prop_oneof![Just(Trouble::Paused), Just(Trouble::Cut), Just(Trouble::Deaf)],
        seed: u64,
    ) {
        let all: Vec<usize> = (0..SLOTS).collect();
        let fault = Fault { slot: killed, from: 100 * SECOND, length: 100 * SECOND, trouble };
        let mut sim = Sim::new(SLOTS, vec![fault], &starts(&all, count), seed);
        sim.run_until(60 * SECOND);
        prop_assert!(sim.is_whole());
        sim.count_from_now();
        sim.run_until(150 * SECOND);
        prop_assert!(sim.is_whole());
        prop_assert!(sim.longest <= 20 * SECOND, "{} ms", sim.longest);
    }

    /// 1 → 3 → 2, each a pod at a time; nobody serves for seconds only, and each number is in force at its time.
    #[test]
    fn a_roll_out_hands_over_in_seconds(seed: u64) {
        let (one, three, two) = ([0, 1], [2, 3, 4, 5], [6, 7, 8]);
        let mut script = starts(&one, 1);
        script.extend(rollout(30 * SECOND, &one, &three, 3, 4));
        script.extend(rollout(90 * SECOND, &three, &two, 2, 3));
        script.push((104 * SECOND, 5, Step::Stop));
        let mut sim = Sim::new(9, Vec::new(), &script, seed);
        sim.run_until(20 * SECOND);
        sim.count_from_now();
        sim.run_until(80 * SECOND);
        prop_assert!(sim.is_whole(), "{:?} of {:?}", sim.serving(), sim.agreed);
        prop_assert_eq!(sim.agreed.agreement, Agreement { count: 3, intent: None });
        sim.run_until(160 * SECOND);
        prop_assert!(sim.is_whole(), "{:?} of {:?}", sim.serving(), sim.agreed);
        prop_assert_eq!(&sim.counts, &[1, 3, 2]);
        prop_assert!(sim.longest <= 20 * SECOND, "{} ms", sim.longest);
    }

    /// The new pods come, the old ones stay: the old number is in force, the new ones wait; and they change it when the
    /// old ones have died.
    #[test]
    fn a_roll_out_that_is_stuck_leaves_the_old_number_in_force(seed: u64, rolled_back: bool) {
        let (old, new) = ([0, 1, 2], [3, 4]);
        let mut script = starts(&old, 2);
        script.extend(rollout(30 * SECOND, &old, &new, 3, 1));
        let end = 200 * SECOND;
        if rolled_back {
            script.push((end, 3, Step::Stop));
        } else {
            script.extend(old.map(|slot| (end, slot, Step::Kill)));
        }
        let mut sim = Sim::new(5, Vec::new(), &script, seed);
        sim.run_until(25 * SECOND);
        sim.count_from_now();
        sim.run_until(end - SECOND);
        prop_assert!(sim.is_whole());
        prop_assert_eq!(sim.longest, 0, "nobody is disturbed");
        prop_assert_eq!(&sim.counts, &[1, 2]);
        sim.run_until(end + 120 * SECOND);
        prop_assert!(sim.is_whole(), "{:?} of {:?}", sim.serving(), sim.agreed);
        let expected: &[u32] = if rolled_back { &[1, 2] } else { &[1, 2, 3] };
        prop_assert_eq!(&sim.counts[..], expected);
    }

    /// Too few processes: after a minute, not before, one takes two; and gives one back when a spare comes.
    #[test]
    fn who_has_several_gives_one_to_a_spare(seed: u64) {
        let mut script = starts(&[0, 1], 3);
        script.push((120 * SECOND, 2, Step::Start(3)));
        let mut sim = Sim::new(3, Vec::new(), &script, seed);
        sim.run_until(60 * SECOND);
        prop_assert_eq!(sim.serving().len(), 2, "each has one: {:?}", sim.serving());
        sim.run_until(110 * SECOND);
        prop_assert!(sim.is_whole(), "{:?}", sim.serving());
        sim.count_from_now();
        sim.run_until(150 * SECOND);
        let slots: BTreeSet<usize> = sim.serving().iter().map(|(slot, ..)| *slot).collect();
        prop_assert_eq!(slots.len(), 3, "{:?}", sim.serving());
        prop_assert!(sim.is_whole());
        prop_assert_eq!(sim.given_back, 1);
        prop_assert!(sim.longest <= 5 * SECOND, "{} ms", sim.longest);
    }
}
