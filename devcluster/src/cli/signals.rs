//! The signals that end `devcluster`, as values, so that it can clean up first.

use std::path::Path;
use std::thread;

use devcluster::Error;
use rustix::process::Signal;
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::origin::WithOrigin;
use signal_hook::low_level::siginfo::{Cause, Origin};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// A signal that was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) signal: Signal,
    /// A key: the terminal has sent it to every process in its foreground, not to this one alone.
    pub(crate) by_terminal: bool,
}

pub(crate) struct Signals(UnboundedReceiver<Received>);

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
        thread::spawn(move || {
            for origin in &mut incoming {
                let signal = endings
                    .into_iter()
                    .find(|signal| signal.as_raw() == origin.signal);
                if let Some(signal) = signal {
                    // Nobody listens any more when the end has begun.
                    let _ = sender.send(Received {
                        signal,
                        by_terminal: is_by_terminal(&origin),
                    });
                }
            }
        });
        Ok(Signals(receiver))
    }

    pub(crate) async fn next(&mut self) -> Received {
        match self.0.recv().await {
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
