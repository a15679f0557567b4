//! What is seen of a lab: waiting for it, and counting what was asked.

use defender_tenant_operator::api::DefenderTenant;
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::ListParams;

use super::audit::{self, Request};
use super::emulator::Journaled;
use super::lab::Lab;
use super::make::condition;
use super::wait::{Patience, eventually, poll};

impl Lab {
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

    /// A client that reaches Microsoft, and goes nowhere by itself.
    pub fn browser(&self) -> reqwest::Client {
        let pem = std::fs::read(self.emulator.ca_file()).expect("the CA");
        let ca = reqwest::Certificate::from_pem(&pem).expect("a certificate");
        let proxy = reqwest::Proxy::https(self.emulator.proxy_url()).expect("a proxy");
        reqwest::Client::builder()
            .tls_certs_only([ca])
            .proxy(proxy)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a client")
    }

    /// Calls the API as a consumer would; the answer's status.
    pub async fn call(&self, url: &str, token: &str) -> u16 {
        let answer = self
            .browser()
            .get(url)
            .bearer_auth(token)
            .send()
            .await
            .expect("an answer");
        answer.status().as_u16()
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
