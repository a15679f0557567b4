//! The customers: their tenants, their Secrets, and how both get back to the beginning.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::api::for_each;
use super::{APPLICATION, CLIENT, Lab};
use crate::Result;

/// Among so many namespaces they are spread.
const NAMESPACES: usize = 20;

/// With tokens of an hour this is as good as the default; rows with short ones need it.
const REMAINING: u32 = 10;

/// Their names.
pub fn namespaces() -> impl Iterator<Item = String> {
    (0..NAMESPACES).map(|n| format!("bench-{n:02}"))
}

/// The n-th customer's directory.
pub fn guid(n: usize) -> String {
    format!("6b1f0f3e-5c0a-4d9b-9a43-{n:012x}")
}

/// The n-th tenant's namespace and name.
pub fn place(n: usize) -> (String, String) {
    (
        format!("bench-{:02}", n % NAMESPACES),
        format!("customer-{n:05}"),
    )
}

/// Which customer that is.
pub fn number(name: &str) -> Option<usize> {
    name.strip_prefix("customer-")?.get(..5)?.parse().ok()
}

/// The path of tenants of a namespace.
pub fn tenants_path(namespace: &str) -> String {
    format!("/apis/defendertenant.io/v1alpha1/namespaces/{namespace}/defendertenants")
}

/// The path of the Secrets of a namespace.
pub fn secrets_path(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/secrets")
}

/// What an object is called, and which one and version it is.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Meta {
    /// Name.
    pub name: String,
    /// Namespace.
    pub namespace: String,
    /// UID.
    pub uid: String,
    /// Version.
    pub resource_version: String,
    /// Annotations.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

/// When a token in a Secret is due, and when it is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// It should be renewed.
    pub refresh: Timestamp,
    /// It expires.
    pub expires: Timestamp,
}

impl Meta {
    fn due(&self) -> Option<Due> {
        let at = |name: &str| {
            let text = self.annotations.get(&format!("defendertenant.io/{name}"))?;
            text.parse().ok()
        };
        Some(Due {
            refresh: at("refresh-at")?,
            expires: at("expires-at")?,
        })
    }
}

impl Lab {
    /// Makes tenants, or deletes some, until there are `n`.
    pub async fn resize(&mut self, n: usize) -> Result<()> {
        if n > self.size {
            let ids: Vec<String> = (self.size..n).map(guid).collect();
            self.emulator.customers(CLIENT, &ids).await?;
            for_each(self.size..n, |n| self.create(n)).await?;
        }
        for_each(n..self.size, |n| self.remove(n)).await?;
        self.size = n;
        Ok(())
    }

    /// Makes the n-th tenant.
    pub async fn create(&self, n: usize) -> Result<()> {
        let (namespace, name) = place(n);
        let body = json!({
            "apiVersion": "defendertenant.io/v1alpha1", "kind": "DefenderTenant",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {
                "tenantId": guid(n), "applicationRef": {"name": APPLICATION},
                "refresh": {"minRemainingSeconds": REMAINING},
            },
        });
        self.api
            .create(&tenants_path(&namespace), &body)
            .await
            .map(drop)
    }

    /// Deletes the n-th tenant; its Secret is garbage.
    pub async fn remove(&self, n: usize) -> Result<()> {
        let (namespace, name) = place(n);
        let path = format!("{}/{name}", tenants_path(&namespace));
        self.api.delete(&path).await.map(drop)
    }

    /// Every tenant has this `spec.refresh`: JSON merge patches.
    pub async fn refresh(&self, refresh: &Value) -> Result<()> {
        let patch = json!({"spec": {"refresh": refresh}});
        for_each(0..self.size, async |n| {
            let (namespace, name) = place(n);
            let path = format!("{}/{name}", tenants_path(&namespace));
            self.api.merge(&path, &patch).await.map(drop)
        })
        .await
    }

    /// No tenant has a Secret. Of one whose status says that there is one the operator looks twice, so that this is for
    /// fleets that the floor writes next.
    pub async fn reset_secrets(&self) -> Result<()> {
        for_each(namespaces(), async |namespace| {
            self.api.delete(&secrets_path(&namespace)).await.map(drop)
        })
        .await?;
        self.emulator.forget().await
    }

    /// No tenant has a Secret or a status: as if no operator had ever run.
    pub async fn reset(&self) -> Result<()> {
        self.reset_secrets().await?;
        let patch = json!({"status": null});
        for_each(0..self.size, async |n| {
            let (namespace, name) = place(n);
            let path = format!("{}/{name}/status", tenants_path(&namespace));
            self.api.merge(&path, &patch).await.map(drop)
        })
        .await
    }

    /// All tenants, in the order of their numbers.
    pub async fn tenants(&self) -> Result<Vec<Meta>> {
        self.list("/apis/defendertenant.io/v1alpha1/defendertenants")
            .await
    }

    /// All target Secrets, in the order of their tenants' numbers.
    pub async fn secrets(&self) -> Result<Vec<Meta>> {
        self.list("/api/v1/secrets").await
    }

    /// What each target Secret (`namespace/name`) says of its token.
    pub async fn dues(&self) -> Result<BTreeMap<String, Due>> {
        let secrets = self.secrets().await?;
        let dues = secrets.into_iter().filter_map(|meta| {
            let due = meta.due()?;
            Some((format!("{}/{}", meta.namespace, meta.name), due))
        });
        Ok(dues.collect())
    }

    async fn list(&self, path: &str) -> Result<Vec<Meta>> {
        #[derive(Deserialize)]
        struct Item {
            metadata: Meta,
        }
        let list = self.api.metadata(path).await?;
        let items: Vec<Item> = serde_json::from_value(list["items"].clone())?;
        let mut found: Vec<Meta> = items
            .into_iter()
            .map(|item| item.metadata)
            .filter(|meta| number(&meta.name).is_some())
            .collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_customer_is_found_by_its_names() {
        assert_eq!(
            place(21),
            ("bench-01".to_owned(), "customer-00021".to_owned())
        );
        assert_eq!(number("customer-00021"), Some(21));
        assert_eq!(number("customer-00021-defender-token"), Some(21));
        assert_eq!(number("partner"), None);
        assert_eq!(guid(255), "6b1f0f3e-5c0a-4d9b-9a43-0000000000ff");
    }
}
