//! Refreshes at the pace of real life: what each costs.

use jiff::Timestamp;

use super::converge::{Figure, beside};
use super::{Bench, Watched, patience};
use crate::Result;
use crate::floor::{Floor, Measured, Task, Work};
use crate::lab::operator::Operator;
use crate::report::Row;
use crate::say;

/// Between the end of the floor's minute and the beginning of the operator's: time for it to start.
const LEAD: f64 = 15.0;
const ECHO: std::time::Duration = std::time::Duration::from_secs(10);
/// How long the API server is watched doing nothing.
const REST: f64 = 15.0;

impl Bench {
    /// The floor patches everything within a minute and says that it is due again a minute and a little later; then
    /// the operator starts, and meets a minute of refreshes.
    pub async fn refresh(&mut self, n: usize) -> Result<()> {
        self.served(n).await?.stop().await?;
        let at_rest = self.at_rest().await?;
        let pace = self.settings.window().as_secs_f64();
        #[expect(clippy::cast_possible_truncation, reason = "a minute or two")]
        let task = Task {
            work: Work::Patch,
            pace: Some(pace),
            refresh_after: Some((pace + LEAD) as i64),
            refresh_spread: None,
        };
        let rounds = self.settings.minutes();
        let (mut floors, mut operators) = (Vec::new(), Vec::new());
        for round in 1..=rounds {
            let floor = Floor::prepare(&self.lab, &self.model, task).await?;
            let begun = Timestamp::now();
            let mut floor = floor.go(&self.lab).await?;
            floor.apiserver -= at_rest * crate::floor::seconds(begun, Timestamp::now());
            let operator = self.meet(n, pace, at_rest).await?;
            say(&format!(
                "round {round} of {rounds}: {:.2} CPU s, floor {:.2} CPU s",
                total(&operator),
                total(&floor)
            ));
            floors.push(floor);
            operators.push(operator);
        }
        self.refresh_rows(n, &operators, &floors)
    }

    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    fn refresh_rows(
        &mut self,
        n: usize,
        operators: &[Measured],
        floors: &[Measured],
    ) -> Result<()> {
        let each = n as f64;
        let rows: [(&str, &str, Figure<'_>); 4] = [
            ("refresh", "CPU s", &total),
            ("refresh_cpu_operator", "CPU s", &|m| m.cpu),
            ("refresh_cpu_apiserver", "CPU s", &|m| m.apiserver),
            ("refresh_cpu_etcd", "CPU s", &|m| m.etcd),
        ];
        for (name, unit, of) in rows {
            self.add(beside(name, n, unit, operators, floors, of, of))?;
        }
        // One round with a request too many is one too many.
        let counts: [(&str, Figure<'_>); 2] = [
            ("refresh_token_requests", &|m| m.tokens as f64 / each),
            ("refresh_api_requests", &|m| m.requests as f64 / each),
        ];
        for (name, of) in counts {
            let values: Vec<f64> = operators.iter().map(of).collect();
            let most = values.iter().copied().fold(0.0, f64::max);
            self.add(Row::new(name, n, most, "per refresh").rounds(&values))?;
        }
        Ok(())
    }

    /// CPU seconds of the API server a second while nobody asks anything.
    async fn at_rest(&self) -> Result<f64> {
        // What came before has its echo: garbage is collected, caches settle.
        tokio::time::sleep(ECHO).await;
        let before = self.lab.servers()?.apiserver.cpu;
        tokio::time::sleep(std::time::Duration::from_secs_f64(REST)).await;
        Ok((self.lab.servers()?.apiserver.cpu - before) / REST)
    }

    /// The operator's minute, its start apart.
    async fn meet(&self, n: usize, pace: f64, at_rest: f64) -> Result<Measured> {
        let mut started = Watched::new(&self.lab)?;
        let mut operator = Operator::start(&self.lab, &[])?;
        let heard = |watched: &Watched| watched.last().is_some();
        started
            .until("started", &mut operator, patience(n), heard)
            .await?;
        if started.writes() > 0 {
            return Err(format!(
                "{} writes before anything was due: the floor doesn't write what the operator would, or the machine is too slow",
                started.writes()
            )
            .into());
        }
        let tokens = self.lab.emulator.token_requests().await?;
        let mine = operator.usage()?;
        let before = self.lab.servers()?;
        let begun = Timestamp::now();
        let mut watched = Watched::new(&self.lab)?;
        let long = patience(n) + std::time::Duration::from_secs_f64(pace);
        watched
            .until("refreshed", &mut operator, long, |watched| {
                watched.has_served(n)
            })
            .await?;
        let after = self.lab.servers()?;
        let usage = operator.usage()?;
        let mut measured = Measured {
            cpu: usage.cpu - mine.cpu,
            requests: watched.counted(),
            tokens: self.lab.emulator.token_requests().await? - tokens,
            peak: usage.peak,
            ..Measured::default()
        }
        .servers(&before, &after);
        measured.apiserver -= at_rest * crate::floor::seconds(begun, Timestamp::now());
        operator.stop().await?;
        Ok(measured)
    }
}

fn total(measured: &Measured) -> f64 {
    measured.cpu + measured.apiserver + measured.etcd
}
