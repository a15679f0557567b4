//! The persisted backoff: what a status says about the attempts since the last one that went well.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::breaker::Health;
use super::credential::Fingerprint;
use super::discovery;
use super::errors::{Retry, Scope, retry};
use super::gathered::{Gathered, Minted, WriteFailure};
use super::plan::is_forced;
use super::reason::Reason;
use super::roles;
use super::schedule::{jitter_fraction, saturating_add};
use crate::api::{AttemptStatus, DefenderTenantStatus, LastErrorStatus, MissingRolePolicy};

mod trouble;

use trouble::{Kind, Trouble, trouble};

/// How often a write that the API server denied is tried again.
pub const WRITE_RETRY: SignedDuration = SignedDuration::from_mins(5);
/// Roles arrive late: a role set that changed is asked for once more after this time.
const ROLES_SETTLE: SignedDuration = SignedDuration::from_mins(2);
/// What a denied write is held for, rounding included.
const WRITE_LONGEST: SignedDuration = SignedDuration::from_mins(6);
/// An attempt further in the future than this was made before the clock was set back.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(1);

/// What the persisted attempt says about the next mint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// There is none: the token's own schedule decides.
    Free,
    /// Try now: its time has come, or spec or credential changed.
    Retry,
    /// Try at this instant, or before if the token needs it.
    RetryAt(Timestamp),
    /// Don't try before.
    Until(Timestamp),
}

/// Reads the persisted attempt.
#[must_use]
pub fn hold(g: &Gathered<'_>, now: Timestamp) -> Hold {
    let status = &g.tenant.status;
    let Some(attempt) = &status.attempt else {
        return Hold::Free;
    };
    let error = status.last_error.as_ref();
    if !is_valid(g, attempt) {
        return Hold::Retry;
    }
    // The breaker has closed since: whoever failed for the credential goes again.
    if g.health == Health::Fine && error.is_some_and(|e| e.scope == Scope::Credential.as_str()) {
        return Hold::Retry;
    }
    match attempt.next_at.as_ref().map(|at| at.0) {
        Some(at) if at > now && is_believed(status, attempt, now) => {
            if error.is_some_and(|error| !speaks_of_a_token(g, error)) {
                Hold::Until(at)
            } else {
                Hold::RetryAt(at)
            }
        }
        _ => Hold::Retry,
    }
}

/// Made in the past, as far as clocks of two machines agree on it, and not for further away than any schedule reaches.
fn is_believed(status: &DefenderTenantStatus, attempt: &AttemptStatus, now: Timestamp) -> bool {
    attempt.last_at.0 <= saturating_add(now, CLOCKS_DIFFER)
        && attempt
            .next_at
            .as_ref()
            .is_some_and(|next| next.0 <= saturating_add(now, longest(status)))
}

/// The longest that the last failure's class waits: a persisted instant further away isn't believed.
fn longest(status: &DefenderTenantStatus) -> SignedDuration {
    let reason = status
        .last_error
        .as_ref()
        .map_or(Some(Reason::RolesMissing), |error| {
            Reason::parse(&error.reason)
        });
    let class = match reason {
        Some(Reason::NotPermitted | Reason::NamespaceTerminating) => return WRITE_LONGEST,
        Some(reason) => match trouble::kind(reason) {
            Kind::Consent => Retry::Consent,
            // A service that is away may say for how long.
            Kind::Service => Retry::Throttle,
            Kind::Write | Kind::Other => Retry::Slow,
        },
        None => Retry::Slow,
    };
    // Whole seconds, rounded up.
    SignedDuration::try_from(retry::cap(class)).unwrap_or(SignedDuration::MAX)
        + SignedDuration::from_secs(1)
}

/// The error is about a token that came and was published, which mustn't keep the next one from coming in time.
fn speaks_of_a_token(g: &Gathered<'_>, error: &LastErrorStatus) -> bool {
    match Reason::parse(&error.reason) {
        Some(Reason::ClockSkew) => error.scope == Scope::Service.as_str(),
        Some(Reason::NotProvisioned) => true,
        Some(Reason::RolesMissing) => {
            g.tenant.spec.missing_role_policy == MissingRolePolicy::Publish
        }
        // The probe's: a mint that failed so leaves an attempt.
        Some(Reason::TokenMismatch) => g.tenant.status.attempt.is_none(),
        _ => false,
    }
}

/// The last error is a write that the API server denied.
#[must_use]
pub fn is_denied(status: &DefenderTenantStatus) -> bool {
    let reason = status
        .last_error
        .as_ref()
        .and_then(|error| Reason::parse(&error.reason));
    matches!(
        reason,
        Some(Reason::NotPermitted | Reason::NamespaceTerminating)
    )
}

/// Until when no write is tried, because the API server denied one.
#[must_use]
pub fn denied_until(g: &Gathered<'_>, now: Timestamp) -> Option<Timestamp> {
    let attempt =
        g.tenant.status.attempt.as_ref().filter(|attempt| {
            is_valid(g, attempt) && is_believed(&g.tenant.status, attempt, now)
        })?;
    attempt
        .next_at
        .as_ref()
        .map(|next| next.0)
        .filter(|next| *next > now && is_denied(&g.tenant.status))
}

/// The denied write's time had come, and in this reconcile none was denied.
fn is_denial_over(g: &Gathered<'_>, now: Timestamp) -> bool {
    is_denied(&g.tenant.status)
        && denied_until(g, now).is_none()
        && g.session.failed_write.is_none()
        && g.session.not_admitted.is_none()
}

/// It speaks of this spec and this credential; or of another credential of the application, as long as it was about
/// something else than that. What waits for roles has no error, and a token that lives: no credential changes that.
fn is_valid(g: &Gathered<'_>, attempt: &AttemptStatus) -> bool {
    let is = |fingerprint: Fingerprint| fingerprint.to_string() == attempt.fingerprint;
    let of_another = || match &g.tenant.status.last_error {
        None => true,
        Some(error) if error.scope == Scope::Credential.as_str() => false,
        Some(_) => g
            .application
            .is_some_and(|view| view.fingerprints.iter().copied().any(is)),
    };
    attempt.generation == g.tenant.generation && (g.fingerprint().is_none_or(is) || of_another())
}

/// The attempt to persist after this reconcile.
#[must_use]
pub fn after(g: &Gathered<'_>, now: Timestamp) -> Option<AttemptStatus> {
    let denied =
        matches!(g.session.failed_write, Some(failure) if failure != WriteFailure::Unreachable);
    if g.session.minted.is_none() && !denied {
        if is_denial_over(g, now) {
            return None;
        }
        return g.tenant.status.attempt.clone();
    }
    after_mint(g, now)
}

/// The attempt to persist after a mint.
#[must_use]
pub fn after_mint(g: &Gathered<'_>, now: Timestamp) -> Option<AttemptStatus> {
    let before = g
        .tenant
        .status
        .attempt
        .as_ref()
        .filter(|attempt| is_valid(g, attempt));
    // A forced mint begins the schedule anew: somebody has just done something.
    let before = before.filter(|_| !is_forced(g));
    // Eight answers of a service that was away are no eight questions for consent.
    let trouble = trouble(g);
    let kind = trouble
        .as_ref()
        .map_or(Kind::Consent, |trouble| trouble::kind(trouble.reason));
    let last = g
        .tenant
        .status
        .last_error
        .as_ref()
        .map_or(Some(Reason::RolesMissing), |error| {
            Reason::parse(&error.reason)
        });
    let before = before.filter(|_| last.is_some_and(|last| trouble::kind(last) == kind));
    let count = before
        .map_or(0, |attempt| attempt.count.max(0))
        .saturating_add(1);
    let jitter = jitter_fraction(&g.tenant.uid);
    let (count, next_at) = match trouble {
        Some(Trouble {
            progress: Some((probes, next)),
            ..
        }) => (i32::try_from(probes).unwrap_or(i32::MAX), next),
        Some(trouble)
            if matches!(
                trouble.reason,
                Reason::NotPermitted | Reason::NamespaceTerminating
            ) =>
        {
            (count, saturating_add(now, WRITE_RETRY))
        }
        Some(trouble) => (
            count,
            saturating_add(
                now,
                delay(
                    trouble.retry,
                    trouble.reason,
                    count,
                    trouble.retry_after,
                    jitter,
                ),
            ),
        ),
        None => match settled_roles(g, now)? {
            Settle::Late => (count, saturating_add(now, ROLES_SETTLE)),
            Settle::Missing => (
                count,
                saturating_add(
                    now,
                    delay(Retry::Consent, Reason::RolesMissing, count, None, jitter),
                ),
            ),
        },
    };
    Some(AttemptStatus {
        generation: g.tenant.generation,
        fingerprint: g.fingerprint().map(|f| f.to_string()).unwrap_or_default(),
        count,
        last_at: seconds(now),
        // Rounded up: nobody is woken a moment before it is allowed.
        next_at: Some(seconds(saturating_add(
            next_at,
            SignedDuration::from_nanos(999_999_999),
        ))),
    })
}
enum Settle {
    Late,
    Missing,
}

/// A token came and may be published: is another one worth asking for before it is due?
fn settled_roles(g: &Gathered<'_>, now: Timestamp) -> Option<Settle> {
    let Some(Minted::Token { token, .. }) = &g.session.minted else {
        return None;
    };
    let status = &g.tenant.status;
    let had_none = status.last_error.as_ref().is_some_and(|error| {
        error.reason == Reason::ConsentRequired.as_str() || error.reason == Reason::NoRoles.as_str()
    });
    let before = status
        .token
        .as_ref()
        .filter(|before| before.expires_at.0 > now)
        .map(|before| &before.roles);
    if had_none || before.is_some_and(|roles| *roles != token.roles) {
        return Some(Settle::Late);
    }
    (!roles::missing(&g.required().roles, &token.roles).is_empty()).then_some(Settle::Missing)
}

fn delay(
    retry: Retry,
    reason: Reason,
    count: i32,
    retry_after: Option<Duration>,
    jitter: f64,
) -> SignedDuration {
    let count = u32::try_from(count).unwrap_or(1).max(1);
    // The consent schedule's first five questions take a quarter of an hour, the others half an hour each.
    let elapsed = Duration::from_secs(15 * 60 + u64::from(count.saturating_sub(5)) * 30 * 60);
    let wait = retry::delay(&retry::Attempt {
        retry,
        reason,
        count,
        elapsed,
        retry_after,
        jitter,
    });
    SignedDuration::try_from(wait).unwrap_or(SignedDuration::from_hours(1))
}

/// The error to show after this reconcile.
#[must_use]
pub fn error_after(g: &Gathered<'_>, now: Timestamp) -> Option<LastErrorStatus> {
    if let Some(trouble) = trouble(g) {
        return Some(LastErrorStatus {
            code: trouble.code.map(|code| format!("AADSTS{code}")),
            reason: trouble.reason.as_str().to_owned(),
            scope: trouble.scope.as_str().to_owned(),
            correlation_id: trouble.correlation_id.map(|id| id.to_string()),
            trace_id: trouble.trace_id.map(|id| id.to_string()),
            at: seconds(now),
        });
    }
    let simple = |reason: Reason, scope: Scope| LastErrorStatus {
        code: None,
        reason: reason.as_str().to_owned(),
        scope: scope.as_str().to_owned(),
        correlation_id: None,
        trace_id: None,
        at: seconds(now),
    };
    match (&g.session.probed, &g.session.minted) {
        (Some(super::gathered::ProbeResult::Fails { reason, .. }), _) => {
            return Some(simple(*reason, Scope::Tenant));
        }
        // It says nothing of a mint that failed.
        (Some(super::gathered::ProbeResult::Works), None) => {
            return g
                .tenant
                .status
                .last_error
                .clone()
                .filter(|error| !speaks_of_a_token(g, error));
        }
        _ => {}
    }
    match &g.session.minted {
        None if is_denial_over(g, now) => None,
        None => {
            let error = g.tenant.status.last_error.clone();
            error.map(|error| LastErrorStatus {
                reason: discovery::conclusion(g).map_or(error.reason, |conclusion| {
                    conclusion.reason.as_str().to_owned()
                }),
                ..error
            })
        }
        Some(Minted::Token { skew: Some(_), .. }) => {
            Some(simple(Reason::ClockSkew, Scope::Service))
        }
        Some(_) => None,
    }
}

/// The error that still stands when this reconcile asked Microsoft nothing: the last one, as long as it speaks
/// of this spec and this credential.
#[must_use]
pub fn standing(g: &Gathered<'_>, now: Timestamp) -> Option<Reason> {
    let status = &g.tenant.status;
    let error = status.last_error.as_ref()?;
    if status
        .attempt
        .as_ref()
        .is_some_and(|attempt| !is_valid(g, attempt))
    {
        return None;
    }
    // What is wrong with a credential is said by its health, which may have changed since.
    if error.scope == Scope::Credential.as_str() || is_denial_over(g, now) {
        return None;
    }
    Reason::parse(&error.reason)
}

/// Status and annotations keep whole seconds.
#[must_use]
pub fn seconds(at: Timestamp) -> Time {
    Time(Timestamp::from_second(at.as_second()).unwrap_or(at))
}

#[cfg(test)]
mod tests;
