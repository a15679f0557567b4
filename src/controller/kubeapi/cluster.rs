//! Requests about what belongs to the cluster.

use http::Method;
use kube::Resource as _;
use serde_json::json;

use super::{ACCEPT_METADATA, ApiError, KubeApi, get, metadata_of, request};
use crate::api::{APPLICATION_KIND, DefenderApplicationStatus, GROUP, VERSION};
use crate::controller::objects::{ApplicationObject, NamespaceMeta};
use crate::core::application::{Application, Labels};

impl KubeApi {
    /// The application as the API server has it.
    pub async fn application(&self, name: &str) -> Result<ApplicationObject, ApiError> {
        let path = application_path(name);
        let text = self
            .send("get_application", get(&path, "application/json")?)
            .await?;
        serde_json::from_str(&text).map_err(|_| ApiError::Unreachable)
    }

    /// A namespace's labels.
    pub async fn labels(&self, namespace: &str) -> Result<Labels, ApiError> {
        let path = format!("{}/{namespace}", NamespaceMeta::url_path(&(), None));
        let text = self
            .send("get_namespace", get(&path, ACCEPT_METADATA)?)
            .await?;
        Ok(metadata_of(&text)?.labels.unwrap_or_default())
    }

    /// Writes an application's status over exactly the object that was read. Returns the new resourceVersion.
    pub async fn write_application_status(
        &self,
        application: &Application,
        status: &DefenderApplicationStatus,
    ) -> Result<String, ApiError> {
        let body = json!({
            "apiVersion": format!("{GROUP}/{VERSION}"), "kind": APPLICATION_KIND,
            "metadata": {
                "name": application.name, "uid": application.uid,
                "resourceVersion": application.resource_version,
            },
            "status": status,
        });
        let path = format!("{}/status", application_path(&application.name));
        let bytes = body.to_string().into_bytes();
        let request = request(
            Method::PUT,
            &path,
            "application/json",
            ACCEPT_METADATA,
            bytes,
        )?;
        let text = self.send("put_application_status", request).await?;
        metadata_of(&text)?
            .resource_version
            .ok_or(ApiError::Unreachable)
    }
}

fn application_path(name: &str) -> String {
    format!("{}/{name}", ApplicationObject::url_path(&(), None))
}
