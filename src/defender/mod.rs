//! The Microsoft Defender APIs: hosts, audiences, the probe.
