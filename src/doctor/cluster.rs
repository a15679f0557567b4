//! What the API server is asked: nothing but what the operator may ask, and its Lease.

use std::time::Duration;

use futures::StreamExt as _;
use http::{Request, header};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::ListParams;
use kube::client::Body;
use kube::{Api, Client};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::credentials::{Facts, Known};
use super::leader::LeaseState;
use super::reach::middle;
use super::server::Version;
use super::tenants::Survey;
use crate::api::{GROUP, LABEL_CREDENTIAL, VERSION};
use crate::controller::kubeapi::{ApiError, KubeApi};
use crate::controller::objects::{ApplicationObject, TenantObject};
use crate::controller::preflight::{self, PreflightError, Review, Scope};
use crate::core::application::Application;
use crate::core::credential::{Credential, Fault, SecretData};
use crate::core::errors::retry::http_date;
use crate::core::tenant::Key;
use crate::lease::Leadership;
use crate::metrics::Metrics;

/// One request.
const REQUEST: Duration = Duration::from_secs(10);
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
    pub async fn version(
        &self,
    ) -> Result<(Version, Option<(Timestamp, Timestamp)>), PreflightError> {
        let request = Request::get("/version")
            .body(Body::empty())
            .map_err(|_| silent())?;
        let begun = Timestamp::now();
        let answer = within(self.client.send(request)).await?;
        let ended = Timestamp::now();
        if !answer.status().is_success() {
            let status = answer.status().as_u16();
            return Err(PreflightError::Unreachable(format!("status {status}")));
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
        let needs = self.scope.needs().into_iter();
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
        within_json(&self.client, &format!("/openapi/v3/apis/{GROUP}/{VERSION}")).await
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
        pages(&api, |tenant| survey.add(tenant.into_tenant().as_ref())).await
    }

    /// The applications, each with its name; `None` for one of another version's shape.
    pub async fn applications(&self) -> Result<Vec<(String, Option<Application>)>, ApiError> {
        let api: Api<ApplicationObject> = Api::all(self.client.clone());
        let mut found = Vec::new();
        pages(&api, |object| {
            found.push((object.name().to_owned(), object.into_application()));
        })
        .await?;
        Ok(found)
    }

    /// How a credential Secret is. As the operator does, it reads no byte of one without the label.
    pub async fn credential(
        &self,
        key: &Key,
        parse: impl FnOnce(&SecretData) -> Result<Credential, Fault>,
        declared: Option<Timestamp>,
    ) -> Known {
        let metadata = match self.kube.look(key).await {
            Ok(metadata) => metadata,
            Err(error) => return Known::NotRead(error),
        };
        let labels = metadata.labels.unwrap_or_default();
        if labels.get(LABEL_CREDENTIAL).map(String::as_str) != Some("true") {
            return Known::NotLabelled;
        }
        let body = match self.kube.read(key).await {
            Ok(body) => body,
            Err(error) => return Known::NotRead(error),
        };
        match parse(&body.data) {
            Ok(credential) => Known::Good(Facts::new(&credential, declared, Timestamp::now())),
            Err(fault) => Known::Malformed(fault),
        }
    }

    /// The Lease of the operator.
    pub async fn lease(&self, namespace: &str, name: &str) -> Result<LeaseState, ApiError> {
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
                    duration: spec.lease_duration_seconds,
                }
            }
        })
    }
}

fn silent() -> PreflightError {
    PreflightError::Unreachable("no answer in 10 s".to_owned())
}

async fn within<T>(request: impl Future<Output = kube::Result<T>>) -> Result<T, PreflightError> {
    match tokio::time::timeout(REQUEST, request).await {
        Err(_) => Err(silent()),
        Ok(answer) => answer.map_err(|error| preflight::unreachable(&error)),
    }
}

/// A document of the API server's that holds nothing of anybody's.
async fn within_json(client: &Client, path: &str) -> Result<Value, PreflightError> {
    let request = Request::get(path).body(Vec::new()).map_err(|_| silent())?;
    let text = within(client.request_text(request)).await?;
    serde_json::from_str(&text)
        .map_err(|_| PreflightError::Unreachable(format!("{path} isn't JSON")))
}

/// Page by page, so that no list is ever whole in memory.
async fn pages<K>(api: &Api<K>, mut each: impl FnMut(K)) -> Result<(), ApiError>
where
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    let mut params = ListParams::default().limit(PAGE);
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
