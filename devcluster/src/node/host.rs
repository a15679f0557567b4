//! The machine within the machine: namespaces, held by a first process that does nothing but collect orphans.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::component::Component;
use crate::error::Error;
use crate::sandbox::Sandbox;

use super::network::Network;

const SCRIPT: &str = include_str!("init.sh");
const ENTERED_WITHIN: Duration = Duration::from_secs(30);
const ASK_EVERY: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(crate) struct Host {
    /// `unshare`, whose child is the first process inside.
    pub(crate) init: Component,
    pub(crate) network: Network,
    /// In the sandbox: what is the node's.
    pub(crate) folder: PathBuf,
    pub(crate) snapshotter: String,
    /// The folder of all pods in each cgroup hierarchy, as `/name`.
    pub(crate) cgroup: String,
}

impl Host {
    /// Makes the namespaces and connects them.
    pub(crate) async fn start(sandbox: &Sandbox, pause: &Path) -> Result<Host, Error> {
        let folder = sandbox.dir().join("node");
        std::fs::create_dir(&folder).map_err(Error::io("make", &folder))?;
        let name = sandbox.dir().file_name().unwrap_or_default();
        let cgroup = format!("/{}", name.display());
        let mut args: Vec<OsString> = [
            "--mount",
            "--net",
            "--pid",
            "--fork",
            "--kill-child",
            "--propagation",
            "slave",
            "sh",
            "-c",
            SCRIPT,
            "devcluster-node",
        ]
        .map(OsString::from)
        .into();
        args.extend([folder.clone().into(), name.to_owned(), pause.into()]);
        let mut init = Component::start(sandbox, "node", Path::new("unshare"), args)?;
        let snapshotter = entered(&mut init, &folder).await?;
        let network = Network::connect(init.id())?;
        let link = folder.join("link");
        let text = format!("{} {}\n", network.link(), network.index()?);
        std::fs::write(&link, text).map_err(Error::io("write", &link))?;
        Ok(Host {
            init,
            network,
            folder,
            snapshotter,
            cgroup,
        })
    }

    /// The arguments of `nsenter` before the program: everything but the files of the machine is the node's own.
    pub(crate) fn enter(&self) -> Vec<OsString> {
        let process = format!("/proc/{}/ns", self.init.id());
        [
            format!("--mount={process}/mnt"),
            format!("--net={process}/net"),
            // `unshare` itself stays outside; its children are in.
            format!("--pid={process}/pid_for_children"),
            format!("--wd={}", self.folder.display()),
        ]
        .map(OsString::from)
        .into()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join("containerd.sock")
    }
}

/// Waits until the script is through; it leaves the name of the snapshotter that works here.
async fn entered(init: &mut Component, folder: &Path) -> Result<String, Error> {
    let (file, began) = (folder.join("snapshotter"), Instant::now());
    loop {
        if let Ok(text) = std::fs::read_to_string(&file) {
            return Ok(text.trim().to_owned());
        }
        init.check()?;
        if began.elapsed() > ENTERED_WITHIN {
            return Err(Error::NotReady {
                waiting_for: "the node's namespaces",
                after: ENTERED_WITHIN,
                last: String::new(),
                component: "node",
                tail: init.tail(),
            });
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}
