//! Where an earlier process stopped, or another one that served these tenants: read back from the statuses.

use std::collections::HashMap;

use jiff::Timestamp;

use super::context::{Context, State};
use super::world::Known;
use crate::core::gate::MintKey;
use crate::core::reason::Reason;
use crate::core::resume::resume;
use crate::core::shards::Buckets;
use crate::entra::clouds;

/// See [`resume()`], for all tenants of these buckets.
pub fn resume_gate(ctx: &Context, buckets: &Buckets) {
    let now = ctx.now();
    let mut state = ctx.state();
    let state = &mut *state;
    let newest = state.world.newest_tokens();
    resume_applications(state, &newest, now);
    for tenant in state
        .world
        .troubled()
        .filter(|tenant| buckets.has(&tenant.uid) && !tenant.deleting && !tenant.spec.suspend)
    {
        let Some(attempt) = &tenant.status.attempt else {
            continue;
        };
        let Ok(tenant_id) = tenant.spec.tenant_id.parse() else {
            continue;
        };
        let endpoints = super::gather::endpoints(&tenant);
        let Some((credential, fingerprint)) =
            state
                .world
                .credential_with(&tenant, endpoints.login, &attempt.fingerprint)
        else {
            continue;
        };
        let key = MintKey {
            fingerprint,
            tenant: tenant_id,
            audience: endpoints.audience,
        };
        let covered = credential.covers(tenant_id);
        let newest = newest.get(&attempt.fingerprint).copied();
        resume(&mut state.gate, &tenant.status, key, covered, newest, now);
    }
}

/// A credential that an application's status calls refused is refused still: with another one in its place no tenant has
/// an attempt that tells of it.
fn resume_applications(state: &mut State, newest: &HashMap<String, Timestamp>, now: Timestamp) {
    let mut refused = Vec::new();
    for entry in state.world.applications() {
        let application = &entry.application;
        let login = clouds::login_host_of(application.spec.entra_cloud);
        for credential in &entry.credentials {
            let Known::Found(found) = &credential.known else {
                continue;
            };
            let fingerprint = found.fingerprint(login);
            let said =
                application.status.credentials.iter().find(|said| {
                    said.fingerprint.as_deref() == Some(fingerprint.to_string().as_str())
                });
            let reason = said.and_then(|said| Reason::parse(&said.reason));
            // Somebody got a token with it since nothing of the application was good.
            let bad_since = application
                .status
                .conditions
                .iter()
                .find(|c| c.type_ == "CredentialReady" && c.status == "False")
                .map(|c| c.last_transition_time.0);
            let issued = newest.get(&fingerprint.to_string());
            if bad_since.is_some_and(|since| issued.is_some_and(|issued| *issued > since)) {
                continue;
            }
            if let Some(reason) = reason.filter(|reason| is_refusal(*reason)) {
                refused.push((fingerprint, reason));
            }
        }
    }
    for (fingerprint, reason) in refused {
        state.gate.learn(fingerprint, None, now);
        state.gate.resume(fingerprint, 1, now, reason);
    }
}

/// Microsoft's word on a credential, which the operator can't judge by itself.
const fn is_refusal(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::CredentialRejected
            | Reason::CredentialExpired
            | Reason::FederationMismatch
            | Reason::AppMisconfigured
    )
}
