//! What things cost, as the engine wants it: microseconds of CPU.

use defender_tenant_operator::core::election::Terms;

use crate::clock::Micros;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Costs {
    /// The operator, for a turn that comes to nothing.
    pub turn: Micros,
    /// The operator, for a token request and its answer.
    pub mint: Micros,
    /// The operator, for a write of a Secret and what its watch tells.
    pub secret: Micros,
    /// The operator, for a write of a status and what its watch tells.
    pub status: Micros,
    /// The API server, for the same.
    pub server_secret: Micros,
    pub server_status: Micros,
    /// The API server, for a read or a deletion.
    pub server_other: Micros,
    /// etcd, for a write.
    pub etcd: Micros,
    /// Waiting for the disk, which costs no CPU.
    pub commit: Micros,
    /// From a process' beginning until it reads the cluster.
    pub start: Micros,
    /// The operator, for reading a thousand tenants with their Secrets at its start.
    pub thousand: Micros,
    /// What plays Microsoft on the same machine, for an answer.
    pub emulator: Micros,
}

impl Costs {
    /// Until a Lease that nobody gave back can be taken.
    pub fn lease() -> Micros {
        Micros::try_from(Terms::default().duration.as_micros()).unwrap_or(Micros::MAX)
    }

    /// Reading so many tenants at the start.
    pub fn listing(&self, tenants: u32) -> Micros {
        self.thousand * Micros::from(tenants) / 1_000
    }
}

/// Microseconds of CPU that were used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Used {
    pub operator: Micros,
    pub server: Micros,
    pub etcd: Micros,
    pub emulator: Micros,
}

impl std::ops::AddAssign for Used {
    fn add_assign(&mut self, other: Self) {
        self.operator += other.operator;
        self.server += other.server;
        self.etcd += other.etcd;
        self.emulator += other.emulator;
    }
}
