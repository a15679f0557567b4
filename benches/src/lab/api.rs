//! The administrator's requests to the API server.

use futures::{StreamExt as _, TryStreamExt as _, stream};
use http::{HeaderName, HeaderValue, Method, header};
use hyper::body::Bytes;
use serde_json::Value;

use crate::Result;
use crate::wire::{self, Place, Wire};

/// The field manager of what is applied.
const MANAGER: &str = "bench";
const METADATA: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
/// How many requests are in flight when a fleet is made or unmade.
const IN_FLIGHT: usize = 32;

/// A client with the administrator's certificate.
pub struct Api {
    wire: Wire,
}

impl Api {
    /// For a kubeconfig with a client certificate.
    pub fn new(kubeconfig: &str) -> Result<Self> {
        use base64::Engine as _;
        let config: Value = serde_saphyr::from_str(kubeconfig)?;
        let text = |pointer: &str| {
            let value = config.pointer(pointer).and_then(Value::as_str);
            value.ok_or_else(|| format!("the kubeconfig has no {pointer}"))
        };
        let bytes = |pointer: &str| -> Result<Vec<u8>> {
            Ok(base64::engine::general_purpose::STANDARD.decode(text(pointer)?)?)
        };
        let roots = bytes("/clusters/0/cluster/certificate-authority-data")?;
        let certificate = bytes("/users/0/user/client-certificate-data")?;
        let key = bytes("/users/0/user/client-key-data")?;
        let server = text("/clusters/0/cluster/server")?;
        let authority = server.trim_start_matches("https://").to_owned();
        let place = Place {
            address: Some(authority.parse()?),
            proxy: None,
            tls: Some(wire::tls(&roots, Some((&certificate, &key)), false)?),
            authority,
        };
        let headers = [(header::USER_AGENT, "bench/admin")];
        Ok(Self {
            wire: Wire::new(place, false, &headers)?,
        })
    }

    /// Any request; the answer's JSON if its status is 2xx.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        content_type: &'static str,
        body: Option<&Value>,
    ) -> Result<Value> {
        let headers = [(header::CONTENT_TYPE, HeaderValue::from_static(content_type))];
        self.send(method, path, &headers, body).await
    }

    /// `GET` of a list, without anything but the objects' metadata.
    pub async fn metadata(&self, path: &str) -> Result<Value> {
        let headers = [(header::ACCEPT, HeaderValue::from_static(METADATA))];
        self.send(Method::GET, path, &headers, None).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(HeaderName, HeaderValue)],
        body: Option<&Value>,
    ) -> Result<Value> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let answer = self
            .wire
            .send(method.clone(), path, headers, Bytes::from(body))
            .await?
            .ok()
            .map_err(|error| format!("{method} {path}: {error}"))?;
        Ok(serde_json::from_slice(&answer.body)?)
    }

    /// `GET`
    pub async fn get(&self, path: &str) -> Result<Value> {
        self.ask(Method::GET, path, "application/json", None).await
    }

    /// `POST`
    pub async fn create(&self, path: &str, body: &Value) -> Result<Value> {
        self.ask(Method::POST, path, "application/json", Some(body))
            .await
    }

    /// A JSON merge patch.
    pub async fn merge(&self, path: &str, patch: &Value) -> Result<Value> {
        let kind = "application/merge-patch+json";
        self.ask(Method::PATCH, path, kind, Some(patch)).await
    }

    /// `DELETE`
    pub async fn delete(&self, path: &str) -> Result<Value> {
        self.ask(Method::DELETE, path, "application/json", None)
            .await
    }

    /// Server-side apply of one object at its path.
    pub async fn apply(&self, path: &str, object: &Value) -> Result<Value> {
        let path = format!("{path}?fieldManager={MANAGER}&force=true");
        let kind = "application/apply-patch+yaml";
        self.ask(Method::PATCH, &path, kind, Some(object)).await
    }

    /// Applies the documents of a manifest.
    pub async fn apply_manifest(&self, manifest: &str) -> Result<()> {
        for document in manifest.split("\n---\n") {
            let object: Value = serde_saphyr::from_str(document)?;
            self.apply(&path_of(&object)?, &object).await?;
        }
        Ok(())
    }
}

/// Does something for each, many at a time, and ends with the first error.
pub async fn for_each<T, F>(items: impl IntoIterator<Item = T>, act: impl Fn(T) -> F) -> Result<()>
where
    F: Future<Output = Result<()>>,
{
    stream::iter(items)
        .map(act)
        .buffer_unordered(IN_FLIGHT)
        .try_collect::<()>()
        .await
}

/// The path of an object: enough for the kinds that are applied here.
fn path_of(object: &Value) -> Result<String> {
    let text = |pointer: &str| {
        let value = object.pointer(pointer).and_then(Value::as_str);
        value.ok_or_else(|| format!("an object has no {pointer}"))
    };
    let version = text("/apiVersion")?;
    let plural = format!("{}s", text("/kind")?.to_lowercase());
    let root = if version.contains('/') {
        "/apis"
    } else {
        "/api"
    };
    let namespace = text("/metadata/namespace")
        .map(|namespace| format!("/namespaces/{namespace}"))
        .unwrap_or_default();
    let name = text("/metadata/name")?;
    Ok(format!("{root}/{version}{namespace}/{plural}/{name}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_objects_path_follows_from_its_kind() {
        let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "a"}});
        assert_eq!(
            path_of(&role).unwrap(),
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/a"
        );
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a", "namespace": "b"}});
        assert_eq!(path_of(&secret).unwrap(), "/api/v1/namespaces/b/secrets/a");
        assert!(path_of(&json!({})).is_err());
    }

    #[tokio::test]
    async fn the_first_error_ends_it() {
        let act = async |n: u32| if n == 3 { Err("three".into()) } else { Ok(()) };
        assert!(for_each(0..3, act).await.is_ok());
        assert!(for_each(0..9, act).await.is_err());
    }
}
