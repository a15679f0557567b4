//! What to start.

use std::path::PathBuf;

use crate::minor::Minor;

/// How a cluster is to be.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The version of Kubernetes.
    pub minor: Minor,
    /// A file for the audit log: JSON lines, one for each finished request (a watch is finished when it ends). What was
    /// in the file is overwritten.
    pub audit_log: Option<PathBuf>,
    /// More flags for the API server, such as `--feature-gates=…`; they win over devcluster's own.
    pub api_server_flags: Vec<String>,
    /// With a node, on which pods run (Linux, root).
    pub node: Option<NodeOptions>,
}

/// How the node is to be.
#[derive(Debug, Clone, Default)]
pub struct NodeOptions {
    /// Image archives (of `docker save`, or OCI) that pods can use at once.
    pub images: Vec<PathBuf>,
}

impl Options {
    /// Options for a version, the rest by default.
    #[must_use]
    pub fn new(minor: Minor) -> Options {
        Options {
            minor,
            ..Options::default()
        }
    }

    /// With an audit log.
    #[must_use]
    pub fn audit_log(mut self, file: impl Into<PathBuf>) -> Options {
        self.audit_log = Some(file.into());
        self
    }

    /// With a node.
    #[must_use]
    pub fn node(mut self, node: NodeOptions) -> Options {
        self.node = Some(node);
        self
    }

    /// With one more flag for the API server.
    #[must_use]
    pub fn api_server_flag(mut self, flag: impl Into<String>) -> Options {
        self.api_server_flags.push(flag.into());
        self
    }
}
