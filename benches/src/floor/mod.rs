//! The floor: the same work by a bare client, in a process of its own, so that its CPU can be told.

use std::net::SocketAddr;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub mod client;
mod hashes;
mod run;
mod template;

pub use run::{Floor, Measured, Model, Task, seconds};

/// How it calls itself: as long a name as the operator's, which stands in the objects' managed fields.
pub const AGENT: &str = "defender-tenant-baseline/";

/// What it is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Work {
    /// Secrets are created.
    Create,
    /// Secrets are patched.
    Patch,
}

/// Everything that it knows before its clock starts.
#[derive(Serialize, Deserialize)]
pub struct Plan {
    /// What to do.
    pub work: Work,
    /// Spread over so many seconds, instead of as fast as it goes.
    pub pace: Option<f64>,
    /// What it writes is due again after so many seconds; without, as the operator would have it.
    pub refresh_after: Option<i64>,
    /// One after the other within so many seconds from then on.
    pub refresh_spread: Option<i64>,
    /// The API server.
    pub server: SocketAddr,
    /// Its CA, PEM.
    pub server_ca: String,
    /// The operator's token.
    pub token: String,
    /// The emulator's CONNECT proxy.
    pub proxy: SocketAddr,
    /// The emulator's CA.
    pub emulator_ca: PathBuf,
    /// A Secret that the operator wrote.
    pub secret: Value,
    /// A tenant that the operator wrote.
    pub tenant: Value,
    /// For whom.
    pub items: Vec<Item>,
}

/// One customer.
#[derive(Serialize, Deserialize)]
pub struct Item {
    /// The tenant's namespace.
    pub namespace: String,
    /// The tenant's name.
    pub name: String,
    /// The tenant's UID.
    pub uid: String,
    /// The tenant's version.
    pub version: String,
    /// The customer's directory.
    pub directory: String,
    /// UID and version of the Secret that is patched.
    pub target: Option<(String, String)>,
}

/// What it says when it is done.
#[derive(Debug, Serialize, Deserialize)]
pub struct Done {
    /// When its first request began.
    pub started: Timestamp,
}
