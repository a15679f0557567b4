//! An operator process.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::arena::Arena;
use super::wait::{Patience, eventually, poll};

/// Variables that would change what an operator does.
pub(super) const AMBIENT: [&str; 8] = [
    "KUBECONFIG",
    "HTTPS_PROXY",
    "https_proxy",
    "NO_PROXY",
    "no_proxy",
    "ALL_PROXY",
    "POD_NAMESPACE",
    "RUST_LOG",
];

/// How an operator is started.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Flags of `run`.
    pub args: Vec<String>,
    /// Environment.
    pub env: Vec<(String, String)>,
}

/// A running operator, or one that has ended.
pub struct Operator {
    child: Option<Child>,
    log: PathBuf,
}

impl Operator {
    /// Starts one whose stderr goes to `log`. It ends with the cluster, or when it is dropped.
    pub async fn spawn(arena: &Arena, invocation: &Invocation, log: PathBuf) -> Self {
        let stderr = File::create(&log).expect("a log file");
        let mut command: Command = arena
            .cluster
            .lock()
            .await
            .command(env!("CARGO_BIN_EXE_defender-tenant-operator"));
        for name in AMBIENT {
            command.env_remove(name);
        }
        let child = command
            .arg("run")
            .args(&invocation.args)
            .envs(
                invocation
                    .env
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.as_str())),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .expect("the operator starts");
        Self {
            child: Some(child),
            log,
        }
    }

    /// None yet.
    pub fn none(log: PathBuf) -> Self {
        File::create(&log).expect("a log file");
        Self { child: None, log }
    }

    /// The process.
    pub fn id(&self) -> u32 {
        self.child.as_ref().expect("it was started").id()
    }

    /// Its stderr so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).expect("the log")).into_owned()
    }

    /// The most memory that it ever had.
    pub fn peak_memory_kib(&self) -> u64 {
        let id = self.child.as_ref().expect("it was started").id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("Linux");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let number = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
        number.expect("a number")
    }

    /// Log lines with this `message`.
    pub fn lines(&self, message: &str) -> Vec<Value> {
        let log = self.log();
        let parsed = log
            .lines()
            .filter(|line| line.contains(message))
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        parsed.filter(|line| line["message"] == message).collect()
    }

    /// Where it serves metrics; known from its first line.
    pub async fn listen(&self) -> String {
        eventually(
            "the operator says where it listens",
            Patience::default(),
            async || {
                let line = self.lines("starting").into_iter().next()?;
                Some(line["listen"].as_str()?.to_owned())
            },
        )
        .await
    }

    /// Waits until `/readyz` answers 200.
    pub async fn ready(&mut self) {
        let address = self.listen().await;
        let url = format!("http://{address}/readyz");
        let found = poll(Patience::default(), async || {
            let answer = http_client().get(&url).send().await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await;
        assert!(found.is_some(), "never ready: {}", self.tail());
    }

    /// The text of `/metrics`.
    pub async fn metrics(&self) -> String {
        let url = format!("http://{}/metrics", self.listen().await);
        let answer = http_client().get(url).send().await.expect("an answer");
        answer.text().await.expect("text")
    }

    /// The value of the series whose line begins so, labels included; 0 if there is none.
    pub async fn metric(&self, series: &str) -> f64 {
        let text = self.metrics().await;
        let value = text.lines().find_map(|line| {
            // A series without labels may have an empty list of them.
            let rest = line.strip_prefix(series)?;
            rest.strip_prefix("{}").unwrap_or(rest).trim().parse().ok()
        });
        value.unwrap_or(0.0)
    }

    /// SIGTERM, and its end.
    pub async fn stop(&mut self) -> ExitStatus {
        let id = self
            .child
            .as_ref()
            .expect("it was started")
            .id()
            .to_string();
        // The shell's own: no other program need be there.
        let status = Command::new("sh")
            .args(["-c", "kill -TERM \"$0\"", &id])
            .status()
            .expect("sh");
        assert!(status.success(), "SIGTERM");
        self.ended(Patience::seconds(15)).await
    }

    /// SIGKILL, and its end.
    pub async fn kill(&mut self) {
        let _ = self.child.as_mut().expect("it was started").kill();
        self.ended(Patience::seconds(15)).await;
    }

    /// Waits for its end.
    pub async fn ended(&mut self, patience: Patience) -> ExitStatus {
        let log = self.log.clone();
        let ended = poll(patience, async || {
            self.child
                .as_mut()
                .expect("it was started")
                .try_wait()
                .expect("a child")
        })
        .await;
        ended.unwrap_or_else(|| panic!("it goes on: {}", tail_of(&log)))
    }

    /// Whether it runs.
    pub fn is_running(&mut self) -> bool {
        self.child
            .as_mut()
            .is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// What it said last, trace lines apart.
    pub fn tail(&self) -> String {
        tail_of(&self.log)
    }
}

fn tail_of(log: &Path) -> String {
    let text = String::from_utf8_lossy(&std::fs::read(log).unwrap_or_default()).into_owned();
    let told: Vec<&str> = text
        .lines()
        .filter(|line| !line.contains("\"level\":\"TRACE\"") && !line.contains("\"target\":\"h"))
        .collect();
    told[told.len().saturating_sub(25)..].join("\n")
}

fn http_client() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .timeout(Duration::from_secs(10))
        .build()
        .expect("a client")
}

impl Drop for Operator {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
