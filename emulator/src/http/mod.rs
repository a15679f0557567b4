//! Bytes on the wire: two HTTP servers (TLS and plain) and the CONNECT proxy. What to answer is decided elsewhere.

pub(crate) mod body;
pub(crate) mod connection;
pub(crate) mod message;
pub(crate) mod proxy;
pub(crate) mod server;
pub(crate) mod socket;

pub(crate) use message::{Delivery, Reply, Request, pairs};
