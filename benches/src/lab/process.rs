//! Processes that end with the bench.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use devcluster::DevCluster;
use rustix::process::{Pid, Signal, kill_process};

use crate::Result;

/// Variables that would change what a program does.
const AMBIENT: [&str; 9] = [
    "KUBECONFIG",
    "HTTPS_PROXY",
    "https_proxy",
    "NO_PROXY",
    "no_proxy",
    "ALL_PROXY",
    "POD_NAMESPACE",
    "RUST_LOG",
    "RUST_BACKTRACE",
];

/// A running process; killed when dropped.
pub struct Process(Child);

impl Process {
    /// Takes it over.
    pub const fn new(child: Child) -> Self {
        Self(child)
    }

    /// Its id.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Fails if it has ended.
    pub fn check(&mut self, what: &str) -> Result<()> {
        match self.0.try_wait()? {
            None => Ok(()),
            Some(status) => Err(format!("{what} has ended: {status}").into()),
        }
    }

    /// Its standard input and output, once.
    pub const fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    /// SIGTERM, and its end.
    pub async fn stop(mut self, within: Duration) -> Result<ExitStatus> {
        let pid = i32::try_from(self.pid())?;
        kill_process(Pid::from_raw(pid).ok_or("no process")?, Signal::TERM)?;
        let started = std::time::Instant::now();
        loop {
            if let Some(status) = self.0.try_wait()? {
                return Ok(status);
            }
            if started.elapsed() > within {
                return Err(format!("process {pid} goes on after SIGTERM").into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A command that ends with the cluster, also when the bench is killed; nothing of the caller's environment that
/// matters is left in it.
pub fn command(cluster: &DevCluster, program: &Path) -> Command {
    let mut command = cluster.command(program);
    for name in AMBIENT {
        command.env_remove(name);
    }
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("DTO_") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// The first line of a child's standard output.
pub fn first_line(child: &mut Child) -> Result<String> {
    let out = child.stdout.take().ok_or("no standard output")?;
    let mut line = String::new();
    BufReader::new(out).read_line(&mut line)?;
    Ok(line)
}
