//! What a transition of an application says in an Event.

use super::reason;
use crate::api::DefenderApplicationStatus;
use crate::core::conditions::{Notice, note};
use crate::core::reason::Reason;

/// Events: something that a person must see to has come up, or is over.
#[must_use]
pub fn notices(
    before: &DefenderApplicationStatus,
    after: &DefenderApplicationStatus,
) -> Vec<Notice> {
    let find = |status: &DefenderApplicationStatus, type_: &str| {
        let condition = status.conditions.iter().find(|c| c.type_ == type_)?;
        Some((
            condition.status.clone(),
            condition.reason.clone(),
            condition.message.clone(),
        ))
    };
    let mut said = Vec::new();
    for (type_, bad) in [
        ("Ready", "False"),
        ("CredentialExpiring", "True"),
        ("RolesConfigured", "False"),
    ] {
        let (was, is) = (find(before, type_), find(after, type_));
        let Some((status, reason, message)) = is else {
            continue;
        };
        let was = was.map(|(status, reason, _)| (status, reason));
        if was == Some((status.clone(), reason.clone())) {
            continue;
        }
        if status == bad {
            said.push(Notice {
                warning: reason != Reason::ApplicationSuspended.as_str(),
                reason: constant(&reason),
                note: note(&message),
            });
        } else if type_ == "Ready" && was.is_some_and(|(status, _)| status == bad) {
            said.push(Notice {
                warning: false,
                reason: "Recovered",
                note: note("The application can be used again."),
            });
        }
    }
    said
}

fn constant(name: &str) -> &'static str {
    let own = [
        reason::EXPIRES_SOON,
        reason::EXPIRED,
        reason::ROLES_MISSING_EVERYWHERE,
    ];
    own.into_iter()
        .find(|known| *known == name)
        .or_else(|| Reason::parse(name).map(Reason::as_str))
        .unwrap_or("ApplicationChanged")
}
