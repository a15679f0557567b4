//! The floor as seen from outside: started, let go, measured.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{ChildStdin, ChildStdout, Stdio};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::{AGENT, Done, Item, Plan, Work};
use crate::Result;
use crate::audit::{Audit, Request};
use crate::lab::process::Process;
use crate::lab::{Lab, Servers, fleet};
use crate::procs::Usage;

/// How long the audit log may lag behind.
const LOGGED: Duration = Duration::from_secs(10);

/// A floor that waits for its signal.
pub struct Floor {
    process: Process,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    audit: Audit,
    customers: usize,
}

/// What it is to do.
#[derive(Debug, Clone, Copy)]
pub struct Task {
    /// Create or patch.
    pub work: Work,
    /// Spread over so many seconds.
    pub pace: Option<f64>,
    /// What it writes is due again after so many seconds.
    pub refresh_after: Option<i64>,
    /// One after the other within so many seconds from then on.
    pub refresh_spread: Option<i64>,
}

impl Task {
    /// As fast as it goes.
    pub const fn fast(work: Work) -> Self {
        Self {
            work,
            pace: None,
            refresh_after: None,
            refresh_spread: None,
        }
    }
}

/// What a round took: of the floor, or of the operator.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    /// Seconds from its start to its last accepted write.
    pub seconds: f64,
    /// Seconds of its own CPU.
    pub cpu: f64,
    /// Seconds of the API server's CPU.
    pub apiserver: f64,
    /// Seconds of etcd's CPU.
    pub etcd: f64,
    /// Seconds of the emulator's CPU.
    pub emulator: f64,
    /// Requests to the API server.
    pub requests: usize,
    /// Token requests.
    pub tokens: u64,
    /// The most memory that it had, MiB.
    pub peak: f64,
}

impl Measured {
    /// What the servers used between two instants.
    pub fn servers(mut self, before: &Servers, after: &Servers) -> Self {
        self.apiserver = after.apiserver.cpu - before.apiserver.cpu;
        self.etcd = after.etcd.cpu - before.etcd.cpu;
        self.emulator = after.emulator.cpu - before.emulator.cpu;
        self
    }
}

/// A Secret and a tenant that the operator wrote.
#[derive(Clone)]
pub struct Model {
    /// The Secret.
    pub secret: Value,
    /// The tenant.
    pub tenant: Value,
}

impl Model {
    /// Customer 0's, as they are now.
    pub async fn read(lab: &Lab) -> Result<Self> {
        let (namespace, name) = fleet::place(0);
        let secret = format!("{}/{name}-defender-token", fleet::secrets_path(&namespace));
        let tenant = format!("{}/{name}", fleet::tenants_path(&namespace));
        Ok(Self {
            secret: lab.api.get(&secret).await?,
            tenant: lab.api.get(&tenant).await?,
        })
    }
}

impl Floor {
    /// Starts it for the whole fleet, up to the point where its clock would start.
    pub async fn prepare(lab: &Lab, model: &Model, task: Task) -> Result<Self> {
        let Task {
            work,
            pace,
            refresh_after,
            refresh_spread,
        } = task;
        let tenants = lab.tenants().await?;
        let mut targets = match work {
            Work::Create => Vec::new(),
            Work::Patch => lab.secrets().await?,
        }
        .into_iter();
        let items: Vec<Item> = tenants
            .into_iter()
            .map(|tenant| Item {
                directory: fleet::guid(fleet::number(&tenant.name).unwrap_or_default()),
                namespace: tenant.namespace,
                name: tenant.name,
                uid: tenant.uid,
                version: tenant.resource_version,
                target: targets.next().map(|meta| (meta.uid, meta.resource_version)),
            })
            .collect();
        if items.len() != lab.size {
            return Err(format!("{} tenants instead of {}", items.len(), lab.size).into());
        }
        let plan = Plan {
            work,
            pace,
            refresh_after,
            refresh_spread,
            server: lab.server().parse()?,
            server_ca: lab.server_ca().to_owned(),
            token: lab.token.clone(),
            proxy: lab.emulator.proxy(),
            emulator_ca: lab.emulator.ca_file().to_owned(),
            secret: model.secret.clone(),
            tenant: model.tenant.clone(),
            items,
        };
        let file = lab.folder().join("floor.json");
        std::fs::write(&file, serde_json::to_vec(&plan)?)?;
        let mut process = Process::new(
            lab.command(&lab.programs.bench)
                .arg("floor")
                .arg(&file)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()?,
        );
        let to = process.child().stdin.take().ok_or("no standard input")?;
        let from = process.child().stdout.take().ok_or("no standard output")?;
        let mut floor = Self {
            process,
            to,
            from: BufReader::new(from),
            audit: lab.audit()?,
            customers: lab.size,
        };
        floor.line()?;
        Ok(floor)
    }

    /// Lets it go, and tells what it took.
    pub async fn go(mut self, lab: &Lab) -> Result<Measured> {
        let mine = Usage::of(self.process.pid())?;
        let tokens = lab.emulator.token_requests().await?;
        let before = lab.servers()?;
        writeln!(self.to, "go")?;
        let (mut floor, line) = tokio::task::spawn_blocking(move || {
            let line = self.line();
            (self, line)
        })
        .await?;
        let done: Done = serde_json::from_str(&line?)?;
        tokio::time::sleep(crate::rows::QUIET).await;
        let after = lab.servers()?;
        let usage = Usage::of(floor.process.pid())?;
        let requests = floor.logged().await?;
        let last = requests.iter().map(|request| request.at).max();
        drop(floor.to);
        Ok(Measured {
            seconds: seconds(done.started, last.unwrap_or(done.started)),
            cpu: usage.cpu - mine.cpu,
            requests: requests.len(),
            tokens: lab.emulator.token_requests().await? - tokens,
            peak: usage.peak,
            ..Measured::default()
        }
        .servers(&before, &after))
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.from.read_line(&mut line)? == 0 {
            return Err("the floor ended before it was done".into());
        }
        Ok(line)
    }

    /// Its requests, once all are in the audit log.
    async fn logged(&mut self) -> Result<Vec<Request>> {
        let mut requests = Vec::new();
        let started = std::time::Instant::now();
        while requests.len() < 2 * self.customers {
            if started.elapsed() > LOGGED {
                return Err(format!("{} requests in the audit log", requests.len()).into());
            }
            requests.extend(self.audit.more(AGENT)?);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(requests)
    }
}

/// Seconds between two instants.
pub fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64()
}
