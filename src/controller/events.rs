//! Kubernetes Events. A lost Event is no error: the conditions say the same.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};

use crate::api::{APPLICATION_KIND, GROUP, KIND, VERSION};
use crate::core::application::Application;
use crate::core::conditions::Notice;
use crate::core::tenant::Tenant;
use crate::lease::Leadership;

/// Events are told last and may be lost; nothing waits longer for one.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Publishes Events.
#[derive(Clone)]
pub struct Events {
    recorder: Recorder,
    leadership: Arc<Leadership>,
}

impl Events {
    /// One recorder a process: it joins repeats.
    #[must_use]
    pub fn new(client: Client, instance: Option<String>, leadership: Arc<Leadership>) -> Self {
        let reporter = Reporter {
            controller: "defender-tenant-operator".to_owned(),
            instance,
        };
        Self {
            recorder: Recorder::new(client, reporter),
            leadership,
        }
    }

    /// Publishes one about a tenant.
    pub async fn publish(&self, tenant: &Tenant, notice: &Notice) {
        let reference = ObjectReference {
            kind: Some(KIND.to_owned()),
            name: Some(tenant.key.name.to_string()),
            namespace: Some(tenant.key.namespace.to_string()),
            uid: Some(tenant.uid.clone()),
            ..ObjectReference::default()
        };
        self.tell(reference, notice).await;
    }

    /// Publishes one about an application.
    pub async fn publish_of(&self, application: &Application, notice: &Notice) {
        let reference = ObjectReference {
            kind: Some(APPLICATION_KIND.to_owned()),
            name: Some(application.name.to_string()),
            uid: Some(application.uid.clone()),
            ..ObjectReference::default()
        };
        self.tell(reference, notice).await;
    }

    async fn tell(&self, mut reference: ObjectReference, notice: &Notice) {
        reference.api_version = Some(format!("{GROUP}/{VERSION}"));
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
        self.leadership.required().await;
        let published =
            tokio::time::timeout(TIMEOUT, self.recorder.publish(&event, &reference)).await;
        if !matches!(published, Ok(Ok(()))) {
            tracing::debug!(
                object = reference.name,
                reason = notice.reason,
                "an Event was lost"
            );
        }
    }
}
