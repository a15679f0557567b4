//! Kubernetes Events. A lost Event is no error: the conditions say the same.

use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};

use crate::api::{GROUP, KIND, VERSION};
use crate::core::conditions::Notice;
use crate::core::tenant::Tenant;

/// Events are told last and may be lost; nothing waits longer for one.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Publishes Events.
#[derive(Clone)]
pub struct Events {
    recorder: Recorder,
}

impl Events {
    /// One recorder a process: it joins repeats.
    #[must_use]
    pub fn new(client: Client, instance: Option<String>) -> Self {
        let reporter = Reporter {
            controller: "defender-tenant-operator".to_owned(),
            instance,
        };
        Self {
            recorder: Recorder::new(client, reporter),
        }
    }

    /// Publishes one.
    pub async fn publish(&self, tenant: &Tenant, notice: &Notice) {
        let event = Event {
            type_: if notice.warning {
                EventType::Warning
            } else {
                EventType::Normal
            },
            reason: notice.reason.to_owned(),
            note: Some(notice.note.chars().take(1_000).collect()),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        let reference = ObjectReference {
            api_version: Some(format!("{GROUP}/{VERSION}")),
            kind: Some(KIND.to_owned()),
            name: Some(tenant.key.name.to_string()),
            namespace: Some(tenant.key.namespace.to_string()),
            uid: Some(tenant.uid.clone()),
            ..ObjectReference::default()
        };
        let published =
            tokio::time::timeout(TIMEOUT, self.recorder.publish(&event, &reference)).await;
        if !matches!(published, Ok(Ok(()))) {
            tracing::debug!(tenant = %tenant.key, reason = notice.reason, "an Event was lost");
        }
    }
}
