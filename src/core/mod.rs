//! What decides. Pure: no client, no clock, no runtime; `now` is an argument.

pub mod claims;
pub mod cloud;
pub mod errors;
pub mod ids;
pub mod reason;
pub mod roles;
pub mod token_response;
