//! What stands under the target's name, and under the name that it had before.

use jiff::{SignedDuration, Timestamp};

use super::{Step, Wake, is_forced};
use crate::core::attempt;
use crate::core::gathered::{Gathered, TargetView};
use crate::core::reason::Reason;
use crate::core::schedule::saturating_add;

/// How often a stranger's Secret is looked at.
pub const STRANGER_LOOK: SignedDuration = SignedDuration::from_mins(5);
/// How often a Secret is looked at whose deleted owner had this tenant's name: the garbage collector takes it soon.
pub const PREDECESSOR_LOOK: SignedDuration = SignedDuration::from_secs(15);
/// More repairs than this within [`REPAIR_WINDOW`] are a fight with another writer.
pub const REPAIRS_MAX: usize = 5;
/// See [`REPAIRS_MAX`]; one repair each such time while the fight goes on.
pub const REPAIR_WINDOW: SignedDuration = SignedDuration::from_mins(10);

/// Brings what is known of the target up to date, and puts right what isn't as we wrote it.
pub(super) fn settle_target(g: &Gathered<'_>, now: Timestamp, wake: &mut Wake) -> Option<Step> {
    match g.target {
        TargetView::Ours(_) if g.session.published => None,
        TargetView::Ours(owned) => match &g.session.body {
            // A changed spec may want other keys from the same token; a status may have lost what it knew of it.
            None if owned.verified && g.tenant.is_observed() && !is_unknown(g, now) => None,
            None => Some(Step::ReadTarget),
            Some(body) if body.token.is_some() && !body.in_order => {
                (!contested(g, now, wake) && !denied(g, now, wake)).then_some(Step::Rewrite)
            }
            Some(_) => None,
        },
        TargetView::Stranger { predecessor } => {
            // Who asks for a mint has perhaps just removed the other Secret.
            let soon = *predecessor || is_forced(g);
            let pause = if soon {
                PREDECESSOR_LOOK
            } else {
                STRANGER_LOOK
            };
            // Seen later than now: the clock was set back.
            let seen = if g.session.looked {
                Some(now)
            } else {
                g.memo.stranger_seen_at.filter(|at| *at <= now)
            };
            match seen.map(|at| saturating_add(at, pause)) {
                Some(next) if next > now => {
                    wake.at(next);
                    None
                }
                _ => Some(Step::LookAtTarget),
            }
        }
        TargetView::Absent => {
            (!g.session.looked && must_look(g, now)).then_some(Step::LookAtTarget)
        }
    }
}

/// A live token whose roles nobody knows.
fn is_unknown(g: &Gathered<'_>, now: Timestamp) -> bool {
    g.live(now).is_some() && g.live_roles(now).is_none()
}

/// Before a mint for a Secret that the watch doesn't know: it may be there all the same, as a stranger's or without its label.
fn must_look(g: &Gathered<'_>, now: Timestamp) -> bool {
    let status = &g.tenant.status;
    let was_conflict = status
        .conditions
        .iter()
        .any(|c| c.type_ == "Ready" && c.reason == Reason::TargetConflict.as_str());
    let should_be_there = status
        .token
        .as_ref()
        .is_some_and(|token| token.expires_at.0 > now)
        && status
            .target
            .as_ref()
            .is_some_and(|target| target.name == g.tenant.target_name());
    was_conflict || g.memo.stranger_seen_at.is_some() || should_be_there
}

/// Another writer wins too often: no further repair now.
pub(super) fn contested(g: &Gathered<'_>, now: Timestamp, wake: &mut Wake) -> bool {
    let until = contested_until(g, now);
    until.inspect(|until| wake.at(*until)).is_some()
}

/// A repair was made so short a while ago that the token which is missing now has been taken again.
pub(super) fn was_just_repaired(g: &Gathered<'_>, now: Timestamp) -> bool {
    g.memo
        .repairs
        .back()
        .is_some_and(|at| *at <= now && now < saturating_add(*at, REPAIR_WINDOW * 2))
}

/// Until when no repair is made because of a fight.
#[must_use]
pub fn contested_until(g: &Gathered<'_>, now: Timestamp) -> Option<Timestamp> {
    // Later than now: the clock was set back.
    let repairs: Vec<_> = g
        .memo
        .repairs
        .iter()
        .copied()
        .filter(|at| *at <= now)
        .collect();
    let until = saturating_add(*repairs.last()?, REPAIR_WINDOW);
    let mut fight = false;
    for (n, at) in repairs.iter().enumerate() {
        let near = |earlier: &Timestamp, windows: i32| {
            *at < saturating_add(*earlier, REPAIR_WINDOW * windows)
        };
        // It goes on as long as each single repair is needed as soon as it is allowed, or nearly so.
        fight &= n == 0 || near(&repairs[n - 1], 2);
        fight |= repairs[..=n]
            .iter()
            .filter(|earlier| near(earlier, 1))
            .count()
            >= REPAIRS_MAX;
    }
    (fight && until > now).then_some(until)
}

/// A changed target name: what the old Secret holds goes into the new one.
pub(super) fn copy_old(g: &Gathered<'_>, now: Timestamp, wake: &mut Wake) -> Option<Step> {
    let held = g
        .old_target
        .as_ref()?
        .owned
        .held
        .as_ref()
        .filter(|held| held.is_live(now))?;
    wake.at(held.expires_at);
    let same = g
        .mint_inputs()
        .is_none_or(|inputs| inputs == held.mint_inputs);
    let wanted = same && *g.target == TargetView::Absent && g.session.body.is_none();
    (wanted && !denied(g, now, wake)).then_some(Step::CopyOld)
}

/// The old Secret goes when the new one is there, or when it is of no use any more. After the mint: whoever denies
/// the deletion must not stop the renewal.
pub(super) fn remove_old(g: &Gathered<'_>, now: Timestamp, wake: &mut Wake) -> Option<Step> {
    let old = g.old_target?;
    let in_use = g.live(now).is_none()
        && old
            .owned
            .held
            .as_ref()
            .is_some_and(|held| held.is_live(now));
    (!in_use && !denied(g, now, wake)).then_some(Step::RemoveOld)
}

/// The API server denied a write a short while ago: none is tried before the persisted instant.
pub(super) fn denied(g: &Gathered<'_>, now: Timestamp, wake: &mut Wake) -> bool {
    let until = attempt::denied_until(g, now);
    until.inspect(|until| wake.at(*until)).is_some()
}
