//! Microsoft Entra: login hosts, the token client, consent links.

pub mod client;
pub mod clouds;
pub mod consent;
pub mod discovery;
pub(crate) mod encode;
pub mod federated;
pub mod http;
pub mod route;
pub(crate) mod transport;
