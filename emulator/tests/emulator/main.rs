//! The emulator as its clients meet it: in process, through its proxy, with its CA.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are tests, which clippy.toml can't know"
)]

mod assertions;
mod bed;
mod browsers;
mod certificates;
mod consent;
mod consent_errors;
mod control;
mod defender;
mod discovery;
mod faults;
mod federated;
mod fleet;
mod graph;
mod identity;
mod journal;
mod program;
mod refusals;
mod resources;
mod retired;
mod states;
mod token;
mod transport;
mod xdr;
