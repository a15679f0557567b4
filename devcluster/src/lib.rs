//! A real Kubernetes control plane (etcd, kube-apiserver, kube-controller-manager) in a temporary folder, on a free
//! loopback port, for demos and tests. It ends with the process that started it, also when that is killed.
//!
//! ```no_run
//! # async fn example() -> Result<(), devcluster::Error> {
//! use devcluster::{DevCluster, Minor, Options};
//!
//! let cluster = DevCluster::start(Options::new(Minor::from_env()?)).await?;
//! let status = cluster.command("kubectl").args(["get", "namespaces"]).status();
//! cluster.stop().await
//! # }
//! ```

mod assets;
mod binaries;
mod build;
mod cache;
mod cluster;
mod component;
mod error;
mod flags;
pub mod image;
mod kubeconfig;
mod minor;
mod node;
mod options;
mod pki;
mod ports;
mod private;
mod probe;
mod progress;
mod sandbox;

pub use binaries::{build_cache, find_binaries};
pub use cluster::DevCluster;
pub use error::Error;
pub use minor::{MINOR_VARIABLE, Minor};
pub use options::{NodeOptions, Options};
