//! What the tests stand on.

mod arena;
mod audit;
mod canary;
mod emulator;
mod lab;
mod make;
mod operator;
pub mod rbac;
mod wait;

pub use arena::{Arena, client, crd, crd_bytes, run};
pub use audit::{Count, Request, count};
pub use emulator::{Emulator, Journaled};
pub use lab::{Lab, Setup, key};
pub use make::{CLIENT, condition, guid, overlay};
pub use operator::{Invocation, Operator};
pub use wait::{Patience, eventually};
