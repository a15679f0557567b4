//! The signals that end `devcluster`, as values, so that it can clean up first.

use std::io;
use std::path::Path;

use devcluster::Error;
use rustix::process::Signal;
use tokio::signal::unix::{self, SignalKind};

pub(crate) struct Signals {
    hangup: unix::Signal,
    interrupt: unix::Signal,
    terminate: unix::Signal,
}

impl Signals {
    /// From now on they don't end this process by themselves.
    pub(crate) fn listen() -> Result<Signals, Error> {
        let listen = || -> io::Result<Signals> {
            Ok(Signals {
                hangup: unix::signal(SignalKind::hangup())?,
                interrupt: unix::signal(SignalKind::interrupt())?,
                terminate: unix::signal(SignalKind::terminate())?,
            })
        };
        listen().map_err(|source| Error::Io {
            doing: "listen for signals",
            path: Path::new(".").to_owned(),
            source,
        })
    }

    pub(crate) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.hangup.recv() => Signal::HUP,
            _ = self.interrupt.recv() => Signal::INT,
            _ = self.terminate.recv() => Signal::TERM,
        }
    }
}

/// As shells have it.
pub(crate) fn exit_code(signal: Signal) -> u8 {
    u8::try_from(128 + signal.as_raw()).unwrap_or(u8::MAX)
}
