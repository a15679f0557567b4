//! Convergence: tenants that nobody has served yet, until each has its Secret and its status.

use std::collections::BTreeMap;

use super::{Bench, converged};
use crate::Result;
use crate::floor::{Floor, Measured, Task, Work};
use crate::report::Row;
use crate::say;
use crate::stats::{exponent, median};

/// `--entra-rate`'s default: nobody mints faster.
pub const RATE: f64 = 500.0;
/// The smallest fleet that says something of growth: below it, what a start costs shows. `QUICK` has none so large.
const GROWTH_FROM: usize = 1000;

impl Bench {
    /// Rounds of floor and operator in turn.
    pub async fn converge(&mut self, n: usize) -> Result<()> {
        let rounds = self.settings.rounds(n);
        let (mut floors, mut operators) = (Vec::new(), Vec::new());
        for round in 1..=rounds {
            self.lab.reset().await?;
            let floor = Floor::prepare(&self.lab, &self.model, Task::fast(Work::Create)).await?;
            let floor = floor.go(&self.lab).await?;
            let operator = self.serve(round, rounds).await?;
            say(&format!(
                "round {round} of {rounds}: {:.2} s and {:.2} CPU s, floor {:.2} s and {:.2} CPU s",
                operator.seconds, operator.cpu, floor.seconds, floor.cpu
            ));
            floors.push(floor);
            operators.push(operator);
        }
        let cpu = operators.iter().map(|round| round.cpu);
        self.growth.entry(n).or_default().extend(cpu);
        let bare: Vec<f64> = floors.iter().map(|round| round.seconds).collect();
        self.floors.insert(n, median(&bare));
        for row in rows(n, &floors, &operators) {
            self.add(row)?;
        }
        self.peak(n, operators.iter().map(|round| round.peak))
    }

    /// The most memory that a process has had so far with this fleet.
    pub fn peak(&mut self, n: usize, peaks: impl Iterator<Item = f64>) -> Result<()> {
        let known = self.peaks.entry(n).or_default();
        known.extend(peaks);
        let most = known.iter().copied().fold(0.0, f64::max);
        let row = Row::new("rss_peak", n, most, "MiB").rounds(known);
        self.add(row)
    }

    /// What a bare client takes for this fleet, seconds.
    pub async fn bare(&mut self, n: usize) -> Result<f64> {
        if let Some(seconds) = self.floors.get(&n) {
            return Ok(*seconds);
        }
        self.lab.reset().await?;
        let task = Task::fast(Work::Create);
        let floor = Floor::prepare(&self.lab, &self.model, task).await?;
        let seconds = floor.go(&self.lab).await?.seconds;
        self.floors.insert(n, seconds);
        Ok(seconds)
    }

    /// The operator alone, where no rounds of this size were measured beside a floor.
    pub async fn grow(&mut self, n: usize) -> Result<()> {
        if self.growth.contains_key(&n) {
            return Ok(());
        }
        let rounds = self.settings.growths(n);
        for _ in 0..rounds {
            self.lab.reset().await?;
            let (operator, process) = converged(&self.lab, &[]).await?;
            process.stop().await?;
            say(&format!("{n} tenants: {:.2} CPU s", operator.cpu));
            self.growth.entry(n).or_default().push(operator.cpu);
        }
        Ok(())
    }
}

/// The exponent of the operator's CPU over the number of tenants.
pub fn growth(cpu: &BTreeMap<usize, Vec<f64>>) -> Option<Row> {
    let large = cpu.keys().filter(|n| **n >= GROWTH_FROM).count();
    let from = if large > 1 { GROWTH_FROM } else { 2 };
    #[expect(clippy::cast_precision_loss, reason = "tens of thousands")]
    let points: Vec<(f64, f64)> = cpu
        .iter()
        .filter(|(n, _)| **n >= from)
        .map(|(n, rounds)| (*n as f64, median(rounds)))
        .collect();
    let of_all = exponent(&points)?;
    let last = exponent(&points[points.len().saturating_sub(2)..]).unwrap_or(of_all);
    let most = *cpu.keys().next_back()?;
    let told: Vec<String> = points
        .iter()
        .map(|(n, cpu)| format!("{n:.0}: {cpu:.2}"))
        .collect();
    let note = format!(
        "CPU s by tenants: {}; between the two largest {last:.2}",
        told.join(", ")
    );
    Some(Row::new("growth", most, of_all, "exponent").note(note))
}

#[expect(clippy::cast_precision_loss, reason = "tens of thousands")]
fn rows(n: usize, floors: &[Measured], operators: &[Measured]) -> Vec<Row> {
    let row =
        |name: &str, unit: &str, of: Figure<'_>| beside(name, n, unit, operators, floors, of, of);
    let paced = n as f64 / RATE;
    let each = n as f64;
    vec![
        beside(
            "converge",
            n,
            "s",
            operators,
            floors,
            &|m| m.seconds,
            &|m| m.seconds.max(paced),
        ),
        row("converge_cpu", "CPU s", &|m| m.cpu),
        row("converge_cpu_apiserver", "CPU s", &|m| m.apiserver),
        row("converge_cpu_etcd", "CPU s", &|m| m.etcd),
        row("converge_cpu_emulator", "CPU s", &|m| m.emulator),
        row("converge_api_requests", "per customer", &|m| {
            m.requests as f64 / each
        }),
        row("converge_token_requests", "per customer", &|m| {
            m.tokens as f64 / each
        }),
    ]
}

/// One figure of a round.
pub type Figure<'a> = &'a dyn Fn(&Measured) -> f64;

/// A row of medians; its spread is that of the ratios of the pairs.
pub fn beside(
    name: &str,
    n: usize,
    unit: &str,
    operators: &[Measured],
    floors: &[Measured],
    of_operator: Figure<'_>,
    of_floor: Figure<'_>,
) -> Row {
    let values: Vec<f64> = operators.iter().map(of_operator).collect();
    let bases: Vec<f64> = floors.iter().map(of_floor).collect();
    let ratios: Vec<f64> = values
        .iter()
        .zip(&bases)
        .filter(|(_, base)| **base > 0.0)
        .map(|(value, base)| value / base)
        .collect();
    Row::new(name, n, median(&values), unit)
        .floor(median(&bases))
        .rounds(&ratios)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_floor_is_never_faster_than_the_rate_allows() {
        let round = |seconds| Measured {
            seconds,
            ..Measured::default()
        };
        let rows = rows(2000, &[round(1.0)], &[round(5.0)]);
        let converge = &rows[0];
        assert_eq!(
            (converge.floor, converge.ratio, converge.rounds),
            (Some(4.0), Some(1.25), Some(1))
        );
    }
}
