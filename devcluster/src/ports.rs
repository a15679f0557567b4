//! Free ports on loopback.

use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};

use crate::error::Error;

/// Below the ports that kernels give to outgoing connections (from 32,768 on Linux): a component that was stopped must
/// find its port free again, and nobody's connection on it.
const RANGE: std::ops::Range<u16> = 20_000..32_000;

/// `N` different free ports. Another process may still take one before it is used, so callers try again.
pub(crate) fn free<const N: usize>() -> Result<[u16; N], Error> {
    // Held until all are found, so that they differ.
    let mut held = Vec::with_capacity(N);
    let mut last = None;
    for attempt in 0..1_000_u32 {
        if held.len() == N {
            break;
        }
        match TcpListener::bind((Ipv4Addr::LOCALHOST, candidate(attempt))) {
            Ok(listener) => held.push(listener),
            Err(error) => last = Some(error),
        }
    }
    let mut ports = [0; N];
    if held.len() < N {
        return Err(Error::NoPort(
            last.unwrap_or_else(|| std::io::ErrorKind::AddrInUse.into()),
        ));
    }
    for (port, listener) in ports.iter_mut().zip(&held) {
        *port = listener.local_addr().map_err(Error::NoPort)?.port();
    }
    Ok(ports)
}

/// Randomly keyed for each process and call: clusters side by side start at different places.
fn candidate(attempt: u32) -> u16 {
    let width = u64::from(RANGE.end - RANGE.start);
    let offset = RandomState::new().hash_one(attempt) % width;
    RANGE.start + u16::try_from(offset).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_differ_and_can_be_bound() {
        let [one, two, three] = free().unwrap();
        assert!(one != two && two != three && one != three);
        for port in [one, two, three] {
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        }
    }
}
