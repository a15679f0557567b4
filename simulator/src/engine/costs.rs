//! What things cost, as the engine wants it: microseconds of CPU.

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
    /// What plays Microsoft on the same machine, for an answer.
    pub emulator: Micros,
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
