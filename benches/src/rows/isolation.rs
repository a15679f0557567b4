//! Whether customers that fail delay the others.

use std::ops::Range;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Bench, Watched, patience};
use crate::Result;
use crate::floor::{Floor, Task, Work};
use crate::lab::Lab;
use crate::lab::fleet::{guid, number};
use crate::lab::operator::Operator;
use crate::report::Row;
use crate::say;
use crate::stats::{median, percentile};

/// How fast everything goes, seconds. With this margin and the fleet's `minRemainingSeconds` tokens are renewed when about
/// two thirds of their life are over.
struct Pace {
    lifetime: u32,
    margin: u32,
    /// The first refreshes: from then on, within so long, so that the load is even from the beginning.
    first_after: i64,
    first_within: i64,
}

const FULL: Pace = Pace {
    lifetime: 60,
    margin: 10,
    first_after: 12,
    first_within: 30,
};
const QUICK: Pace = Pace {
    lifetime: 30,
    margin: 2,
    first_after: 6,
    first_within: 10,
};
/// One of so many customers fails: 5 %.
const ONE_OF: usize = 20;

/// The operator's table of Microsoft's codes.
const TABLE: &str = include_str!("../../../docs/reference/errors.md");

/// Those of a token request that concern a customer or Microsoft itself: what is certain of a credential can't be said
/// to one customer alone.
fn codes() -> impl Iterator<Item = u32> {
    TABLE.lines().filter_map(|line| {
        let mut cells = line.split(" | ");
        let code = cells.next()?.strip_prefix("| `AADSTS")?.strip_suffix('`')?;
        let scope = cells.nth(1)?;
        let seen = cells.nth(1)?;
        let fits = ["Tenant", "Service"].contains(&scope) && seen == "token request";
        code.parse().ok().filter(|_| fits)
    })
}

/// Every way to fail.
fn faults() -> Vec<Value> {
    let mut faults: Vec<Value> = codes().map(|code| json!({"aadsts": code})).collect();
    faults.extend([
        json!({"status": 429, "retryAfter": 5}),
        json!({"status": 429}),
        json!({"status": 500}),
        json!({"status": 503, "retryAfter": 2}),
        json!({"status": 400, "text": "bad"}),
        json!({"latencyMs": 3000}),
        json!({"latencyMs": 30_000}),
        json!({"reset": true}),
        json!({"body": "html"}),
        json!({"body": "empty"}),
        json!({"body": "truncated"}),
        json!({"body": "huge"}),
        json!({"body": "slow"}),
        json!({"claims": {"tid": "00000000-0000-0000-0000-000000000001"}}),
        json!({"claims": {"aud": "https://example.com"}}),
        json!({"claims": {"roles": null}}),
    ]);
    faults
}

/// In every namespace some; others in each round.
const fn is_faulty(n: usize, round: usize) -> bool {
    (n / ONE_OF + round) % ONE_OF == ONE_OF / 2
}

impl Lab {
    /// One customer of twenty fails, each in the next way; those of earlier rounds don't any more.
    pub async fn break_some(&self, customers: Range<usize>, round: usize) -> Result<usize> {
        self.emulator.clear_faults().await?;
        let ways = faults();
        let broken: Vec<usize> = customers.filter(|n| is_faulty(*n, round)).collect();
        for (n, way) in broken.iter().zip(ways.iter().cycle().skip(round)) {
            self.emulator.fault(&guid(*n), way).await?;
        }
        Ok(broken.len())
    }
}

impl Bench {
    /// Phases without faults, then phases that each begin with new ones.
    pub async fn isolation(&mut self, n: usize) -> Result<()> {
        self.lab.reset_secrets().await?;
        let pace = if self.settings.quick { QUICK } else { FULL };
        self.lab.emulator.lifetime(Some(pace.lifetime)).await?;
        let task = Task {
            refresh_after: Some(pace.first_after),
            refresh_spread: Some(pace.first_within),
            ..Task::fast(Work::Create)
        };
        let floor = Floor::prepare(&self.lab, &self.model, task).await?;
        floor.go(&self.lab).await?;
        let mut operator =
            Operator::start(&self.lab, &["--refresh-margin", &pace.margin.to_string()])?;
        self.phase(0, &mut operator).await?;
        let phases = self.settings.phases();
        let (mut without, mut with, mut broken) = (Vec::new(), Vec::new(), 0);
        for _ in 0..phases {
            without.push(self.phase(phases, &mut operator).await?);
        }
        for round in 0..phases {
            broken = self.lab.break_some(0..self.lab.size, round).await?;
            say(&format!("{broken} customers fail"));
            with.push(self.phase(phases, &mut operator).await?);
        }
        operator.stop().await?;
        self.lab.emulator.clear_faults().await?;
        self.lab.emulator.lifetime(None).await?;
        self.lab.reset().await?;

        let p95 = |phases: &[Vec<f64>]| -> Vec<f64> {
            phases.iter().map(|late| percentile(late, 0.95)).collect()
        };
        let samples = with.iter().map(Vec::len).sum::<usize>();
        let (with, without) = (p95(&with), p95(&without));
        let ratios: Vec<f64> = with.iter().zip(&without).map(|(a, b)| a / b).collect();
        self.add(
            Row::new("isolation", n, median(&with), "s, p95")
                .floor(median(&without))
                .rounds(&ratios)
                .note(format!(
                    "{samples} samples with {broken} customers failing, in one of {} ways each; tokens of {} s, `--refresh-margin {}`",
                    faults().len(),
                    pace.lifetime,
                    pace.margin
                )),
        )
    }

    /// The lateness of one refresh of each customer that fails in none of so many rounds.
    async fn phase(&self, rounds: usize, operator: &mut Operator) -> Result<Vec<f64>> {
        let mut watched = Watched::new(&self.lab)?;
        let mut dues = self.lab.dues().await?;
        dues.retain(|object, _| {
            let name = object.rsplit('/').next().unwrap_or_default();
            number(name).is_some_and(|n| (0..rounds).all(|round| !is_faulty(n, round)))
        });
        let wait = Duration::from_secs(FULL.lifetime.into()) + patience(self.lab.size);
        watched
            .wait(operator, wait, |watched| {
                watched.lateness(&dues).len() >= dues.len()
            })
            .await?;
        let late: Vec<f64> = watched.lateness(&dues).into_values().collect();
        if late.len() < dues.len() {
            return Err(format!("{} of {} refreshed", late.len(), dues.len()).into());
        }
        Ok(late)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::fleet::place;

    #[test]
    fn the_ways_to_fail_are_those_of_the_table() {
        let codes: Vec<u32> = codes().collect();
        assert!(codes.len() > 30, "{codes:?}");
        // The customer's, and Microsoft's; neither the credential's nor what only the consent page says.
        assert!(codes.contains(&65_001) && codes.contains(&50_033));
        assert!(!codes.contains(&50_012) && !codes.contains(&65_004));
    }

    #[test]
    fn one_of_twenty_fails_in_every_namespace() {
        let broken: Vec<usize> = (0..2000).filter(|n| is_faulty(*n, 0)).collect();
        assert_eq!(broken.len(), 100);
        let namespaces: std::collections::BTreeSet<String> =
            broken.iter().map(|n| place(*n).0).collect();
        assert_eq!(namespaces.len(), 20);
        assert!(faults().len() <= broken.len(), "each way is met");
        assert!(broken.iter().all(|n| !is_faulty(*n, 1)), "others fail next");
    }
}
