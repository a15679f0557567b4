//! The APIs of Defender for Endpoint and Defender XDR: who may call (`access`), what is asked (`route`), and the data
//! (all else).

pub(crate) mod access;
pub(crate) mod data;
pub(crate) mod denial;
pub(crate) mod hunting;
mod incidents;
mod route;
mod service;
mod vulnerabilities;

pub(crate) use service::{Defender, correlation_id, visit};
