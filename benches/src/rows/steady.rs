//! A fleet with fresh tokens: memory, what an idle operator costs, what a restart costs.

use std::time::Duration;

use super::watch::idle;
use super::{Bench, Watched, patience};
use crate::Result;
use crate::floor::seconds;
use crate::lab::operator::Operator;
use crate::report::Row;
use crate::stats::median;

/// What an allocator gives back, it gives back by then.
pub const SETTLE: Duration = Duration::from_secs(10);
const SAMPLES: usize = 5;

async fn at_rest(operator: &Operator) -> Result<Vec<f64>> {
    tokio::time::sleep(SETTLE).await;
    let mut samples = Vec::new();
    for _ in 0..SAMPLES {
        samples.push(operator.usage()?.rss);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(samples)
}

impl Bench {
    /// Memory at rest and CPU at rest after a convergence, then restarts.
    pub async fn steady(&mut self, n: usize) -> Result<()> {
        let operator = self.served(n).await?;
        self.memory(n, &operator).await?;
        if n > 1 {
            self.idle_cpu(n, &operator).await?;
            self.restarts(n, operator).await?;
        } else {
            operator.stop().await?;
        }
        Ok(())
    }

    async fn memory(&mut self, n: usize, operator: &Operator) -> Result<()> {
        let samples = at_rest(operator).await?;
        let name = if n == 1 { "rss_one" } else { "rss" };
        self.add(Row::new(name, n, median(&samples), "MiB"))
    }

    async fn idle_cpu(&mut self, n: usize, operator: &Operator) -> Result<()> {
        let window = self.settings.window();
        let (fine, coarse) = (operator.fine_cpu()?, operator.usage()?.cpu);
        tokio::time::sleep(window).await;
        // A thread that has ended is only in the coarse sum.
        let used = (operator.fine_cpu()? - fine).max(operator.usage()?.cpu - coarse);
        let a_minute = used * 1000.0 * 60.0 / window.as_secs_f64();
        self.add(Row::new("idle_cpu", n, a_minute, "CPU ms/min"))
    }

    async fn restarts(&mut self, n: usize, mut operator: Operator) -> Result<()> {
        let (mut took, mut mints, mut writes, mut cpu) = (vec![], vec![], vec![], vec![]);
        let mut peaks = Vec::new();
        for _ in 0..self.settings.restarts() {
            operator.stop().await?;
            let tokens = self.lab.emulator.token_requests().await?;
            let mut watched = Watched::new(&self.lab)?;
            operator = Operator::start(&self.lab, &[])?;
            let rest = idle(&mut operator, n, patience(n)).await?;
            // Nothing comes after.
            watched
                .until("quiet", &mut operator, patience(n), |watched| {
                    watched.last().is_some()
                })
                .await?;
            let last = watched.last().map_or(rest, |last| last.max(rest));
            took.push(seconds(operator.started, last));
            let usage = operator.usage()?;
            cpu.push(usage.cpu);
            peaks.push(usage.peak);
            let minted = self.lab.emulator.token_requests().await? - tokens;
            mints.push(f64::from(u32::try_from(minted)?));
            writes.push(f64::from(u32::try_from(watched.writes())?));
        }
        operator.stop().await?;
        self.peak(n, peaks.into_iter())?;
        let most = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
        let note = format!("{:.2} CPU s", median(&cpu));
        self.add(
            Row::new("restart", n, median(&took), "s")
                .rounds(&took)
                .note(note),
        )?;
        self.add(Row::new("restart_mints", n, most(&mints), "mints"))?;
        self.add(Row::new("restart_writes", n, most(&writes), "writes"))
    }
}
