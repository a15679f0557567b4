//! The pinned Go modules that the control plane is built from, embedded so that `devcluster` works wherever it is run.

use sha2::{Digest, Sha256};

use crate::minor::Minor;

/// A program that devcluster can build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    Etcd,
    ApiServer,
    ControllerManager,
    Kubectl,
    Kubelet,
    KubeProxy,
    Scheduler,
    CoreDns,
}

impl Program {
    /// Those of the Kubernetes module, in the order of building: the first takes along most of what the others need.
    pub(crate) const KUBERNETES: [Program; 3] = [
        Program::ApiServer,
        Program::ControllerManager,
        Program::Kubectl,
    ];

    /// Those of the Kubernetes module that only a node needs.
    pub(crate) const NODE: [Program; 3] =
        [Program::Kubelet, Program::KubeProxy, Program::Scheduler];

    /// The name of the file, as `KUBEBUILDER_ASSETS` has it.
    pub(crate) fn file(self) -> &'static str {
        match self {
            Program::Etcd => "etcd",
            Program::ApiServer => "kube-apiserver",
            Program::ControllerManager => "kube-controller-manager",
            Program::Kubectl => "kubectl",
            Program::Kubelet => "kubelet",
            Program::KubeProxy => "kube-proxy",
            Program::Scheduler => "kube-scheduler",
            Program::CoreDns => "coredns",
        }
    }

    /// The Go package.
    pub(crate) fn package(self) -> &'static str {
        match self {
            Program::Etcd => "go.etcd.io/etcd/server/v3",
            Program::ApiServer => "k8s.io/kubernetes/cmd/kube-apiserver",
            Program::ControllerManager => "k8s.io/kubernetes/cmd/kube-controller-manager",
            Program::Kubectl => "k8s.io/kubernetes/cmd/kubectl",
            Program::Kubelet => "k8s.io/kubernetes/cmd/kubelet",
            Program::KubeProxy => "k8s.io/kubernetes/cmd/kube-proxy",
            Program::Scheduler => "k8s.io/kubernetes/cmd/kube-scheduler",
            Program::CoreDns => "github.com/coredns/coredns",
        }
    }
}

/// A Go module with its locks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Module {
    /// Names the folder in the cache.
    pub(crate) name: &'static str,
    /// The module whose version is that of the programs.
    requires: &'static str,
    pub(crate) go_mod: &'static str,
    pub(crate) go_sum: &'static str,
}

pub(crate) const ETCD: Module = Module {
    name: "etcd",
    requires: "go.etcd.io/etcd/server/v3",
    go_mod: include_str!("../assets/etcd/go.mod"),
    go_sum: include_str!("../assets/etcd/go.sum"),
};

pub(crate) const COREDNS: Module = Module {
    name: "coredns",
    requires: "github.com/coredns/coredns",
    go_mod: include_str!("../assets/coredns/go.mod"),
    go_sum: include_str!("../assets/coredns/go.sum"),
};

/// The module of a Kubernetes version.
pub(crate) fn kubernetes(minor: Minor) -> Module {
    let (go_mod, go_sum) = match minor {
        Minor::V1_37 => (
            include_str!("../assets/1.37/go.mod"),
            include_str!("../assets/1.37/go.sum"),
        ),
        Minor::V1_34 => (
            include_str!("../assets/1.34/go.mod"),
            include_str!("../assets/1.34/go.sum"),
        ),
    };
    Module {
        name: "kubernetes",
        requires: "k8s.io/kubernetes",
        go_mod,
        go_sum,
    }
}

/// The oldest Go that builds everything: that of the etcd module, which every version needs.
pub(crate) fn needed_go() -> &'static str {
    ETCD.go_mod
        .lines()
        .find_map(|line| line.strip_prefix("go "))
        .unwrap_or_default()
}

impl Module {
    /// `v1.37.2`: the version that go.mod requires.
    pub(crate) fn version(&self) -> &'static str {
        self.go_mod
            .lines()
            .map(|line| line.trim().trim_start_matches("require "))
            .find_map(|line| {
                line.strip_prefix(self.requires)?
                    .strip_prefix(' ')?
                    .split_whitespace()
                    .next()
            })
            .unwrap_or_default()
    }

    /// The arguments of `go build` but for the output and the package.
    pub(crate) fn flags(&self) -> Vec<String> {
        let mut linker = String::from("-s -w");
        if self.name == "kubernetes" {
            // Without these, clients are told v0.0.0.
            let version = self.version();
            let mut parts = version.trim_start_matches('v').split('.');
            for (variable, value) in [
                ("gitVersion", version),
                ("gitMajor", parts.next().unwrap_or_default()),
                ("gitMinor", parts.next().unwrap_or_default()),
            ] {
                linker = format!("{linker} -X k8s.io/component-base/version.{variable}={value}");
            }
        }
        ["-trimpath", "-buildvcs=false", "-ldflags", &linker]
            .map(str::to_owned)
            .into()
    }

    /// The folder in the cache: a new one whenever anything that goes into the build changes.
    pub(crate) fn cache_key(&self) -> String {
        let mut hash = Sha256::new();
        for part in [
            self.go_mod,
            self.go_sum,
            &self.flags().join("\0"),
            std::env::consts::OS,
            std::env::consts::ARCH,
        ] {
            hash.update(part);
            hash.update([0]);
        }
        let hash = &hash.finalize();
        // Six bytes: few enough to read, enough for the pins that one cache will ever see.
        let hash = hash[..6]
            .iter()
            .fold(0, |sum: u64, byte| (sum << 8) | u64::from(*byte));
        format!("{}-{}-{hash:012x}", self.name, self.version())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_module_pins_the_minor_that_it_is_for() {
        for minor in Minor::ALL {
            let module = kubernetes(minor);
            assert!(
                module.version().starts_with(&format!("v{minor}.")),
                "{}",
                module.version()
            );
            let staging = module.version().replacen("v1.", "v0.", 1);
            let replaced: Vec<&str> = module
                .go_mod
                .lines()
                .filter(|line| line.contains("=>"))
                .collect();
            assert!(replaced.len() > 25);
            assert!(
                replaced.iter().all(|line| line.ends_with(&staging)),
                "{replaced:?}"
            );
        }
        assert_eq!(ETCD.version(), "v3.7.3");
        assert!(COREDNS.version().starts_with("v1."));
    }

    #[test]
    fn the_programs_are_tools_of_their_modules_so_that_go_sum_covers_them() {
        assert!(ETCD.go_mod.contains(Program::Etcd.package()));
        assert!(
            COREDNS
                .go_mod
                .contains(&format!("tool {}\n", Program::CoreDns.package()))
        );
        for minor in Minor::ALL {
            for program in Program::KUBERNETES.into_iter().chain(Program::NODE) {
                assert!(
                    kubernetes(minor)
                        .go_mod
                        .contains(&format!("\t{}\n", program.package()))
                );
            }
        }
    }

    #[test]
    fn the_version_is_stamped() {
        let flags = kubernetes(Minor::V1_34).flags().join(" ");
        let version = kubernetes(Minor::V1_34).version();
        assert!(flags.contains(&format!("gitVersion={version} ")), "{flags}");
        assert!(
            flags.contains("gitMajor=1 ") && flags.ends_with("gitMinor=34"),
            "{flags}"
        );
    }

    #[test]
    fn the_cache_key_tells_versions_apart() {
        assert_ne!(
            kubernetes(Minor::V1_34).cache_key(),
            kubernetes(Minor::V1_37).cache_key()
        );
        assert!(ETCD.cache_key().starts_with("etcd-v3.7.3-"));
    }

    #[test]
    fn the_go_that_is_needed_is_known() {
        assert!(needed_go().starts_with("1."));
    }
}
