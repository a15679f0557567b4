//! The Microsoft Defender APIs: hosts, audiences, the probe.

pub mod answer;
pub mod hosts;
pub mod probe;
