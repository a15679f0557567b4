//! The Kubernetes API: types only.

mod algorithm;
mod application;
pub mod cloud;
mod crd;
mod names;
mod rules;
mod spec;
mod status;

pub use algorithm::Algorithm;
pub use application::*;
pub use crd::{application_crd, crd, render, render_all};
pub use kube::core::{Selector, SelectorExt};
pub use names::*;
pub use spec::*;
pub use status::*;
