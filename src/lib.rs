//! Keeps a live Microsoft Defender API token per customer tenant in a Kubernetes Secret.

pub mod api;
pub mod core;
pub mod defender;
pub mod entra;
