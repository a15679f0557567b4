//! What the API server is asked: nothing but what the operator may ask, and its Lease.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt as _;
use http::{Request, header};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::ListParams;
use kube::client::Body;
use kube::{Api, Client};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;

use super::access;
use super::credentials::{Facts, Known};
use super::leader::{LeaseState, WATCHED, is_settled};
use super::reach::middle;
use super::server::Version;
use super::tenants::Survey;
use crate::api::{GROUP, LABEL_CREDENTIAL, VERSION};
use crate::connect;
use crate::controller::kubeapi::{ApiError, KubeApi};
use crate::controller::objects::{ApplicationObject, SecretMeta, TenantObject};
use crate::controller::preflight::{self, PreflightError, Review, Scope};
use crate::core::application::Application;
use crate::core::credential::{Credential, Fault, SecretData};
use crate::core::errors::retry::http_date;
use crate::core::shards::agreement::Agreement;
use crate::core::tenant::Key;
use crate::lease::{CountStore, Leadership, LeaseError};
use crate::metrics::Metrics;

/// One request.
const REQUEST: Duration = Duration::from_secs(10);
/// Between two looks at the Lease.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// So many objects a page.
const PAGE: u32 = 500;
/// So many requests at once.
const AT_ONCE: usize = 8;

/// The API server, with the operator's own account.
pub struct Cluster {
    client: Client,
    kube: KubeApi,
    scope: Scope,
}

impl Cluster {
    /// On this client, for what the operator serves.
    #[must_use]
    pub fn new(client: Client, scope: Scope) -> Self {
        Self {
            kube: KubeApi::new(client.clone(), Metrics::new(), Leadership::for_good()),
            client,
            scope,
        }
    }

    /// Its version, and its clock beside ours.
    pub async fn version(&self) -> Result<(Version, Option<(Timestamp, Timestamp)>), String> {
        let request = Request::get("/version")
            .body(Body::empty())
            .map_err(|_| silent())?;
        let begun = Timestamp::now();
        let answer = within(self.client.send(request)).await?;
        let ended = Timestamp::now();
        if !answer.status().is_success() {
            let status = answer.status().as_u16();
            return Err(format!("it answers with status {status}"));
        }
        let date = answer.headers().get(header::DATE);
        let date = date.and_then(|date| http_date(date.to_str().ok()?));
        let clock = date.map(|date| (date, middle(begun, ended)));
        let body: Value = within_json(&self.client, "/version").await?;
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let version = Version {
            major: text("major"),
            minor: text("minor"),
            git: text("gitVersion"),
        };
        Ok((version, clock))
    }

    /// Each permission that the operator needs.
    pub async fn reviews(&self) -> Result<Vec<Review>, PreflightError> {
        let needs = access::needs(&self.scope).into_iter();
        let reviews = needs.map(|(need, place)| preflight::review(&self.client, *need, place));
        let reviews: Vec<_> = futures::stream::iter(reviews)
            .buffered(AT_ONCE)
            .collect()
            .await;
        reviews.into_iter().collect()
    }

    /// The CRDs are there, in our version.
    pub async fn versions(&self) -> Result<(), PreflightError> {
        preflight::versions(&self.client, &self.scope).await
    }

    /// The schemas of our kinds as the API server publishes them; any account may read this.
    pub async fn schemas(&self) -> Result<Value, PreflightError> {
        within_json(&self.client, &format!("/openapi/v3/apis/{GROUP}/{VERSION}"))
            .await
            .map_err(PreflightError::Unreachable)
    }

    /// Goes through the tenants of a namespace, or of all.
    pub async fn survey(
        &self,
        namespace: Option<&str>,
        survey: &mut Survey,
    ) -> Result<(), ApiError> {
        let api: Api<TenantObject> = match namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        };
        let each = |tenant: TenantObject| survey.add(tenant.into_tenant().as_ref());
        pages(&api, ListParams::default(), each).await
    }

    /// The applications, each with its name; `None` for one of another version's shape.
    pub async fn applications(&self) -> Result<Vec<(String, Option<Application>)>, ApiError> {
        let api: Api<ApplicationObject> = Api::all(self.client.clone());
        let mut found = Vec::new();
        pages(&api, ListParams::default(), |object| {
            found.push((object.name().to_owned(), object.into_application()));
        })
        .await?;
        Ok(found)
    }

    /// Which of these Secrets are labelled as credentials, by one list of a namespace, or of all.
    pub async fn labelled(
        &self,
        namespace: Option<&str>,
        wanted: &BTreeSet<&Key>,
    ) -> Result<BTreeSet<Key>, ApiError> {
        let api: Api<SecretMeta> = match namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        };
        let params = ListParams::default().labels(&format!("{LABEL_CREDENTIAL}=true"));
        let mut found = BTreeSet::new();
        pages(&api, params, |secret| {
            let of = |text: &Option<String>| text.clone().unwrap_or_default();
            let key = Key::new(&of(&secret.metadata.namespace), &of(&secret.metadata.name));
            if wanted.contains(&key) {
                found.insert(key);
            }
        })
        .await?;
        Ok(found)
    }

    /// How a credential Secret is. As the operator does, it reads no byte of one without the label, which it looks at
    /// first where nobody has seen it.
    pub async fn credential(
        &self,
        key: &Key,
        labelled: bool,
        parse: impl FnOnce(&SecretData) -> Result<Credential, Fault>,
        declared: Option<Timestamp>,
    ) -> Known {
        if !labelled {
            match self.kube.look(key).await {
                Ok(metadata) if is_credential(&metadata) => {}
                Ok(_) => return Known::NotLabelled,
                Err(error) => return Known::NotRead(error),
            }
        }
        let body = match self.kube.read(key).await {
            Ok(body) if is_credential(&body.metadata) => body,
            Ok(_) => return Known::NotLabelled,
            Err(error) => return Known::NotRead(error),
        };
        match parse(&body.data) {
            Ok(credential) => Known::Good(Facts::new(&credential, declared, Timestamp::now())),
            Err(fault) => Known::Malformed(fault),
        }
    }

    /// The Lease now, and after a while in which its holder renews it. Where none is expected, there is nothing to wait for.
    pub async fn watched_lease(
        &self,
        home: &str,
        name: &str,
        expected: bool,
    ) -> Result<(LeaseState, LeaseState), ApiError> {
        let first = self.lease(home, name).await?;
        if first == LeaseState::NoLease && !expected {
            return Ok((first.clone(), first));
        }
        let end = Instant::now() + WATCHED;
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let last = self.lease(home, name).await;
            let settled = last.as_ref().is_ok_and(|last| is_settled(&first, last));
            if settled || Instant::now() >= end {
                return Ok((first, last?));
            }
        }
    }

    /// How many shards there are.
    pub async fn shards(&self, home: &str, lease_name: &str) -> Result<Agreement, ApiError> {
        let mut store = CountStore::new(self.client.clone(), home, lease_name, String::new());
        match store.look(REQUEST).await {
            Ok(agreed) => Ok(agreed.agreement),
            Err(LeaseError::Forbidden) => Err(ApiError::Forbidden),
            Err(LeaseError::Refused(code)) => Err(ApiError::Refused(code)),
            Err(LeaseError::Garbled) => Err(ApiError::Invalid),
            Err(LeaseError::Unreachable) => Err(ApiError::Unreachable),
        }
    }

    /// The Lease of the operator.
    async fn lease(&self, namespace: &str, name: &str) -> Result<LeaseState, ApiError> {
        let api: Api<Lease> = Api::namespaced(self.client.clone(), namespace);
        let lease = match tokio::time::timeout(REQUEST, api.get_opt(name)).await {
            Err(_) => return Err(ApiError::Unreachable),
            Ok(found) => found.map_err(|error| ApiError::from_kube(&error))?,
        };
        Ok(match lease {
            None => LeaseState::NoLease,
            Some(lease) => {
                let spec = lease.spec.unwrap_or_default();
                LeaseState::Lease {
                    holder: spec.holder_identity,
                    renewed: spec.renew_time.map(|time| time.0),
                }
            }
        })
    }
}

fn is_credential(metadata: &ObjectMeta) -> bool {
    let label = metadata
        .labels
        .as_ref()
        .and_then(|l| l.get(LABEL_CREDENTIAL));
    label.map(String::as_str) == Some("true")
}

fn silent() -> String {
    "no answer in 10 s".to_owned()
}

async fn within<T>(request: impl Future<Output = kube::Result<T>>) -> Result<T, String> {
    match tokio::time::timeout(REQUEST, request).await {
        Err(_) => Err(silent()),
        Ok(answer) => answer.map_err(|error| connect::failure(&error)),
    }
}

/// A document of the API server's that holds nothing of anybody's.
async fn within_json(client: &Client, path: &str) -> Result<Value, String> {
    let request = Request::get(path).body(Vec::new()).map_err(|_| silent())?;
    let text = within(client.request_text(request)).await?;
    serde_json::from_str(&text).map_err(|_| format!("{path} isn't JSON"))
}

/// Page by page, so that no list is ever whole in memory.
async fn pages<K>(api: &Api<K>, params: ListParams, mut each: impl FnMut(K)) -> Result<(), ApiError>
where
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    let mut params = params.limit(PAGE);
    loop {
        let page = match tokio::time::timeout(REQUEST, api.list(&params)).await {
            Err(_) => return Err(ApiError::Unreachable),
            Ok(page) => page.map_err(|error| ApiError::from_kube(&error))?,
        };
        page.items.into_iter().for_each(&mut each);
        match page.metadata.continue_.filter(|more| !more.is_empty()) {
            Some(more) => params.continue_token = Some(more),
            None => return Ok(()),
        }
    }
}
