//! Several processes of one operator: one acts, and another one takes its place.

mod fleet;
mod lease;
mod rounds;
mod verdict;
