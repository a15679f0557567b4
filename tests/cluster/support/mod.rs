//! What the tests stand on.

mod applications;
mod arena;
mod audit;
mod canary;
mod doctor;
mod emulator;
#[allow(dead_code, reason = "shared with the component tests")]
mod identity;
mod lab;
mod make;
mod meddle;
mod members;
mod objects;
mod observe;
mod operator;
mod proxy;
pub mod rbac;
mod rules;
mod wait;

pub use arena::{Arena, application_crd, client, crd, crd_bytes, run};
pub use audit::{Count, Request, count};
pub use doctor::Ended;
pub use emulator::{Emulator, Journaled};
pub use identity::Identity;
pub use lab::{Lab, Setup};
pub use make::{CLIENT, condition, guid, overlay};
pub use meddle::{instant, token, version};
pub use members::{Attributed, Member};
pub use objects::key;
pub use proxy::Proxy;
pub use rules::{Act, Call, Rule, status};
pub use wait::{Patience, eventually, poll};
