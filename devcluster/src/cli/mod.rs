//! The command line.

mod run;
mod signals;
mod up;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use devcluster::{Error, MINOR_VARIABLE, Minor, NodeOptions, Options};

/// A real Kubernetes control plane (etcd, kube-apiserver, kube-controller-manager) in a temporary folder.
///
/// It listens on a free loopback port, has certificates of its own and is gone with this process, however that ends.
/// Nothing of it can be told from any other cluster's API server: validation, RBAC, watches and garbage collection are
/// Kubernetes' own. Without --node there are no nodes, so pods stay pending.
///
/// The programs come from KUBEBUILDER_ASSETS (a folder with etcd, kube-apiserver, kubectl and kube-controller-manager),
/// else they are built once with the Go toolchain (about 9 minutes on two cores) and kept in DEVCLUSTER_CACHE (default:
/// $XDG_CACHE_HOME/devcluster, ~/.cache/devcluster).
#[derive(Debug, Parser)]
#[command(name = "devcluster", version, max_term_width = 120)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Run a command beside a cluster of its own; its exit code is passed on.
    ///
    /// The command gets KUBECONFIG (administrator) and the cluster's kubectl first on its PATH. What it starts and
    /// leaves behind ends with the cluster (it is told by DEVCLUSTER_DIR in its environment, the cluster's folder).
    /// devcluster's own failures are 125, 126 if the command can't be executed, 127 if there is none of that name.
    #[command(
        after_help = "Example: devcluster run --audit-log audit.jsonl -- kubectl get namespaces"
    )]
    Run {
        #[command(flatten)]
        cluster: Cluster,
        /// End everything, as SIGTERM does, when the process that started devcluster ends, however that happens.
        ///
        /// A shell, `make` or CI job that is killed says nothing to what it has started; without this, devcluster waits
        /// for the command. Not for a run that is meant to outlive its starter (`nohup devcluster run … &`).
        #[arg(long)]
        with_parent: bool,
        /// The command and its arguments.
        #[arg(required = true, last = true, value_name = "CMD")]
        command: Vec<OsString>,
    },
    /// Start a cluster, print its kubeconfig, and keep it until Ctrl-C or SIGTERM.
    Up {
        #[command(flatten)]
        cluster: Cluster,
        /// Write the kubeconfig to this new file too; it is deleted with the cluster.
        #[arg(long, value_name = "FILE")]
        kubeconfig: Option<PathBuf>,
    },
    /// Build the programs if the cache lacks them.
    Build {
        #[command(flatten)]
        version: Version,
    },
    /// Print the folder of the programs, which can serve as KUBEBUILDER_ASSETS; fails if they are not built yet.
    Path {
        #[command(flatten)]
        version: Version,
    },
}

#[derive(Debug, clap::Args)]
struct Version {
    /// The minor version of Kubernetes.
    #[arg(long, value_enum, value_name = "MINOR", env = MINOR_VARIABLE, default_value_t)]
    kubernetes: Minor,
}

#[derive(Debug, clap::Args)]
struct Cluster {
    #[command(flatten)]
    version: Version,
    /// Write the API server's audit log to this file (overwritten): a line of JSON for each finished request.
    #[arg(long, value_name = "FILE")]
    audit_log: Option<PathBuf>,
    /// With a node, on which pods run: containerd, kubelet, kube-proxy, kube-scheduler and CoreDNS (Linux, root).
    ///
    /// Needs containerd, runc, CNI plugins and nft on this machine (devcluster/node-packages.sh installs them). Pods and
    /// services can be reached from here by their addresses, and this machine from pods by DEVCLUSTER_HOST. The command
    /// also gets CONTAINERD_ADDRESS and CONTAINERD_NAMESPACE, for `ctr images import`.
    #[arg(long)]
    node: bool,
    /// Import this image archive (of `docker save`, or OCI) into the node; may be repeated.
    #[arg(long = "image", value_name = "ARCHIVE", requires = "node")]
    images: Vec<PathBuf>,
}

impl Cluster {
    fn options(self) -> Options {
        let mut options = Options::new(self.version.kubernetes);
        options.audit_log = self.audit_log;
        if self.node {
            options = options.node(NodeOptions {
                images: self.images,
            });
        }
        options
    }
}

impl Args {
    /// The exit code for a failure that isn't the command's.
    pub(crate) fn own_failure(&self) -> u8 {
        if matches!(self.action, Action::Run { .. }) {
            run::OWN_FAILURE
        } else {
            1
        }
    }
}

pub(crate) async fn execute(args: Args) -> Result<u8, Error> {
    match args.action {
        Action::Run {
            cluster,
            with_parent,
            command,
        } => {
            let mut signals = signals::Signals::listen()?;
            if with_parent {
                signals.end_with_parent();
            }
            run::run(cluster.options(), &command, signals).await
        }
        Action::Up {
            cluster,
            kubeconfig,
        } => up::up(cluster.options(), kubeconfig.as_deref()).await,
        Action::Build { version } => {
            let mut signals = signals::Signals::listen()?;
            tokio::select! {
                folder = devcluster::build_cache(version.kubernetes) => println!("{}", folder?.display()),
                signal = signals.next() => return Ok(signals::exit_code(signal)),
            }
            Ok(0)
        }
        Action::Path { version } => {
            println!(
                "{}",
                devcluster::find_binaries(version.kubernetes)?.display()
            );
            Ok(0)
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn arguments_of_the_command_are_not_ours() {
        let args = Args::parse_from([
            "devcluster",
            "run",
            "--kubernetes",
            "1.34",
            "--",
            "kubectl",
            "--help",
        ]);
        let Action::Run {
            cluster,
            with_parent,
            command,
        } = args.action
        else {
            panic!("it is run")
        };
        assert!(!with_parent);
        assert_eq!(cluster.version.kubernetes, Minor::V1_34);
        assert_eq!(command, ["kubectl", "--help"]);
    }
}
