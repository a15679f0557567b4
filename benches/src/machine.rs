//! On what it was measured.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::lab::Lab;

/// A machine and what ran there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Its processor.
    pub processor: String,
    /// How many of them.
    pub cores: usize,
    /// Its memory, GiB.
    pub memory: u64,
    /// Its kernel.
    pub kernel: String,
    /// The API server.
    pub kubernetes: String,
    /// The commit; with a `+` if there was more.
    pub commit: String,
    /// When.
    pub date: String,
}

impl Machine {
    /// This one.
    pub async fn here(lab: &Lab) -> Result<Self> {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let kib = field(&read("/proc/meminfo"), "MemTotal")
            .and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
        Ok(Self {
            processor: field(&read("/proc/cpuinfo"), "model name").unwrap_or_default(),
            cores: std::thread::available_parallelism()?.get(),
            memory: kib.unwrap_or_default().div_ceil(1024 * 1024),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            kubernetes: lab.kubernetes().await?,
            commit: commit(),
            date: jiff::Timestamp::now().strftime("%Y-%m-%d").to_string(),
        })
    }

    /// Beside a report.
    pub fn write(&self, report: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        Ok(std::fs::write(beside(report), format!("{text}\n"))?)
    }

    /// Of a report.
    pub fn read(report: &Path) -> Result<Self> {
        Ok(serde_json::from_slice(&std::fs::read(beside(report))?)?)
    }
}

fn beside(report: &Path) -> PathBuf {
    report.with_extension("machine.json")
}

/// A field of /proc's tables.
fn field(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn commit() -> String {
    let git = |args: &[&str]| {
        let output = Command::new("git").args(args).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else {
        return "unknown".to_owned();
    };
    let is_clean = git(&["status", "--porcelain", "--untracked-files=no"]).as_deref() == Some("");
    if is_clean { commit } else { commit + "+" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_the_kernel_is_read_by_name() {
        let text = "processor\t: 0\nmodel name\t: A B\n\nprocessor\t: 1\nmodel name\t: A B\n";
        assert_eq!(field(text, "model name").as_deref(), Some("A B"));
        assert_eq!(field(text, "nothing"), None);
    }
}
