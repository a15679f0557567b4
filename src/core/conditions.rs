//! What the status says: from what was gathered and done to conditions.

use std::borrow::Cow;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::attempt::{self, seconds};
use super::discovery::Discovery;
use super::gathered::{Gathered, Minted, Obstacle, ProbeResult, TargetView};
use super::plan::may_publish;
use super::reason::{Abnormal, ConditionType, Reason, Truth};
use super::roles;
use crate::api::{DefenderTenantStatus, TargetStatus, TokenStatus};

mod events;
mod problems;
mod remarks;

pub use events::{Notice, note, ready_of, transition};
pub use problems::{Problem, problems};

/// Reason of a CredentialReady that is True.
pub const USABLE: &str = "Usable";
/// Reason of a ConsentGranted that is True.
pub const CONSENTED: &str = "Consented";
/// Reason of a RolesGranted that is True.
pub const GRANTED: &str = "Granted";
/// The Secret holds a checked, unexpired token that policy allows.
#[must_use]
pub fn is_ready(g: &Gathered<'_>, now: Timestamp) -> bool {
    g.live(now).is_some()
        && !g.is_for_other_audience(now)
        && g.live_roles(now)
            .is_none_or(|granted| may_publish(g, granted))
}

/// The status to write.
#[must_use]
pub fn compose(
    g: &Gathered<'_>,
    consent_url: impl FnOnce() -> Option<String>,
    now: Timestamp,
) -> DefenderTenantStatus {
    let before = &g.tenant.status;
    let problems = problems(g, now);
    let ready = is_ready(g, now);
    let token = token_status(g, now);
    let conditions = conditions(g, &problems, ready, now);
    let not_granted = |t: ConditionType| {
        conditions
            .iter()
            .any(|c| c.type_ == t.as_str() && c.status == Truth::False.as_str())
    };
    // Nobody can consent in a tenant that isn't there.
    let nowhere = problems
        .iter()
        .any(|p| matches!(p.reason, Reason::TenantNotFound | Reason::WrongCloud));
    // Nor does it matter where the platform team doesn't grant the tenant.
    let denied = matches!(g.usable_credential(), Err(Obstacle::NotGranted(_)));
    let wants_consent = !nowhere
        && !denied
        && (not_granted(ConditionType::ConsentGranted) || not_granted(ConditionType::RolesGranted));
    let resource_version = match g.target {
        TargetView::Ours(owned) if owned.verified => Some(owned.resource_version.clone()),
        _ => None,
    };
    DefenderTenantStatus {
        observed_generation: Some(g.tenant.generation),
        conditions,
        token,
        consent_url: if wants_consent {
            consent_url().or_else(|| before.consent_url.clone())
        } else {
            None
        },
        target: Some(TargetStatus {
            name: g.tenant.target_name(),
            resource_version,
        }),
        attempt: attempt::after(g, now),
        handled_refresh_request: g
            .session
            .served_request
            .clone()
            .or_else(|| before.handled_refresh_request.clone()),
        discovered_generation: match g.session.discovery {
            Some(Discovery::Answered(_)) => Some(g.tenant.generation),
            _ => before.discovered_generation,
        },
        probed_at: match g.session.probed {
            Some(ProbeResult::Works | ProbeResult::Fails { .. }) => Some(seconds(now)),
            _ => before.probed_at.clone(),
        },
        last_error: attempt::error_after(g, now),
    }
}

/// What the status says of the customer's consent, if it isn't there.
#[must_use]
pub fn consent_reason(status: &DefenderTenantStatus) -> Option<Reason> {
    status
        .conditions
        .iter()
        .find(|c| c.type_ == ConditionType::ConsentGranted.as_str())
        .and_then(|c| Reason::parse(&c.reason))
}

fn token_status(g: &Gathered<'_>, now: Timestamp) -> Option<TokenStatus> {
    let held = g.live(now)?;
    let before = g
        .tenant
        .status
        .token
        .as_ref()
        .filter(|before| before.issued_at.0 == held.issued_at);
    let granted = g.live_roles(now).unwrap_or_default();
    let required = &g.required().roles;
    // Surplus is said against what was asked for; who asked for nothing took what there is.
    let surplus = if required.is_empty() {
        Vec::new()
    } else {
        roles::surplus(required, granted)
    };
    Some(TokenStatus {
        issued_at: seconds(held.issued_at),
        expires_at: seconds(held.expires_at),
        refresh_at: seconds(held.refresh_at),
        roles: granted.to_vec(),
        missing_roles: roles::missing(required, granted),
        surplus_roles: surplus,
        audience: before
            .filter(|_| !g.session.published)
            .map_or_else(|| g.endpoints.audience.to_string(), |b| b.audience.clone()),
        application_id: before
            .filter(|_| !g.session.published)
            .map(|b| b.application_id.clone())
            .or_else(|| g.client_id().map(|id| id.to_string()))
            .unwrap_or_default(),
    })
}

struct Draft {
    type_: ConditionType,
    truth: Truth,
    reason: &'static str,
    message: Cow<'static, str>,
}

fn conditions(
    g: &Gathered<'_>,
    problems: &[Problem],
    ready: bool,
    now: Timestamp,
) -> Vec<Condition> {
    let mut drafts = Vec::with_capacity(6);
    let first = problems.first();
    drafts.push(Draft {
        type_: ConditionType::Ready,
        truth: if ready { Truth::True } else { Truth::False },
        reason: first.map_or(Reason::TokenPublished.as_str(), |p| p.reason.as_str()),
        message: first.map_or(Reason::TokenPublished.message().into(), |p| {
            p.message.clone()
        }),
    });
    let mut kept = Vec::new();
    for type_ in [
        ConditionType::CredentialReady,
        ConditionType::ConsentGranted,
        ConditionType::RolesGranted,
    ] {
        let problem = problems
            .iter()
            .find(|p| p.reason.speaks_on().is_some_and(|(on, _)| on == type_));
        let draft = match (problem, learned(g, type_, now)) {
            (Some(problem), _) => Some(Draft {
                type_,
                truth: problem
                    .reason
                    .speaks_on()
                    .map_or(Truth::Unknown, |(_, truth)| truth),
                reason: problem.reason.as_str(),
                message: problem.message.clone(),
            }),
            (None, Some(draft)) => Some(draft),
            (None, None) => None,
        };
        match draft {
            Some(mut draft) => {
                if type_ == ConditionType::RolesGranted {
                    draft.message = remarks::added(draft.message, g, now);
                }
                drafts.push(draft);
            }
            None => kept.extend(
                g.tenant
                    .status
                    .conditions
                    .iter()
                    .filter(|c| c.type_ == type_.as_str())
                    .cloned(),
            ),
        }
    }
    let stalled = problems.iter().find(|p| p.abnormal == Abnormal::Stalled);
    let reconciling = problems
        .iter()
        .find(|p| p.abnormal == Abnormal::Reconciling);
    let abnormal = match (stalled, reconciling) {
        (Some(problem), _) => Some((ConditionType::Stalled, problem)),
        (None, Some(problem)) => Some((ConditionType::Reconciling, problem)),
        (None, None) => None,
    };
    if let Some((type_, problem)) = abnormal {
        // The details stand in the conditions above; each byte here is paid for at every refresh.
        drafts.push(Draft {
            type_,
            truth: Truth::True,
            reason: problem.reason.as_str(),
            message: problem.reason.message().into(),
        });
    }
    let mut conditions: Vec<_> = drafts
        .into_iter()
        .map(|draft| condition(g, draft, now))
        .collect();
    conditions.extend(kept.into_iter().map(|mut condition| {
        condition.observed_generation = Some(g.tenant.generation);
        condition
    }));
    conditions.sort_by_key(|c| order(&c.type_));
    conditions
}

/// What this reconcile learned that makes a condition True. `None` leaves it as it was.
fn learned(g: &Gathered<'_>, type_: ConditionType, now: Timestamp) -> Option<Draft> {
    let minted = match &g.session.minted {
        Some(Minted::Token { token, .. }) => Some(token.roles.as_slice()),
        _ => None,
    };
    let (reason, message) = match type_ {
        ConditionType::CredentialReady => {
            let credential = g.usable_credential().ok()?;
            let note = if credential.trimmed {
                "White space around a key of the credential Secret was ignored: remove it."
            } else {
                ""
            };
            (USABLE, note)
        }
        ConditionType::ConsentGranted => {
            minted
                .or_else(|| g.live_roles(now).filter(|_| g.session.body.is_some()))
                .filter(|granted| !granted.is_empty())?;
            (CONSENTED, "")
        }
        _ => {
            // A token without any role tells nothing of the one that is published.
            let granted = minted
                .filter(|granted| !granted.is_empty())
                .or_else(|| g.live_roles(now))?;
            if !roles::missing(&g.required().roles, granted).is_empty() {
                return None;
            }
            (GRANTED, "")
        }
    };
    Some(Draft {
        type_,
        truth: Truth::True,
        reason,
        message: message.into(),
    })
}

/// Transition times move only on a flip.
fn condition(g: &Gathered<'_>, draft: Draft, now: Timestamp) -> Condition {
    let before = g
        .tenant
        .status
        .conditions
        .iter()
        .find(|c| c.type_ == draft.type_.as_str());
    let since = before
        .filter(|c| c.status == draft.truth.as_str())
        .map(|c| c.last_transition_time.clone());
    Condition {
        last_transition_time: since.unwrap_or_else(|| seconds(now)),
        message: draft.message.into_owned(),
        observed_generation: Some(g.tenant.generation),
        reason: draft.reason.to_owned(),
        status: draft.truth.as_str().to_owned(),
        type_: draft.type_.as_str().to_owned(),
    }
}

fn order(type_: &str) -> usize {
    [
        ConditionType::Ready,
        ConditionType::CredentialReady,
        ConditionType::ConsentGranted,
        ConditionType::RolesGranted,
        ConditionType::Reconciling,
        ConditionType::Stalled,
    ]
    .iter()
    .position(|t| t.as_str() == type_)
    .unwrap_or(usize::MAX)
}
#[cfg(test)]
mod tests;
