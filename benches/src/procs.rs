//! What the kernel says of a process: CPU time and memory.

use std::path::Path;

use crate::Result;

/// A process at an instant.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// Seconds of CPU since its start, in user mode and in the kernel.
    pub cpu: f64,
    /// Resident memory, MiB.
    pub rss: f64,
    /// The most resident memory that it ever had, MiB.
    pub peak: f64,
}

impl Usage {
    /// Reads it.
    pub fn of(pid: u32) -> Result<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let ticks = parse_ticks(&stat).ok_or("/proc/PID/stat has another shape")?;
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let cpu = ticks as f64 / rustix::param::clock_ticks_per_second() as f64;
        Ok(Self {
            cpu,
            rss: parse_mib(&status, "VmRSS:").unwrap_or_default(),
            peak: parse_mib(&status, "VmHWM:").unwrap_or_default(),
        })
    }
}

/// Seconds of CPU of the threads that there are. Those that have ended aren't counted, but it isn't rounded to ticks,
/// of which an idle process uses none.
pub fn threads_cpu(pid: u32) -> Result<f64> {
    let mut nanoseconds = 0;
    for entry in std::fs::read_dir(format!("/proc/{pid}/task"))?.flatten() {
        // One that ends meanwhile counts as ended.
        let Ok(text) = std::fs::read_to_string(entry.path().join("schedstat")) else {
            continue;
        };
        let first = text.split_ascii_whitespace().next();
        nanoseconds += first
            .and_then(|n| n.parse::<u64>().ok())
            .unwrap_or_default();
    }
    Ok(std::time::Duration::from_nanos(nanoseconds).as_secs_f64())
}

/// utime and stime, fields 14 and 15. The second field, the name in brackets, may hold anything.
fn parse_ticks(stat: &str) -> Option<u64> {
    let after_name = &stat[stat.rfind(')')? + 1..];
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn parse_mib(status: &str, key: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    let kib: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib / 1024.0)
}

/// The process that works in this folder under this name (as the kernel cuts it, 15 characters).
pub fn find(folder: &Path, name: &str) -> Result<u32> {
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else {
            continue;
        };
        let Ok(comm) = std::fs::read_to_string(entry.path().join("comm")) else {
            continue;
        };
        if comm.trim_end() == name
            && std::fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd == folder)
        {
            return Ok(pid);
        }
    }
    Err(format!("no {name} in {}", folder.display()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_blanks_and_brackets_moves_no_field() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 1 2 3 4 150 25 7 8 20 0 9 0 100 1 2";
        assert_eq!(parse_ticks(stat), Some(175));
        assert_eq!(parse_ticks("42"), None);
    }

    #[test]
    fn memory_is_told_in_mib() {
        let status = "Name:\tx\nVmHWM:\t   65536 kB\nVmRSS:\t   32768 kB\n";
        assert_eq!(parse_mib(status, "VmHWM:"), Some(64.0));
        assert_eq!(parse_mib(status, "VmRSS:"), Some(32.0));
        assert_eq!(parse_mib(status, "VmSwap:"), None);
    }

    #[test]
    fn this_process_has_used_something() {
        let usage = Usage::of(std::process::id()).unwrap();
        assert!(threads_cpu(std::process::id()).unwrap() > 0.0);
        assert!(usage.rss > 0.0 && usage.peak >= usage.rss, "{usage:?}");
    }
}
