//! How a tenant's turn ends, and what of it is worth a status.

use jiff::{SignedDuration, Timestamp};

use super::breaker::Health;
use super::errors::Scope;
use super::gathered::{Gathered, Minted, WriteFailure};
use super::plan::plan;
use super::queue::Finish;
use super::schedule::saturating_add;

/// More steps than any way through the plan has; a loop would be a bug, and must not burn.
pub const STEPS_MAX: usize = 16;
/// When a turn that came to no end is tried again.
pub const TROUBLED: SignedDuration = SignedDuration::from_secs(30);
/// When a fresh credential is looked at again that couldn't be tried.
pub const PROOF_PAUSE: SignedDuration = SignedDuration::from_secs(10);
/// Longer than tokens live.
const BEHIND: SignedDuration = SignedDuration::from_hours(48);

/// Whether the status may have to say something new.
#[must_use]
pub fn is_told(g: &Gathered<'_>) -> bool {
    !g.tenant.deleting && !waits_silently(g) && !learned_nothing(g)
}

/// Who only waits for a turn that comes in moments needs no status of its own.
fn waits_silently(g: &Gathered<'_>) -> bool {
    let session = g.session;
    session.not_admitted == Some(None)
        && g.health == Health::Fine
        && session.failed_write.is_none()
        && session.body.is_none()
        && !session.retired
}

/// The API server is away and Microsoft wasn't asked: the last status is the best there is.
fn learned_nothing(g: &Gathered<'_>) -> bool {
    g.session.failed_write == Some(WriteFailure::Unreachable) && g.session.minted.is_none()
}

/// When it comes back, and where it waits. `troubled`: it came to no end, and is tried again after this time.
#[must_use]
pub fn finish(g: &Gathered<'_>, troubled: Option<SignedDuration>, now: Timestamp) -> Finish {
    let planned = plan(g, now).wake_at;
    let retry = troubled.map(|wait| saturating_add(now, wait));
    let lane = match g.session.not_admitted {
        Some(None) => g.fingerprint(),
        _ => None,
    };
    Finish {
        wake_at: [planned, retry].into_iter().flatten().min(),
        lane,
        expires_at: urgency(g, now),
        gone: false,
    }
}

/// The token's expiry. Whom Microsoft has just turned away stands behind those whom it hasn't: a throttled region, whose
/// tenants come back each minute and expire first, must not take all of a credential's requests.
fn urgency(g: &Gathered<'_>, now: Timestamp) -> Option<Timestamp> {
    let expires_at = g.live(now).map(|held| held.expires_at);
    let turned_away = match &g.session.minted {
        Some(Minted::Failed { scope, .. }) => *scope == Scope::Service,
        Some(_) => false,
        None => {
            let status = &g.tenant.status;
            let error = status
                .last_error
                .as_ref()
                .filter(|_| status.attempt.is_some());
            error.is_some_and(|error| error.scope == Scope::Service.as_str())
        }
    };
    if turned_away {
        Some(saturating_add(expires_at.unwrap_or(now), BEHIND))
    } else {
        expires_at
    }
}

/// The mint failed for a credential (by its fingerprint) that another one has taken the place of: it is asked anew.
#[must_use]
pub fn is_superseded(g: &Gathered<'_>, fingerprint: &str) -> bool {
    let refused = matches!(
        &g.session.minted,
        Some(Minted::Failed {
            scope: Scope::Credential,
            ..
        })
    );
    refused && g.is_other_and_fine(fingerprint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::errors::Failure;
    use crate::core::testing::{LIFE, World, at, code, http};

    fn failed(verdict: crate::core::errors::Verdict) -> Minted {
        Minted::Failed {
            scope: verdict.scope,
            failure: Failure::from(verdict),
            progress: None,
        }
    }

    fn urgency_after(minted: Option<Minted>, token: bool) -> Option<Timestamp> {
        let mut world = World::settled();
        if !token {
            world.target = crate::core::gathered::TargetView::Absent;
        }
        world.session.minted = minted;
        finish(&world.g(), None, at(1)).expires_at
    }

    #[test]
    fn who_was_throttled_stands_behind_all_others_and_in_their_order() {
        let expires = at(LIFE);
        assert_eq!(urgency_after(None, true), Some(expires));
        assert_eq!(
            urgency_after(Some(failed(code(7_000_222))), true),
            Some(expires)
        );
        let behind = expires + BEHIND;
        assert_eq!(urgency_after(Some(failed(http(429))), true), Some(behind));
        assert_eq!(urgency_after(Some(failed(http(503))), true), Some(behind));
        assert_eq!(urgency_after(None, false), None);
        assert_eq!(
            urgency_after(Some(failed(http(429))), false),
            Some(at(1) + BEHIND)
        );
    }
}
