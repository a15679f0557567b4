//! The rows, by family.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

mod converge;
mod isolation;
mod late;
mod refresh;
mod rotation;
mod shard;
mod steady;
mod watch;

pub use watch::{QUIET, Watched};

use crate::Result;
use crate::floor::{Measured, Model, seconds};
use crate::lab::Lab;
use crate::lab::operator::Operator;
use crate::report::{Report, Row};
use crate::say;
use crate::settings::{Family, Settings};

/// A run.
pub struct Bench {
    /// Where.
    pub lab: Lab,
    /// How.
    pub settings: Settings,
    /// What was found.
    pub report: Report,
    /// What the operator writes.
    pub model: Model,
    /// The operator's CPU seconds of converges, by size.
    growth: BTreeMap<usize, Vec<f64>>,
    /// The most memory of convergences and starts, by size.
    peaks: BTreeMap<usize, Vec<f64>>,
    /// The floor's seconds of converges, by size.
    floors: BTreeMap<usize, f64>,
    /// An operator that has just served everybody.
    running: Option<Operator>,
}

impl Bench {
    /// Starts a lab, and has the operator write once, for the floor to imitate.
    pub async fn start(settings: Settings, report: Report) -> Result<Self> {
        say("starting a control plane and an emulator");
        let mut lab = Lab::start().await?;
        lab.credential(crate::lab::SECRET).await?;
        lab.resize(1).await?;
        let (_, operator) = converged(&lab, &[]).await?;
        let model = Model::read(&lab).await?;
        operator.stop().await?;
        Ok(Self {
            lab,
            settings,
            report,
            model,
            growth: BTreeMap::new(),
            peaks: BTreeMap::new(),
            floors: BTreeMap::new(),
            running: None,
        })
    }

    /// Every chosen row, by the size of the fleet, so that it is made once.
    pub async fn run(&mut self) -> Result<()> {
        for (n, families) in self.settings.schedule() {
            say(&format!("{n} tenants"));
            self.lab.resize(n).await?;
            for family in families {
                if !matches!(family, Family::Growth | Family::Steady | Family::Refresh)
                    && let Some(running) = self.running.take()
                {
                    running.stop().await?;
                }
                let started = Instant::now();
                match family {
                    Family::Converge => self.converge(n).await?,
                    Family::Growth => self.grow(n).await?,
                    Family::Steady => self.steady(n).await?,
                    Family::Refresh => self.refresh(n).await?,
                    Family::Rotation => self.rotation(n).await?,
                    Family::Isolation => self.isolation(n).await?,
                    Family::Late => self.late(n).await?,
                    Family::Shard => self.shard(n).await?,
                }
                let took = started.elapsed().as_secs();
                say(&format!("{family:?} at {n}: {took} s"));
            }
            if let Some(running) = self.running.take() {
                running.stop().await?;
            }
        }
        if let Some(row) = converge::growth(&self.growth)
            && self.settings.is_chosen(Family::Growth)
        {
            self.report.add(row)?;
        }
        Ok(())
    }

    /// Adds a row.
    fn add(&mut self, row: Row) -> Result<()> {
        self.report.add(row)
    }

    /// An operator that has served everybody and is at rest: the one of the row before, if there is one.
    async fn served(&mut self, n: usize) -> Result<Operator> {
        if let Some(running) = self.running.take() {
            return Ok(running);
        }
        self.lab.reset().await?;
        let (measured, operator) = converged(&self.lab, &[]).await?;
        self.growth.entry(n).or_default().push(measured.cpu);
        self.peaks.entry(n).or_default().push(measured.peak);
        Ok(operator)
    }

    /// Has an operator serve everybody; it goes on until somebody wants it, or nobody does.
    async fn serve(&mut self, rounds: usize, of: usize) -> Result<Measured> {
        self.lab.reset().await?;
        let (measured, operator) = converged(&self.lab, &[]).await?;
        if rounds == of {
            self.running = Some(operator);
        } else {
            operator.stop().await?;
        }
        Ok(measured)
    }
}

/// How long so many tenants may take for something, on a machine with other things to do.
fn patience(n: usize) -> Duration {
    Duration::from_mins(1) + Duration::from_millis(20) * u32::try_from(n).unwrap_or(u32::MAX)
}

/// Starts the operator and waits until each tenant has its Secret and its status, and nothing is asked any more.
async fn converged(lab: &Lab, flags: &[&str]) -> Result<(Measured, Operator)> {
    let n = lab.size;
    let tokens = lab.emulator.token_requests().await?;
    let before = lab.servers()?;
    let mut watched = Watched::new(lab)?;
    let mut operator = Operator::start(lab, flags)?;
    watched
        .until("converged", &mut operator, patience(n), |watched| {
            watched.has_served(n)
        })
        .await?;
    let after = lab.servers()?;
    let usage = operator.usage()?;
    let last = watched.last_write();
    let measured = Measured {
        seconds: seconds(operator.started, last.unwrap_or(operator.started)),
        cpu: usage.cpu,
        requests: watched.counted(),
        tokens: lab.emulator.token_requests().await? - tokens,
        peak: usage.peak,
        ..Measured::default()
    }
    .servers(&before, &after);
    Ok((measured, operator))
}
