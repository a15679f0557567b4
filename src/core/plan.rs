//! What to do next, and why. Pure: the executor does one step, adds what it learned, and asks again.

use jiff::{SignedDuration, Timestamp};

use super::attempt::{self, Hold};
use super::breaker::FRESH_FOR;
use super::gate::SAME_REQUEST_GAP;
use super::gathered::{Gathered, Minted, Owned, TargetView, WriteFailure};
use super::reason::Reason;
use super::roles;
use super::schedule::saturating_add;
use super::target::Held;
use crate::api::{ExpiredTokenPolicy, MissingRolePolicy, Probe};

mod target;

pub use target::{PREDECESSOR_LOOK, REPAIR_WINDOW, REPAIRS_MAX, STRANGER_LOOK, contested_until};
use target::{contested, copy_old, denied, remove_old, settle_target, was_just_repaired};

/// A missing credential Secret may still be on its way so long after the tenant was created.
pub const CREDENTIAL_GRACE: SignedDuration = SignedDuration::from_mins(2);
/// How often a missing or unlabelled credential Secret is looked for; a labelled one is told by the watch.
const CREDENTIAL_LOOK: SignedDuration = SignedDuration::from_mins(1);
/// When a target is looked at again that changed while it was being looked at; the watch tells sooner.
const DOUBT_LOOK: SignedDuration = SignedDuration::from_secs(5);
/// Status and annotations keep whole seconds, rounded down: what they say of the last request may be a second too early.
const ROUNDING: SignedDuration = SignedDuration::from_secs(1);
/// How often a probe is made that must be made daily.
const PROBE_EVERY: SignedDuration = SignedDuration::from_hours(24);

/// Why a token is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MintWhy {
    /// There is none.
    NoToken,
    /// There was one, and somebody took or spoilt it.
    Lost,
    /// Its time has come.
    Due,
    /// Audience or application changed.
    InputsChanged,
    /// What had failed is tried again: its time has come, or spec or credential changed.
    Retry,
    /// A changed credential is tried once before anybody depends on it.
    Proof,
    /// The annotation asks for it.
    Forced,
}

impl MintWhy {
    /// Label of a metric and word of a log line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoToken => "no_token",
            Self::Lost => "lost",
            Self::Due => "due",
            Self::InputsChanged => "inputs_changed",
            Self::Retry => "retry",
            Self::Proof => "proof",
            Self::Forced => "forced",
        }
    }
}

/// One thing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing: write the status if it changed, and wait.
    Rest,
    /// Read the target's bytes and compare.
    ReadTarget,
    /// See by a live request what stands under the target's name.
    LookAtTarget,
    /// Ask Microsoft for a token.
    Mint(MintWhy),
    /// Write the minted token.
    Publish,
    /// Write the token that the Secret holds once more, in the keys and annotations that it should have.
    Rewrite,
    /// Write the token of the old target into the new one.
    CopyOld,
    /// Delete the old target.
    RemoveOld,
    /// Take an expired token away.
    Retire(ExpiredTokenPolicy),
    /// Try the token.
    Probe,
}

/// What to do now, and when to think again if nothing happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// What to do.
    pub step: Step,
    /// When to think again.
    pub wake_at: Option<Timestamp>,
}

/// Decides.
#[must_use]
pub fn plan(g: &Gathered<'_>, now: Timestamp) -> Plan {
    let mut wake = Wake { now, at: None };
    let step = step(g, now, &mut wake);
    Plan { step, wake_at: wake.at }
}

/// The soonest instant that anything asked for.
struct Wake {
    now: Timestamp,
    at: Option<Timestamp>,
}

impl Wake {
    fn at(&mut self, at: Timestamp) {
        if at > self.now {
            self.at = Some(self.at.map_or(at, |known| known.min(at)));
        }
    }
}

fn step(g: &Gathered<'_>, now: Timestamp, wake: &mut Wake) -> Step {
    if g.tenant.deleting {
        return Step::Rest;
    }
    if let Some(failure) = g.session.failed_write {
        return after_failed_write(g, failure, now, wake);
    }
    // The end of a fight changes the status, also where nothing is left to repair.
    let _ = contested(g, now, wake);
    settle_target(g, now, wake)
        .or_else(|| settle_mint(g))
        .or_else(|| copy_old(g, now, wake))
        .or_else(|| mint(g, now, wake).map(Step::Mint))
        .or_else(|| retire(g, now, wake))
        .or_else(|| remove_old(g, now, wake))
        .or_else(|| probe(g, now, wake))
        .unwrap_or(Step::Rest)
}

fn after_failed_write(g: &Gathered<'_>, failure: WriteFailure, now: Timestamp, wake: &mut Wake) -> Step {
    let wait = match failure {
        WriteFailure::Unreachable => {
            SignedDuration::from_secs(1_i64 << g.memo.api_failures.min(5)).min(SignedDuration::from_secs(30))
        }
        _ => attempt::WRITE_RETRY,
    };
    wake.at(saturating_add(now, wait));
    Step::Rest
}

/// What becomes of a token that was just minted.
fn settle_mint(g: &Gathered<'_>) -> Option<Step> {
    match &g.session.minted {
        Some(Minted::Token { token, .. }) if !g.session.published && may_publish(g, &token.roles) => {
            matches!(g.target, TargetView::Absent | TargetView::Ours(_)).then_some(Step::Publish)
        }
        _ => None,
    }
}

/// Whether policy allows a token with these roles.
#[must_use]
pub fn may_publish(g: &Gathered<'_>, granted: &[String]) -> bool {
    let spec = &g.tenant.spec;
    !granted.is_empty()
        && (spec.missing_role_policy == MissingRolePolicy::Publish || roles::missing(&spec.required_roles, granted).is_empty())
}

/// Whether a mint is due, and why.
fn mint(g: &Gathered<'_>, now: Timestamp, wake: &mut Wake) -> Option<MintWhy> {
    if g.tenant.spec.suspend || matches!(g.target, TargetView::Stranger { .. }) {
        return None;
    }
    if g.usable_credential().is_err() {
        look_for_credential(g, now, wake);
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
    let in_order = g.session.body.as_ref().is_some_and(|body| body.in_order && body.token.is_some());
    in_order && matches!(&g.target, TargetView::Ours(owned) if !owned.verified)
}

fn look_for_credential(g: &Gathered<'_>, now: Timestamp, wake: &mut Wake) {
    let Err((reason, _)) = g.usable_credential() else { return };
    if matches!(reason, Reason::CredentialSecretNotFound | Reason::CredentialSecretNotLabelled) {
        wake.at(saturating_add(g.tenant.created_at, CREDENTIAL_GRACE));
        wake.at(saturating_add(now, CREDENTIAL_LOOK));
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
    let needed = match held {
        None if lost(g, now) => {
            if contested(g, now, wake) {
                return None;
            }
            Some(MintWhy::Lost)
        }
        None => Some(MintWhy::NoToken),
        Some(held) if wanted.as_ref().is_some_and(|inputs| differ(inputs, &held.mint_inputs)) => Some(MintWhy::InputsChanged),
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
    g.unproven && held.is_some_and(|held| current.is_some_and(|current| current != held.fingerprint))
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
    let speaks_of = |held: &Held| status.token.as_ref().is_some_and(|token| token.issued_at.0 == held.issued_at);
    let changed = status.observed_generation.is_some_and(|seen| seen > 0 && seen < g.tenant.generation);
    changed && g.live(now).is_some_and(speaks_of) && lacks_roles(g, now)
}

fn lacks_roles(g: &Gathered<'_>, now: Timestamp) -> bool {
    g.live_roles(now).is_some_and(|granted| !roles::missing(&g.tenant.spec.required_roles, granted).is_empty())
}

/// Our Secret should hold a live token, and doesn't.
fn lost(g: &Gathered<'_>, now: Timestamp) -> bool {
    let status = &g.tenant.status;
    let promised = status.token.as_ref().is_some_and(|token| token.expires_at.0 > now);
    (promised || was_just_repaired(g, now)) && !g.session.retired
}

/// The same question within ten seconds, whoever asks: what the gate knows within a process, status and Secret know across a restart.
fn too_soon(g: &Gathered<'_>, now: Timestamp) -> Option<Timestamp> {
    let fingerprint = g.fingerprint()?.to_string();
    let attempted =
        g.tenant.status.attempt.as_ref().filter(|attempt| attempt.fingerprint == fingerprint).map(|attempt| attempt.last_at.0);
    let issued = match &g.target {
        TargetView::Ours(Owned { held: Some(held), .. }) if held.fingerprint == fingerprint => Some(held.issued_at),
        _ => None,
    };
    let until = saturating_add(attempted.max(issued)?, SAME_REQUEST_GAP + ROUNDING);
    // A clock that was set back must not hold a tenant up.
    (until > now && until <= saturating_add(now, FRESH_FOR)).then_some(until)
}

/// An expired token never looks alive.
fn retire(g: &Gathered<'_>, now: Timestamp, wake: &mut Wake) -> Option<Step> {
    let TargetView::Ours(owned) = &g.target else { return None };
    let expired = |held: &Held| !held.is_live(now);
    match &owned.held {
        Some(held) if expired(held) => {
            (!denied(g, now, wake)).then_some(Step::Retire(g.tenant.spec.target.expired_token_policy))
        }
        Some(held) => {
            wake.at(held.expires_at);
            None
        }
        None => None,
    }
}

fn probe(g: &Gathered<'_>, now: Timestamp, wake: &mut Wake) -> Option<Step> {
    let mode = g.tenant.spec.probe;
    if mode == Probe::Never || g.tenant.spec.suspend {
        return None;
    }
    g.live(now)?;
    if g.session.probed.is_some() {
        if mode == Probe::Daily {
            wake.at(saturating_add(now, PROBE_EVERY));
        }
        return None;
    }
    let Some(last) = g.tenant.status.probed_at.as_ref() else { return Some(Step::Probe) };
    let changed = !g.tenant.is_observed() || roles_changed(g);
    let failed = g.tenant.status.last_error.as_ref().is_some_and(|e| e.reason == Reason::NotProvisioned.as_str());
    if changed || (failed && g.session.published) {
        return Some(Step::Probe);
    }
    if mode == Probe::Daily {
        let next = saturating_add(last.0, PROBE_EVERY);
        if next <= now {
            return Some(Step::Probe);
        }
        wake.at(next);
    }
    None
}

fn roles_changed(g: &Gathered<'_>) -> bool {
    match (&g.session.minted, &g.tenant.status.token) {
        (Some(Minted::Token { token, .. }), Some(before)) if g.session.published => token.roles != before.roles,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
