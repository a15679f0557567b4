//! What is wrong with a tenant, or not yet right.

use std::borrow::Cow;

use jiff::Timestamp;

use super::{is_ready, remarks};
use crate::api::MissingRolePolicy;
use crate::api::cloud::regions;
use crate::core::attempt;
use crate::core::breaker::Health;
use crate::core::discovery;
use crate::core::errors::Scope;
use crate::core::gathered::{Gathered, Minted, ProbeResult, TargetView, WriteFailure};
use crate::core::plan::{CREDENTIAL_GRACE, contested_until};
use crate::core::reason::{Abnormal, Reason};
use crate::core::roles;
use crate::core::schedule::saturating_add;

/// Something that is wrong, or not yet right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Why.
    pub reason: Reason,
    /// What a reader sees.
    pub message: Cow<'static, str>,
    /// Which abnormal condition goes with it here.
    pub(super) abnormal: Abnormal,
}

impl Problem {
    fn new(reason: Reason) -> Self {
        Self {
            reason,
            message: reason.message().into(),
            abnormal: reason.abnormal(),
        }
    }

    /// With what makes this case special, if anything does.
    fn with(reason: Reason, detail: &str) -> Self {
        let base = reason.message();
        let detail = detail.trim_end_matches('.');
        if detail.is_empty() || base.trim_end_matches('.') == detail {
            return Self::new(reason);
        }
        let message = format!("{base} [{detail}]").into();
        Self {
            message,
            ..Self::new(reason)
        }
    }

    /// With what Microsoft was shown, where that helps to mend it.
    fn refused(g: &Gathered<'_>, reason: Reason, detail: &str) -> Self {
        match g.refusal_hint(reason) {
            None => Self::with(reason, detail),
            Some(hint) if detail.is_empty() => Self::with(reason, &hint),
            Some(hint) => Self::with(reason, &format!("{detail} {hint}")),
        }
    }
}

/// Everything that is wrong with a tenant, the most urgent first.
#[must_use]
pub fn problems(g: &Gathered<'_>, now: Timestamp) -> Vec<Problem> {
    let mut found = Vec::new();
    if !g.endpoints.has_front_door {
        found.push(no_front_door(g));
    }
    credential_problems(g, now, &mut found);
    mint_problems(g, now, &mut found);
    target_problems(g, now, &mut found);
    if g.tenant.spec.suspend {
        let mut suspended = Problem::new(Reason::Suspended);
        if g.live(now).is_some() {
            suspended.abnormal = Abnormal::None;
        }
        found.push(suspended);
    }
    if found.is_empty() && !is_ready(g, now) {
        found.push(Problem::new(Reason::Pending));
    }
    if g.tenant.spec.missing_role_policy == MissingRolePolicy::Withhold {
        for problem in found
            .iter_mut()
            .filter(|problem| problem.reason == Reason::RolesMissing)
        {
            problem.abnormal = Abnormal::Stalled;
        }
    }
    found.sort_by_key(|problem| std::cmp::Reverse(problem.reason.urgency()));
    found.dedup_by_key(|problem| problem.reason);
    found
}

/// An older CRD let the region in.
fn no_front_door(g: &Gathered<'_>) -> Problem {
    let (cloud, api) = (g.tenant.spec.cloud, g.tenant.spec.api);
    let regions: Vec<_> = regions(cloud, api).iter().map(|r| r.as_str()).collect();
    let detail = format!("api {api} in cloud {cloud} has: {}", regions.join(", "));
    Problem::with(Reason::RegionUnavailable, &detail)
}

fn credential_problems(g: &Gathered<'_>, now: Timestamp, found: &mut Vec<Problem>) {
    match g.usable_credential() {
        Err(obstacle) => {
            let reason = obstacle.reason();
            let mut problem = Problem::with(reason, &obstacle.detail());
            let may_come = matches!(
                reason,
                Reason::CredentialSecretNotFound | Reason::ApplicationNotFound
            );
            if may_come && now < saturating_add(g.tenant.created_at, CREDENTIAL_GRACE) {
                problem.abnormal = Abnormal::Reconciling;
            }
            found.push(problem);
        }
        Ok(_) => match (g.unfit(now), g.health) {
            (Some(unfit), _) => found.push(Problem::with(unfit.reason(), &unfit.detail())),
            (None, Health::Fine) => {}
            (None, Health::Propagating) => {
                found.push(Problem::new(Reason::CredentialPropagating));
            }
            (None, Health::Refused(reason)) => found.push(Problem::refused(g, reason, "")),
        },
    }
}

fn mint_problems(g: &Gathered<'_>, now: Timestamp, found: &mut Vec<Problem>) {
    let mut judged = false;
    match &g.session.minted {
        Some(Minted::Failed { failure, scope, .. }) => {
            // The credential's own state is said once, from its health.
            let covered = *scope == Scope::Credential && g.health != Health::Fine;
            if let Some(problem) = discovered(g) {
                found.push(problem);
            } else if !covered {
                let verdict = &failure.verdict;
                found.push(Problem::refused(g, verdict.reason, verdict.detail));
            }
        }
        Some(Minted::Wrong { reason, detail }) => found.push(Problem::with(*reason, detail)),
        Some(Minted::Token { token, skew }) => {
            if token.roles.is_empty() {
                found.push(Problem::new(Reason::NoRoles));
            } else {
                judged = true;
                role_problem(g, &token.roles, found);
            }
            if skew.is_some() {
                found.push(Problem::new(Reason::ClockSkew));
            }
        }
        None => found.extend(
            discovered(g).or_else(|| attempt::standing(g, now).map(|reason| carried(g, reason))),
        ),
    }
    // The one that is published, whether a mint failed or none was made: else each attempt would flip the status.
    if let Some(granted) = g.live_roles(now).filter(|_| !judged) {
        role_problem(g, granted, found);
    }
    if let Some(ProbeResult::Fails { reason, detail }) = g.session.probed {
        found.push(Problem::with(reason, detail));
    }
}

/// What a failed mint comes down to, where it is known where the tenant lives.
fn discovered(g: &Gathered<'_>) -> Option<Problem> {
    let conclusion = discovery::conclusion(g)?;
    Some(match conclusion.detail {
        Some(detail) => Problem::with(conclusion.reason, detail),
        None => carried(g, conclusion.reason),
    })
}

/// A problem of an earlier reconcile, in its words.
fn carried(g: &Gathered<'_>, reason: Reason) -> Problem {
    let said = g
        .tenant
        .status
        .conditions
        .iter()
        .find(|c| c.reason == reason.as_str() && !c.message.is_empty());
    let mut problem = Problem::new(reason);
    if let Some(condition) = said {
        problem.message = remarks::removed(&condition.message).to_owned().into();
    }
    problem
}

fn role_problem(g: &Gathered<'_>, granted: &[String], found: &mut Vec<Problem>) {
    let missing = roles::missing(&g.required().roles, granted);
    if missing.is_empty() {
        return;
    }
    let unknown = roles::unknown(&missing, g.tenant.spec.api);
    let mut detail = missing.join(", ");
    if !unknown.is_empty() {
        detail = format!(
            "{detail} (not a known role of this API: {})",
            roles::listed(&unknown)
        );
    }
    found.push(Problem::with(Reason::RolesMissing, &detail));
}

fn target_problems(g: &Gathered<'_>, now: Timestamp, found: &mut Vec<Problem>) {
    match g.target {
        TargetView::Stranger { predecessor: true } => found.push(Problem::new(Reason::Pending)),
        TargetView::Stranger { predecessor: false } => {
            found.push(Problem::new(Reason::TargetConflict));
        }
        TargetView::Absent | TargetView::Ours(_) => {}
    }
    match g.session.failed_write {
        Some(WriteFailure::NotPermitted) => found.push(Problem::with(
            Reason::NotPermitted,
            "it needs create, patch and delete on Secrets of this namespace",
        )),
        Some(WriteFailure::Refused) => {
            found.push(Problem::with(
                Reason::NotPermitted,
                "the object was refused, by an admission policy or a quota perhaps",
            ));
        }
        Some(WriteFailure::NamespaceTerminating) => {
            found.push(Problem::new(Reason::NamespaceTerminating));
        }
        Some(WriteFailure::Unreachable) if g.session.minted.is_some() => {
            found.push(Problem::with(
                Reason::Pending,
                "the API server doesn't take the Secret: is an admission webhook down?",
            ));
        }
        Some(WriteFailure::Unreachable) | None => {}
    }
    if contested_until(g, now).is_some() {
        found.push(Problem::new(Reason::TargetContested));
    }
}
