//! A control plane, an emulator, and what an operator needs to work there.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use devcluster::{DevCluster, Minor, Options};
use serde_json::{Value, json};
use tempfile::TempDir;

pub mod api;
pub mod emulator;
pub mod fleet;
pub mod operator;
pub mod process;

use crate::Result;
use crate::audit::Audit;
use crate::procs::{self, Usage};
use api::Api;
use emulator::Emulator;

/// The partner's application.
pub const CLIENT: &str = "0c4f3a52-9d1b-4c3e-8f57-2a6b9e1d4f88";
/// Its secret, of the length that Entra's have.
pub const SECRET: &str = "bench~8Q.aB3dE5fG7hI9jK1lM2nO4pQ6rS8tU0v";
/// The operator's namespace, as its manifests name it.
pub const HOME: &str = "defender-tenant-operator";
/// The DefenderApplication that all tenants refer to.
pub const APPLICATION: &str = "bench";
/// The longest run, with some to spare.
const TOKEN_SECONDS: u32 = 12 * 3600;

const CRDS: [&str; 2] = [
    include_str!("../../../crds/defendertenants.yaml"),
    include_str!("../../../crds/defenderapplications.yaml"),
];
const RBAC: &str = include_str!("../../../deploy/rbac.yaml");

/// Where the programs are that are measured.
pub struct Programs {
    /// The operator.
    pub operator: PathBuf,
    /// The emulator.
    pub emulator: PathBuf,
    /// This one.
    pub bench: PathBuf,
}

impl Programs {
    /// Beside this one, where cargo puts them.
    pub fn beside_this() -> Result<Self> {
        let bench = std::env::current_exe()?;
        let folder = bench.parent().ok_or("no folder")?;
        Ok(Self {
            operator: folder.join("defender-tenant-operator"),
            emulator: folder.join("entra-emulator"),
            bench,
        })
    }
}

/// Where everything is measured.
pub struct Lab {
    /// The administrator's client.
    pub api: Api,
    /// Microsoft.
    pub emulator: Emulator,
    /// What is measured.
    pub programs: Programs,
    /// Tenants that there are: the numbers below this.
    pub size: usize,
    /// The operator's token for the API server.
    pub token: String,
    kubeconfig: PathBuf,
    audit: PathBuf,
    server_pids: [u32; 2],
    cluster: DevCluster,
    folder: TempDir,
    starts: AtomicUsize,
}

/// The servers' processes at an instant.
#[derive(Debug, Clone, Copy, Default)]
pub struct Servers {
    /// kube-apiserver.
    pub apiserver: Usage,
    /// etcd.
    pub etcd: Usage,
    /// The emulator.
    pub emulator: Usage,
}

impl Lab {
    /// Starts everything but the operator.
    pub async fn start() -> Result<Self> {
        Self::start_with(&[]).await
    }

    /// The same, with more flags of the API server.
    pub async fn start_with(flags: &[&str]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let audit = folder.path().join("audit.jsonl");
        let minor = Minor::from_env()?;
        let mut options = Options::new(minor).audit_log(&audit);
        for flag in flags {
            options = options.api_server_flag(*flag);
        }
        let mut cluster = DevCluster::start(options).await?;
        let api = Api::new(&std::fs::read_to_string(cluster.kubeconfig())?)?;
        install(&api).await?;
        // It collects no garbage of kinds that it doesn't know yet.
        cluster.restart_controller_manager().await?;
        let programs = Programs::beside_this()?;
        let emulator = Emulator::start(&cluster, &programs.emulator, folder.path())?;
        emulator.application(CLIENT, SECRET).await?;
        let token = account_token(&api).await?;
        let kubeconfig = folder.path().join("operator.kubeconfig");
        let text = cluster.kubeconfig_for_token(cluster.server_url(), &token);
        std::fs::write(&kubeconfig, text)?;
        let server_pids = [
            procs::find(cluster.dir(), "kube-apiserver")?,
            procs::find(cluster.dir(), "etcd")?,
        ];
        Ok(Self {
            api,
            emulator,
            programs,
            size: 0,
            token,
            kubeconfig,
            audit,
            server_pids,
            cluster,
            folder,
            starts: AtomicUsize::new(0),
        })
    }

    /// What the API server is asked from now on.
    pub fn audit(&self) -> Result<Audit> {
        Audit::from_now(&self.audit)
    }

    /// What the servers have used so far.
    pub fn servers(&self) -> Result<Servers> {
        let [apiserver, etcd] = self.server_pids;
        Ok(Servers {
            apiserver: Usage::of(apiserver)?,
            etcd: Usage::of(etcd)?,
            emulator: Usage::of(self.emulator.pid())?,
        })
    }

    /// `127.0.0.1:<port>` of the API server.
    pub fn server(&self) -> &str {
        self.cluster.server_url().trim_start_matches("https://")
    }

    /// The CA of the API server.
    pub fn server_ca(&self) -> &str {
        self.cluster.ca_certificate()
    }

    /// A folder for files of this run.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A command whose process ends with the lab.
    pub fn command(&self, program: &Path) -> std::process::Command {
        process::command(&self.cluster, program)
    }

    /// Puts this client secret into the application's credential.
    pub async fn credential(&self, secret: &str) -> Result<()> {
        let body = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "partner", "namespace": HOME, "labels": {"defendertenant.io/credential": "true"}},
            "stringData": {"client-secret": secret},
        });
        let path = format!("/api/v1/namespaces/{HOME}/secrets/partner");
        self.api.apply(&path, &body).await.map(drop)
    }

    /// No process leads, and no number of shards is agreed on.
    pub async fn forget_leases(&self) -> Result<()> {
        let path = format!("/apis/coordination.k8s.io/v1/namespaces/{HOME}/leases");
        self.api.delete(&path).await.map(drop)
    }

    /// `v1.37.2`
    pub async fn kubernetes(&self) -> Result<String> {
        let version = self.api.get("/version").await?;
        Ok(version["gitVersion"]
            .as_str()
            .unwrap_or_default()
            .to_owned())
    }

    /// Ends everything.
    pub async fn stop(self) -> Result<()> {
        drop(self.emulator);
        Ok(self.cluster.stop().await?)
    }
}

/// CRDs, permissions, namespaces, the application and its credential.
async fn install(api: &Api) -> Result<()> {
    let namespaces = std::iter::once(HOME.to_owned()).chain(fleet::namespaces());
    for name in namespaces {
        let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        api.create("/api/v1/namespaces", &body).await?;
    }
    for text in CRDS {
        let crd: Value = serde_saphyr::from_str(text)?;
        let name = crd["metadata"]["name"].as_str().unwrap_or_default();
        let path = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}");
        api.apply(&path, &crd).await?;
    }
    api.apply_manifest(RBAC).await?;
    let grants = json!([{
        "namespaces": {"names": fleet::namespaces().collect::<Vec<_>>()}, "allTenants": true,
    }]);
    let application = json!({
        "apiVersion": "defendertenant.io/v1alpha1", "kind": "DefenderApplication",
        "metadata": {"name": APPLICATION},
        "spec": {
            "clientId": CLIENT, "grants": grants,
            "credentials": [{"name": "first", "clientSecret": {"secretRef": {"name": "partner"}}}],
        },
    });
    let path = format!("/apis/defendertenant.io/v1alpha1/defenderapplications/{APPLICATION}");
    // A CRD is served a moment after it is accepted.
    let mut attempts = 0;
    while let Err(error) = api.apply(&path, &application).await {
        attempts += 1;
        if attempts == 100 {
            return Err(error);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

async fn account_token(api: &Api) -> Result<String> {
    let body = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
        "spec": {"expirationSeconds": TOKEN_SECONDS},
    });
    let path = format!("/api/v1/namespaces/{HOME}/serviceaccounts/{HOME}/token");
    let answer = api.create(&path, &body).await?;
    let token = answer.pointer("/status/token").and_then(Value::as_str);
    Ok(token.ok_or("no token")?.to_owned())
}
