//! The control API: what tests and demos tell the emulator, and what they ask it.

mod bodies;
mod config;
mod either;
mod fault_body;
mod handlers;
mod roles;
mod routes;
mod tenant_body;

pub use config::Config;
pub(crate) use config::apply;
pub(crate) use routes::answer;

/// A body that the contract doesn't allow; the text says why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadRequest(pub(crate) String);

impl BadRequest {
    /// The same complaint with its place in front.
    fn within(self, place: &str) -> Self {
        Self(format!("{place}: {}", self.0))
    }
}

impl From<serde_json::Error> for BadRequest {
    fn from(error: serde_json::Error) -> Self {
        Self(error.to_string())
    }
}

/// An id in a path or a key.
fn guid(what: &str, text: &str) -> Result<uuid::Uuid, BadRequest> {
    crate::guid::parse(text).ok_or_else(|| BadRequest(format!("{what} {text:?} is not a GUID")))
}
