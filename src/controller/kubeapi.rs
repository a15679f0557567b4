//! The requests to the API server. Thin: each is one call, its outcome a small closed enum, its time bounded.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{Method, Request, StatusCode, header};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Client, Resource as _};
use serde_json::json;
use zeroize::Zeroizing;

use super::objects::{SecretBody, SecretMeta, TenantObject};
use crate::api::DefenderTenantStatus;
use crate::core::inspect::Metadata;
use crate::core::target::{Held, Rendered};
use crate::core::tenant::{Key, Tenant};
use crate::lease::Leadership;
use crate::metrics::Metrics;

mod bodies;
mod cluster;

/// One request. The API server's own limit for mutating requests is 34 s by default; healthy ones take milliseconds.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// Asks for the answer's metadata alone: nobody needs a Secret's bytes back.
const ACCEPT_METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

/// Why a request didn't do what it should. No text of the API server is kept: it may quote what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// 404
    #[error("not found")]
    NotFound,
    /// 409: it exists already, or has changed.
    #[error("conflict")]
    Conflict,
    /// 422
    #[error("invalid")]
    Invalid,
    /// 403
    #[error("not permitted")]
    Forbidden,
    /// 403 with the cause NamespaceTerminating
    #[error("the namespace is being deleted")]
    NamespaceTerminating,
    /// 400 and whatever else a retry won't mend.
    #[error("refused with status {0}")]
    Refused(u16),
    /// No answer, 429 or 5xx.
    #[error("the API server can't be reached")]
    Unreachable,
}

impl ApiError {
    /// What an error of the client comes to.
    pub(crate) fn from_kube(error: &kube::Error) -> Self {
        let kube::Error::Api(status) = error else {
            return Self::Unreachable;
        };
        match status.code {
            404 => Self::NotFound,
            409 => Self::Conflict,
            422 => Self::Invalid,
            403 if is_terminating(status) => Self::NamespaceTerminating,
            403 => Self::Forbidden,
            401 | 408 | 429 | 500..=599 | 0 => Self::Unreachable,
            code => Self::Refused(code),
        }
    }

    /// Label of a metric.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::Invalid => "invalid",
            Self::Forbidden => "forbidden",
            Self::NamespaceTerminating => "namespace_terminating",
            Self::Refused(_) => "refused",
            Self::Unreachable => "unreachable",
        }
    }
}

fn is_terminating(status: &kube::core::Status) -> bool {
    let causes = status
        .details
        .as_ref()
        .map(|details| details.causes.as_slice())
        .unwrap_or_default();
    causes
        .iter()
        .any(|cause| cause.reason == "NamespaceTerminating")
}

/// What a target Secret is to be.
pub struct SecretDraft<'a> {
    /// Namespace and name.
    pub key: &'a Key,
    /// Who controls it.
    pub owner: &'a Tenant,
    /// Labels and annotations beside the token's.
    pub metadata: &'a Metadata,
    /// The token's annotations; none for an emptied Secret.
    pub held: Option<&'a Held>,
    /// Keys.
    pub keys: &'a Rendered,
}

/// The API server.
#[derive(Clone)]
pub struct KubeApi {
    client: Client,
    metrics: Metrics,
    leadership: Arc<Leadership>,
    reachable: Arc<AtomicBool>,
}

impl KubeApi {
    /// On this client.
    #[must_use]
    pub fn new(client: Client, metrics: Metrics, leadership: Arc<Leadership>) -> Self {
        Self {
            client,
            metrics,
            leadership,
            reachable: Arc::new(AtomicBool::new(true)),
        }
    }

    /// The client, for watches.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// The last request got an answer.
    #[must_use]
    pub fn is_reachable(&self) -> bool {
        self.reachable.load(Ordering::Relaxed)
    }

    /// A watch told something of the API server.
    pub fn set_reachable(&self, reachable: bool) {
        self.reachable.store(reachable, Ordering::Relaxed);
    }

    async fn send(
        &self,
        what: &'static str,
        request: Request<Vec<u8>>,
    ) -> Result<Zeroizing<String>, ApiError> {
        self.leadership.required().await;
        let timer = self.metrics.api_timer(what);
        let result = tokio::time::timeout(REQUEST_TIMEOUT, self.client.request_text(request)).await;
        let result = match result {
            Err(_) => Err(ApiError::Unreachable),
            Ok(Err(error)) => Err(ApiError::from_kube(&error)),
            Ok(Ok(text)) => Ok(Zeroizing::new(text)),
        };
        self.set_reachable(result.as_ref().err() != Some(&ApiError::Unreachable));
        timer.done(
            result
                .as_ref()
                .map_or_else(|error| error.as_str(), |_| "ok"),
        );
        result
    }

    /// What stands under this name: its metadata.
    pub async fn look(&self, key: &Key) -> Result<ObjectMeta, ApiError> {
        let text = self
            .send("get_metadata", get(&secret_path(key), ACCEPT_METADATA)?)
            .await?;
        metadata_of(&text)
    }

    /// What stands under this name, its bytes too.
    pub async fn read(&self, key: &Key) -> Result<SecretBody, ApiError> {
        let text = self
            .send("get_secret", get(&secret_path(key), "application/json")?)
            .await?;
        serde_json::from_str(&text).map_err(|_| ApiError::Unreachable)
    }

    /// Creates a target; `Conflict` if there is one.
    pub async fn create(&self, draft: &SecretDraft<'_>) -> Result<ObjectMeta, ApiError> {
        let path = format!("/api/v1/namespaces/{}/secrets", draft.key.namespace);
        let request = request(
            Method::POST,
            &path,
            "application/json",
            ACCEPT_METADATA,
            bodies::create(draft),
        )?;
        metadata_of(&self.send("create_secret", request).await?)
    }

    /// Changes a target, exactly this one as it was seen: `Conflict` or `Invalid` if it is another by now.
    pub async fn patch(
        &self,
        draft: &SecretDraft<'_>,
        uid: &str,
        resource_version: &str,
    ) -> Result<ObjectMeta, ApiError> {
        let request = request(
            Method::PATCH,
            &secret_path(draft.key),
            "application/merge-patch+json",
            ACCEPT_METADATA,
            bodies::patch(draft, uid, resource_version),
        )?;
        metadata_of(&self.send("patch_secret", request).await?)
    }

    /// Deletes a target, exactly this one as it was seen.
    pub async fn delete(
        &self,
        key: &Key,
        uid: &str,
        resource_version: &str,
    ) -> Result<(), ApiError> {
        let body = json!({
            "apiVersion": "v1", "kind": "DeleteOptions",
            "preconditions": {"uid": uid, "resourceVersion": resource_version},
        });
        let request = request(
            Method::DELETE,
            &secret_path(key),
            "application/json",
            ACCEPT_METADATA,
            body.to_string().into_bytes(),
        )?;
        self.send("delete_secret", request).await.map(drop)
    }

    /// Writes a status over exactly the object that was read. Returns the new resourceVersion.
    pub async fn write_status(
        &self,
        tenant: &Tenant,
        status: &DefenderTenantStatus,
    ) -> Result<String, ApiError> {
        let path = format!("{}/status", tenant_path(&tenant.key));
        let request = request(
            Method::PUT,
            &path,
            "application/json",
            ACCEPT_METADATA,
            bodies::status(tenant, status),
        )?;
        let metadata = metadata_of(&self.send("put_status", request).await?)?;
        metadata.resource_version.ok_or(ApiError::Unreachable)
    }

    /// The tenant as the API server has it.
    pub async fn tenant(&self, key: &Key) -> Result<TenantObject, ApiError> {
        let text = self
            .send("get_tenant", get(&tenant_path(key), "application/json")?)
            .await?;
        serde_json::from_str(&text).map_err(|_| ApiError::Unreachable)
    }
}

fn secret_path(key: &Key) -> String {
    format!(
        "{}/{}",
        SecretMeta::url_path(&(), Some(&key.namespace)),
        key.name
    )
}

fn tenant_path(key: &Key) -> String {
    format!(
        "{}/{}",
        TenantObject::url_path(&(), Some(&key.namespace)),
        key.name
    )
}

fn get(path: &str, accept: &'static str) -> Result<Request<Vec<u8>>, ApiError> {
    request(Method::GET, path, "application/json", accept, Vec::new())
}

fn request(
    method: Method,
    path: &str,
    content_type: &'static str,
    accept: &'static str,
    body: Vec<u8>,
) -> Result<Request<Vec<u8>>, ApiError> {
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::CONTENT_TYPE, content_type)
        .header(header::ACCEPT, accept)
        .body(body)
        .map_err(|_| ApiError::Refused(StatusCode::BAD_REQUEST.as_u16()))
}

fn metadata_of(text: &str) -> Result<ObjectMeta, ApiError> {
    let object: SecretMeta = serde_json::from_str(text).map_err(|_| ApiError::Unreachable)?;
    Ok(object.metadata)
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use kube::client::Body;
    use tower_test::mock;

    use super::*;
    use crate::controller::Events;
    use crate::core::conditions::Notice;
    use crate::core::testing;
    use crate::lease::KernelClock;

    /// Everything that a turn asks goes through one function, and Events.
    #[tokio::test]
    async fn without_leadership_the_api_server_is_asked_nothing() {
        let (service, mut server) = mock::pair::<Request<Body>, http::Response<Body>>();
        let client = Client::new(service, "soc");
        let standby = Leadership::to_be_won(Arc::new(KernelClock));
        let api = KubeApi::new(client.clone(), Metrics::new(), standby.clone());
        let events = Events::new(client.clone(), None, standby);
        let tenant = testing::tenant();
        let status = DefenderTenantStatus::default();
        let notice = Notice {
            warning: true,
            reason: "Reason",
            note: String::new(),
        };
        assert!(api.look(&tenant.key).now_or_never().is_none());
        assert!(api.write_status(&tenant, &status).now_or_never().is_none());
        assert!(api.delete(&tenant.key, "u", "1").now_or_never().is_none());
        assert!(events.publish(&tenant, &notice).now_or_never().is_none());
        // Somebody who leads is the first to be heard.
        let leader = KubeApi::new(client, Metrics::new(), Leadership::for_good());
        let key = Key::new("soc", "by-a-leader");
        let asked = tokio::spawn(async move { leader.look(&key).await });
        let (request, _) = server.next_request().await.expect("a request");
        assert!(request.uri().path().ends_with("/by-a-leader"));
        asked.abort();
    }
}
