//! Keeps a live Microsoft Defender API token per customer tenant in a Kubernetes Secret.

pub mod api;
pub mod cli;
pub mod connect;
pub mod controller;
pub mod core;
pub mod defender;
pub mod doctor;
pub mod entra;
pub mod lease;
pub mod metrics;
pub mod run;
pub mod server;
pub mod smoke;
pub mod telemetry;
