//! `defender-tenant-operator doctor`, with the operator's own account.

mod broken;
mod healthy;
mod hosts;

use crate::support::{Lab, Setup};

/// Flag and value of a Lease that is the test's, not the operator's.
const LEASE: [&str; 2] = ["--lease-name", "examined"];

impl Lab {
    /// A lab for namespaces, with a home for the operator and a fresh Lease in it.
    async fn examined(name: &str, no_operator: bool) -> Self {
        let setup = Setup {
            no_operator,
            more_namespaces: vec!["home"],
            home: Some("home"),
            ..Setup::default()
        };
        let lab = Self::with(name, setup).await;
        lab.may_see_leases(&lab.home()).await;
        lab.renewed_lease(&lab.home(), LEASE[1], "pod-a", 0).await;
        lab
    }
}
