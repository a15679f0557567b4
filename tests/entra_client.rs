//! The token client, the probe and the question where a tenant lives against the emulator, through its proxy, trusting its CA.

#![allow(clippy::unwrap_used, reason = "a test's helpers are tests as well")]

#[path = "entra_client/answers.rs"]
mod answers;
#[path = "entra_client/assertions.rs"]
mod assertions;
#[path = "entra_client/discovery.rs"]
mod discovery;
#[path = "cluster/support/identity.rs"]
#[allow(dead_code, reason = "shared with the cluster tests")]
mod identity;
#[path = "entra_client/lab.rs"]
mod lab;
#[path = "entra_client/led.rs"]
mod led;
#[path = "entra_client/probe.rs"]
mod probe;
#[path = "entra_client/tokens.rs"]
mod tokens;
#[path = "entra_client/transport.rs"]
mod transport;
