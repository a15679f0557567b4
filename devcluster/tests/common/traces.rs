//! What a node could leave on the machine, and whether it did.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::text_of;

/// Taken while a node runs.
pub struct Traces {
    folder: PathBuf,
    link: String,
    /// Namespaces that are not ours: `pid:[4026532211]`.
    namespaces: BTreeSet<String>,
    filter: String,
}

const KINDS: [&str; 3] = ["mnt", "net", "pid"];

impl Traces {
    pub fn of(folder: &Path) -> Traces {
        let link = std::fs::read_to_string(folder.join("node/link")).unwrap();
        let link = link.split(' ').next().unwrap().to_owned();
        let needle = folder.as_os_str().as_encoded_bytes();
        let mut namespaces = BTreeSet::new();
        for process in processes() {
            let environment = std::fs::read(process.join("environ")).unwrap_or_default();
            if environment
                .windows(needle.len())
                .any(|window| window == needle)
            {
                namespaces.extend(namespaces_of(&process));
            }
        }
        for own in namespaces_of(Path::new("/proc/self")) {
            namespaces.remove(&own);
        }
        let traces = Traces {
            folder: folder.to_owned(),
            link,
            namespaces,
            filter: filter(),
        };
        // Unless all of it is seen while it is there, its absence later says nothing.
        assert!(
            KINDS
                .iter()
                .all(|kind| traces.namespaces.iter().any(|one| one.starts_with(kind)))
        );
        assert!(!traces.cgroups().is_empty() && !traces.processes().is_empty());
        assert!(traces.interface().exists() && traces.has_route());
        traces
    }

    /// No process, and with the last of them no mount, interface, packet filter table of the node's; nothing outside.
    #[track_caller]
    pub fn assert_nothing_left(&self) {
        assert_eq!(
            self.processes(),
            Vec::<String>::new(),
            "processes in the node's namespaces"
        );
        assert_eq!(self.cgroups(), Vec::<PathBuf>::new(), "cgroups");
        assert!(
            !self.interface().exists() && !self.has_route(),
            "{} is left",
            self.link
        );
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(self.folder.to_str().unwrap()), "{mounts}");
        assert_eq!(self.filter, filter(), "the machine's own packet filter");
        assert!(!self.folder.exists());
    }

    fn interface(&self) -> PathBuf {
        Path::new("/sys/class/net").join(&self.link)
    }

    fn has_route(&self) -> bool {
        let routes = std::fs::read_to_string("/proc/net/route").unwrap();
        routes
            .lines()
            .any(|line| line.split('\t').next() == Some(&self.link))
    }

    fn processes(&self) -> Vec<String> {
        let is_inside = |process: &PathBuf| {
            namespaces_of(process)
                .iter()
                .any(|one| self.namespaces.contains(one))
        };
        let name =
            |process: PathBuf| std::fs::read_to_string(process.join("comm")).unwrap_or_default();
        processes().filter(is_inside).map(name).collect()
    }

    fn cgroups(&self) -> Vec<PathBuf> {
        let (name, root) = (
            self.folder.file_name().unwrap(),
            Path::new("/sys/fs/cgroup"),
        );
        let hierarchies = std::fs::read_dir(root)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let all = std::iter::once(root.to_owned()).chain(hierarchies);
        all.map(|folder| folder.join(name))
            .filter(|folder| folder.exists())
            .collect()
    }
}

fn processes() -> impl Iterator<Item = PathBuf> {
    let is_number = |path: &PathBuf| {
        path.file_name()
            .unwrap()
            .to_string_lossy()
            .parse::<u32>()
            .is_ok()
    };
    std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .filter(is_number)
}

fn namespaces_of(process: &Path) -> Vec<String> {
    let link = |kind| std::fs::read_link(process.join("ns").join(kind));
    KINDS
        .into_iter()
        .filter_map(|kind| Some(link(kind).ok()?.display().to_string()))
        .collect()
}

fn filter() -> String {
    text_of(
        &std::process::Command::new("nft")
            .args(["list", "ruleset"])
            .output()
            .unwrap(),
    )
}
