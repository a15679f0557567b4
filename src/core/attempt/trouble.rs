//! What went wrong in a reconcile.

use std::time::Duration;

use jiff::Timestamp;

use crate::core::breaker::Health;
use crate::core::discovery;
use crate::core::errors::{Retry, Scope};
use crate::core::gathered::{Gathered, Minted, WriteFailure};
use crate::core::plan::may_publish;
use crate::core::reason::Reason;

/// What went wrong in this reconcile, and how it is retried.
pub(super) struct Trouble {
    pub(super) reason: Reason,
    pub(super) scope: Scope,
    pub(super) retry: Retry,
    pub(super) code: Option<u32>,
    pub(super) correlation_id: Option<uuid::Uuid>,
    pub(super) trace_id: Option<uuid::Uuid>,
    pub(super) retry_after: Option<Duration>,
    pub(super) progress: Option<(usize, Timestamp)>,
}

impl Trouble {
    const fn new(reason: Reason, scope: Scope, retry: Retry) -> Self {
        Self {
            reason,
            scope,
            retry,
            code: None,
            correlation_id: None,
            trace_id: None,
            retry_after: None,
            progress: None,
        }
    }
}

pub(super) fn trouble(g: &Gathered<'_>) -> Option<Trouble> {
    match g.session.failed_write {
        Some(WriteFailure::NotPermitted | WriteFailure::Refused) => {
            return Some(Trouble::new(
                Reason::NotPermitted,
                Scope::Service,
                Retry::Transient,
            ));
        }
        Some(WriteFailure::NamespaceTerminating) => {
            return Some(Trouble::new(
                Reason::NamespaceTerminating,
                Scope::Service,
                Retry::Transient,
            ));
        }
        // The token that came is lost: whoever can't write must not ask for another one at once.
        Some(WriteFailure::Unreachable)
            if matches!(g.session.minted, Some(Minted::Token { .. })) =>
        {
            return Some(Trouble::new(
                Reason::Pending,
                Scope::Service,
                Retry::Transient,
            ));
        }
        Some(WriteFailure::Unreachable) | None => {}
    }
    match g.session.minted.as_ref()? {
        Minted::Token { token, .. } if token.roles.is_empty() => {
            Some(Trouble::new(Reason::NoRoles, Scope::Tenant, Retry::Consent))
        }
        Minted::Token { token, .. } if !may_publish(g, &token.roles) => Some(Trouble::new(
            Reason::RolesMissing,
            Scope::Tenant,
            Retry::Consent,
        )),
        Minted::Token { .. } => None,
        Minted::Wrong { reason, .. } => Some(Trouble::new(*reason, Scope::Tenant, Retry::Slow)),
        Minted::Failed {
            failure,
            scope,
            progress,
        } => {
            let verdict = &failure.verdict;
            let propagating = *scope == Scope::Credential && g.health == Health::Propagating;
            let concluded = discovery::conclusion(g).map(|conclusion| conclusion.reason);
            Some(Trouble {
                reason: if propagating {
                    Reason::CredentialPropagating
                } else {
                    concluded.unwrap_or(verdict.reason)
                },
                scope: *scope,
                retry: concluded.map_or(verdict.retry, |_| Retry::Slow),
                code: verdict.code,
                correlation_id: failure.correlation_id,
                trace_id: failure.trace_id,
                retry_after: failure.retry_after,
                progress: *progress,
            })
        }
    }
}
/// Failures that are counted together.
#[derive(PartialEq, Eq)]
pub(super) enum Kind {
    Consent,
    Service,
    Write,
    Other,
}

pub(super) const fn kind(reason: Reason) -> Kind {
    match reason {
        Reason::ConsentRequired
        | Reason::NoRoles
        | Reason::RolesMissing
        | Reason::ServicePrincipalDisabled => Kind::Consent,
        Reason::ServiceUnavailable | Reason::Throttled | Reason::Pending => Kind::Service,
        Reason::NotPermitted | Reason::NamespaceTerminating => Kind::Write,
        _ => Kind::Other,
    }
}
