//! How a tenant's turn ends, and what of it is worth a status.

use jiff::{SignedDuration, Timestamp};

use super::breaker::Health;
use super::errors::Scope;
use super::gathered::{Gathered, Minted, WriteFailure};
use super::plan::plan;
use super::queue::Finish;
use super::schedule::saturating_add;

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
        expires_at: g.live(now).map(|held| held.expires_at),
        gone: false,
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
