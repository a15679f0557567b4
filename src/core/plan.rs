//! What to do next, and why. Pure: the executor does one step, adds what it learned, and asks again.

use jiff::{SignedDuration, Timestamp};

use super::attempt;
use super::gathered::{Gathered, Minted, Owned, TargetView, WriteFailure};
use super::reason::Reason;
use super::roles;
use super::schedule::saturating_add;
use super::target::Held;
use crate::api::{ExpiredTokenPolicy, MissingRolePolicy, Probe};

mod discover;
mod due;
mod target;

use discover::discover;
pub use due::is_forced;
use due::mint;
pub use target::{PREDECESSOR_LOOK, REPAIR_WINDOW, REPAIRS_MAX, STRANGER_LOOK, contested_until};
use target::{contested, copy_old, denied, remove_old, settle_target};

/// A missing credential Secret may still be on its way so long after the tenant was created.
pub const CREDENTIAL_GRACE: SignedDuration = SignedDuration::from_mins(2);
/// Junk may stand so long if a token that replaces it is due by then: the ten seconds between two requests, and a bit.
const RETIRE_PATIENCE: SignedDuration = SignedDuration::from_secs(15);
/// When a withdrawal is looked at again that the API server doesn't confirm, or can't.
const WITHDRAWAL_LOOK: SignedDuration = SignedDuration::from_mins(1);
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
    /// See by a live request whether the right to the token was taken back.
    ConfirmWithdrawal,
    /// Take a token away that its owner has no right to any more.
    Withdraw(ExpiredTokenPolicy),
    /// Ask Microsoft where the tenant lives.
    Discover,
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
    Plan {
        step,
        wake_at: wake.at,
    }
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
    // So does a credential that begins or ceases to be fit.
    if let Some(at) = g.fitness_changes_at(now) {
        wake.at(at);
    }
    let withdrawn = withdraw(g, now, wake);
    if !g.endpoints.has_front_door {
        return withdrawn
            .or_else(|| retire(g, now, wake))
            .unwrap_or(Step::Rest);
    }
    withdrawn
        .or_else(|| settle_target(g, now, wake))
        .or_else(|| settle_mint(g))
        .or_else(|| copy_old(g, now, wake))
        .or_else(|| mint(g, now, wake).map(Step::Mint))
        .or_else(|| retire(g, now, wake))
        .or_else(|| remove_old(g, now, wake))
        .or_else(|| discover(g, now))
        .or_else(|| probe(g, now, wake))
        .unwrap_or(Step::Rest)
}

fn after_failed_write(
    g: &Gathered<'_>,
    failure: WriteFailure,
    now: Timestamp,
    wake: &mut Wake,
) -> Step {
    let wait = match failure {
        WriteFailure::Unreachable => SignedDuration::from_secs(1_i64 << g.memo.api_failures.min(5))
            .min(SignedDuration::from_secs(30)),
        _ => attempt::WRITE_RETRY,
    };
    wake.at(saturating_add(now, wait));
    Step::Rest
}

/// What becomes of a token that was just minted.
fn settle_mint(g: &Gathered<'_>) -> Option<Step> {
    // What may not be minted any more may not be published.
    g.usable_credential().ok()?;
    match &g.session.minted {
        Some(Minted::Token { token, .. })
            if !g.session.published && may_publish(g, &token.roles) =>
        {
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
        && (spec.missing_role_policy == MissingRolePolicy::Publish
            || roles::missing(&g.required().roles, granted).is_empty())
}

/// The right to the token was taken back. Nothing is deleted for what isn't known: a live look comes first.
fn withdraw(g: &Gathered<'_>, now: Timestamp, wake: &mut Wake) -> Option<Step> {
    let withdrawn = |owned: &Owned| owned.held.as_ref().is_some_and(|held| g.is_withdrawn(held));
    let target = matches!(g.target, TargetView::Ours(owned) if withdrawn(owned));
    let old = g
        .old_target
        .as_ref()
        .is_some_and(|old| withdrawn(&old.owned));
    if (!target && !old) || denied(g, now, wake) {
        return None;
    }
    match g.session.withdrawn {
        None => Some(Step::ConfirmWithdrawal),
        Some(false) => {
            wake.at(saturating_add(now, WITHDRAWAL_LOOK));
            None
        }
        Some(true) if target => Some(Step::Withdraw(g.tenant.spec.target.expired_token_policy)),
        Some(true) => Some(Step::RemoveOld),
    }
}

/// An expired token never looks alive.
fn retire(g: &Gathered<'_>, now: Timestamp, wake: &mut Wake) -> Option<Step> {
    let TargetView::Ours(owned) = g.target else {
        return None;
    };
    let junk = g.session.body.as_ref().is_some_and(|body| body.junk) && !g.session.published;
    // Where another one comes in a moment, it goes over it.
    let soon = wake
        .at
        .is_some_and(|at| at <= saturating_add(now, RETIRE_PATIENCE));
    if junk && !soon && !g.session.retired && !contested(g, now, wake) && !denied(g, now, wake) {
        return Some(Step::Retire(g.tenant.spec.target.expired_token_policy));
    }
    let expired = |held: &Held| !held.is_live(now);
    match &owned.held {
        Some(held) if expired(held) => (!denied(g, now, wake))
            .then_some(Step::Retire(g.tenant.spec.target.expired_token_policy)),
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
    g.live(now).filter(|_| !g.is_for_other_audience(now))?;
    if g.session.probed.is_some() {
        if mode == Probe::Daily {
            wake.at(saturating_add(now, PROBE_EVERY));
        }
        return None;
    }
    let Some(last) = g.tenant.status.probed_at.as_ref() else {
        return Some(Step::Probe);
    };
    let changed = !g.tenant.is_observed() || roles_changed(g);
    let failed = g
        .tenant
        .status
        .last_error
        .as_ref()
        .is_some_and(|e| e.reason == Reason::NotProvisioned.as_str());
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
        (Some(Minted::Token { token, .. }), Some(before)) if g.session.published => {
            token.roles != before.roles
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
