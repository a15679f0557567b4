//! Microsoft Entra's token service and Microsoft's Defender APIs, played by one local process.
//!
//! Clients stay unmodified: they are given the emulator's CONNECT proxy (`HTTPS_PROXY`) and its CA, and then talk to
//! `login.microsoftonline.com` and `api.security.microsoft.com` as ever. `README.md` has the whole story.
//!
//! Rooms, from the outside in: [`Emulator`] binds the ports; `http` carries bytes; `front` names a request, asks the
//! world for faults and keeps the journal; `login`, `defender` and `graph` decide; `world` remembers; `control` changes it.

mod certificates;
mod control;
mod defender;
mod emulator;
mod error;
mod front;
mod graph;
mod guid;
mod hosts;
mod http;
mod login;
mod signing;
mod world;

pub use control::Config;
pub use emulator::{Emulator, Options, start};
pub use error::Error;

/// Compiles the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
