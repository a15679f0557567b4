//! Microsoft Entra: login hosts, the token client, consent links.

pub mod client;
pub mod http;
