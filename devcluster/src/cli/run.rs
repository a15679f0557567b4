//! `devcluster run`: a command beside a cluster.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use devcluster::{DevCluster, Error, Options};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::process::{Child, Command};

use super::signals::{Signals, exit_code};

/// The exit codes of `env`, `timeout` and `docker run`.
pub(crate) const OWN_FAILURE: u8 = 125;
const NOT_EXECUTABLE: u8 = 126;
const NOT_FOUND: u8 = 127;
/// How long a command that was told to end may take.
const GRACE: Duration = Duration::from_secs(10);
/// How often the components are looked at.
const CHECK_EVERY: Duration = Duration::from_secs(1);

pub(crate) async fn run(
    options: Options,
    command: &[OsString],
    mut signals: Signals,
) -> Result<u8, Error> {
    let began = Instant::now();
    let mut cluster = tokio::select! {
        cluster = DevCluster::start(options) => cluster?,
        signal = signals.next() => return Ok(exit_code(signal)),
    };
    eprintln!(
        "devcluster: {} is ready after {:.1} s",
        cluster.server_url(),
        began.elapsed().as_secs_f32()
    );
    let code = match Guest::start(&cluster, command) {
        Ok(mut guest) => guest.wait(&mut cluster, &mut signals).await?,
        Err(error) => {
            eprintln!("devcluster: {}: {error}", command[0].display());
            if error.kind() == ErrorKind::NotFound {
                NOT_FOUND
            } else {
                NOT_EXECUTABLE
            }
        }
    };
    cluster.stop().await?;
    Ok(code)
}

/// The command's process.
struct Guest {
    child: Child,
    pid: Option<Pid>,
    /// Whether it shares our process group, because a terminal gives its keys and signals to that.
    in_terminal: bool,
}

impl Guest {
    fn start(cluster: &DevCluster, command: &[OsString]) -> std::io::Result<Guest> {
        let in_terminal = is_in_foreground();
        let mut guest = cluster.command(&command[0]);
        guest.args(&command[1..]);
        if !in_terminal {
            guest.process_group(0);
        }
        let child = Command::from(guest).spawn()?;
        let pid = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
        Ok(Guest {
            child,
            pid,
            in_terminal,
        })
    }

    /// Until it ends; signals to us are passed on.
    async fn wait(&mut self, cluster: &mut DevCluster, signals: &mut Signals) -> Result<u8, Error> {
        let mut deadline = None;
        let mut check = tokio::time::interval(CHECK_EVERY);
        let mut healthy = true;
        loop {
            tokio::select! {
                status = self.child.wait() => {
                    let wait_failed = |source| Error::Io { doing: "wait for the command", path: Path::new(".").to_owned(), source };
                    return Ok(code_of(status.map_err(wait_failed)?));
                }
                received = signals.next() => {
                    // Ctrl-C has reached the command too, and what it means is for the command to say.
                    let is_ctrl_c = received.by_terminal && received.signal == Signal::INT;
                    if !(self.in_terminal && is_ctrl_c) {
                        self.send(received.signal);
                        deadline.get_or_insert_with(|| Instant::now() + GRACE);
                    }
                }
                _ = check.tick() => {
                    if deadline.is_some_and(|deadline| Instant::now() > deadline) {
                        self.send(Signal::KILL);
                    }
                    // The command may not notice, or may wait for ever: say why.
                    if let (true, Err(error)) = (healthy, cluster.check()) {
                        eprintln!("devcluster: {error}");
                        healthy = false;
                    }
                }
            }
        }
    }

    fn send(&self, signal: Signal) {
        if let Some(pid) = self.pid {
            // It may have ended meanwhile.
            let _ = if self.in_terminal {
                kill_process(pid, signal)
            } else {
                kill_process_group(pid, signal)
            };
        }
    }
}

fn code_of(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .or_else(|| Some(128 + status.signal()?))
        .unwrap_or(OWN_FAILURE.into());
    u8::try_from(code).unwrap_or(OWN_FAILURE)
}

/// Whether our process group is the one that the terminal's keys go to.
fn is_in_foreground() -> bool {
    std::fs::read_to_string("/proc/self/stat").is_ok_and(|stat| stat_is_in_foreground(&stat))
}

/// `pid (name) state ppid pgrp session tty tpgid …`; the name may contain anything, so what follows the last `)` counts.
fn stat_is_in_foreground(stat: &str) -> bool {
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    matches!((fields.get(2), fields.get(5)), (Some(group), Some(foreground)) if group == foreground)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_foreground_is_read_past_any_name() {
        assert!(stat_is_in_foreground("7 (a) b) S 1 70 60 34816 70 4194304"));
        assert!(!stat_is_in_foreground(
            "7 (devcluster) S 1 70 60 34816 60 4194304"
        ));
        assert!(!stat_is_in_foreground(
            "7 (devcluster) S 1 70 60 0 -1 4194304"
        ));
    }

    #[test]
    fn an_end_by_signal_is_coded_as_shells_do() {
        assert_eq!(code_of(ExitStatus::from_raw(3 << 8)), 3);
        assert_eq!(code_of(ExitStatus::from_raw(15)), 143);
    }
}
