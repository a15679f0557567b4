//! Several processes that share the tenants.

mod fleet;
mod replaced;
mod rollouts;
mod server_side;
