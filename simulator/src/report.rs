//! Tables in Markdown of what was run.

use std::fmt::Write as _;

use crate::calibration::Calibration;
use crate::clock::{HOUR, MINUTE, Micros};
use crate::engine::setup::Setup;
use crate::engine::tally::Minute;
use crate::predict::Prediction;
use crate::scenario::{Outcome, bound, deployment};

/// Cores that an API server with its etcd is given in the runs.
const SERVER_CORES: f64 = 8.0;
/// etcd's largest recommended size.
const ETCD_BYTES: f64 = 8.0 * 1024.0 * 1024.0 * 1024.0;
/// Past versions are kept for five to ten minutes (`--etcd-compaction-interval`, five minutes by default).
const KEPT_MINUTES: usize = 10;

#[expect(clippy::cast_precision_loss, reason = "counts of a report")]
const fn real(number: u64) -> f64 {
    number as f64
}

#[expect(clippy::cast_precision_loss, reason = "a week at the most")]
pub fn hours(micros: Micros) -> f64 {
    micros as f64 / HOUR as f64
}

#[expect(clippy::cast_precision_loss, reason = "a week at the most")]
fn seconds(micros: Micros) -> f64 {
    micros as f64 / 1e6
}

/// With spaces between thousands.
fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn rate(value: f64) -> String {
    if value < 10.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.0}")
    }
}

/// Runs without an outage.
pub fn calm(outcomes: &[Outcome]) -> String {
    let mut table = String::from(
        "| run | tenants | simulated | refreshes | Entra requests/s: mean, busiest minute | peak ÷ mean | API server requests/s: mean, peak | peak ÷ mean | tokens late | refreshes later than 5 s |\n|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for outcome in outcomes {
        let (peak, mean) = outcome.a_second(|minute| minute.requests);
        let (server_peak, server_mean) = outcome.a_second(Minute::writes);
        let tally = &outcome.tally;
        let all: u64 = tally.lateness.iter().sum();
        let later: u64 = tally.lateness[3..].iter().sum();
        let from = outcome.scenario.steady_from.map_or(0.0, hours);
        let _ = writeln!(
            table,
            "| {}; rates from hour {from:.0} on | {} | {:.0} h | {} | {}, {} | {:.2} | {}, {} | {:.2} | {} | {:.2} % |",
            outcome.scenario.says,
            count(u64::from(outcome.scenario.setup.tenants)),
            hours(outcome.scenario.setup.duration),
            count(tally.refreshes),
            rate(mean),
            rate(peak),
            peak / mean,
            rate(server_mean),
            rate(server_peak),
            server_peak / server_mean,
            count(tally.late),
            real(later) / real(all.max(1)) * 100.0,
        );
    }
    table
}

/// Runs with one.
pub fn outages(outcomes: &[Outcome]) -> String {
    let mut table = String::from(
        "| outage | concerned | overdue at its end | nobody overdue after | bound | busiest minute ÷ its own steady rate: worst application at Entra | worst API server | late because of it | late beside it |\n|---|---|---|---|---|---|---|---|---|\n",
    );
    for outcome in outcomes {
        let setup = &outcome.scenario.setup;
        for (n, recovery) in outcome.tally.recoveries.iter().enumerate() {
            let (app, server) = outcome.worst(n);
            let bound = if recovery.backlog == 0 {
                "–".to_owned()
            } else {
                format!(
                    "{:.0} s",
                    bound(setup, recovery.concerned, recovery.backlog)
                )
            };
            let _ = writeln!(
                table,
                "| {} | {} | {} | {} | {bound} | {app:.2} | {server:.2} | {} | {} |",
                outcome.scenario.says,
                count(u64::from(recovery.concerned)),
                count(u64::from(recovery.backlog)),
                recovery.took.map_or_else(
                    || "not within the run".to_owned(),
                    |took| format!("{:.0} s", seconds(took))
                ),
                count(recovery.late),
                count(outcome.tally.late),
            );
        }
    }
    table
}

/// Runs against limits.
pub fn limits(outcomes: &[Outcome]) -> String {
    let mut table = String::from(
        "| Microsoft's limit, Retry-After 60 | simulated, counted from hour 1 on | requests throttled | tokens late | refreshes later than 5 s | than 1 min | than 5 min |\n|---|---|---|---|---|---|---|\n",
    );
    for outcome in outcomes {
        let tally = &outcome.tally;
        let from = usize::try_from(outcome.scenario.setup.counts_from / MINUTE).unwrap_or(0);
        let sum = |get: fn(&Minute) -> u32| {
            tally
                .minutes
                .iter()
                .skip(from)
                .map(|minute| u64::from(get(minute)))
                .sum::<u64>()
        };
        let all: u64 = tally.lateness.iter().sum::<u64>().max(1);
        let later = |from: usize| real(tally.lateness[from..].iter().sum()) / real(all) * 100.0;
        let _ = writeln!(
            table,
            "| {} | {:.0} h | {:.1} % | {} | {:.1} % | {:.1} % | {:.1} % |",
            outcome.scenario.says,
            hours(outcome.scenario.setup.duration),
            real(sum(|minute| minute.throttled)) / real(sum(|minute| minute.requests).max(1))
                * 100.0,
            count(tally.late),
            later(3),
            later(6),
            later(8),
        );
    }
    table
}

/// Bytes of etcd in the fullest cluster: what lives, and the versions of the busiest ten minutes.
fn etcd(setup: &Setup, calibration: &Calibration, minutes: &[Minute]) -> (f64, f64) {
    let clusters = f64::from(setup.clusters);
    let tenants = f64::from(setup.tenants) / clusters;
    let live = tenants * (calibration.tenant_bytes + calibration.secret_bytes);
    let kept = |part: &[Minute]| {
        let secrets: f64 = part.iter().map(|minute| f64::from(minute.secrets)).sum();
        let statuses: f64 = part.iter().map(|minute| f64::from(minute.statuses)).sum();
        (secrets * calibration.secret_bytes + statuses * calibration.tenant_bytes) / clusters
    };
    (
        live,
        minutes.windows(KEPT_MINUTES).map(kept).fold(0.0, f64::max),
    )
}

/// What each size takes. `busiest`: a run at the largest size with the most writes in ten minutes.
pub fn sizes(calibration: &Calibration, steady: &Outcome, busiest: &Outcome) -> String {
    let mut table = warning(calibration);
    table.push_str(
        "| tenants | clusters | shards each | applications | `--entra-rate` | Entra requests/s | a shard: memory; CPU, counted in the busiest where it was run, else ≈ rate × cost | an API server with etcd: CPU | etcd: live, and with ten minutes' versions in the worst hour |\n|---|---|---|---|---|---|---|---|---|\n",
    );
    let refresh = calibration.refresh();
    for tenants in [1_000, 10_000, 100_000, 1_000_000] {
        let setup = deployment(tenants, HOUR);
        let clusters = f64::from(setup.clusters);
        let shards = clusters * f64::from(setup.shards);
        let operator = seconds(refresh.turn * 2 + refresh.mint + refresh.secret + refresh.status);
        let (own, cpu) = if steady.scenario.setup.tenants == tenants {
            let (own, cpu) = steady.tally.fullest();
            let cores = seconds(cpu) / seconds(steady.scenario.setup.duration);
            (own, format!("{cores:.3} cores"))
        } else {
            let own = tenants / (u32::from(setup.clusters) * u32::from(setup.shards));
            (
                own,
                format!("≈ {:.3} cores", setup.steady() / shards * operator),
            )
        };
        let server = seconds(refresh.server_secret + refresh.server_status + 2 * refresh.etcd);
        let (live, _) = etcd(&setup, calibration, &steady.tally.minutes);
        let (_, kept) = etcd(&busiest.scenario.setup, calibration, &busiest.tally.minutes);
        let share = f64::from(tenants)
            / clusters
            / (f64::from(busiest.scenario.setup.tenants)
                / f64::from(busiest.scenario.setup.clusters));
        let gib = |bytes: f64| bytes / (1024.0 * 1024.0 * 1024.0);
        let _ = writeln!(
            table,
            "| {} | {} | {} | {} | {} | {} | {:.0} MiB; {cpu} | {:.2} cores | {:.2} GiB, {:.2} GiB: {:.0} % of 8 |",
            count(u64::from(tenants)),
            setup.clusters,
            setup.shards,
            setup.apps,
            entra_rate(&setup),
            rate(setup.steady()),
            calibration.memory(own),
            setup.steady() / clusters * server,
            gib(live),
            gib(live + kept * share),
            (live + kept * share) / ETCD_BYTES * 100.0,
        );
    }
    table
}

/// Above whatever depends on constants that nothing was fitted to.
fn warning(calibration: &Calibration) -> String {
    if calibration.placeholder {
        "**No report of the bench has been fitted yet**: costs of CPU, memory and etcd are guesses from single measurements.\n\n".to_owned()
    } else {
        String::new()
    }
}

/// Where twice the steady rate is less than the default, the default does no harm below some ten thousand tenants.
fn entra_rate(setup: &Setup) -> String {
    let twice = setup.entra_rate.ceil();
    if setup.tenants <= 10_000 {
        "500 (default)".to_owned()
    } else {
        format!("{twice:.0}")
    }
}

/// What was fitted, and what was predicted.
pub fn calibration(calibration: &Calibration, predictions: &[Prediction]) -> String {
    let mut text = warning(calibration);
    if !calibration.placeholder {
        let mut sizes = std::collections::BTreeMap::<&str, Vec<String>>::new();
        for (name, n) in &calibration.fitted {
            sizes.entry(name).or_default().push(count(*n));
        }
        let rows: Vec<String> = sizes
            .iter()
            .map(|(name, n)| format!("`{name}` at {}", n.join(" and ")))
            .collect();
        let _ = writeln!(
            text,
            "Fitted to {}, on: {}.\n",
            rows.join(", "),
            calibration.machine
        );
    }
    for (row, instead) in &calibration.assumed {
        let _ = writeln!(
            text,
            "The report has no usable row `{row}` at a size other than those that are predicted. Taken in its place: {instead}.\n"
        );
    }
    text.push_str(
        "| row | n | predicted | measured | off by | within 15 % |\n|---|---|---|---|---|---|\n",
    );
    for prediction in predictions {
        let or_dash = |value: Option<String>| value.unwrap_or_else(|| "–".to_owned());
        let _ = writeln!(
            text,
            "| `{}` | {} | {:.1} s | {} | {} | {} |",
            prediction.name,
            count(prediction.n),
            prediction.predicted,
            or_dash(
                prediction
                    .measured
                    .map(|measured| format!("{measured:.1} s"))
            ),
            or_dash(
                prediction
                    .miss()
                    .map(|miss| format!("{:+.0} %", miss * 100.0))
            ),
            prediction
                .is_near()
                .map_or("–", |near| if near { "yes" } else { "no" }),
        );
    }
    let _ = writeln!(
        text,
        "\n| CPU ms | operator | API server | etcd |\n|---|---|---|---|\n| first token | {:.2} | {:.2} | {:.2} |\n| refresh | {:.2} | {:.2} | {:.2} |",
        calibration.operator,
        calibration.server,
        calibration.etcd,
        calibration.refresh_operator,
        calibration.refresh_server,
        calibration.refresh_etcd,
    );
    text
}

/// How the worst API server is used.
pub fn busiest(outcomes: &[Outcome]) -> Option<&Outcome> {
    let writes = |outcome: &Outcome| {
        let sums = outcome.tally.minutes.windows(KEPT_MINUTES);
        sums.map(|part| {
            part.iter()
                .map(|minute| u64::from(minute.writes()))
                .sum::<u64>()
        })
        .max()
    };
    outcomes.iter().max_by_key(|outcome| writes(outcome))
}

/// Says what was run on what.
pub fn machines(setup: &Setup) -> String {
    format!(
        "{} tenants in {} clusters of {} shards, {} applications, {} namespaces each, `--entra-rate` {:.0}, API servers of {SERVER_CORES:.0} cores; seed {}.",
        count(u64::from(setup.tenants)),
        setup.clusters,
        setup.shards,
        setup.apps,
        setup.namespaces,
        setup.entra_rate.ceil(),
        setup.seed,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_told_apart() {
        assert_eq!(
            [7, 1_000, 1_234_567].map(count),
            ["7", "1,000", "1,234,567"]
        );
    }
}
