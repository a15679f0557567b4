//! One test's world: a namespace, an emulator, an operator.

use std::path::Path;
use std::sync::{Arc, Mutex};

use futures::TryStreamExt as _;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use k8s_openapi::api::events::v1::Event;
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, ResourceExt as _};
use serde_json::json;
use tokio::sync::OwnedMutexGuard;
use tokio::task::JoinHandle;

use super::arena::{Arena, Slot};
use super::audit;
use super::canary::Canary;
use super::emulator::Emulator;
use super::make::CLIENT;
pub use super::objects::key;
use super::operator::{Invocation, Operator};
use super::rbac;

/// How a lab is to be.
#[derive(Debug, Clone, Default)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is one thing that a test wants otherwise"
)]
pub struct Setup {
    /// More flags for the operator; they win over the lab's own.
    pub args: Vec<String>,
    /// Environment of the operator.
    pub env: Vec<(String, String)>,
    /// `HTTPS_PROXY` names the proxy instead of the flag.
    pub proxy_by_environment: bool,
    /// More namespaces to serve, by suffix.
    pub more_namespaces: Vec<&'static str>,
    /// Where the operator finds the API server, if not directly.
    pub server: Option<String>,
    /// The operator isn't started.
    pub no_operator: bool,
    /// It serves all namespaces, with the permissions for that.
    pub cluster_wide: bool,
    /// It looks at namespaces' labels, with the permission for that.
    pub selectors: bool,
    /// The operator's own namespace, by suffix.
    pub home: Option<&'static str>,
}

/// One test's world.
pub struct Lab {
    /// The control plane.
    pub arena: Arc<Arena>,
    /// The namespace.
    pub ns: String,
    /// Microsoft.
    pub emulator: Emulator,
    /// The operator.
    pub operator: Operator,
    /// The partner's client secret in this lab.
    pub secret: String,
    pub(super) invocation: Invocation,
    pub(super) starts: usize,
    pub(super) logs: Vec<std::path::PathBuf>,
    pub(super) user: String,
    pub(super) audit_from: u64,
    pub(super) canary: Arc<Mutex<Canary>>,
    pub(super) collectors: Vec<JoinHandle<()>>,
    pub(super) namespaces: Vec<String>,
    pub(super) folder: tempfile::TempDir,
    turn: Option<OwnedMutexGuard<Slot>>,
}

impl Lab {
    /// A lab for applications: the operator serves the whole cluster, its own namespace is [`Lab::home`].
    pub async fn of_applications(name: &str, setup: Setup) -> Self {
        Self::cluster_wide(Arena::cluster_wide().await, name, setup).await
    }

    /// The same, on this control plane.
    pub(super) async fn cluster_wide(
        (arena, turn): (Arc<Arena>, OwnedMutexGuard<Slot>),
        name: &str,
        mut setup: Setup,
    ) -> Self {
        setup.cluster_wide = true;
        setup.home = Some("home");
        setup.more_namespaces.push("home");
        let mut lab = Self::on(arena, name, setup).await;
        lab.turn = Some(turn);
        lab
    }

    /// The operator's own namespace.
    pub fn home(&self) -> String {
        format!("{}-home", self.ns)
    }

    /// A namespace by its suffix.
    pub fn namespace(&self, suffix: &str) -> String {
        format!("{}-{suffix}", self.ns)
    }

    /// With a running operator, the application, and the labelled Secret `partner`.
    pub async fn new(name: &str) -> Self {
        Self::with(name, Setup::default()).await
    }

    /// The same, another way.
    pub async fn with(name: &str, setup: Setup) -> Self {
        Self::on(Arena::shared().await, name, setup).await
    }

    /// The same, on another control plane.
    pub async fn on(arena: Arc<Arena>, name: &str, setup: Setup) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let emulator = Emulator::start(folder.path().join("ca.crt")).await;
        let unique = uuid::Uuid::new_v4().simple().to_string();
        let secret = format!("canary~{unique}~Secret");
        emulator.application(CLIENT, &[json!(secret)]).await;

        let ns = format!("{name}-{}", &unique[..6]);
        let mut namespaces = vec![ns.clone()];
        namespaces.extend(
            setup
                .more_namespaces
                .iter()
                .map(|suffix| format!("{ns}-{suffix}")),
        );
        for ns in &namespaces {
            let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ns}});
            let namespace: Namespace = serde_json::from_value(body).expect("a namespace");
            let api: Api<Namespace> = Api::all(arena.admin.clone());
            api.create(&PostParams::default(), &namespace)
                .await
                .expect("a namespace");
        }
        let audit_from = audit::position(arena.audit_log());
        let home = setup
            .home
            .map_or_else(|| ns.clone(), |home| format!("{ns}-{home}"));
        let token = if setup.cluster_wide {
            if setup.selectors {
                rbac::grant_selectors(&arena.admin, &home).await;
            }
            rbac::grant_cluster(&arena.admin, &home).await
        } else {
            rbac::grant(&arena.admin, &home, &namespaces).await
        };
        let kubeconfig = folder.path().join("operator.kubeconfig");
        let server = setup.server.as_deref().unwrap_or(arena.server());
        let text = arena
            .cluster
            .lock()
            .await
            .kubeconfig_for_token(server, &token);
        std::fs::write(&kubeconfig, text).expect("a kubeconfig");

        let no_operator = setup.no_operator;
        let invocation = invocation(setup, &kubeconfig, &emulator, &namespaces);

        let mut canary = Canary::default();
        canary.secret(&secret);
        canary.secret(&unique);
        canary.token(&token);
        let canary = Arc::new(Mutex::new(canary));
        let collectors = namespaces
            .iter()
            .map(|ns| {
                tokio::spawn(collect(
                    Api::namespaced(arena.admin.clone(), ns),
                    canary.clone(),
                ))
            })
            .collect();
        let log = folder.path().join("operator-0.log");
        let operator = if no_operator {
            Operator::none(log.clone())
        } else {
            Operator::spawn(&arena, &invocation, log.clone()).await
        };
        let user = format!("system:serviceaccount:{home}:{}", rbac::ACCOUNT);
        let lab = Self {
            arena,
            ns,
            emulator,
            operator,
            secret,
            invocation,
            starts: 1,
            logs: vec![log],
            user,
            audit_from,
            canary,
            collectors,
            namespaces,
            folder,
            turn: None,
        };
        lab.credential("partner", &lab.secret).await;
        lab
    }

    /// Starts the operator again (after a stop or a kill), with the same flags.
    pub async fn start(&mut self) {
        let log = self
            .folder
            .path()
            .join(format!("operator-{}.log", self.starts));
        self.starts += 1;
        self.logs.push(log.clone());
        self.operator = Operator::spawn(&self.arena, &self.invocation, log).await;
    }

    /// Sets a flag for the next start.
    pub fn flag(&mut self, name: &str, value: &str) {
        let args = &mut self.invocation.args;
        if let Some(at) = args.iter().position(|arg| arg == name) {
            args.drain(at..at + 2);
        }
        args.extend([name.to_owned(), value.to_owned()]);
    }

    /// Leaves a flag without a value out of the next start.
    pub fn without_flag(&mut self, name: &str) {
        self.invocation.args.retain(|arg| arg != name);
    }

    /// One more thing that must not be found anywhere.
    pub fn guard(&self, secret: &str) {
        self.canary.lock().expect("the canary").secret(secret);
    }

    pub(super) fn search(&self, place: &str, text: &str) {
        let found = self.canary.lock().expect("the canary").find(text);
        assert!(
            found.is_none(),
            "a secret or a token stands in {place}: {}",
            found.unwrap_or_default()
        );
    }

    /// Ends the lab: no secret and no token stands anywhere but in Secrets.
    pub async fn finish(mut self) {
        let metrics = if self.operator.is_running() {
            self.operator.metrics().await
        } else {
            String::new()
        };
        if self.operator.is_running() {
            let status = self.operator.stop().await;
            assert_eq!(
                status.code(),
                Some(0),
                "SIGTERM ends it well: {}",
                self.operator.tail()
            );
        }
        for collector in &self.collectors {
            collector.abort();
        }
        self.search("metrics", &metrics);
        for log in &self.logs {
            let text = String::from_utf8_lossy(&std::fs::read(log).expect("a log")).into_owned();
            self.search("the log", &text);
            assert!(
                !text.contains("\"message\":\"panic\""),
                "it panicked: {}",
                self.operator.tail()
            );
        }
        for ns in &self.namespaces {
            let events: Api<Event> = Api::namespaced(self.arena.admin.clone(), ns);
            let events = events.list(&ListParams::default()).await.expect("Events");
            let path = format!("/apis/defendertenant.io/v1alpha1/namespaces/{ns}/defendertenants");
            let request = http::Request::get(path)
                .body(Vec::new())
                .expect("a request");
            let tenants = self
                .arena
                .admin
                .request_text(request)
                .await
                .expect("tenants");
            self.search(
                "Events",
                &serde_json::to_string(&events.items).expect("JSON"),
            );
            self.search("a DefenderTenant", &tenants);
        }
        if self.turn.is_some() {
            self.search("a DefenderApplication", &self.clear_applications().await);
        }
        for ns in &self.namespaces {
            let api: Api<Namespace> = Api::all(self.arena.admin.clone());
            let _ = api.delete(ns, &DeleteParams::background()).await;
        }
    }
}

/// How the operator of such a lab is started.
fn invocation(
    setup: Setup,
    kubeconfig: &Path,
    emulator: &Emulator,
    namespaces: &[String],
) -> Invocation {
    let mut args: Vec<String> = [
        "--kubeconfig",
        &kubeconfig.to_string_lossy(),
        "--listen",
        "127.0.0.1:0",
        "--ca-bundle",
        &emulator.ca_file().to_string_lossy(),
    ]
    .map(str::to_owned)
    .into();
    if !setup.cluster_wide {
        args.extend(["--watch-namespaces".to_owned(), namespaces.join(",")]);
    }
    if let Some(home) = setup.home {
        let home = format!("{}-{home}", namespaces[0]);
        args.extend(["--operator-namespace".to_owned(), home]);
    }
    if setup.selectors {
        args.push("--allow-namespace-selectors".to_owned());
    }
    if !setup.args.iter().any(|arg| arg == "--log-level") {
        args.extend(["--log-level", "trace"].map(str::to_owned));
    }
    let mut env = setup.env;
    if setup.proxy_by_environment {
        env.push(("HTTPS_PROXY".to_owned(), emulator.proxy_url()));
    } else {
        args.extend(["--https-proxy".to_owned(), emulator.proxy_url()]);
    }
    args.extend(setup.args);
    Invocation { args, env }
}

/// Every token that ever stands in a Secret.
async fn collect(api: Api<Secret>, canary: Arc<Mutex<Canary>>) {
    let watch = watcher(api, watcher::Config::default())
        .default_backoff()
        .applied_objects();
    let mut watch = std::pin::pin!(watch);
    while let Ok(secret) = watch.try_next().await {
        let Some(secret) = secret else { break };
        if let Some(token) = key(&secret, "token").filter(|token| !token.is_empty()) {
            assert!(!secret.name_any().is_empty());
            canary.lock().expect("the canary").token(&token);
        }
    }
}
