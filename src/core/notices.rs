//! Things worth an Event although no condition flips.

use jiff::{SignedDuration, Timestamp};

use super::conditions::Notice;
use super::gathered::{Gathered, Minted};
use super::inspect::denied_metadata;
use super::roles;
use super::schedule::lifetime_too_short;

/// What to say after this reconcile.
#[must_use]
pub fn notices(g: &Gathered<'_>, now: Timestamp) -> Vec<Notice> {
    let mut said = Vec::new();
    if !g.tenant.is_observed() {
        let required = g.required().roles;
        let unknown = roles::unknown(&required, g.tenant.spec.api);
        if !unknown.is_empty() {
            said.push(warning(
                "UnknownRoles",
                format!(
                    "requiredRoles names roles that this API isn't known to have: {}.",
                    roles::listed(&unknown)
                ),
            ));
        }
        let ends = roles::retirement(&required, g.tenant.spec.api, now);
        said.extend(ends.map(|text| warning(roles::RETIREMENT_EVENT, text.to_owned())));
        let denied = denied_metadata(g);
        if !denied.is_empty() {
            said.push(warning(
                "TargetMetadataDenied",
                format!(
                    "Labels or annotations that the operator's --target-metadata-allow doesn't list aren't set: {}.",
                    denied.join(", ")
                ),
            ));
        }
    }
    said.extend(too_short(g));
    said
}

/// Said once, not at each refresh.
fn too_short(g: &Gathered<'_>) -> Option<Notice> {
    let Some(Minted::Token { token, .. }) =
        g.session.minted.as_ref().filter(|_| g.session.published)
    else {
        return None;
    };
    let least = SignedDuration::from_secs(i64::from(g.tenant.spec.refresh.min_remaining_seconds));
    let before = g.tenant.status.token.as_ref();
    let known = g.tenant.is_observed()
        && before.is_some_and(|before| {
            lifetime_too_short(before.issued_at.0, before.expires_at.0, least)
        });
    (!known && lifetime_too_short(token.issued_at, token.expires_at, least)).then(|| {
        warning(
            "LifetimeTooShort",
            format!(
                "Microsoft's tokens live {} s: renewed at half that, the Secret can't always have {} s left.",
                token.expires_at.duration_since(token.issued_at).as_secs(),
                least.as_secs()
            ),
        )
    })
}

fn warning(reason: &'static str, note: String) -> Notice {
    Notice {
        warning: true,
        reason,
        note,
    }
}
