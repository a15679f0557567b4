//! Microsoft Entra's token service and the Microsoft Defender for Endpoint API, played by one local process.
//!
//! Clients stay unmodified: they are given the emulator's CONNECT proxy (`HTTPS_PROXY`) and its CA, and then talk to
//! `login.microsoftonline.com` and `api.security.microsoft.com` as ever. `README.md` has the whole story.
//!
//! Rooms, from the outside in: [`Emulator`] binds the ports; `http` carries bytes; `front` names a request, asks the
//! world for faults and keeps the journal; `login` and `defender` decide; `world` remembers; `control` changes it.

mod certificates;
mod control;
mod defender;
mod emulator;
mod error;
mod front;
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
