//! The signals that end `devcluster`, as values, so that it can clean up first.

use std::io::Write as _;
use std::path::Path;
use std::thread;
use std::time::Duration;

use devcluster::Error;
use rustix::process::{Signal, getppid};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::origin::WithOrigin;
use signal_hook::low_level::siginfo::{Cause, Origin};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// How often it is looked whether the parent is still there.
const PARENT_EVERY: Duration = Duration::from_millis(500);

/// A signal that was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) signal: Signal,
    /// A key: the terminal has sent it to every process in its foreground, not to this one alone.
    pub(crate) by_terminal: bool,
}

pub(crate) struct Signals {
    receiver: UnboundedReceiver<Received>,
    sender: UnboundedSender<Received>,
}

impl Signals {
    /// From now on they don't end this process by themselves.
    pub(crate) fn listen() -> Result<Signals, Error> {
        let endings = [Signal::HUP, Signal::INT, Signal::TERM];
        let mut incoming =
            SignalsInfo::<WithOrigin>::new(endings.map(Signal::as_raw)).map_err(|source| {
                Error::Io {
                    doing: "listen for signals",
                    path: Path::new("/proc/self").to_owned(),
                    source,
                }
            })?;
        let (sender, receiver) = unbounded_channel();
        let incoming_sender = sender.clone();
        thread::spawn(move || {
            for origin in &mut incoming {
                let signal = endings
                    .into_iter()
                    .find(|signal| signal.as_raw() == origin.signal);
                if let Some(signal) = signal {
                    // Nobody listens any more when the end has begun.
                    let _ = incoming_sender.send(Received {
                        signal,
                        by_terminal: is_by_terminal(&origin),
                    });
                }
            }
        });
        Ok(Signals { receiver, sender })
    }

    /// From now on the end of the process that started this one counts as SIGTERM. The kernel gives an orphan another
    /// parent, so there is nothing to be told by, but much to be seen.
    pub(crate) fn end_with_parent(&mut self) {
        let (sender, parent) = (self.sender.clone(), getppid());
        thread::spawn(move || {
            while getppid() == parent {
                thread::sleep(PARENT_EVERY);
            }
            let _ = sender.send(Received {
                signal: Signal::TERM,
                by_terminal: false,
            });
            // Whoever read this may have ended too: `eprintln!` would panic.
            let _ = writeln!(
                std::io::stderr(),
                "devcluster: the process that started it has ended, so it ends too"
            );
        });
    }

    pub(crate) async fn next(&mut self) -> Received {
        match self.receiver.recv().await {
            Some(received) => received,
            // The thread lives as long as the process.
            None => std::future::pending().await,
        }
    }
}

fn is_by_terminal(origin: &Origin) -> bool {
    matches!(origin.cause, Cause::Kernel)
}

/// As shells have it.
pub(crate) fn exit_code(received: Received) -> u8 {
    u8::try_from(128 + received.signal.as_raw()).unwrap_or(u8::MAX)
}
