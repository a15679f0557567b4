//! What a transition says in an Event.

use crate::api::DefenderTenantStatus;
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

/// An Event where something turned bad, or good again; none for a first success or a refresh.
#[must_use]
pub fn transition(before: &DefenderTenantStatus, after: &DefenderTenantStatus) -> Option<Notice> {
    let (_, reason, message) = ready_of(after)?;
    let reason = Reason::parse(reason)?;
    let old = ready_of(before).and_then(|(_, reason, _)| Reason::parse(reason));
    if old == Some(reason) || reason == Reason::Pending {
        return None;
    }
    match (old, reason) {
        (None | Some(Reason::Pending), Reason::TokenPublished) if before.last_error.is_none() => {
            None
        }
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
