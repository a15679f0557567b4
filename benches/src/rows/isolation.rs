//! Whether customers that fail delay the others.

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

/// Lifetime of tokens, seconds. With this margin and the fleet's `minRemainingSeconds` they are renewed after 34 to 40.
const LIFETIME: u32 = 60;
const MARGIN: &str = "10";
/// The first refreshes: from then on, within so long, so that the load is even from the beginning.
const FIRST_AFTER: i64 = 12;
const FIRST_WITHIN: i64 = 30;
/// One of so many customers fails: 5 %.
const ONE_OF: usize = 20;

/// Tenant-scope and service-scope codes, every retry class; what is certain of a credential can't be said to one
/// customer alone.
const CODES: [u32; 20] = [
    50_001, 50_033, 50_059, 50_196, 53_003, 65_001, 70_001, 90_002, 90_012, 90_036, 90_038, 90_055,
    90_099, 500_011, 500_014, 501_051, 530_032, 700_016, 900_382, 1_000_031,
];

/// Every way to fail.
fn faults() -> Vec<Value> {
    let mut faults: Vec<Value> = CODES.iter().map(|code| json!({"aadsts": code})).collect();
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

/// In every namespace some.
const fn is_faulty(n: usize) -> bool {
    (n / ONE_OF) % ONE_OF == ONE_OF / 2
}

impl Lab {
    /// One customer of twenty fails, each in the next way.
    pub async fn break_some(&self) -> Result<usize> {
        let ways = faults();
        let broken: Vec<usize> = (0..self.size).filter(|n| is_faulty(*n)).collect();
        for (n, way) in broken.iter().zip(ways.iter().cycle()) {
            self.emulator.fault(&guid(*n), way).await?;
        }
        Ok(broken.len())
    }
}

impl Bench {
    /// Phases without faults, then phases with.
    pub async fn isolation(&mut self, n: usize) -> Result<()> {
        self.lab.reset_secrets().await?;
        self.lab.emulator.lifetime(Some(LIFETIME)).await?;
        let task = Task {
            refresh_after: Some(FIRST_AFTER),
            refresh_spread: Some(FIRST_WITHIN),
            ..Task::fast(Work::Create)
        };
        let floor = Floor::prepare(&self.lab, &self.model, task).await?;
        floor.go(&self.lab).await?;
        let mut operator = Operator::start(&self.lab, &["--refresh-margin", MARGIN])?;
        self.phases(1, &mut operator).await?;
        let phases = self.settings.phases();
        let without = self.phases(phases, &mut operator).await?;
        let broken = self.lab.break_some().await?;
        say(&format!("{broken} customers fail"));
        // Until each has met its fault.
        self.phases(1, &mut operator).await?;
        let with = self.phases(phases, &mut operator).await?;
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
                .note(format!("{samples} samples with {broken} customers failing")),
        )
    }

    /// By phase, the lateness of one refresh of each healthy customer.
    async fn phases(&self, phases: usize, operator: &mut Operator) -> Result<Vec<Vec<f64>>> {
        let mut found = Vec::new();
        for _ in 0..phases {
            let mut watched = Watched::new(&self.lab)?;
            let mut dues = self.lab.dues().await?;
            dues.retain(|object, _| {
                let name = object.rsplit('/').next().unwrap_or_default();
                number(name).is_some_and(|n| !is_faulty(n))
            });
            let wait = Duration::from_secs(LIFETIME.into()) + patience(self.lab.size);
            watched
                .wait(operator, wait, |watched| {
                    watched.lateness(&dues).len() >= dues.len()
                })
                .await?;
            let late: Vec<f64> = watched.lateness(&dues).into_values().collect();
            if late.len() < dues.len() {
                return Err(format!("{} of {} refreshed", late.len(), dues.len()).into());
            }
            found.push(late);
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::fleet::place;

    #[test]
    fn one_of_twenty_fails_in_every_namespace() {
        let broken: Vec<usize> = (0..2000).filter(|n| is_faulty(*n)).collect();
        assert_eq!(broken.len(), 100);
        let namespaces: std::collections::BTreeSet<String> =
            broken.iter().map(|n| place(*n).0).collect();
        assert_eq!(namespaces.len(), 20);
        assert!(faults().len() <= broken.len(), "each way is met");
    }
}
