//! A control plane from start to end.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::binaries::{self, Binaries};
use crate::component::Component;
use crate::error::Error;
use crate::flags::{self, Audit, Place};
use crate::kubeconfig;
use crate::node::{self, Host, Node, Plan};
use crate::options::{NodeOptions, Options};
use crate::pki::Pki;
use crate::ports;
use crate::private;
use crate::probe::Probe;
use crate::sandbox::Sandbox;

const AUDIT_POLICY: &str = include_str!("audit-policy.yaml");
/// It takes 3 s on an idle machine; a loaded one gets a multiple of that.
const READY_WITHIN: Duration = Duration::from_mins(2);
/// How often what is not ready is asked again.
const ASK_EVERY: Duration = Duration::from_millis(50);
/// Another process may take a port between its choice and its use.
const PORT_ATTEMPTS: u32 = 5;

/// A running control plane. It ends with this value, and with this process however that ends.
pub struct DevCluster {
    // Fields are dropped in this order: the sandbox ends the processes.
    sandbox: Sandbox,
    components: Components,
    binaries: Binaries,
    pki: Pki,
    place: Place,
    server_url: String,
    kubeconfig: PathBuf,
    audit_log: Option<PathBuf>,
    api_server_flags: Vec<String>,
    probe: Probe,
}

/// None: not started yet, or killed.
#[derive(Debug, Default)]
struct Components {
    etcd: Option<Component>,
    api_server: Option<Component>,
    controller_manager: Option<Component>,
    node: Option<Node>,
}

impl Components {
    fn running(&mut self) -> impl Iterator<Item = &mut Component> {
        [
            &mut self.etcd,
            &mut self.api_server,
            &mut self.controller_manager,
        ]
        .into_iter()
        .flatten()
        .chain(self.node.iter_mut().flat_map(Node::components))
    }
}

impl DevCluster {
    /// Starts a control plane and waits until it is ready. Builds the binaries first if there are none, which takes
    /// minutes and is said on standard error.
    pub async fn start(options: Options) -> Result<DevCluster, Error> {
        // First, because it may refuse, and because the rest may take minutes to build.
        let node = match &options.node {
            Some(_) => Some(node::ensure(options.minor).await?),
            None => None,
        };
        let binaries = binaries::ensure(options.minor).await?;
        let audit_log = options
            .audit_log
            .as_deref()
            .map(new_audit_log)
            .transpose()?;
        let mut attempt = 1;
        loop {
            let mut cluster = DevCluster::prepare(
                binaries.clone(),
                audit_log.clone(),
                options.api_server_flags.clone(),
                node.as_ref(),
            )
            .await?;
            let node = node.as_ref().zip(options.node.as_ref());
            match cluster.start_all(node).await {
                Ok(()) => return Ok(cluster),
                Err(error) if error.is_port_taken() && attempt < PORT_ATTEMPTS => attempt += 1,
                Err(error) => return Err(error),
            }
        }
    }

    async fn prepare(
        binaries: Binaries,
        audit_log: Option<PathBuf>,
        api_server_flags: Vec<String>,
        node: Option<&node::Programs>,
    ) -> Result<DevCluster, Error> {
        let mut sandbox = Sandbox::new_in(&std::env::temp_dir(), "TMPDIR")?;
        let node = match node {
            Some(programs) => Some(Node::new(Host::start(&sandbox, &programs.init()).await?)),
            None => None,
        };
        let network = node.as_ref().map(Node::network);
        if let Some(network) = network {
            let before = std::env::var("NO_PROXY").or_else(|_| std::env::var("no_proxy"));
            sandbox.set_no_proxy(network.no_proxy(&before.unwrap_or_default()));
        }
        let pki = Pki::generate(&sandbox.dir().join("pki"), network)?;
        let place = Place::of(network, ports::free()?);
        let server_url = format!("https://{}:{}", place.address, place.port);
        let cluster = DevCluster {
            probe: Probe::new(&pki, &server_url)?,
            kubeconfig: sandbox.dir().join("admin.kubeconfig"),
            components: Components {
                node,
                ..Components::default()
            },
            sandbox,
            binaries,
            pki,
            place,
            server_url,
            audit_log,
            api_server_flags,
        };
        let url = cluster.server_url();
        private::write(&cluster.kubeconfig, &cluster.kubeconfig_for_server(url))?;
        let manager =
            kubeconfig::for_identity(url, &cluster.pki.ca, &cluster.pki.controller_manager);
        private::write(&cluster.controller_manager_kubeconfig(), &manager)?;
        private::write(&cluster.audit_policy(), AUDIT_POLICY)?;
        Ok(cluster)
    }

    async fn start_all(
        &mut self,
        node: Option<(&node::Programs, &NodeOptions)>,
    ) -> Result<(), Error> {
        self.components.etcd = Some(Component::start(
            &self.sandbox,
            "etcd",
            &self.binaries.etcd(),
            flags::etcd(),
        )?);
        // It waits for etcd by itself.
        self.launch_api_server()?;
        self.wait_for("kube-apiserver", "/readyz").await?;
        self.launch_controller_manager()?;
        self.wait_for(
            "kube-controller-manager",
            "/api/v1/namespaces/default/serviceaccounts/default",
        )
        .await?;
        let kubectl = self.command("kubectl");
        match (node, &mut self.components.node) {
            (Some((programs, options)), Some(node)) => {
                let plan = Plan {
                    sandbox: &self.sandbox,
                    pki: &self.pki,
                    probe: &self.probe,
                    server_url: &self.server_url,
                    programs,
                    images: &options.images,
                };
                node.start(plan, kubectl).await
            }
            _ => Ok(()),
        }
    }

    /// The administrator's kubeconfig.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// `https://127.0.0.1:<port>`; with a node, at the address of this machine that pods reach.
    #[must_use]
    pub fn server_url(&self) -> &str {
        &self.server_url
    }

    /// The folder of the binaries, among them `kubectl`.
    #[must_use]
    pub fn bin_dir(&self) -> &Path {
        &self.binaries.dir
    }

    /// The file of the audit log, if one was asked for.
    #[must_use]
    pub fn audit_log(&self) -> Option<&Path> {
        self.audit_log.as_deref()
    }

    /// The cluster's temporary folder: `<component>.log`, the data, and `pki/` (`ca.crt`, and `apiserver.crt` and
    /// `apiserver.key`, with which a proxy in front of the API server can pass for it on 127.0.0.1).
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.sandbox.dir()
    }

    /// The certificate of the cluster's CA, as PEM.
    #[must_use]
    pub fn ca_certificate(&self) -> &str {
        &self.pki.ca
    }

    /// An administrator's kubeconfig (as text) for another URL, such as that of a proxy.
    #[must_use]
    pub fn kubeconfig_for_server(&self, server: &str) -> String {
        kubeconfig::for_identity(server, &self.pki.ca, &self.pki.admin)
    }

    /// A kubeconfig (as text) for a bearer token, such as that of a service account.
    #[must_use]
    pub fn kubeconfig_for_token(&self, server: &str, token: &str) -> String {
        kubeconfig::for_token(server, &self.pki.ca, token)
    }

    /// A command with `KUBECONFIG` (administrator) and the cluster's own `kubectl` first on its `PATH`. The process
    /// and its children end with the cluster: SIGTERM, and SIGKILL 5 s later.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = self.sandbox.guest(program.as_ref());
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders =
            std::iter::once(self.binaries.dir.clone()).chain(std::env::split_paths(&path));
        // A folder that can't be on a PATH (with a colon in its name) leaves the PATH as it is.
        command
            .env("PATH", std::env::join_paths(folders).unwrap_or(path))
            .env("KUBECONFIG", &self.kubeconfig)
            // By default kubectl leaves a folder for each port in the user's home, and believes it
            // when the port comes again.
            .env("KUBECACHEDIR", self.dir().join("kubectl-cache"));
        if let Some(node) = &self.components.node {
            command.envs(node.environment());
        }
        command
    }

    /// Writes the administrator's kubeconfig to a new file, which is deleted with the cluster.
    pub fn write_kubeconfig(&self, file: &Path) -> Result<(), Error> {
        self.sandbox
            .write_outside(file, &self.kubeconfig_for_server(self.server_url()))
    }

    /// Fails if a component has ended that should run.
    pub fn check(&mut self) -> Result<(), Error> {
        self.components.running().try_for_each(Component::check)
    }

    /// SIGKILL to the API server: an outage, until [`DevCluster::start_apiserver`].
    #[expect(
        clippy::unused_async,
        reason = "kills at once today; callers should not depend on that"
    )]
    pub async fn kill_apiserver(&mut self) -> Result<(), Error> {
        self.components
            .api_server
            .take()
            .map_or(Ok(()), |mut component| component.kill())
    }

    /// Starts the API server again unless it runs, on the same port and data, and waits until it is ready.
    pub async fn start_apiserver(&mut self) -> Result<(), Error> {
        let mut attempt = 1;
        loop {
            if self.components.api_server.is_none() {
                self.launch_api_server()?;
            }
            let Err(error) = self.wait_for("kube-apiserver", "/readyz").await else {
                return Ok(());
            };
            // So that a later call tries again.
            self.kill_apiserver().await?;
            if !error.is_port_taken() || attempt == PORT_ATTEMPTS {
                return Err(error);
            }
            attempt += 1;
        }
    }

    /// Starts the controller manager anew. It learns of new custom resources each 30 s, which is not configurable, and
    /// collects no garbage of theirs before; a new one knows them within a second or two.
    pub async fn restart_controller_manager(&mut self) -> Result<(), Error> {
        if let Some(mut component) = self.components.controller_manager.take() {
            component.kill()?;
        }
        // It gives up when it finds no API server.
        self.wait_for("kube-apiserver", "/readyz").await?;
        self.launch_controller_manager()
    }

    /// Ends all processes and removes the folder, and returns when that is done.
    pub async fn stop(self) -> Result<(), Error> {
        let dir = self.dir().to_owned();
        let ended = tokio::task::spawn_blocking(move || drop(self)).await;
        ended.map_err(|error| Error::io("end the cluster in", &dir)(std::io::Error::other(error)))
    }

    fn launch_api_server(&mut self) -> Result<(), Error> {
        let policy = self.audit_policy();
        let audit = self.audit_log.as_deref().map(|log| Audit {
            policy: &policy,
            log,
        });
        let args = flags::api_server(
            &self.pki,
            &self.place,
            audit.as_ref(),
            &self.api_server_flags,
        );
        let program = self.binaries.api_server();
        self.components.api_server = Some(Component::start(
            &self.sandbox,
            "kube-apiserver",
            &program,
            args,
        )?);
        Ok(())
    }

    fn launch_controller_manager(&mut self) -> Result<(), Error> {
        let args = flags::controller_manager(
            &self.pki,
            &self.controller_manager_kubeconfig(),
            &self.place,
        );
        let program = self.binaries.controller_manager();
        self.components.controller_manager = Some(Component::start(
            &self.sandbox,
            "kube-controller-manager",
            program,
            args,
        )?);
        Ok(())
    }

    /// Waits until the API server answers 200 to `path`, which `component` brings about.
    async fn wait_for(&mut self, component: &'static str, path: &'static str) -> Result<(), Error> {
        let started = Instant::now();
        loop {
            let answer = self.probe.is_ok(path).await;
            self.check()?;
            let Err(last) = answer else { return Ok(()) };
            if started.elapsed() > READY_WITHIN {
                let tail = self
                    .components
                    .running()
                    .find(|running| running.name() == component)
                    .map(|running| running.tail());
                let tail = tail.unwrap_or_default();
                return Err(Error::NotReady {
                    waiting_for: path,
                    after: READY_WITHIN,
                    last,
                    component,
                    tail,
                });
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }

    fn controller_manager_kubeconfig(&self) -> PathBuf {
        self.dir().join("controller-manager.kubeconfig")
    }

    fn audit_policy(&self) -> PathBuf {
        self.dir().join("audit-policy.yaml")
    }
}

impl fmt::Debug for DevCluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the keys.
        f.debug_struct("DevCluster")
            .field("server_url", &self.server_url)
            .field("dir", &self.dir())
            .finish_non_exhaustive()
    }
}

impl Drop for DevCluster {
    fn drop(&mut self) {
        self.sandbox.close();
        // They are dead by now, and waited for; if the watchdog was killed from outside, this ends them.
        for component in self.components.running() {
            let _ = component.kill();
        }
        self.sandbox.close();
    }
}

/// Empty and absolute: the API server runs in another folder, and appends.
fn new_audit_log(file: &Path) -> Result<PathBuf, Error> {
    let file = std::path::absolute(file).map_err(Error::io("find", file))?;
    fs::File::create(&file).map_err(Error::io("make the audit log", &file))?;
    Ok(file)
}
