//! Several processes of one operator: one acts, and another one takes its place.

pub mod fleet;
mod lease;
mod rounds;
mod verdict;
