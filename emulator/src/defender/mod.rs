//! Defender for Endpoint's API: who may call (`access`), what is asked (`route`), and the data (`data`, `hunting`).

mod access;
mod data;
mod denial;
mod hunting;
mod route;
mod service;

pub(crate) use service::{Defender, Graph};
