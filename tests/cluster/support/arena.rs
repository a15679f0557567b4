//! The control plane that all tests share, or one of a test's own.

use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;

use devcluster::{DevCluster, Minor, Options};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::wait::{Patience, eventually};

/// Field manager of what tests apply.
pub const MANAGER: &str = "test";
/// The CRDs as they are committed.
const CRD: &str = include_str!("../../../crds/defendertenants.yaml");
const APPLICATION_CRD: &str = include_str!("../../../crds/defenderapplications.yaml");

/// One runtime for all tests: connections, emulators and the cluster outlive the test that made them.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime")
});

/// Runs a test's body.
pub fn run<T>(body: impl Future<Output = T>) -> T {
    RUNTIME.block_on(body)
}

/// A control plane that is started when somebody wants it.
pub type Slot = Option<Arc<Arena>>;

/// A control plane with the administrator's client.
pub struct Arena {
    /// The control plane. Its own requests (start, kill) exclude each other.
    pub cluster: Mutex<DevCluster>,
    /// The administrator.
    pub admin: Client,
    server: String,
    audit: PathBuf,
    _folder: Option<TempDir>,
}

impl Arena {
    /// The one that all tests share, with the CRD. It ends with this process: its watchdog sees to that.
    pub async fn shared() -> Arc<Self> {
        static SHARED: OnceLock<Arc<Arena>> = OnceLock::new();
        static STARTING: Mutex<()> = Mutex::const_new(());
        let _one = STARTING.lock().await;
        if let Some(arena) = SHARED.get() {
            return arena.clone();
        }
        let arena = Self::start(shared_audit_log("shared"), None).await;
        arena.install_crd().await;
        SHARED.get_or_init(|| arena).clone()
    }

    /// One of a few for tests whose operator serves the whole cluster: one test at a time has it.
    pub async fn cluster_wide() -> (Arc<Self>, OwnedMutexGuard<Slot>) {
        static SLOTS: LazyLock<[Arc<Mutex<Slot>>; 3]> = LazyLock::new(Default::default);
        let mut waiting: FuturesUnordered<_> =
            SLOTS.iter().map(|slot| slot.clone().lock_owned()).collect();
        let mut slot = waiting.next().await.expect("a slot");
        drop(waiting);
        if let Some(arena) = &*slot {
            return (arena.clone(), slot);
        }
        let name = uuid::Uuid::new_v4().simple().to_string();
        let arena = Self::start(shared_audit_log(&name[..6]), None).await;
        arena.install_crd().await;
        *slot = Some(arena.clone());
        (arena, slot)
    }

    /// One for a test that breaks it, without the CRD. It ends when the last handle is dropped.
    pub async fn own() -> Arc<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        Self::start(folder.path().join("audit.jsonl"), Some(folder)).await
    }

    /// The same, whose API server has one more flag.
    pub async fn own_with(flag: &str) -> Arc<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let log = folder.path().join("audit.jsonl");
        let minor = Minor::from_env().expect("DEVCLUSTER_MINOR");
        let options = Options::new(minor).audit_log(&log).api_server_flag(flag);
        Self::start_as(options, log, Some(folder)).await
    }

    async fn start(audit: PathBuf, folder: Option<TempDir>) -> Arc<Self> {
        let minor = Minor::from_env().expect("DEVCLUSTER_MINOR");
        let options = Options::new(minor).audit_log(&audit);
        Self::start_as(options, audit, folder).await
    }

    async fn start_as(options: Options, audit: PathBuf, folder: Option<TempDir>) -> Arc<Self> {
        let cluster = DevCluster::start(options).await.expect("a cluster");
        let admin = client(&cluster.kubeconfig_for_server(cluster.server_url())).await;
        let server = cluster.server_url().to_owned();
        Arc::new(Self {
            cluster: Mutex::new(cluster),
            admin,
            server,
            audit,
            _folder: folder,
        })
    }

    /// `https://127.0.0.1:<port>`
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The audit log: a line a finished request.
    pub fn audit_log(&self) -> &std::path::Path {
        &self.audit
    }

    /// Installs the committed CRDs and waits until they are served and its dependents are collected.
    pub async fn install_crd(&self) {
        self.apply_crd(&crd()).await;
        self.apply_crd(&application_crd()).await;
        // It would learn of a new resource within 30 s, and collect nothing of its before.
        let mut cluster = self.cluster.lock().await;
        cluster
            .restart_controller_manager()
            .await
            .expect("a controller manager");
    }

    /// Applies a CRD and waits until it is served.
    pub async fn apply_crd(&self, crd: &Value) {
        self.apply_crd_version(crd, "v1alpha1").await;
    }

    /// Applies a CRD with another version and waits until that is served.
    pub async fn apply_crd_version(&self, crd: &Value, version: &str) {
        let api: Api<CustomResourceDefinition> = Api::all(self.admin.clone());
        let params = PatchParams::apply(MANAGER).force();
        let name = crd["metadata"]["name"].as_str().expect("a name");
        let plural = crd["spec"]["names"]["plural"].as_str().expect("a plural");
        api.patch(name, &params, &Patch::Apply(crd))
            .await
            .expect("the CRD is accepted");
        let patience = Patience::default();
        eventually("the CRD is established", patience, async || {
            let crd = api.get(name).await.expect("the CRD");
            let conditions = crd.status?.conditions?;
            conditions
                .iter()
                .any(|c| c.type_ == "Established" && c.status == "True")
                .then_some(())
        })
        .await;
        // "Established" is said a moment before the first request is answered.
        eventually("the CRD is served", patience, async || {
            let path = format!("/apis/defendertenant.io/{version}/{plural}?limit=1");
            let request = http::Request::get(path)
                .body(Vec::new())
                .expect("a request");
            self.admin.request_text(request).await.ok().map(drop)
        })
        .await;
    }
}

/// Nobody drops what is static, so this is no temporary file: it stays until the next run, to be read after a failure.
fn shared_audit_log(arena: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let mine = format!("audit-{arena}.{}.jsonl", std::process::id());
    for entry in std::fs::read_dir(&folder)
        .expect("cargo's folder")
        .flatten()
    {
        let name = entry.file_name().to_string_lossy().into_owned();
        let process = name
            .strip_prefix("audit-")
            .and_then(|rest| rest.strip_suffix(".jsonl"))
            .and_then(|rest| rest.rsplit('.').next());
        if process.is_some_and(|id| !PathBuf::from("/proc").join(id).exists()) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
    folder.join(mine)
}

/// The committed CRD.
pub fn crd() -> Value {
    serde_saphyr::from_str(CRD).expect("YAML")
}

/// The partner's.
pub fn application_crd() -> Value {
    serde_saphyr::from_str(APPLICATION_CRD).expect("YAML")
}

/// The sizes of the committed CRDs.
pub const fn crd_bytes() -> [usize; 2] {
    [CRD.len(), APPLICATION_CRD.len()]
}

/// A client for a kubeconfig's text.
pub async fn client(kubeconfig: &str) -> Client {
    // Clients speak TLS by whatever provider the process has.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let kubeconfig = Kubeconfig::from_yaml(kubeconfig).expect("a kubeconfig");
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .expect("a config");
    config.proxy_url = None;
    config.read_timeout = Some(Duration::from_mins(1));
    Client::try_from(config).expect("a client")
}
