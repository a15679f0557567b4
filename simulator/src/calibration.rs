//! What things cost, as measured: `simulator/calibration.json`.

use serde::{Deserialize, Serialize};

use crate::clock::{MILLI, Micros};
use crate::engine::costs::Costs;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Calibration {
    /// No report of the bench has been fitted yet: the constants are guesses from single measurements.
    pub placeholder: bool,
    /// On what machine, and under which load, the report was made.
    pub machine: String,
    /// Rows that the constants were fitted to: `name` and `n`.
    pub fitted: Vec<(String, u64)>,
    /// Rows that the report didn't have, and what was taken in their place.
    #[serde(default)]
    pub assumed: Vec<(String, String)>,
    /// Cores that operator, API server, etcd and emulator share in the bench.
    pub cores: usize,
    /// Seconds from the process' beginning until its first turn.
    pub start_seconds: f64,
    /// CPU that a customer costs that no process' account shows (kernel, disk), as a share of what is accounted.
    pub unaccounted: f64,
    /// CPU milliseconds a customer: token request, write of the Secret, write of the status.
    pub operator: f64,
    pub server: f64,
    pub etcd: f64,
    pub emulator: f64,
    /// What a refresh costs beside a first token.
    pub refresh_operator: f64,
    pub refresh_server: f64,
    pub refresh_etcd: f64,
    /// CPU milliseconds of a turn that comes to nothing.
    pub turn: f64,
    /// CPU milliseconds of the operator for each tenant that it reads when it starts: 0.6 s were measured with 10,000.
    #[serde(default = "listing")]
    pub listing: f64,
    /// Milliseconds that a write waits for etcd's disk.
    pub commit: f64,
    /// Operator's memory: without tenants (MiB) and for each (KiB).
    pub memory_base: f64,
    pub memory_tenant: f64,
    /// Bytes of etcd for a tenant: its object, with status and managed fields, and its Secret. Measured once, with 300
    /// tenants and tokens of 1.3 KB: 3.2 and 4.7 KB, and a quarter more for etcd's pages.
    pub tenant_bytes: f64,
    pub secret_bytes: f64,
}

/// How an operator's CPU is shared out between token request, Secret and status. The rows of a report can't tell them
/// apart; nothing that is predicted depends on it but latencies of less than a millisecond.
const SHARES: [f64; 3] = [0.4, 0.3, 0.3];
/// The same of the API server, between Secret and status with what their watches cost: as measured with and without open
/// watches, and without any.
const SERVER: [f64; 2] = [0.35, 0.65];

const fn listing() -> f64 {
    0.06
}

impl Default for Calibration {
    fn default() -> Self {
        Self {
            placeholder: true,
            machine: "no report yet".to_owned(),
            fitted: Vec::new(),
            assumed: Vec::new(),
            cores: 2,
            start_seconds: 0.3,
            unaccounted: 0.1,
            operator: 0.8,
            server: 2.8,
            etcd: 0.5,
            emulator: 0.4,
            refresh_operator: 0.8,
            refresh_server: 2.8,
            refresh_etcd: 0.5,
            turn: 0.03,
            listing: listing(),
            commit: 1.0,
            memory_base: 12.0,
            memory_tenant: 3.5,
            tenant_bytes: 4_100.0,
            secret_bytes: 5_900.0,
        }
    }
}

fn micros(millis: f64) -> Micros {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "a cost is milliseconds"
    )]
    let micros = (millis * MILLI as f64).round() as Micros;
    micros.max(0)
}

impl Calibration {
    fn costs(&self, operator: f64, server: f64, etcd: f64) -> Costs {
        let all = 1.0 + self.unaccounted;
        let rest = (operator - self.turn).max(0.0) * all;
        Costs {
            turn: micros(self.turn * all),
            mint: micros(rest * SHARES[0]),
            secret: micros(rest * SHARES[1]),
            status: micros(rest * SHARES[2]),
            server_secret: micros(server * SERVER[0] * all),
            server_status: micros(server * SERVER[1] * all),
            server_other: micros(server * SERVER[0] * all / 2.0),
            etcd: micros(etcd / 2.0 * all),
            commit: micros(self.commit),
            start: micros(self.start_seconds * 1_000.0),
            thousand: micros(self.listing * all * 1_000.0),
            emulator: micros(self.emulator * all),
        }
    }

    /// Of first tokens.
    pub fn first(&self) -> Costs {
        self.costs(self.operator, self.server, self.etcd)
    }

    /// Of refreshes.
    pub fn refresh(&self) -> Costs {
        self.costs(
            self.refresh_operator,
            self.refresh_server,
            self.refresh_etcd,
        )
    }

    /// A shard's memory in MiB.
    pub fn memory(&self, tenants: u32) -> f64 {
        self.memory_base + f64::from(tenants) * self.memory_tenant / 1_024.0
    }
}
