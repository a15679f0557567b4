//! What an application's status says.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::Application;
use super::choice::{Choice, Standing, choose};
use crate::api::{CredentialStatus, DefenderApplicationSpec, DefenderApplicationStatus};
use crate::core::attempt::seconds;
use crate::core::breaker::Health;
use crate::core::conditions::USABLE;
use crate::core::credential::{Credential, Fingerprint, Validity};
use crate::core::gathered::Obstacle;
use crate::core::plan::CREDENTIAL_GRACE;
use crate::core::reason::Reason;
use crate::core::schedule::saturating_add;

/// So long before a credential expires somebody is told.
pub const WARNED_AHEAD: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Reasons of conditions that only applications have.
pub mod reason {
    /// Ready.
    pub const AVAILABLE: &str = "Available";
    /// CredentialExpiring=True.
    pub const EXPIRES_SOON: &str = "ExpiresSoon";
    /// CredentialExpiring=True, too late.
    pub const EXPIRED: &str = "Expired";
    /// CredentialExpiring=False.
    pub const NOT_EXPIRING: &str = "NotExpiring";
    /// CredentialExpiring=Unknown.
    pub const EXPIRY_NOT_DECLARED: &str = "ExpiryNotDeclared";
    /// RolesConfigured=True.
    pub const ROLES_CONFIGURED: &str = "RolesConfigured";
    /// RolesConfigured=False.
    pub const ROLES_MISSING_EVERYWHERE: &str = "RolesMissingEverywhere";
}

/// What is known of one credential.
#[derive(Debug, Clone, PartialEq)]
pub struct CredentialFacts {
    /// Its name.
    pub name: String,
    /// It can be used, or what is in the way.
    pub usable: Result<Usable, Obstacle>,
    /// When it expires: by its certificate, or as the spec says.
    pub expires_at: Option<Timestamp>,
    /// It is the operator's own identity, which has no end.
    pub endless: bool,
    /// Of a certificate, as the portal shows it.
    pub thumbprint: Option<String>,
}

/// A credential that can be used.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usable {
    /// Its fingerprint.
    pub fingerprint: Fingerprint,
    /// What Microsoft says of it.
    pub health: Health,
    /// The same, for the choice.
    pub standing: Standing,
    /// Whether its own dates let it be used.
    pub validity: Validity,
}

/// Everything that the status is made from.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// The application.
    pub application: &'a Application,
    /// Its credentials, in the order of the spec.
    pub credentials: Vec<CredentialFacts>,
    /// Grants select by label, and the operator doesn't look at labels.
    pub selectors_off: bool,
    /// Roles that two tenants or more require and no token of any has. `None`: too few tenants to tell.
    pub missing_everywhere: Option<Vec<String>>,
}

mod events;

pub use events::notices;

struct Draft {
    type_: &'static str,
    status: &'static str,
    reason: &'static str,
    message: String,
}

fn draft(
    type_: &'static str,
    status: &'static str,
    reason: &'static str,
    message: String,
) -> Draft {
    Draft {
        type_,
        status,
        reason,
        message,
    }
}

/// The status to write.
#[must_use]
pub fn compose(facts: &Facts<'_>, now: Timestamp) -> DefenderApplicationStatus {
    let choice = choice(&facts.credentials, now);
    let in_use = choice
        .map(|choice| &facts.credentials[choice.chosen])
        .filter(|credential| judge(credential, now).is_none());
    let credential = credential_ready(facts, in_use, now);
    let ready = ready(facts, &credential);
    let stalled = (ready.status == "False").then(|| {
        let propagating = ready.reason == Reason::CredentialPropagating.as_str();
        // Whoever applies both at once doesn't apply them in the same moment.
        let may_come = ready.reason == Reason::CredentialSecretNotFound.as_str()
            && now < grace_ends(facts.application);
        let type_ = if propagating || may_come {
            "Reconciling"
        } else {
            "Stalled"
        };
        draft(type_, "True", ready.reason, ready.message.clone())
    });
    let drafts = [
        Some(ready),
        Some(credential),
        Some(expiring(&facts.credentials, now)),
        roles_configured(facts),
        stalled,
    ];
    DefenderApplicationStatus {
        observed_generation: Some(facts.application.generation),
        conditions: drafts
            .into_iter()
            .flatten()
            .map(|draft| condition(facts.application, draft, now))
            .collect(),
        credential_in_use: in_use.map(|credential| credential.name.clone()),
        credentials: facts
            .credentials
            .iter()
            .map(|credential| CredentialStatus {
                name: credential.name.clone(),
                reason: judge(credential, now)
                    .map_or(USABLE, |(reason, _)| reason.as_str())
                    .to_owned(),
                fingerprint: credential
                    .usable
                    .ok()
                    .map(|usable| usable.fingerprint.to_string()),
                expires_at: credential.expires_at.map(seconds),
            })
            .collect(),
    }
}

fn choice(credentials: &[CredentialFacts], now: Timestamp) -> Option<Choice> {
    let standings: Vec<Standing> = credentials
        .iter()
        .map(|credential| match credential.usable {
            Ok(usable) if usable.validity == Validity::Valid => usable.standing,
            _ => Standing::Unusable,
        })
        .collect();
    choose(&standings, now)
}

/// What is wrong with a credential.
fn judge(credential: &CredentialFacts, now: Timestamp) -> Option<(Reason, String)> {
    let usable = match credential.usable {
        Ok(usable) => usable,
        Err(obstacle) => return Some((obstacle.reason(), obstacle.detail())),
    };
    match usable.validity {
        Validity::Valid => {}
        Validity::Expired(at) => {
            return Some((
                Reason::CredentialExpired,
                format!("its certificate expired at {at}"),
            ));
        }
        Validity::NotYet(at) => {
            return Some((
                Reason::CredentialMalformed,
                format!("its certificate isn't valid before {at}"),
            ));
        }
    }
    match usable.health {
        Health::Fine => None,
        Health::Propagating => Some((Reason::CredentialPropagating, String::new())),
        Health::Refused(reason) => {
            let over = credential.expires_at.is_some_and(|at| at <= now);
            let thumbprint = credential.thumbprint.as_ref();
            let detail = match thumbprint.filter(|_| reason == Reason::CredentialRejected) {
                Some(thumbprint) => format!(
                    "thumbprint {thumbprint} must stand among the application's certificates"
                ),
                None if over => "its declared expiry has passed".to_owned(),
                None => String::new(),
            };
            Some((reason, detail))
        }
    }
}

fn told(name: &str, reason: Reason, detail: &str) -> String {
    if detail.is_empty() {
        format!("{name}: {}", reason.message())
    } else {
        format!("{name}: {} [{detail}]", reason.message())
    }
}

fn credential_ready(facts: &Facts<'_>, in_use: Option<&CredentialFacts>, now: Timestamp) -> Draft {
    let wrong: Vec<(Reason, String)> = facts
        .credentials
        .iter()
        .filter_map(|credential| {
            let (reason, detail) = judge(credential, now)?;
            Some((reason, told(&credential.name, reason, &detail)))
        })
        .collect();
    let texts: Vec<&str> = wrong.iter().map(|(_, text)| text.as_str()).collect();
    match in_use {
        Some(credential) if texts.is_empty() => draft(
            "CredentialReady",
            "True",
            USABLE,
            format!("{} is used.", credential.name),
        ),
        Some(credential) => draft(
            "CredentialReady",
            "True",
            USABLE,
            format!(
                "{} is used. Mend or remove the other one: {}",
                credential.name,
                texts.join(" ")
            ),
        ),
        None => {
            let reason = wrong.first().map_or(Reason::Pending, |(reason, _)| *reason);
            let status = if reason == Reason::CredentialPropagating {
                "Unknown"
            } else {
                "False"
            };
            draft("CredentialReady", status, reason.as_str(), texts.join(" "))
        }
    }
}

fn ready(facts: &Facts<'_>, credential: &Draft) -> Draft {
    let application = facts.application;
    let stands = |reason: Reason| {
        draft(
            "Ready",
            "False",
            reason.as_str(),
            reason.message().to_owned(),
        )
    };
    if application.deleting {
        return stands(Reason::ApplicationTerminating);
    }
    if application.spec.suspend {
        return stands(Reason::ApplicationSuspended);
    }
    if credential.status != "True" {
        return draft(
            "Ready",
            "False",
            credential.reason,
            credential.message.clone(),
        );
    }
    let message = if facts.selectors_off {
        "Grants that select namespaces by label count for nothing: the operator runs without --allow-namespace-selectors."
    } else {
        ""
    };
    draft("Ready", "True", reason::AVAILABLE, message.to_owned())
}

/// Speaks of the credential that lasts longest: whoever has put the next one in place has done his part.
fn expiring(credentials: &[CredentialFacts], now: Timestamp) -> Draft {
    let type_ = "CredentialExpiring";
    let accepted = |credential: &&CredentialFacts| {
        let usable = credential.usable;
        usable.is_ok_and(|usable| !matches!(usable.health, Health::Refused(_)))
    };
    let mut usable: Vec<&CredentialFacts> = credentials.iter().filter(accepted).collect();
    if usable.is_empty() {
        let there = |credential: &&CredentialFacts| credential.usable.is_ok();
        usable = credentials.iter().filter(there).collect();
    }
    if let Some(endless) = usable.iter().find(|credential| credential.endless) {
        let message = format!("{} doesn't expire.", endless.name);
        return draft(type_, "False", reason::NOT_EXPIRING, message);
    }
    if usable.is_empty()
        || usable
            .iter()
            .any(|credential| credential.expires_at.is_none())
    {
        let message = "Declare expiresAt of each clientSecret in spec.credentials to be warned 30 days ahead.";
        return draft(
            type_,
            "Unknown",
            reason::EXPIRY_NOT_DECLARED,
            message.to_owned(),
        );
    }
    let Some((last, at)) = usable
        .iter()
        .filter_map(|credential| Some((credential, credential.expires_at?)))
        .max_by_key(|(_, at)| *at)
    else {
        return draft(type_, "Unknown", reason::EXPIRY_NOT_DECLARED, String::new());
    };
    let name = &last.name;
    if at <= now {
        let message = format!(
            "{name} expired at {}: create a new credential and put it first in spec.credentials.",
            seconds(at).0
        );
        draft(type_, "True", reason::EXPIRED, message)
    } else if at <= saturating_add(now, WARNED_AHEAD) {
        let message = format!(
            "{name} expires at {}: create the next credential and put it first in spec.credentials.",
            seconds(at).0
        );
        draft(type_, "True", reason::EXPIRES_SOON, message)
    } else {
        draft(
            type_,
            "False",
            reason::NOT_EXPIRING,
            format!("{name} lasts until {}.", seconds(at).0),
        )
    }
}

fn roles_configured(facts: &Facts<'_>) -> Option<Draft> {
    let type_ = "RolesConfigured";
    let missing = facts.missing_everywhere.as_ref()?;
    Some(if missing.is_empty() {
        draft(type_, "True", reason::ROLES_CONFIGURED, String::new())
    } else {
        let message = format!(
            "No customer's token carries {}: the partner adds it to the registration's API permissions (application permissions), then customers consent again.",
            missing.join(", ")
        );
        draft(type_, "False", reason::ROLES_MISSING_EVERYWHERE, message)
    })
}

/// Transition times move only on a flip.
fn condition(application: &Application, draft: Draft, now: Timestamp) -> Condition {
    let conditions = &application.status.conditions;
    let before = conditions.iter().find(|c| c.type_ == draft.type_);
    let since = before
        .filter(|c| c.status == draft.status)
        .map(|c| c.last_transition_time.clone());
    Condition {
        last_transition_time: since.unwrap_or_else(|| seconds(now)),
        message: draft.message,
        observed_generation: Some(application.generation),
        reason: draft.reason.to_owned(),
        status: draft.status.to_owned(),
        type_: draft.type_.to_owned(),
    }
}

/// When a credential expires: by its certificate, else as the spec declares.
#[must_use]
pub fn expires_at(
    spec: &DefenderApplicationSpec,
    name: &str,
    found: Option<&Credential>,
) -> Option<Timestamp> {
    let declared = spec
        .credentials
        .iter()
        .find(|declared| declared.name == name);
    found
        .and_then(Credential::not_after)
        .or_else(|| declared?.expires_at.as_ref().map(|at| at.0))
}

fn grace_ends(application: &Application) -> Timestamp {
    saturating_add(application.created_at, CREDENTIAL_GRACE)
}

/// When the status changes by itself: a credential comes near its end, or to it, or should have come.
#[must_use]
pub fn wake_at(facts: &Facts<'_>, now: Timestamp) -> Option<Timestamp> {
    let instants = facts.credentials.iter().flat_map(|credential| {
        let valid_from = match credential.usable {
            Ok(Usable {
                validity: Validity::NotYet(at),
                ..
            }) => Some(at),
            _ => None,
        };
        let warned = credential
            .expires_at
            .map(|at| at.checked_sub(WARNED_AHEAD).unwrap_or(at));
        [credential.expires_at, warned, valid_from]
    });
    let grace = Some(grace_ends(facts.application));
    let instants = instants.chain([grace]).flatten();
    instants.filter(|at| *at > now).min()
}

#[cfg(test)]
mod tests;
