//! What can go wrong, each with what to do about it.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder could not be read, written or made.
    #[error("{path}: {doing}: {source}", path = path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A folder that a variable chooses can't be used.
    #[error("{path}: {doing}: {source}; set {variable} to a folder that can be written", path = path.display())]
    Folder {
        /// The variable.
        variable: &'static str,
        /// What was tried.
        doing: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// Not a version that can be run.
    #[error("Kubernetes {0} is not one that devcluster can run; it can run 1.37, 1.34")]
    UnknownMinor(String),
    /// Neither a home folder nor a cache folder is known.
    #[error("no folder for the built binaries: set HOME, XDG_CACHE_HOME or DEVCLUSTER_CACHE")]
    NoCacheFolder,
    /// `KUBEBUILDER_ASSETS` names a folder that lacks a needed program.
    #[error(
        "KUBEBUILDER_ASSETS is {dir}, which has no {missing}: correct it (it must hold etcd, kube-apiserver and kubectl), \
         or unset it to have them built",
        dir = dir.display()
    )]
    AssetsIncomplete {
        /// The folder.
        dir: PathBuf,
        /// The first program that isn't there.
        missing: &'static str,
    },
    /// The binaries are not in the cache.
    #[error(
        "the binaries of Kubernetes {0} are not built yet: run `devcluster build --kubernetes {0}`"
    )]
    NotBuilt(crate::Minor),
    /// There is no `go`.
    #[error(
        "no Go toolchain on the PATH, which is needed to build the control plane: install Go {needed} or later, or set \
         KUBEBUILDER_ASSETS to a folder with etcd, kube-apiserver, kubectl and kube-controller-manager"
    )]
    NoGo {
        /// The oldest version that will do.
        needed: &'static str,
    },
    /// `go` is there, but can't work with the module.
    #[error(
        "the Go toolchain on the PATH can't build the control plane: install Go {needed} or later, or set KUBEBUILDER_ASSETS \
         to a folder with etcd, kube-apiserver, kubectl and kube-controller-manager. It said:\n{said}"
    )]
    UnfitGo {
        /// The oldest version that will do.
        needed: &'static str,
        /// The end of its output.
        said: String,
    },
    /// `go build` failed.
    #[error(
        "go build of {package} failed ({status}); what was built before is kept. It said:\n{said}"
    )]
    GoBuild {
        /// What was built.
        package: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// The end of its output.
        said: String,
    },
    /// A program could not be started.
    #[error("{program} can't be started: {source}")]
    Spawn {
        /// Which.
        program: String,
        /// The reason.
        source: io::Error,
    },
    /// A component of the control plane ended by itself.
    #[error("{component} ended ({status}). The last lines of its log:\n{tail}")]
    ComponentEnded {
        /// Which.
        component: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// The end of its log.
        tail: String,
    },
    /// The control plane runs, but does not become ready.
    #[error(
        "{waiting_for} did not come within {after:?}; last answer: {last}. The last lines of the log of {component}:\n{tail}"
    )]
    NotReady {
        /// What was waited for.
        waiting_for: &'static str,
        /// How long.
        after: Duration,
        /// What the API server said last.
        last: String,
        /// Whose log it is.
        component: &'static str,
        /// The end of that log.
        tail: String,
    },
    /// No port on loopback could be bound.
    #[error("no free port on 127.0.0.1: {0}")]
    NoPort(io::Error),
    /// A certificate could not be made.
    #[error("the cluster's certificates can't be made: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The client for the API server could not be made.
    #[error("the client for the API server can't be made: {0}")]
    Client(String),
    /// This machine can't have a node.
    #[error("this machine can't run a node (--node):\n  {0}")]
    NoNode(String),
    /// All addresses for nodes are in use.
    #[error(
        "{0} clusters with a node run on this machine, and there is no room for more: end one (`ip link` shows them as devcluster<n>)"
    )]
    TooManyNodes(usize),
    /// The node could not be connected.
    #[error("the node can't be connected, because this can't be made: {what}. ip said: {said}")]
    Network {
        /// What was tried.
        what: &'static str,
        /// The reason.
        said: String,
    },
    /// An image archive could not be made, or not be imported.
    #[error(
        "{file}: the image archive can't be used (it must be one of `docker save` or an OCI archive, for this machine's architecture): {said}",
        file = file.display()
    )]
    Image {
        /// The archive.
        file: PathBuf,
        /// The reason.
        said: String,
    },
    /// The program of pods' first process could not be built.
    #[error(
        "the program `pause` of Kubernetes can't be built: install a C compiler `cc` with a static C library (Debian packages gcc, libc6-dev). It said:\n{0}"
    )]
    NoCompiler(String),
    /// The node's objects were refused.
    #[error("the objects of the node can't be made: {0}")]
    Objects(String),
    /// The file for the kubeconfig exists.
    #[error("{path} exists already, and would be deleted at the end: choose another file for the kubeconfig", path = .0.display())]
    KubeconfigExists(PathBuf),
}

impl Error {
    /// For `map_err`: an I/O error with what was tried and where.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_owned();
        move |source| Error::Io {
            doing,
            path,
            source,
        }
    }

    /// For `map_err`: the same where another folder would help, and a variable chooses it.
    pub(crate) fn folder(
        variable: &'static str,
        doing: &'static str,
        path: &Path,
    ) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_owned();
        move |source| Error::Folder {
            variable,
            doing,
            path,
            source,
        }
    }

    /// Whether another port may help.
    pub(crate) fn is_port_taken(&self) -> bool {
        matches!(self, Error::ComponentEnded { tail, .. } if tail.contains("address already in use"))
    }
}
