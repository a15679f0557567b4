//! The small form: two thousand tenants. Every bound is one that a broken core misses.

use super::*;

const SMALL: u32 = 2_000;

fn at_small(scenario: Scenario) -> Outcome {
    let outcome = run(scenario, &Calibration::default());
    assert_eq!(
        outcome.tally.unknown, 0,
        "a step that the simulator doesn't know"
    );
    outcome
}

fn one(name: &str) -> Outcome {
    let all = calm(SMALL, 1)
        .into_iter()
        .chain(outages(SMALL, &Calibration::default()));
    at_small(
        all.into_iter()
            .find(|scenario| scenario.name == name)
            .unwrap(),
    )
}

/// Highest ten minutes over the mean: in one minute there are too few requests to tell a herd from chance.
fn unevenness(outcome: &Outcome) -> f64 {
    let from = usize::try_from(outcome.scenario.steady_from.unwrap() / MINUTE).unwrap();
    let sums: Vec<f64> = outcome.tally.minutes[from..]
        .chunks_exact(10)
        .map(|part| part.iter().map(|minute| f64::from(minute.requests)).sum())
        .collect();
    let count = sums.iter().map(|_| 1.0).sum::<f64>();
    sums.iter().copied().fold(0.0, f64::max) / (sums.iter().sum::<f64>() / count)
}

fn recovered(outcome: &Outcome) {
    let setup = &outcome.scenario.setup;
    let recovery = outcome.tally.recoveries[0];
    let took = recovery.took.expect("it recovers");
    #[expect(clippy::cast_precision_loss, reason = "hours")]
    let seconds = took as f64 / 1e6;
    let bound = bound(setup, recovery.concerned, recovery.backlog).max(360.0);
    assert!(
        seconds <= bound + 60.0,
        "{seconds} s, at most {bound} s: {recovery:?}"
    );
    let (worst, _) = outcome.worst(0);
    assert!(worst <= 2.0 * 1.15, "{worst} × the steady rate");
    assert_eq!(
        outcome.tally.late, 0,
        "tokens late that the outage doesn't explain"
    );
}

#[test]
fn in_a_calm_day_no_token_is_late_and_each_costs_one_request_and_two_writes() {
    let outcome = one("steady");
    let tally = &outcome.tally;
    assert_eq!((tally.late, tally.undue), (0, 0));
    assert_eq!(
        tally.lateness[4..].iter().sum::<u64>(),
        0,
        "{:?}",
        tally.lateness
    );
    let sum = |count: fn(&Minute) -> u32| {
        tally
            .minutes
            .iter()
            .map(|minute| u64::from(count(minute)))
            .sum::<u64>()
    };
    let requests = sum(|minute| minute.requests);
    #[expect(clippy::cast_precision_loss, reason = "some ten thousand")]
    let expected = outcome.scenario.setup.steady() * (DAY / 1_000_000) as f64;
    #[expect(clippy::cast_precision_loss, reason = "some ten thousand")]
    let ratio = requests as f64 / expected;
    assert!(
        (0.95..1.05).contains(&ratio),
        "{requests} requests, {expected} expected"
    );
    assert_eq!(sum(|minute| minute.tokens), tally.refreshes);
    assert_eq!(sum(|minute| minute.secrets), tally.refreshes);
    assert!(sum(|minute| minute.statuses) <= tally.refreshes);
    let uneven = unevenness(&outcome);
    assert!(uneven < 1.25, "{uneven}");
}

#[test]
fn tenants_created_together_have_spread_within_hours() {
    let outcome = one("together");
    assert_eq!(outcome.tally.late, 0);
    let uneven = unevenness(&outcome);
    assert!(uneven < 1.25, "{uneven}");
}

#[test]
fn short_and_long_lives_side_by_side_are_never_late() {
    let outcome = one("wide");
    assert_eq!((outcome.tally.late, outcome.tally.undue), (0, 0));
}

#[test]
fn an_hour_without_entra_is_made_up_for_at_twice_the_steady_rate() {
    recovered(&one("Entra 503"));
}

#[test]
fn an_hour_of_silence_is_made_up_for_at_twice_the_steady_rate() {
    recovered(&one("Entra silent"));
}

#[test]
fn a_credential_that_is_dead_for_a_day_costs_a_probe_a_step_and_is_made_up_for() {
    let outcome = one("credential");
    recovered(&outcome);
    let setup = &outcome.scenario.setup;
    let (from, until) = (setup.outages[0].from, setup.outages[0].until);
    let part = usize::try_from(from / MINUTE).unwrap()..usize::try_from(until / MINUTE).unwrap();
    let refused: u32 = outcome.tally.minutes[part]
        .iter()
        .map(|minute| minute.failed)
        .sum();
    // Seven steps, then one each half hour.
    assert!((40..70).contains(&refused), "{refused}");
}

#[test]
fn an_applications_outage_is_judged_in_its_own_cluster() {
    let found = outages(SMALL, &Calibration::default())
        .into_iter()
        .find(|s| s.name == "credential");
    let mut scenario = found.unwrap();
    (scenario.setup.clusters, scenario.setup.apps) = (4, 4);
    scenario.setup = scenario.setup.paced();
    let outcome = at_small(scenario);
    recovered(&outcome);
    assert_eq!(outcome.tally.recoveries[0].concerned, SMALL / 4);
    assert!(outcome.tally.recoveries[0].took > Some(10 * MINUTE));
    let (app, server) = outcome.worst(0);
    // Paced at twice the rate of a quarter; of all together that would be a quarter more.
    assert!(app > 1.7 && server > 1.7, "{app}, {server}");
}

#[test]
fn with_a_second_credential_nobody_notices_that_one_is_dead() {
    let outcome = one("second credential");
    assert_eq!(outcome.tally.late, 0);
    assert_eq!(outcome.tally.recoveries[0].late, 0);
}

#[test]
fn a_throttled_region_makes_no_other_one_late() {
    recovered(&one("region"));
}

#[test]
fn a_restart_mints_nothing_that_is_not_due() {
    let outcome = one("restart");
    recovered(&outcome);
    assert_eq!(outcome.tally.undue, 0);
    let recovery = outcome.tally.recoveries[0];
    assert_eq!((recovery.concerned, recovery.late), (SMALL, 0));
    // Fifteen seconds without anybody, at 0.7 refreshes a second.
    assert!((5..25).contains(&recovery.backlog), "{recovery:?}");
    assert!(
        recovery.took > Some(0) && recovery.took < Some(MINUTE),
        "{recovery:?}"
    );
}

#[test]
fn limits_above_what_is_needed_make_nobody_late_and_those_below_do() {
    let shown: Vec<(String, bool, bool)> = limits(SMALL, 4)
        .into_iter()
        .map(|scenario| {
            let outcome = at_small(scenario);
            let throttled: u32 = outcome.tally.minutes[60..]
                .iter()
                .map(|minute| minute.throttled)
                .sum();
            let says = outcome.scenario.says;
            (says, throttled > 0, outcome.tally.late > 0)
        })
        .collect();
    let shown: Vec<_> = shown
        .iter()
        .map(|(says, throttled, late)| (&**says, *throttled, *late))
        .collect();
    assert_eq!(
        shown,
        [
            ("an application's limit at 0.9 × steady", true, true),
            ("an application's limit at 1.05 × steady", true, false),
            ("an application's limit at 1.5 × steady", false, false),
            ("a region's limit at 1.05 × steady", true, false),
            ("a tenant's limit at one request an hour", true, true),
        ]
    );
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run_of = |seed: u64| {
        let mut setup = deployment(300, 3 * HOUR);
        setup.seed = seed;
        engine::run(&setup, Calibration::default().refresh())
    };
    assert_eq!(run_of(5), run_of(5));
    assert_ne!(run_of(5), run_of(6));
}
