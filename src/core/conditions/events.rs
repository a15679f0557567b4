//! What a transition says in an Event.

use crate::api::DefenderTenantStatus;
use crate::core::errors::Scope;
use crate::core::reason::{ConditionType, Reason};

/// Something to say in an Event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// A Warning, or Normal.
    pub warning: bool,
    /// Reason.
    pub reason: &'static str,
    /// Text.
    pub note: String,
}

/// The Ready condition's status and reason.
#[must_use]
pub fn ready_of(status: &DefenderTenantStatus) -> Option<(&str, &str, &str)> {
    status
        .conditions
        .iter()
        .find(|c| c.type_ == ConditionType::Ready.as_str())
        .map(|c| (c.status.as_str(), c.reason.as_str(), c.message.as_str()))
}

/// The API server takes no longer note (`events.k8s.io/v1`, in bytes).
const NOTE_MAX: usize = 1_024;

/// As much of a message as an Event takes.
#[must_use]
pub fn note(message: &str) -> String {
    let end = message.floor_char_boundary(NOTE_MAX.min(message.len()));
    message[..end].to_owned()
}

/// An Event where something turned bad, or good again; none for a first success or a refresh. `application`: the tenant
/// takes a DefenderApplication's credential. What is wrong with that is told by the application's own Event, not by one
/// of each of its thousands of tenants.
#[must_use]
pub fn transition(
    before: &DefenderTenantStatus,
    after: &DefenderTenantStatus,
    application: bool,
) -> Option<Notice> {
    let (_, reason, message) = ready_of(after)?;
    let reason = Reason::parse(reason)?;
    let old = ready_of(before).and_then(|(_, reason, _)| Reason::parse(reason));
    if old == Some(reason) || reason == Reason::Pending {
        return None;
    }
    let told_there =
        |status: &DefenderTenantStatus, reason| application && is_everybodys(status, reason);
    if told_there(after, reason) {
        return None;
    }
    match (old, reason) {
        (None | Some(Reason::Pending), Reason::TokenPublished) if before.last_error.is_none() => {
            None
        }
        (Some(old), Reason::TokenPublished) if told_there(before, old) => None,
        (_, Reason::TokenPublished) => Some(Notice {
            warning: false,
            reason: "Recovered",
            note: note(message),
        }),
        (_, Reason::Suspended) => Some(Notice {
            warning: false,
            reason: reason.as_str(),
            note: note(message),
        }),
        _ => Some(Notice {
            warning: true,
            reason: reason.as_str(),
            note: note(message),
        }),
    }
}

/// Whether it is the credential's, or its application's, not one customer's alone.
fn is_everybodys(status: &DefenderTenantStatus, reason: Reason) -> bool {
    let error = status.last_error.as_ref();
    match reason {
        Reason::CredentialSecretNotFound
        | Reason::CredentialSecretNotLabelled
        | Reason::CredentialMalformed
        | Reason::ApplicationSuspended => true,
        // Who waits for its turn with a credential that was mended.
        Reason::Pending => error.is_some_and(|error| error.scope == Scope::Credential.as_str()),
        Reason::CredentialPropagating
        | Reason::CredentialRejected
        | Reason::CredentialExpired
        | Reason::FederationMismatch
        | Reason::AppMisconfigured => error.is_none_or(|error| {
            error.reason != reason.as_str() || error.scope != Scope::Tenant.as_str()
        }),
        _ => false,
    }
}
