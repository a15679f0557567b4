//! The programs of a node: from the same module as the API server, CoreDNS from its own.

use std::path::PathBuf;
use std::process::Command;

use crate::assets::{COREDNS, Module, Program, kubernetes};
use crate::binaries::{NODE, announce, node_minor};
use crate::build;
use crate::cache::Cache;
use crate::error::Error;
use crate::image;
use crate::minor::Minor;

use super::check::check;
use super::config::PAUSE_IMAGE;

/// The first process of a pod, and of the node's namespaces: it waits, and collects orphans.
const PAUSE: &str = "pause";
const PAUSE_ARCHIVE: &str = "pause.tar";

#[derive(Debug, Clone)]
pub(crate) struct Programs {
    dir: PathBuf,
    pub(crate) coredns: PathBuf,
    /// The image, as an archive.
    pub(crate) pause: PathBuf,
    /// The folder of the CNI plugins, which the machine has.
    pub(crate) cni: PathBuf,
}

impl Programs {
    pub(crate) fn init(&self) -> PathBuf {
        self.dir.join(PAUSE)
    }

    pub(crate) fn kubelet(&self) -> PathBuf {
        self.dir.join(Program::Kubelet.file())
    }

    pub(crate) fn kube_proxy(&self) -> PathBuf {
        self.dir.join(Program::KubeProxy.file())
    }

    pub(crate) fn kube_scheduler(&self) -> PathBuf {
        self.dir.join(Program::Scheduler.file())
    }
}

/// Checks the machine, and builds what is lacking.
pub(crate) async fn ensure(minor: Minor) -> Result<Programs, Error> {
    let cache = Cache::of_user()?;
    let cni = check(cache.root())?;
    let module = kubernetes(node_minor(minor));
    if !is_built(&cache, &module) {
        let _lock = cache.lock().await?;
        // Unless the process that held the lock has built it.
        if !is_built(&cache, &module) {
            build::check(&cache, &module).await?;
            announce(&cache, &module, NODE, 5);
            build::fill(&cache, &module, &Program::NODE).await?;
            build::fill(&cache, &COREDNS, &[Program::CoreDns]).await?;
            pause(&cache, &module).await?;
        }
    }
    let dir = cache.dir(&module);
    Ok(Programs {
        coredns: cache.dir(&COREDNS).join(Program::CoreDns.file()),
        pause: dir.join(PAUSE_ARCHIVE),
        dir,
        cni,
    })
}

fn is_built(cache: &Cache, module: &Module) -> bool {
    cache.has(&COREDNS, Program::CoreDns)
        && Program::NODE
            .iter()
            .all(|program| cache.has(module, *program))
        && [PAUSE, PAUSE_ARCHIVE]
            .iter()
            .all(|file| cache.has_file(module, file))
}

/// Kubernetes has its source in the same module, in C.
async fn pause(cache: &Cache, module: &Module) -> Result<(), Error> {
    let (workshop, sources) = build::sources(cache, module, "k8s.io/kubernetes").await?;
    let root = workshop.dir().join("root");
    std::fs::create_dir(&root).map_err(Error::io("make", &root))?;
    let built = root.join(PAUSE);
    let mut compile = Command::new("cc");
    compile.args(["-static", "-Os", "-s", "-o"]).arg(&built);
    let output = compile
        .arg(sources.join("build/pause/linux/pause.c"))
        .output();
    let failed = |said: String| Error::NoCompiler(said);
    let output = output.map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(
            String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        ));
    }
    let archive = workshop.dir().join(PAUSE_ARCHIVE);
    // Nobody's user id, as in the image that Kubernetes publishes.
    image::archive(&root, PAUSE_IMAGE, &["/pause"], "65535:65535", &archive)?;
    cache.take_file(module, PAUSE_ARCHIVE, &archive)?;
    cache.take_file(module, PAUSE, &built)
}
