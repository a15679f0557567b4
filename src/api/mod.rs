//! The Kubernetes API: types only.

mod algorithm;
pub mod cloud;
mod crd;
mod names;
mod rules;
mod spec;
mod status;

pub use algorithm::Algorithm;
pub use crd::{crd, render};
pub use names::*;
pub use spec::*;
pub use status::*;
