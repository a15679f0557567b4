//! What decides. Pure: no client, no clock, no runtime; `now` is an argument.

pub mod application;
pub mod assertion;
pub mod attempt;
pub mod breaker;
pub mod claims;
pub mod conditions;
pub mod credential;
pub mod discovery;
pub mod election;
pub mod errors;
pub mod federated;
pub mod gate;
pub mod gathered;
pub mod ids;
pub mod inspect;
pub mod notices;
pub mod pacing;
pub mod plan;
pub mod queue;
pub mod reason;
pub mod resume;
pub mod roles;
pub mod schedule;
pub mod shards;
pub mod target;
pub mod tenant;
pub mod token_response;
pub mod turn;
pub mod unfit;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
