//! The rows, by family.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

mod converge;

use crate::Result;
use crate::audit::{Audit, Request};
use crate::floor::{Measured, Model};
use crate::lab::Lab;
use crate::lab::operator::{AGENT, Operator};
use crate::report::Report;
use crate::say;
use crate::settings::{Family, Settings};

/// How often the audit log is read.
const LOOK: Duration = Duration::from_millis(100);
/// So long nothing is written before a round counts as ended; CPU is read then.
pub const QUIET: Duration = Duration::from_secs(1);

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
    pub growth: BTreeMap<usize, Vec<f64>>,
}

impl Bench {
    /// Starts a lab, and has the operator write once, for the floor to imitate.
    pub async fn start(settings: Settings, report: Report) -> Result<Self> {
        say("starting a control plane and an emulator");
        let mut lab = Lab::start().await?;
        lab.credential(crate::lab::SECRET).await?;
        lab.resize(1).await?;
        let (_, operator) = converged(&lab, 1).await?;
        let model = Model::read(&lab).await?;
        operator.stop().await?;
        Ok(Self {
            lab,
            settings,
            report,
            model,
            growth: BTreeMap::new(),
        })
    }

    /// Every chosen row, by the size of the fleet, so that it is made once.
    pub async fn run(&mut self) -> Result<()> {
        for (n, families) in self.settings.schedule() {
            say(&format!("{n} tenants"));
            self.lab.resize(n).await?;
            for family in families {
                let started = Instant::now();
                match family {
                    Family::Converge => self.converge(n).await?,
                }
                let took = started.elapsed().as_secs();
                say(&format!("{family:?} at {n}: {took} s"));
            }
        }
        Ok(())
    }
}

/// Starts the operator and waits until each of `n` tenants has its Secret and its status, and nothing is written any
/// more.
pub async fn converged(lab: &Lab, n: usize) -> Result<(Measured, Operator)> {
    let tokens = lab.emulator.token_requests().await?;
    let before = lab.servers()?;
    let mut audit = lab.audit()?;
    let mut operator = Operator::start(lab, &[])?;
    let mut watched = Watched::default();
    let patience = Duration::from_secs(60) + Duration::from_millis(20) * u32::try_from(n)?;
    let started = Instant::now();
    while watched.secrets.len() < n || watched.statuses.len() < n || !watched.is_quiet() {
        operator.check()?;
        if started.elapsed() > patience {
            let (secrets, statuses) = (watched.secrets.len(), watched.statuses.len());
            return Err(format!("{secrets} Secrets and {statuses} statuses of {n}").into());
        }
        tokio::time::sleep(LOOK).await;
        watched.look(&mut audit)?;
    }
    let after = lab.servers()?;
    let usage = operator.usage()?;
    let last = watched.last_write();
    let measured = Measured {
        seconds: crate::floor::seconds(operator.started, last.unwrap_or(operator.started)),
        cpu: usage.cpu,
        requests: watched.requests.iter().filter(|r| r.is_counted()).count(),
        tokens: lab.emulator.token_requests().await? - tokens,
        peak: usage.peak,
        ..Measured::default()
    }
    .servers(&before, &after);
    Ok((measured, operator))
}

/// The operator's requests as they come.
#[derive(Default)]
pub struct Watched {
    /// All of them.
    pub requests: Vec<Request>,
    /// Tenants whose Secret was created.
    pub secrets: BTreeSet<String>,
    /// Tenants whose status was written.
    pub statuses: BTreeSet<String>,
    changed: Option<Instant>,
}

impl Watched {
    /// Reads on.
    pub fn look(&mut self, audit: &mut Audit) -> Result<()> {
        let more = audit.more(AGENT)?;
        for request in more.iter().filter(|request| request.is_ok()) {
            if request.is_status() {
                self.statuses.insert(request.object.clone());
            } else if request.resource == "secrets" && request.is_write() {
                self.secrets.insert(request.object.clone());
            }
        }
        if more.iter().any(Request::is_counted) || self.changed.is_none() {
            self.changed = Some(Instant::now());
        }
        self.requests.extend(more);
        Ok(())
    }

    /// Nothing was asked for a while.
    pub fn is_quiet(&self) -> bool {
        self.changed.is_some_and(|at| at.elapsed() >= QUIET)
    }

    /// The instant of the last accepted write.
    pub fn last_write(&self) -> Option<jiff::Timestamp> {
        let writes = self.requests.iter().filter(|r| r.is_write() && r.is_ok());
        writes.map(|request| request.at).max()
    }
}
