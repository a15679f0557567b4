//! One test's world: a namespace, an emulator, an operator.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use defender_tenant_operator::api::DefenderTenant;
use futures::TryStreamExt as _;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use k8s_openapi::api::events::v1::Event;
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams,
};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::arena::{Arena, MANAGER};
use super::audit::{self, Request};
use super::canary::Canary;
use super::emulator::{Emulator, Journaled};
use super::make::{CLIENT, condition, overlay};
use super::operator::{Invocation, Operator};
use super::rbac;
use super::wait::{Patience, eventually, poll};

/// How a lab is to be.
#[derive(Debug, Clone, Default)]
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
    invocation: Invocation,
    starts: usize,
    logs: Vec<std::path::PathBuf>,
    user: String,
    audit_from: u64,
    canary: Arc<Mutex<Canary>>,
    collectors: Vec<JoinHandle<()>>,
    namespaces: Vec<String>,
    folder: tempfile::TempDir,
}

impl Lab {
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
        let token = if setup.cluster_wide {
            rbac::grant_cluster(&arena.admin, &ns).await
        } else {
            rbac::grant(&arena.admin, &ns, &namespaces).await
        };
        let kubeconfig = folder.path().join("operator.kubeconfig");
        let server = setup.server.as_deref().unwrap_or(arena.server());
        let text = arena
            .cluster
            .lock()
            .await
            .kubeconfig_for_token(server, &token);
        std::fs::write(&kubeconfig, text).expect("a kubeconfig");

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
        let invocation = Invocation { args, env };

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
        let operator = if setup.no_operator {
            Operator::none(log.clone())
        } else {
            Operator::spawn(&arena, &invocation, log.clone()).await
        };
        let user = format!("system:serviceaccount:{ns}:{}", rbac::ACCOUNT);
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
        };
        lab.credential("partner", &lab.secret).await;
        lab
    }

    // --- the operator ---

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

    // --- objects ---

    /// The tenants of a namespace.
    pub fn tenants_in(&self, ns: &str) -> Api<DefenderTenant> {
        Api::namespaced(self.arena.admin.clone(), ns)
    }

    /// The tenants.
    pub fn tenants(&self) -> Api<DefenderTenant> {
        self.tenants_in(&self.ns)
    }

    /// The Secrets.
    pub fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.arena.admin.clone(), &self.ns)
    }

    /// Applies a tenant: `secretRef` is `partner` unless `spec` says otherwise.
    pub async fn tenant(&self, name: &str, spec: Value) {
        self.tenant_in(&self.ns, name, spec).await;
    }

    /// The same in another namespace.
    pub async fn tenant_in(&self, ns: &str, name: &str, spec: Value) {
        let spec = overlay(json!({"secretRef": {"name": "partner"}}), spec);
        let body = json!({
            "apiVersion": "defendertenant.io/v1alpha1", "kind": "DefenderTenant",
            "metadata": {"name": name, "namespace": ns}, "spec": spec,
        });
        // Untyped: the spec may have a shape that no `DefenderTenant` has.
        let kind = ApiResource::erase::<DefenderTenant>(&());
        let api: Api<DynamicObject> = Api::namespaced_with(self.arena.admin.clone(), ns, &kind);
        let params = PatchParams::apply(MANAGER).force();
        api.patch(name, &params, &Patch::Apply(&body))
            .await
            .expect("a tenant");
    }

    /// Changes fields of a tenant's spec.
    pub async fn change(&self, name: &str, spec: Value) {
        let patch = json!({"spec": spec});
        self.tenants()
            .patch(name, &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .expect("a change");
    }

    /// Deletes a tenant of any shape.
    pub async fn delete(&self, name: &str) {
        let kind = ApiResource::erase::<DefenderTenant>(&());
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.arena.admin.clone(), &self.ns, &kind);
        api.delete(name, &DeleteParams::default())
            .await
            .expect("deleted");
    }

    /// Asks for a mint by the annotation.
    pub async fn force(&self, name: &str, value: &str) {
        let annotations = json!({"defendertenant.io/refresh-requested-at": value});
        let patch = json!({"metadata": {"annotations": annotations}});
        self.tenants()
            .patch(name, &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .expect("an annotation");
    }

    /// Applies a credential Secret of [`CLIENT`].
    pub async fn credential(&self, name: &str, secret: &str) {
        self.labelled(name, &[("client-id", CLIENT), ("client-secret", secret)])
            .await;
    }

    /// Applies a Secret with the credential label and these keys.
    pub async fn labelled(&self, name: &str, keys: &[(&str, &str)]) {
        let labels = json!({"defendertenant.io/credential": "true"});
        self.secret_in(&self.ns, name, labels, keys).await;
    }

    /// Applies a Secret with exactly these labels and keys.
    pub async fn secret_in(&self, ns: &str, name: &str, labels: Value, keys: &[(&str, &str)]) {
        let data: BTreeMap<&str, String> = keys
            .iter()
            .map(|(key, value)| (*key, STANDARD.encode(value)))
            .collect();
        let body = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": name, "namespace": ns, "labels": labels}, "data": data,
        });
        let api: Api<Secret> = Api::namespaced(self.arena.admin.clone(), ns);
        let params = PatchParams::apply(MANAGER).force();
        api.patch(name, &params, &Patch::Apply(&body))
            .await
            .expect("a Secret");
    }

    /// The target Secret of a tenant that didn't choose a name, if it is there.
    pub async fn target(&self, name: &str) -> Option<Secret> {
        self.secrets()
            .get_opt(&format!("{name}-defender-token"))
            .await
            .expect("an answer")
    }

    /// The token in it.
    pub async fn token(&self, name: &str) -> Option<String> {
        key(&self.target(name).await?, "token")
    }

    // --- waiting ---

    /// Waits until a tenant is so, or fails with all that is known of it.
    pub async fn until(
        &self,
        name: &str,
        what: &str,
        patience: Patience,
        is: impl Fn(&DefenderTenant) -> bool,
    ) -> DefenderTenant {
        let found = poll(patience, async || {
            let tenant = self.tenants().get_opt(name).await.ok()??;
            is(&tenant).then_some(tenant)
        })
        .await;
        match found {
            Some(tenant) => tenant,
            None => self.fail(name, what, patience).await,
        }
    }

    async fn fail(&self, name: &str, what: &str, patience: Patience) -> ! {
        let tenant = self.tenants().get_opt(name).await.ok().flatten();
        let text = tenant.map_or_else(
            || "there is none".to_owned(),
            |mut tenant| {
                tenant.metadata.managed_fields = None;
                serde_saphyr::to_string(&tenant).unwrap_or_default()
            },
        );
        let tail = self.operator.tail();
        let journal = self.emulator.journal().await;
        let journal: Vec<_> = journal
            .iter()
            .map(|e| format!("{} {} {:?} {}", e.at, e.kind, e.tenant, e.outcome))
            .collect();
        let last = journal[journal.len().saturating_sub(10)..].join("\n");
        panic!(
            "{name} isn't within {:?}: {what}\n{text}\n{tail}\nMicrosoft was asked:\n{last}",
            patience.0
        );
    }

    /// Waits until something is there, or fails with the operator's last lines.
    pub async fn eventually<T>(&self, what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
        let patience = Patience::default();
        match poll(patience, look).await {
            Some(found) => found,
            None => panic!(
                "not within {:?}: {what}\n{}",
                patience.0,
                self.operator.tail()
            ),
        }
    }

    /// Waits until a tenant is `Ready=True`, for whatever reason.
    pub async fn ready(&self, name: &str) -> DefenderTenant {
        self.until(name, "Ready=True", Patience::default(), |tenant| {
            condition(tenant, "Ready").is_some_and(|c| c.status == "True") && observed(tenant)
        })
        .await
    }

    /// Waits until the most urgent reason of a tenant is this one, and `Ready` is so.
    pub async fn reason(&self, name: &str, ready: &str, reason: &str) -> DefenderTenant {
        self.until(
            name,
            &format!("Ready={ready}, {reason}"),
            Patience::default(),
            |tenant| {
                condition(tenant, "Ready").is_some_and(|c| c.status == ready && c.reason == reason)
                    && observed(tenant)
            },
        )
        .await
    }

    /// Waits until so many tenants of the namespace are so.
    pub async fn all(
        &self,
        count: usize,
        what: &str,
        is: impl Fn(&DefenderTenant) -> bool,
    ) -> Vec<DefenderTenant> {
        self.eventually(&format!("{count} tenants: {what}"), async || {
            let list = self.tenants().list(&ListParams::default()).await.ok()?;
            let so: Vec<_> = list.items.into_iter().filter(|tenant| is(tenant)).collect();
            (so.len() == count).then_some(so)
        })
        .await
    }

    // --- what was asked ---

    /// What the operator asked the API server so far, Leases apart.
    pub fn requests(&self) -> Vec<Request> {
        audit::requests(self.arena.audit_log(), &self.user, self.audit_from).0
    }

    /// What it wrote so far.
    pub fn writes(&self) -> Vec<Request> {
        let mut requests = self.requests();
        requests.retain(Request::is_write);
        requests
    }

    /// Waits until nothing has been asked of Microsoft and of the API server for a second, and tells what was until then.
    pub async fn settled(&self) -> (Vec<Journaled>, Vec<Request>) {
        let mut last = (usize::MAX, usize::MAX);
        let mut since = tokio::time::Instant::now();
        eventually("quiet", Patience::default(), async || {
            let (journal, requests) = (self.emulator.journal().await, self.requests());
            let seen = (journal.len(), requests.len());
            if seen != last {
                (last, since) = (seen, tokio::time::Instant::now());
            }
            (since.elapsed() > std::time::Duration::from_secs(1)).then_some((journal, requests))
        })
        .await
    }

    /// The Events about a tenant: reason and text.
    pub async fn events(&self, name: &str) -> Vec<(String, String)> {
        let api: Api<Event> = Api::namespaced(self.arena.admin.clone(), &self.ns);
        let events = api.list(&ListParams::default()).await.expect("Events");
        let about = events.items.into_iter().filter(|event| {
            event
                .regarding
                .as_ref()
                .is_some_and(|regarding| regarding.name.as_deref() == Some(name))
        });
        about
            .map(|event| {
                (
                    event.reason.unwrap_or_default(),
                    event.note.unwrap_or_default(),
                )
            })
            .collect()
    }

    /// Calls the API as a consumer would; the answer's status.
    pub async fn call(&self, url: &str, token: &str) -> u16 {
        let pem = std::fs::read(self.emulator.ca_file()).expect("the CA");
        let ca = reqwest::Certificate::from_pem(&pem).expect("a certificate");
        let proxy = reqwest::Proxy::https(self.emulator.proxy_url()).expect("a proxy");
        let http = reqwest::Client::builder()
            .tls_certs_only([ca])
            .proxy(proxy)
            .build()
            .expect("a client");
        let answer = http
            .get(url)
            .bearer_auth(token)
            .send()
            .await
            .expect("an answer");
        answer.status().as_u16()
    }

    // --- the end ---

    /// One more thing that must not be found anywhere.
    pub fn guard(&self, secret: &str) {
        self.canary.lock().expect("the canary").secret(secret);
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
        let canary = self.canary.lock().expect("the canary");
        let search = |place: &str, text: &str| {
            if let Some(found) = canary.find(text) {
                panic!("a secret or a token stands in {place}: {found}");
            }
        };
        search("metrics", &metrics);
        for log in &self.logs {
            let text = String::from_utf8_lossy(&std::fs::read(log).expect("a log")).into_owned();
            search("the log", &text);
            assert!(
                !text.contains("\"message\":\"panic\""),
                "it panicked: {}",
                self.operator.tail()
            );
        }
        drop(canary);
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
            let canary = self.canary.lock().expect("the canary");
            for (place, text) in [
                ("Events", serde_json::to_string(&events.items)),
                ("a DefenderTenant", Ok(tenants)),
            ] {
                if let Some(found) = canary.find(&text.expect("JSON")) {
                    panic!("a secret or a token stands in {place}: {found}");
                }
            }
        }
        for ns in &self.namespaces {
            let api: Api<Namespace> = Api::all(self.arena.admin.clone());
            let _ = api.delete(ns, &DeleteParams::background()).await;
        }
    }
}

/// The status speaks of the spec as it is.
fn observed(tenant: &DefenderTenant) -> bool {
    let observed = tenant
        .status
        .as_ref()
        .and_then(|status| status.observed_generation);
    observed == tenant.metadata.generation
}

/// A key of a Secret, as text.
pub fn key(secret: &Secret, name: &str) -> Option<String> {
    let bytes = secret.data.as_ref()?.get(name)?;
    String::from_utf8(bytes.0.clone()).ok()
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
