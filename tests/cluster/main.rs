//! The operator's own binary on a real API server, with the emulator in Microsoft's place.
//!
//! Each test has a namespace, an emulator and an operator process of its own; they share one control plane, which ends
//! with this process. `DEVCLUSTER_MINOR=1.34` runs them on the oldest version that is promised.

mod applications;
mod blame;
mod certificate;
mod consent;
mod cost;
mod crd;
mod crd_cases;
mod credential;
mod discovery;
mod doctor;
mod failover;
mod faults;
mod lifecycle;
mod matrix;
mod mismatch;
mod proxy;
mod published;
mod refused;
mod shapes;
mod shards;
mod smoke;
mod start;
mod support;
mod throttling;
mod unreachable;
