//! What decides. Pure: no client, no clock, no runtime; `now` is an argument.

pub mod ids;
pub mod reason;
