//! Whether a mint is due, and why.

use jiff::{SignedDuration, Timestamp};

use super::target::{contested, was_just_repaired};
use super::{CREDENTIAL_GRACE, MintWhy, Wake};
use crate::core::attempt::{self, Hold};
use crate::core::breaker::FRESH_FOR;
use crate::core::gate::SAME_REQUEST_GAP;
use crate::core::gathered::{Gathered, Obstacle, Owned, TargetView};
use crate::core::roles;
use crate::core::schedule::saturating_add;
use crate::core::target::Held;

/// Status and annotations keep whole seconds, rounded down: what they say of the last request may be a second too early.
const ROUNDING: SignedDuration = SignedDuration::from_secs(1);
/// When a target is looked at again that changed while it was being looked at; the watch tells sooner.
const DOUBT_LOOK: SignedDuration = SignedDuration::from_secs(5);
/// How often a missing or unlabelled credential Secret is looked for; a labelled one is told by the watch.
const CREDENTIAL_LOOK: SignedDuration = SignedDuration::from_mins(1);
/// Whether a mint is due, and why.
pub(super) fn mint(g: &Gathered<'_>, now: Timestamp, wake: &mut Wake) -> Option<MintWhy> {
    if g.tenant.spec.suspend || matches!(g.target, TargetView::Stranger { .. }) {
        return None;
    }
    if g.usable_credential().is_err() {
        look_for_credential(g, now, wake);
        return None;
    }
    if g.unfit(now).is_some() {
        return None;
    }
    if g.session.minted.is_some() {
        after_mint(g, now, wake);
        return None;
    }
    if is_in_doubt(g) {
        wake.at(saturating_add(now, DOUBT_LOOK));
        return None;
    }
    let why = due(g, now, wake)?;
    if let Some(until) = too_soon(g, now) {
        wake.at(until);
        return None;
    }
    if let Some(until) = g.session.not_admitted {
        if let Some(until) = until {
            wake.at(until);
        }
        return None;
    }
    Some(why)
}

/// The target was found in order and has changed since: that is no reason to mint before another look.
fn is_in_doubt(g: &Gathered<'_>) -> bool {
    let in_order = g
        .session
        .body
        .as_ref()
        .is_some_and(|body| body.in_order && body.token.is_some());
    in_order && matches!(g.target, TargetView::Ours(owned) if !owned.verified)
}

fn look_for_credential(g: &Gathered<'_>, now: Timestamp, wake: &mut Wake) {
    let Err(obstacle) = g.usable_credential() else {
        return;
    };
    match obstacle {
        Obstacle::NotFound | Obstacle::NotLabelled => {
            wake.at(saturating_add(g.tenant.created_at, CREDENTIAL_GRACE));
            wake.at(saturating_add(now, CREDENTIAL_LOOK));
        }
        // The watch tells when it comes.
        Obstacle::NoApplication(_) => {
            wake.at(saturating_add(g.tenant.created_at, CREDENTIAL_GRACE));
        }
        _ => {}
    }
}

/// A mint was made in this reconcile: when comes the next?
fn after_mint(g: &Gathered<'_>, now: Timestamp, wake: &mut Wake) {
    if let Some(held) = g.live(now) {
        wake.at(held.refresh_at);
    }
    if let Some(next) = attempt::after_mint(g, now).and_then(|attempt| attempt.next_at) {
        wake.at(next.0);
    }
}

fn due(g: &Gathered<'_>, now: Timestamp, wake: &mut Wake) -> Option<MintWhy> {
    if is_forced(g) {
        return Some(MintWhy::Forced);
    }
    let persisted = attempt::hold(g, now);
    let held = g.live(now);
    let wanted = g.mint_inputs();
    if let Some(at) = g.proof_at {
        wake.at(at);
    }
    let needed = match held {
        None if lost(g, now) => {
            if contested(g, now, wake) {
                return None;
            }
            Some(MintWhy::Lost)
        }
        None => Some(MintWhy::NoToken),
        Some(held)
            if wanted
                .as_ref()
                .is_some_and(|inputs| differ(inputs, &held.mint_inputs)) =>
        {
            Some(MintWhy::InputsChanged)
        }
        Some(held) if held.refresh_at <= now => Some(MintWhy::Due),
        Some(held) => {
            wake.at(held.refresh_at);
            None
        }
    };
    match (needed, persisted) {
        (_, Hold::Until(at)) => {
            wake.at(at);
            None
        }
        (Some(why), _) => Some(why),
        (None, _) if wants_proof(g, held) => Some(MintWhy::Proof),
        (None, _) if g.proof_at.is_some_and(|at| at <= now) => Some(MintWhy::Proof),
        (None, Hold::RetryAt(at)) => {
            wake.at(at);
            None
        }
        // A write that was denied is tried again by itself.
        (None, Hold::Retry) if attempt::is_denied(&g.tenant.status) => None,
        (None, Hold::Retry) => Some(MintWhy::Retry),
        (None, Hold::Free) => wants_other_roles(g, now).then_some(MintWhy::Retry),
    }
}

/// Another hash of the same version. An older version's says nothing: an upgrade mints nothing.
fn differ(wanted: &str, held: &str) -> bool {
    let version = |hash: &str| hash.split_once(':').map(|(version, _)| version.to_owned());
    wanted != held && version(wanted) == version(held)
}

/// Valid tokens follow a changed credential when they are due; one of them goes ahead, so that a mistake shows at once.
fn wants_proof(g: &Gathered<'_>, held: Option<&Held>) -> bool {
    let current = g.fingerprint().map(|fingerprint| fingerprint.to_string());
    g.unproven
        && held
            .is_some_and(|held| current.is_some_and(|current| current != held.origin.fingerprint))
}

/// The annotation has a value that wasn't served yet.
#[must_use]
pub fn is_forced(g: &Gathered<'_>) -> bool {
    let request = g.tenant.refresh_request.as_ref();
    request.is_some() && request != g.tenant.status.handled_refresh_request.as_ref()
}

/// A changed spec asks for roles that the token lacks. A status that is lost, or that never heard of this very token,
/// can't tell a changed spec from one whose status couldn't be written.
fn wants_other_roles(g: &Gathered<'_>, now: Timestamp) -> bool {
    let status = &g.tenant.status;
    let speaks_of = |held: &Held| {
        status
            .token
            .as_ref()
            .is_some_and(|token| token.issued_at.0 == held.issued_at)
    };
    let changed = status
        .observed_generation
        .is_some_and(|seen| seen > 0 && seen < g.tenant.generation);
    let missing = missing_roles(g, now);
    // What an application asks of all its tenants changes without a generation of theirs.
    let said = status.token.as_ref().map(|token| &token.missing_roles);
    let news = said.is_some_and(|said| missing.iter().any(|role| !said.contains(role)));
    (changed || news) && !missing.is_empty() && g.live(now).is_some_and(speaks_of)
}

fn missing_roles(g: &Gathered<'_>, now: Timestamp) -> Vec<String> {
    g.live_roles(now)
        .map(|granted| roles::missing(&g.required().roles, granted))
        .unwrap_or_default()
}

/// Our Secret should hold a live token, and doesn't.
fn lost(g: &Gathered<'_>, now: Timestamp) -> bool {
    let status = &g.tenant.status;
    let here = status
        .target
        .as_ref()
        .is_none_or(|target| target.name == g.tenant.target_name());
    let promised = here
        && status
            .token
            .as_ref()
            .is_some_and(|token| token.expires_at.0 > now);
    (promised || was_just_repaired(g, now)) && !g.session.retired
}

/// The same question within ten seconds, whoever asks: what the gate knows within a process, status and Secret know across a restart.
fn too_soon(g: &Gathered<'_>, now: Timestamp) -> Option<Timestamp> {
    let fingerprint = g.fingerprint()?.to_string();
    let attempted = g
        .tenant
        .status
        .attempt
        .as_ref()
        .filter(|attempt| attempt.fingerprint == fingerprint)
        .map(|attempt| attempt.last_at.0);
    let issued = match g.target {
        TargetView::Ours(Owned {
            held: Some(held), ..
        }) if held.origin.fingerprint == fingerprint => Some(held.issued_at),
        _ => None,
    };
    let until = saturating_add(attempted.max(issued)?, SAME_REQUEST_GAP + ROUNDING);
    // A clock that was set back must not hold a tenant up.
    (until > now && until <= saturating_add(now, FRESH_FOR)).then_some(until)
}
