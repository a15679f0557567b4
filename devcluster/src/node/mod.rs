//! A node beside the control plane: containerd, kubelet and kube-proxy in namespaces of their own (mounts, network,
//! processes), kube-scheduler and CoreDNS next to the API server.
//!
//! The namespaces are what keeps the machine clean. Mounts, interfaces, packet filter tables and processes of the node
//! exist only in there, and the kernel removes them when the first process in there ends. Outside there is one end of
//! a cable (`network`), which goes with the other end, and a folder in each cgroup hierarchy, which the watchdog removes.

pub(crate) mod check;
mod config;
mod dns;
mod host;
mod network;
mod prepare;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::component::Component;
use crate::error::Error;
use crate::kubeconfig;
use crate::pki::Pki;
use crate::private;
use crate::probe::Probe;
use crate::sandbox::Sandbox;

pub(crate) use host::Host;
pub(crate) use network::Network;
pub(crate) use prepare::{Programs, ensure};

/// The node's name.
pub(crate) const NAME: &str = "devcluster";
/// Node Ready takes some 8 s on an idle machine; a loaded one gets a multiple of that.
const READY_WITHIN: Duration = Duration::from_mins(3);
const ASK_EVERY: Duration = Duration::from_millis(100);

/// What runs, in the order of the start. The first is the one that takes all others inside along.
#[derive(Debug)]
pub(crate) struct Node {
    host: Host,
    components: Vec<Component>,
}

/// What a node is started from.
pub(crate) struct Plan<'a> {
    pub(crate) sandbox: &'a Sandbox,
    pub(crate) pki: &'a Pki,
    pub(crate) probe: &'a Probe,
    pub(crate) server_url: &'a str,
    pub(crate) programs: &'a Programs,
    pub(crate) images: &'a [PathBuf],
}

impl Node {
    pub(crate) fn new(host: Host) -> Node {
        Node {
            host,
            components: Vec::new(),
        }
    }

    pub(crate) fn network(&self) -> &Network {
        &self.host.network
    }

    pub(crate) fn components(&mut self) -> impl Iterator<Item = &mut Component> {
        std::iter::once(&mut self.host.init).chain(&mut self.components)
    }

    pub(crate) fn check(&mut self) -> Result<(), Error> {
        self.components().try_for_each(Component::check)
    }

    /// For commands beside the cluster: where containerd is, and where they themselves are for pods.
    pub(crate) fn environment(&self) -> [(&'static str, String); 4] {
        let socket = self.host.socket().display().to_string();
        [
            ("CONTAINERD_ADDRESS", socket),
            ("CONTAINERD_NAMESPACE", "k8s.io".to_owned()),
            ("CONTAINERD_SNAPSHOTTER", self.host.snapshotter.clone()),
            ("DEVCLUSTER_HOST", self.network().host()),
        ]
    }

    /// Starts everything, and waits until pods can run and names resolve.
    pub(crate) async fn start(&mut self, plan: Plan<'_>, kubectl: Command) -> Result<(), Error> {
        self.write_files(&plan)?;
        self.run_inside(&plan, "containerd", Path::new("containerd"), &["--config"])?;
        self.wait_for_containerd(plan.sandbox).await?;
        for image in std::iter::once(&plan.programs.pause).chain(plan.images) {
            self.import(plan.sandbox, image)?;
        }
        apply(kubectl, &config::objects(self.network()))?;
        let programs = plan.programs;
        let folder = self.host.folder.clone();
        let kubelet = [
            format!("--root-dir={}", folder.join("kubelet").display()),
            format!("--hostname-override={NAME}"),
            format!("--node-ip={}", self.network().node()),
            format!(
                "--kubeconfig={}",
                folder.join("kubelet.kubeconfig").display()
            ),
            "--config".to_owned(),
        ];
        let kubelet: Vec<&str> = kubelet.iter().map(String::as_str).collect();
        self.run_inside(&plan, "kubelet", &programs.kubelet(), &kubelet)?;
        self.run_inside(&plan, "kube-proxy", &programs.kube_proxy(), &["--config"])?;
        let scheduler = [
            format!(
                "--kubeconfig={}",
                folder.join("kube-scheduler.kubeconfig").display()
            ),
            "--leader-elect=false".to_owned(),
            "--secure-port=0".to_owned(),
        ];
        self.run_outside(
            &plan,
            "kube-scheduler",
            &programs.kube_scheduler(),
            &scheduler,
        )?;
        let coredns = [
            "-conf".to_owned(),
            self.config_of("coredns").display().to_string(),
        ];
        self.run_outside(&plan, "coredns", &programs.coredns, &coredns)?;
        self.wait_until_ready(plan.probe).await
    }

    /// The configuration that a component is given.
    fn config_of(&self, component: &str) -> PathBuf {
        self.host.folder.join(format!("{component}.config"))
    }

    fn write_files(&self, plan: &Plan<'_>) -> Result<(), Error> {
        let Host {
            network, folder, ..
        } = &self.host;
        let resolver = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
        for (name, text) in [
            (
                "containerd",
                config::containerd(&self.host, &plan.programs.cni),
            ),
            (
                "kubelet",
                config::kubelet(&self.host, plan.sandbox, plan.pki),
            ),
            ("kube-proxy", config::kube_proxy(&self.host)),
            (
                "coredns",
                config::coredns(network, &folder.join("coredns.kubeconfig"), &resolver),
            ),
        ] {
            private::write(&self.config_of(name), &text)?;
        }
        let cni = folder.join("cni");
        std::fs::create_dir(&cni).map_err(Error::io("make", &cni))?;
        private::write(&cni.join("10-devcluster.conflist"), &config::cni(network))?;
        private::write(
            &folder.join("resolv.conf"),
            &format!("nameserver {}\n", network.dns()),
        )?;
        for (name, identity) in plan.pki.node_identities() {
            let text = kubeconfig::for_identity(plan.server_url, &plan.pki.ca, identity);
            private::write(&folder.join(format!("{name}.kubeconfig")), &text)?;
        }
        Ok(())
    }

    fn run_inside(
        &mut self,
        plan: &Plan<'_>,
        name: &'static str,
        program: &Path,
        args: &[&str],
    ) -> Result<(), Error> {
        // Each ends with the flag whose value is its configuration.
        let config = self.config_of(name);
        let inside = self
            .host
            .enter()
            .into_iter()
            .chain([program.as_os_str().to_owned()]);
        let all = inside
            .chain(args.iter().map(Into::into))
            .chain([config.into_os_string()])
            .collect();
        let component = Component::start(plan.sandbox, name, Path::new("nsenter"), all)?;
        self.components.push(component);
        Ok(())
    }

    fn run_outside(
        &mut self,
        plan: &Plan<'_>,
        name: &'static str,
        program: &Path,
        args: &[String],
    ) -> Result<(), Error> {
        let args = args.iter().map(Into::into).collect();
        let component = Component::start(plan.sandbox, name, program, args)?;
        self.components.push(component);
        Ok(())
    }

    fn ctr(&self, sandbox: &Sandbox) -> Command {
        let mut command = sandbox.component("ctr".as_ref());
        command.envs(self.environment());
        command
    }

    async fn wait_for_containerd(&mut self, sandbox: &Sandbox) -> Result<(), Error> {
        let began = Instant::now();
        loop {
            let output = output_of(self.ctr(sandbox).arg("version"))?;
            if output.status.success() {
                return Ok(());
            }
            let last = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            self.patience(began, "containerd", "containerd", last)?;
            tokio::time::sleep(ASK_EVERY).await;
        }
    }

    fn import(&self, sandbox: &Sandbox, image: &Path) -> Result<(), Error> {
        let mut command = self.ctr(sandbox);
        // Not --all-platforms: only what this machine can run has to be whole.
        command.args(["images", "import"]).arg(image);
        let output = output_of(&mut command)?;
        if output.status.success() {
            return Ok(());
        }
        Err(Error::Image {
            file: image.to_owned(),
            said: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        })
    }

    async fn wait_until_ready(&mut self, probe: &Probe) -> Result<(), Error> {
        let began = Instant::now();
        let path = format!("/api/v1/nodes/{NAME}");
        loop {
            let last = match probe.json(&path).await {
                Ok(node) if is_ready(&node) => break,
                Ok(node) => readiness(&node).to_string(),
                Err(error) => error,
            };
            self.patience(began, "Ready of the node", "kubelet", last)?;
            tokio::time::sleep(ASK_EVERY).await;
        }
        // By the address of its service: what a pod asks, kube-proxy included.
        loop {
            let last =
                match dns::resolve(self.network().dns(), "kubernetes.default.svc.cluster.local")
                    .await
                {
                    Ok(()) => return Ok(()),
                    Err(error) => error,
                };
            self.patience(began, "an answer of the cluster's DNS", "coredns", last)?;
            tokio::time::sleep(ASK_EVERY).await;
        }
    }

    /// Fails if something has ended, or it has been too long.
    fn patience(
        &mut self,
        began: Instant,
        waiting_for: &'static str,
        component: &'static str,
        last: String,
    ) -> Result<(), Error> {
        self.check()?;
        if began.elapsed() < READY_WITHIN {
            return Ok(());
        }
        let of = |running: &&mut Component| running.name() == component;
        let tail = self.components().find(of).map(|running| running.tail());
        Err(Error::NotReady {
            waiting_for,
            after: READY_WITHIN,
            last,
            component,
            tail: tail.unwrap_or_default(),
        })
    }
}

fn output_of(command: &mut Command) -> Result<std::process::Output, Error> {
    command.output().map_err(|source| Error::Spawn {
        program: command.get_program().display().to_string(),
        source,
    })
}

/// Makes the objects that the node's parts need.
fn apply(mut kubectl: Command, objects: &Value) -> Result<(), Error> {
    let file = tempfile::tempfile().and_then(|mut file| {
        use std::io::{Seek as _, Write as _};
        file.write_all(objects.to_string().as_bytes())?;
        file.rewind()?;
        Ok(file)
    });
    let file = file.map_err(Error::io("write to", &std::env::temp_dir()))?;
    let output = output_of(kubectl.args(["create", "-f", "-"]).stdin(Stdio::from(file)))?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::Objects(
        String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    ))
}

fn readiness(node: &Value) -> &Value {
    let conditions = node["status"]["conditions"].as_array();
    let ready = conditions.and_then(|all| all.iter().find(|one| one["type"] == "Ready"));
    ready.unwrap_or(&Value::Null)
}

fn is_ready(node: &Value) -> bool {
    readiness(node)["status"] == "True"
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_node_is_ready_when_it_says_so_and_not_before_it_says_anything() {
        let node = |status: &str| {
            json!({"status": {"conditions": [
                {"type": "MemoryPressure", "status": "True"}, {"type": "Ready", "status": status}
            ]}})
        };
        assert!(is_ready(&node("True")));
        assert!(!is_ready(&node("False")) && !is_ready(&node("Unknown")));
        assert!(!is_ready(&json!({"metadata": {}})));
    }
}
