//! Whether Microsoft is asked where the tenant lives.

use jiff::Timestamp;

use super::Step;
use crate::core::attempt;
use crate::core::discovery::{is_done, is_doubtful, was_doubtful};
use crate::core::gathered::{Gathered, Minted};

/// Once a generation, after a mint that failed in a way which a typing mistake or another cloud explains: at once, or
/// when its turn comes. Whether it is its turn, the pace says that all questions share.
pub(super) fn discover(g: &Gathered<'_>, now: Timestamp) -> Option<Step> {
    if g.session.discovery.is_some()
        || is_done(g)
        || g.tenant.spec.suspend
        || g.usable_credential().is_err()
    {
        return None;
    }
    let wanted = match &g.session.minted {
        Some(Minted::Failed { failure, .. }) => is_doubtful(&failure.verdict),
        Some(_) => false,
        // Without a mint only what one left behind: no answer isn't asked for again until the next one fails.
        None => {
            g.memo.owes_discovery && attempt::standing(g, now).is_some() && {
                let error = g.tenant.status.last_error.as_ref();
                error.is_some_and(was_doubtful)
            }
        }
    };
    wanted.then_some(Step::Discover)
}
