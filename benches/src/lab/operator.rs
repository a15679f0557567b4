//! The operator's process: the release binary with its default flags.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::Method;
use hyper::body::Bytes;
use jiff::Timestamp;
use serde_json::Value;

use super::Lab;
use super::process::{Process, command};
use crate::Result;
use crate::procs::Usage;
use crate::wire::{Place, Wire};

/// How it calls itself.
pub const AGENT: &str = "defender-tenant-operator/";
/// How long it may take to say where it listens.
const START: Duration = Duration::from_secs(20);

/// A running operator.
pub struct Operator {
    process: Process,
    log: PathBuf,
    /// When it was started.
    pub started: Timestamp,
}

impl Operator {
    /// Starts one with the flags that it needs here, and more.
    pub fn start(lab: &Lab, more: &[&str]) -> Result<Self> {
        let start = lab.starts.fetch_add(1, Ordering::Relaxed);
        let log = lab.folder.path().join(format!("operator-{start}.log"));
        let mut command = command(&lab.cluster, &lab.programs.operator);
        command
            .args(["run", "--listen", "127.0.0.1:0"])
            .args(["--operator-namespace", super::HOME])
            .arg("--kubeconfig")
            .arg(&lab.kubeconfig)
            .arg("--https-proxy")
            .arg(format!("http://{}", lab.emulator.proxy()))
            .arg("--ca-bundle")
            .arg(lab.emulator.ca_file())
            .args(more)
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log)?);
        let started = Timestamp::now();
        let process = Process::new(command.spawn()?);
        Ok(Self {
            process,
            log,
            started,
        })
    }

    /// Its CPU time and memory.
    pub fn usage(&self) -> Result<Usage> {
        Usage::of(self.process.pid())
    }

    /// Its CPU time to the nanosecond, of the threads that it has.
    pub fn fine_cpu(&self) -> Result<f64> {
        crate::procs::threads_cpu(self.process.pid())
    }

    /// Fails if it has ended.
    pub fn check(&mut self) -> Result<()> {
        let log = tail(&self.log);
        self.process
            .check("the operator")
            .map_err(|error| format!("{error}\n{log}").into())
    }

    /// The text of its metrics.
    pub async fn metrics(&self) -> Result<String> {
        let address = self.listen().await?;
        let place = Place {
            address: Some(address.parse()?),
            proxy: None,
            authority: address,
            tls: None,
        };
        let wire = Wire::new(place, false, &[])?;
        let answer = wire
            .send(Method::GET, "/metrics", &[], Bytes::new())
            .await?
            .ok()?;
        Ok(String::from_utf8_lossy(&answer.body).into_owned())
    }

    async fn listen(&self) -> Result<String> {
        let started = std::time::Instant::now();
        while started.elapsed() < START {
            let text = std::fs::read_to_string(&self.log)?;
            if let Some(address) = text.lines().find_map(listen_of) {
                return Ok(address);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(format!(
            "the operator doesn't say where it listens:\n{}",
            tail(&self.log)
        )
        .into())
    }

    /// SIGTERM, and its end.
    pub async fn stop(self) -> Result<()> {
        let log = tail(&self.log);
        let status = self.process.stop(Duration::from_secs(20)).await?;
        if status.success() {
            return Ok(());
        }
        Err(format!("the operator ended with {status}\n{log}").into())
    }
}

fn listen_of(line: &str) -> Option<String> {
    let line: Value = serde_json::from_str(line).ok()?;
    (line["message"] == "starting").then(|| line["listen"].as_str().map(str::to_owned))?
}

fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(10)..].join("\n")
}

/// The sum of the series whose line begins so; 0 if there is none.
pub fn metric(text: &str, series: &str) -> f64 {
    let values = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(series)?;
        rest.rsplit(' ').next()?.parse::<f64>().ok()
    });
    values.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_the_sum_of_its_series() {
        let text = "# TYPE q gauge\nq{queue=\"ready\"} 3\nq{queue=\"running\"} 2\nqq 9\n";
        assert!((metric(text, "q{") - 5.0).abs() < 1e-9);
        assert!(metric(text, "z{").abs() < 1e-9);
    }

    #[test]
    fn the_first_line_tells_where_it_listens() {
        let line = r#"{"level":"INFO","message":"starting","listen":"127.0.0.1:4"}"#;
        assert_eq!(listen_of(line).as_deref(), Some("127.0.0.1:4"));
        assert_eq!(listen_of("no JSON"), None);
    }
}
