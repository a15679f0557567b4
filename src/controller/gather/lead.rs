//! What `secretRef` or `applicationRef` leads to: a credential, or what is in the way.

use std::sync::Arc;

use jiff::Timestamp;

use crate::api::{DefenderApi, LABEL_CREDENTIAL};
use crate::controller::context::{Context, State};
use crate::controller::kubeapi::ApiError;
use crate::controller::lookups::Look;
use crate::controller::world::{ApplicationEntry, Known, Source};
use crate::core::application::Application;
use crate::core::application::choice::{Standing, choose};
use crate::core::breaker::Health;
use crate::core::credential::{Credential, Fingerprint, Kind, Validity};
use crate::core::federated::TokenView;
use crate::core::gathered::{Denied, NoApplication, Obstacle, SecretRefPolicy};
use crate::core::ids::LoginHost;
use crate::core::schedule::saturating_add;
use crate::core::tenant::{Key, Tenant};
use crate::core::unfit::TOKEN_FILE_LOOK;

/// Where a reference leads.
#[derive(Debug, Clone)]
pub struct Lead {
    /// The application, if there is one that can be read.
    pub application: Option<Arc<Application>>,
    /// The credential, or what is in the way.
    pub credential: Result<Arc<Credential>, Obstacle>,
    /// The operator's own token, if it is one of the application's credentials.
    pub federated: Option<Arc<TokenView>>,
    /// Fingerprints of all that the application has.
    pub fingerprints: Vec<Fingerprint>,
    /// Refused ones whose next try is due: a mint that is made anyway tries them first.
    pub before: Vec<Arc<Credential>>,
    /// Others that may help if this one is refused.
    pub after: Vec<Arc<Credential>>,
    /// The APIs whose tokens the tenant may keep.
    pub kept_apis: Vec<DefenderApi>,
    /// When one that can't be used now may be, or the other way round, without anybody telling.
    pub changes_at: Option<Timestamp>,
    /// When an earlier one is tried again that changed minutes ago and isn't known everywhere yet.
    pub fresh_again_at: Option<Timestamp>,
}

impl Lead {
    fn alone(credential: Result<Arc<Credential>, Obstacle>) -> Self {
        Self {
            application: None,
            credential,
            federated: None,
            fingerprints: Vec::new(),
            before: Vec::new(),
            after: Vec::new(),
            fresh_again_at: None,
            kept_apis: Vec::new(),
            changes_at: None,
        }
    }

    fn blocked(application: Arc<Application>, obstacle: Obstacle) -> Self {
        Self {
            application: Some(application),
            ..Self::alone(Err(obstacle))
        }
    }
}

/// Follows a tenant's reference. `None`: nobody can tell now.
pub async fn lead(
    ctx: &Context,
    tenant: &Tenant,
    source: &Source,
    login: LoginHost,
) -> Option<Lead> {
    match source {
        Source::Secret(key) => of_secret(ctx, key, login).await,
        Source::Application(name) => of_application(ctx, tenant, name, login).await,
    }
}

async fn of_secret(ctx: &Context, key: &Key, login: LoginHost) -> Option<Lead> {
    let denied = if ctx.operator_namespace.as_deref() == Some(&*key.namespace) {
        Some(Denied::OperatorNamespace)
    } else if ctx.policy.secret_ref == SecretRefPolicy::Deny {
        Some(Denied::Flag)
    } else {
        None
    };
    if let Some(denied) = denied {
        return Some(Lead::alone(Err(Obstacle::Denied(denied))));
    }
    let now = ctx.now();
    let known = {
        let mut state = ctx.state();
        let known = state.world.credential(key).cloned();
        if let Some(entry) = &known
            && let Ok(credential) = &entry.parsed
        {
            let fingerprint = credential.fingerprint(login);
            state.gate.learn(fingerprint, entry.changed_at, now);
        }
        known
    };
    let credential = match known {
        Some(entry) => entry.parsed.map_err(Obstacle::Malformed),
        None => Err(look_for(ctx, key).await?),
    };
    Some(Lead::alone(credential))
}

async fn of_application(
    ctx: &Context,
    tenant: &Tenant,
    name: &Arc<str>,
    login: LoginHost,
) -> Option<Lead> {
    let federated = own_token(ctx, name).await;
    let (mut lead, unseen) = {
        let mut state = ctx.state();
        let Some(entry) = state.world.application(name).cloned() else {
            let why = if !ctx.serves_cluster {
                NoApplication::NamespaceMode
            } else if state.world.is_unreadable(name) {
                NoApplication::Unreadable
            } else {
                NoApplication::Missing
            };
            return Some(Lead::alone(Err(Obstacle::NoApplication(why))));
        };
        let kept_apis = state.world.kept_apis(&entry.application, tenant);
        if let Some(obstacle) = obstacle(&state, &entry.application, tenant) {
            return Some(Lead {
                kept_apis,
                ..Lead::blocked(entry.application, obstacle)
            });
        }
        let (lead, unseen) = choose_credential(&mut state, entry, federated, login, ctx.now());
        (Lead { kept_apis, ..lead }, unseen)
    };
    if let Some(key) = unseen {
        lead.credential = Err(look_for(ctx, &key).await?);
    }
    Some(lead)
}

/// The operator's own token, if it is one of the application's credentials.
async fn own_token(ctx: &Context, name: &Arc<str>) -> Option<Arc<TokenView>> {
    let wanted = ctx.state().world.application(name).is_some_and(|entry| {
        entry.credentials.iter().any(|credential| {
            matches!(&credential.known, Known::Found(found) if found.kind() == Kind::WorkloadIdentity)
        })
    });
    if wanted {
        Some(ctx.own_token().await)
    } else {
        None
    }
}

/// Whether what the tenant refers to may still be used: what was minted a moment ago may have lost its right since.
pub fn is_allowed(ctx: &Context, tenant: &Tenant) -> bool {
    let state = ctx.state();
    match Source::of(tenant) {
        Some(Source::Application(name)) => state
            .world
            .application(&name)
            .is_some_and(|entry| obstacle(&state, &entry.application, tenant).is_none()),
        Some(Source::Secret(key)) => state.world.credential(&key).is_some(),
        None => false,
    }
}

/// What is in the way before any credential counts.
fn obstacle(state: &State, application: &Application, tenant: &Tenant) -> Option<Obstacle> {
    // Before anything else: whoever isn't granted the application learns nothing of its state.
    if let Err(denial) = state.world.grant(application, tenant) {
        return Some(Obstacle::NotGranted(denial));
    }
    if application.deleting {
        return Some(Obstacle::Terminating);
    }
    if application.spec.suspend {
        return Some(Obstacle::Suspended);
    }
    (application.spec.entra_cloud != tenant.spec.cloud.entra_cloud())
        .then_some(Obstacle::OtherCloud)
}

/// Chooses among the application's credentials. Also returns a Secret to look for, where none can be used.
fn choose_credential(
    state: &mut State,
    entry: ApplicationEntry,
    federated: Option<Arc<TokenView>>,
    login: LoginHost,
    now: Timestamp,
) -> (Lead, Option<Key>) {
    let mut standings = Vec::with_capacity(entry.credentials.len());
    let mut fingerprints = Vec::new();
    let mut fresh = Vec::new();
    let mut changes = Vec::new();
    let mut no_token_yet = false;
    for credential in &entry.credentials {
        let Known::Found(found) = &credential.known else {
            standings.push(Standing::Unusable);
            continue;
        };
        let fingerprint = found.fingerprint(login);
        state.gate.learn(fingerprint, credential.changed_at, now);
        fingerprints.push(fingerprint);
        let no_token = found.kind() == Kind::WorkloadIdentity
            && federated
                .as_ref()
                .is_none_or(|view| view.fault(now).is_some());
        no_token_yet |= no_token;
        changes.push(match found.validity(now) {
            Validity::Valid => found.not_after(),
            Validity::NotYet(from) => Some(from),
            Validity::Expired(_) => None,
        });
        standings.push(match found.validity(now) {
            Validity::Valid if no_token => Standing::Unusable,
            Validity::Valid => {
                let standing = state.gate.standing(fingerprint, now);
                if let Standing::Refused(next) = standing
                    && state.gate.health(fingerprint) == Health::Propagating
                {
                    fresh.push((standings.len(), next));
                }
                standing
            }
            Validity::NotYet(_) | Validity::Expired(_) => Standing::Unusable,
        });
    }
    let found = |at: usize| match &entry.credentials[at].known {
        Known::Found(found) => Some(found.clone()),
        _ => None,
    };
    let choice = choose(&standings, now);
    let chosen = choice.as_ref().and_then(|choice| found(choice.chosen));
    let mut unseen = None;
    let first = entry.credentials.first().map(|first| &first.known);
    let credential = match (chosen, first) {
        (Some(chosen), _) => Ok(chosen),
        // Its own dates, or a missing token, don't let it be used, which is said where that is judged.
        (None, Some(Known::Found(found))) => Ok(found.clone()),
        (None, Some(Known::Malformed(fault))) => Err(Obstacle::Malformed(*fault)),
        (None, Some(Known::Unseen(key))) => {
            unseen = Some(key.clone());
            Err(Obstacle::NotFound)
        }
        (None, Some(Known::Homeless)) => Err(Obstacle::NoHome),
        (None, None) => Err(Obstacle::NotFound),
    };
    // Where another one is good, nobody needs the file.
    if no_token_yet && !standings.contains(&Standing::Fine) {
        changes.push(Some(saturating_add(now, TOKEN_FILE_LOOK)));
    }
    let many = |positions: Option<Vec<usize>>| -> Vec<Arc<Credential>> {
        positions.into_iter().flatten().filter_map(found).collect()
    };
    let earlier =
        |(at, _): &(usize, Timestamp)| choice.as_ref().is_some_and(|choice| *at < choice.chosen);
    let fresh_again_at = fresh.into_iter().find(earlier).map(|(_, next)| next);
    let lead = Lead {
        kept_apis: Vec::new(),
        changes_at: changes.into_iter().flatten().min(),
        fresh_again_at,
        before: many(choice.as_ref().map(|choice| choice.before.clone())),
        after: many(choice.map(|choice| choice.after)),
        application: Some(entry.application),
        credential,
        federated,
        fingerprints,
    };
    (lead, unseen)
}

/// No labelled Secret of that name is known: is there one without the label? `None`: nobody can tell now.
pub async fn look_for(ctx: &Context, key: &Key) -> Option<Obstacle> {
    let recent = ctx.state().lookups.recent(key, ctx.now());
    let look = match recent {
        Some(look) => look,
        None => match ctx.kube.look(key).await {
            Ok(metadata) => {
                let labels = metadata.labels.unwrap_or_default();
                // Labelled a moment ago: the watch is about to tell.
                if labels
                    .get(LABEL_CREDENTIAL)
                    .is_some_and(|value| value == "true")
                {
                    return None;
                }
                Look::Unlabelled
            }
            Err(ApiError::NotFound) => Look::Nothing,
            Err(_) => return None,
        },
    };
    if recent.is_none() {
        ctx.state().lookups.saw(key.clone(), look, ctx.now());
    }
    Some(match look {
        Look::Nothing => Obstacle::NotFound,
        Look::Unlabelled => Obstacle::NotLabelled,
    })
}
