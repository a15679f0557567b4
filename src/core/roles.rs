//! Application roles: which ones a token must carry, and what makes a set of them enough.

use std::collections::BTreeSet;

use crate::api::cloud::{DefenderApi, HUNTING_ROLES, Plan};

mod catalogue;
mod hunting;

pub use catalogue::{Unknown, belongs_to, catalogue, listed, unknown};
pub use hunting::{RETIREMENT_EVENT, retirement};

/// What a tenant's token must carry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Required {
    /// The roles.
    pub roles: Vec<String>,
    /// Inherited ones that the customer's plan can't use: nobody waits for them.
    pub dropped: Vec<String>,
}

/// The tenant's own list; where it has none, what the application asks of all its tenants, as far as it is for this
/// API and of use in this plan.
#[must_use]
pub fn required(
    own: &[String],
    inherited: &[String],
    api: DefenderApi,
    plan: Option<Plan>,
) -> Required {
    if !own.is_empty() {
        return Required {
            roles: own.to_vec(),
            dropped: Vec::new(),
        };
    }
    let (roles, dropped) = inherited
        .iter()
        .filter(|role| belongs_to(role).is_none_or(|owner| owner == api))
        .cloned()
        .partition(|role| usable(plan, role));
    Required { roles, dropped }
}

/// Whether one granted role gives what one required role asks for: itself, or `X.ReadWrite.All` for
/// `X.Read.All`.
///
/// The latter because the API's pages name both for each reading call. Nothing else follows from anything:
/// `Ti.ReadWrite` covers only what the application itself wrote.
#[must_use]
pub fn satisfies(granted: &str, required: &str) -> bool {
    granted == required
        || matches!(
            (granted.strip_suffix(".ReadWrite.All"), required.strip_suffix(".Read.All")),
            (Some(has), Some(asks)) if has == asks
        )
}

/// The required roles that no granted one satisfies, sorted, each once.
#[must_use]
pub fn missing<R: AsRef<str>, G: AsRef<str>>(required: &[R], granted: &[G]) -> Vec<String> {
    distinct(required.iter().map(AsRef::as_ref).filter(|required| {
        !granted
            .iter()
            .any(|granted| satisfies(granted.as_ref(), required))
    }))
}

/// More roles than this aren't kept of a token: they stand in the status, which has its size. Who asks for one that matters has it kept.
pub const KEPT: usize = 128;

/// The roles that are kept of a token that has too many: first those that are asked for. Sorted, as they came.
#[must_use]
pub fn kept(mut granted: Vec<String>, required: &[String]) -> Vec<String> {
    if granted.len() > KEPT {
        let asked = |granted: &String| required.iter().any(|required| satisfies(granted, required));
        granted.sort_by_cached_key(|role| (!asked(role), role.clone()));
        granted.truncate(KEPT);
        granted.sort_unstable();
    }
    granted
}

/// The granted roles that no required one asks for: more than is needed. Sorted, each once.
#[must_use]
pub fn surplus<R: AsRef<str>, G: AsRef<str>>(required: &[R], granted: &[G]) -> Vec<String> {
    distinct(granted.iter().map(AsRef::as_ref).filter(|granted| {
        !required
            .iter()
            .any(|required| satisfies(granted, required.as_ref()))
    }))
}

/// Whether a tenant of that plan can use the role: advanced hunting comes with Plan 2 alone. Vulnerability management
/// does too, but is sold by itself as well, so that nothing is certain about its roles.
///
/// The role itself may be granted there all the same, so that a token doesn't tell.
#[must_use]
pub fn usable(plan: Option<Plan>, role: &str) -> bool {
    matches!(plan, None | Some(Plan::Plan2)) || !is_hunting(role)
}

fn is_hunting(role: &str) -> bool {
    HUNTING_ROLES
        .iter()
        .any(|beginning| role.starts_with(beginning))
}

fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    names
        .collect::<BTreeSet<_>>()
        .into_iter()
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests;
