//! Whether this machine can have a node: asked before anything is built or started, and answered in full.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::Error;

/// The programs, each with the Debian package that has it.
const PROGRAMS: [(&str, &str); 9] = [
    ("containerd", "containerd"),
    ("containerd-shim-runc-v2", "containerd"),
    ("ctr", "containerd"),
    ("runc", "runc"),
    ("nft", "nftables"),
    ("ip", "iproute2"),
    ("unshare", "util-linux"),
    ("nsenter", "util-linux"),
    ("tar", "tar"),
];
const PLUGINS: [&str; 3] = ["ptp", "host-local", "loopback"];
/// Where distributions put CNI plugins.
const PLUGIN_FOLDERS: [&str; 3] = ["/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni"];
/// What the kubelet can't do without.
const CONTROLLERS: [&str; 3] = ["cpu", "memory", "pids"];
/// Where the node sees folders of its own.
const HIDDEN: [&str; 3] = ["/run", "/var/lib", "/var/log"];
/// `sockaddr_un` has 108 bytes; the longest socket in the cluster's folder.
const LONGEST_TEMP: usize = 108 - "/devcluster-xxxxxx/node/containerd.sock.ttrpc".len() - 1;

/// What matters of this machine.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    is_linux: bool,
    is_root: bool,
    missing_programs: Vec<(&'static str, &'static str)>,
    plugins: Option<PathBuf>,
    /// Of /sys/fs/cgroup, either version.
    controllers: Vec<String>,
    /// What `nft` said when it was asked for anything.
    nft: Result<(), String>,
    temp: PathBuf,
    /// Where the built programs are.
    cache: PathBuf,
}

/// The folder of CNI plugins, or everything that is in the way.
pub(crate) fn check(cache: &Path) -> Result<PathBuf, Error> {
    let machine = Machine::look(cache);
    let problems = machine.problems();
    match machine.plugins {
        Some(plugins) if problems.is_empty() => Ok(plugins),
        _ => Err(Error::NoNode(problems.join("\n  "))),
    }
}

impl Machine {
    fn look(cache: &Path) -> Machine {
        let temp = std::env::temp_dir();
        let is_root = rustix::process::geteuid().is_root();
        Machine {
            is_linux: cfg!(target_os = "linux"),
            is_root,
            missing_programs: PROGRAMS
                .into_iter()
                .filter(|(name, _)| !on_path(name))
                .collect(),
            plugins: plugins(),
            controllers: controllers(Path::new("/sys/fs/cgroup")),
            nft: if is_root && on_path("nft") {
                try_nft()
            } else {
                Ok(())
            },
            temp: temp.canonicalize().unwrap_or(temp),
            cache: cache.to_owned(),
        }
    }

    /// Each with what to do about it.
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !self.is_linux {
            problems.push("this is not Linux: run it in a Linux machine or container".to_owned());
        }
        if !self.is_root {
            problems.push("not root, who alone may make namespaces and cgroups: run it with sudo or in a root shell".to_owned());
        }
        for (program, package) in &self.missing_programs {
            problems.push(format!(
                "no program `{program}` on the PATH: install it (Debian package {package}; devcluster/node-packages.sh installs all)"
            ));
        }
        if self.plugins.is_none() {
            problems.push(format!(
                "no CNI plugins ({}) in $CNI_PATH, {}: install them (Debian package containernetworking-plugins)",
                PLUGINS.join(", "),
                PLUGIN_FOLDERS.join(", ")
            ));
        }
        for controller in CONTROLLERS {
            if !self.controllers.iter().any(|known| known == controller) {
                problems.push(format!(
                    "no cgroup controller `{controller}` in /sys/fs/cgroup: mount the cgroup file system (in a container: \
                     start that privileged and with its own cgroup namespace), or enable it in the kernel"
                ));
            }
        }
        if let Err(said) = &self.nft {
            problems.push(format!("nft doesn't work ({said}): the kernel needs nf_tables, which `modprobe nf_tables` loads if it is a module"));
        }
        for (folder, choice) in [(&self.temp, "TMPDIR"), (&self.cache, "DEVCLUSTER_CACHE")] {
            if let Some(hidden) = HIDDEN.into_iter().find(|hidden| folder.starts_with(hidden)) {
                problems.push(format!(
                    "{} is in {hidden}, where a node has a folder of its own: set {choice} to another folder",
                    folder.display()
                ));
            }
        }
        if self.temp.as_os_str().len() > LONGEST_TEMP {
            problems.push(format!(
                "the path {} is too long for sockets in it: set TMPDIR to a folder with at most {LONGEST_TEMP} characters",
                self.temp.display()
            ));
        }
        problems
    }
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn plugins() -> Option<PathBuf> {
    let chosen = std::env::var_os("CNI_PATH").unwrap_or_default();
    let chosen: Vec<PathBuf> = std::env::split_paths(&chosen)
        .filter(|folder| folder.is_absolute())
        .collect();
    chosen
        .into_iter()
        .chain(PLUGIN_FOLDERS.map(PathBuf::from))
        .find(|folder| PLUGINS.iter().all(|plugin| folder.join(plugin).is_file()))
}

/// Version 2 has a file that lists them, version 1 a folder for each.
fn controllers(root: &Path) -> Vec<String> {
    if let Ok(list) = std::fs::read_to_string(root.join("cgroup.controllers")) {
        return list.split_whitespace().map(str::to_owned).collect();
    }
    let is_there = |name: &&str| root.join(name).join("cgroup.procs").exists();
    CONTROLLERS
        .into_iter()
        .filter(is_there)
        .map(str::to_owned)
        .collect()
}

/// In a network namespace of its own, as the node does.
fn try_nft() -> Result<(), String> {
    let output = Command::new("unshare")
        .args(["--net", "nft", "add table ip devcluster"])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr)
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit() -> Machine {
        Machine {
            is_linux: true,
            is_root: true,
            missing_programs: vec![],
            plugins: Some("/usr/lib/cni".into()),
            controllers: CONTROLLERS.map(str::to_owned).into(),
            nft: Ok(()),
            temp: "/tmp".into(),
            cache: "/var/cache/devcluster".into(),
        }
    }

    fn only_problem(change: impl FnOnce(&mut Machine)) -> String {
        let mut machine = fit();
        change(&mut machine);
        let problems = machine.problems();
        assert_eq!(problems.len(), 1, "{problems:?}");
        problems.into_iter().next().unwrap_or_default()
    }

    #[test]
    fn a_fit_machine_has_no_problem() {
        assert_eq!(fit().problems(), Vec::<String>::new());
    }

    #[test]
    fn each_missing_part_is_named_with_what_to_do() {
        for (problem, named, advice) in [
            (only_problem(|m| m.is_root = false), "not root", "sudo"),
            (
                only_problem(|m| m.missing_programs = vec![("runc", "runc")]),
                "`runc`",
                "node-packages.sh",
            ),
            (
                only_problem(|m| m.plugins = None),
                "ptp",
                "containernetworking-plugins",
            ),
            (
                only_problem(|m| m.controllers.retain(|one| one != "pids")),
                "`pids`",
                "mount",
            ),
            (
                only_problem(|m| m.nft = Err("no such protocol".into())),
                "no such protocol",
                "modprobe nf_tables",
            ),
            (
                only_problem(|m| m.temp = "/run/user/0".into()),
                "/run/user/0",
                "TMPDIR",
            ),
            (
                only_problem(|m| m.cache = "/var/lib/ci/cache".into()),
                "/var/lib/ci",
                "DEVCLUSTER_CACHE",
            ),
            (
                only_problem(|m| m.temp = format!("/{}", "x".repeat(90)).into()),
                "too long",
                "TMPDIR",
            ),
        ] {
            assert!(
                problem.contains(named) && problem.contains(advice),
                "{problem}"
            );
        }
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let mut machine = fit();
        machine.is_root = false;
        machine.missing_programs = vec![("runc", "runc"), ("nft", "nftables")];
        assert_eq!(machine.problems().len(), 3);
    }

    #[test]
    fn controllers_are_found_in_both_versions_of_cgroups() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::create_dir(one.path().join("memory")).unwrap();
        std::fs::write(one.path().join("memory/cgroup.procs"), "").unwrap();
        // Not a controller that is mounted.
        std::fs::create_dir(one.path().join("cpu")).unwrap();
        std::fs::write(two.path().join("cgroup.controllers"), "cpuset cpu memory\n").unwrap();
        assert_eq!(controllers(one.path()), ["memory"]);
        assert_eq!(controllers(two.path()), ["cpuset", "cpu", "memory"]);
    }
}
