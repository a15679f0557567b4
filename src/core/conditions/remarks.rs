//! What `RolesGranted` says beside whether the roles are there.

use std::borrow::Cow;

use jiff::Timestamp;

use crate::core::gathered::Gathered;
use crate::core::roles;

/// Stands between a message and the remarks on it.
const NOTE: &str = " Note: ";

/// The message, with what is to be said of the required roles themselves.
pub(super) fn added(
    message: Cow<'static, str>,
    g: &Gathered<'_>,
    now: Timestamp,
) -> Cow<'static, str> {
    match remarks(g, now) {
        None => message,
        Some(remarks) => {
            let text = format!("{message}{NOTE}{remarks}");
            text.trim_start().to_owned().into()
        }
    }
}

/// A message as it was before remarks were added.
pub(super) fn removed(message: &str) -> &str {
    message
        .split_once(NOTE)
        .map_or(message, |(before, _)| before)
}

fn remarks(g: &Gathered<'_>, now: Timestamp) -> Option<String> {
    let required = g.required();
    let api = g.tenant.spec.api;
    let mut said = Vec::new();
    if let Some(plan) = g.tenant.spec.plan.filter(|_| !required.dropped.is_empty()) {
        let dropped = required.dropped.join(", ");
        said.push(format!(
            "The application's required roles that plan {plan} can't use are left out: {dropped}."
        ));
    }
    said.extend(roles::retirement(&required.roles, api, now).map(str::to_owned));
    (!said.is_empty()).then(|| said.join(" "))
}
