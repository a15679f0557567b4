//! Free ports on loopback.

use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};

use crate::error::Error;

/// Below the ports that kernels give to outgoing connections (from 32,768 on Linux): a component
/// that was stopped must find its port free again, and nobody's connection on it.
const RANGE: std::ops::Range<u16> = 20_000..32_000;
/// More than enough unless nothing can be bound at all.
const ATTEMPTS: u32 = 1_000;

/// A free port. Another process may still take it before it is used, so callers try again.
pub(crate) fn free() -> Result<u16, Error> {
    let mut last = None;
    for attempt in 0..ATTEMPTS {
        let port = candidate(attempt);
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => return Ok(port),
            Err(error) => last = Some(error),
        }
    }
    Err(Error::NoPort(
        last.unwrap_or_else(|| std::io::ErrorKind::AddrInUse.into()),
    ))
}

/// Randomly keyed for each process and call: clusters side by side look at different places.
fn candidate(attempt: u32) -> u16 {
    let width = u64::from(RANGE.end - RANGE.start);
    let offset = RandomState::new().hash_one(attempt) % width;
    RANGE.start + u16::try_from(offset).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_port_can_be_bound_and_is_not_given_again_meanwhile() {
        let bind = |_| TcpListener::bind((Ipv4Addr::LOCALHOST, free().unwrap())).unwrap();
        let held: Vec<TcpListener> = (0..50).map(bind).collect();
        let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
        assert!(held.iter().all(|listener| RANGE.contains(&port(listener))));
    }
}
