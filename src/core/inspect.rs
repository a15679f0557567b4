//! What the bytes of an owned Secret are worth.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::claims::{self, Claims};
use super::gathered::{BodyFacts, Gathered, TokenFacts};
use super::ids::AccessToken;
use super::roles;
use super::schedule::{bucket_label, refresh_at};
use super::target::{self, Content, Held, Origin, Rendered};
use crate::api::{LABEL_BUCKET, target_annotation as annotation};

/// Labels and annotations that the target should have, those of the token apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// Keys on the operator's allow list that this tenant doesn't want: taken off where they stand.
    pub unwanted: Vec<String>,
}

/// The target's labels and annotations: ours, and what the operator's administrator lets a tenant set.
#[must_use]
pub fn metadata(g: &Gathered<'_>) -> Metadata {
    let spec = &g.tenant.spec.target;
    let allow = &g.policy.target_metadata_allow;
    let allowed = |wanted: &BTreeMap<String, String>| -> BTreeMap<String, String> {
        wanted
            .iter()
            .filter(|(key, _)| allow.contains(key))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect()
    };
    let mut labels = allowed(&spec.labels);
    labels.insert(LABEL_BUCKET.to_owned(), bucket_label(&g.tenant.uid));
    let mut annotations = allowed(&spec.annotations);
    annotations.insert(annotation::OWNER_UID.to_owned(), g.tenant.uid.clone());
    annotations.insert(annotation::RELOADER_IGNORE.to_owned(), "true".to_owned());
    // Only a changed spec takes one off: else another tool that sets it would be fought.
    let unwanted = allow
        .iter()
        .filter(|key| {
            !g.tenant.is_observed() && !labels.contains_key(*key) && !annotations.contains_key(*key)
        })
        .cloned()
        .collect();
    Metadata {
        labels,
        annotations,
        unwanted,
    }
}

/// Keys of labels and annotations in the spec that the operator doesn't set.
#[must_use]
pub fn denied_metadata(g: &Gathered<'_>) -> Vec<String> {
    let spec = &g.tenant.spec.target;
    let keys = spec.labels.keys().chain(spec.annotations.keys());
    keys.filter(|key| !g.policy.target_metadata_allow.contains(key))
        .cloned()
        .collect()
}

/// What is to be written for a token.
#[must_use]
pub fn desired(
    g: &Gathered<'_>,
    token: &AccessToken,
    facts: &TokenFacts,
    origin: Origin,
) -> (Rendered, Held) {
    let keys = target::render(&Content {
        token,
        expires_at: facts.expires_at,
        tenant: g.tenant_id,
        api_url: g.endpoints.api_url,
        formats: &g.tenant.spec.target.formats,
    });
    let held = Held {
        issued_at: facts.issued_at,
        expires_at: facts.expires_at,
        refresh_at: facts.refresh_at,
        digest: target::digest(&keys),
        mint_inputs: g.mint_inputs().unwrap_or_default(),
        origin,
    };
    (keys, held)
}

/// Facts of a token that is to live from `issued_at` on.
#[must_use]
pub fn token_facts(
    g: &Gathered<'_>,
    issued_at: Timestamp,
    expires_at: Timestamp,
    refresh_in: Option<jiff::SignedDuration>,
    roles: Vec<String>,
) -> TokenFacts {
    let whole = |t: Timestamp| Timestamp::from_second(t.as_second()).unwrap_or(t);
    let (issued_at, expires_at) = (whole(issued_at), whole(expires_at));
    TokenFacts {
        issued_at,
        expires_at,
        refresh_at: refresh_at(
            issued_at,
            expires_at,
            refresh_in,
            g.refresh_policy(),
            &g.tenant.uid,
        ),
        roles: roles::kept(roles, &g.required().roles),
    }
}

/// What stands in a Secret, as far as it matters.
pub struct Found<'a> {
    /// Its bytes.
    pub data: &'a super::credential::SecretData,
    /// Its labels.
    pub labels: &'a BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: &'a BTreeMap<String, String>,
}

/// Judges an owned Secret by its bytes.
#[must_use]
pub fn inspect(g: &Gathered<'_>, found: &Found<'_>, now: Timestamp) -> BodyFacts {
    let held = Held::read(|name| found.annotations.get(name).map(String::as_str));
    let metadata = metadata(g);
    let carries = |have: &BTreeMap<String, String>, want: &BTreeMap<String, String>| {
        want.iter().all(|(key, value)| have.get(key) == Some(value))
    };
    let tidy = carries(found.labels, &metadata.labels)
        && carries(found.annotations, &metadata.annotations)
        && metadata
            .unwanted
            .iter()
            .all(|key| !found.labels.contains_key(key) && !found.annotations.contains_key(key));
    let Some(token) = target::token_in(found.data) else {
        let spec = &g.tenant.spec.target;
        let empty = target::render_empty(g.tenant_id, g.endpoints.api_url, &spec.formats);
        let in_order = held.is_none() && tidy && target::holds(found.data, &empty);
        return BodyFacts {
            in_order,
            token: None,
            junk: !in_order && !target::is_empty(found.data),
        };
    };
    let Some(facts) = sound(g, &token, found.data, held.as_ref(), now) else {
        // What we wrote ourselves for other inputs stays until the right one comes.
        let ours = held
            .as_ref()
            .is_some_and(|held| held.is_live(now) && untouched(found.data, held));
        return BodyFacts {
            in_order: false,
            token: None,
            junk: !ours,
        };
    };
    let origin = held.as_ref().map(|held| held.origin.clone());
    let (keys, mut wanted) = desired(g, &token, &facts, origin.unwrap_or_default());
    if let Some(held) = held.as_ref().filter(|_| g.client_id().is_none()) {
        wanted.mint_inputs.clone_from(&held.mint_inputs);
    }
    let in_order = tidy && held.as_ref() == Some(&wanted) && target::holds(found.data, &keys);
    BodyFacts {
        in_order,
        token: Some(facts),
        junk: false,
    }
}

/// Facts of the token in a Secret, if it is the right one and live. Its expiry is the smaller of annotation and `exp`.
fn sound(
    g: &Gathered<'_>,
    token: &AccessToken,
    data: &super::credential::SecretData,
    held: Option<&Held>,
    now: Timestamp,
) -> Option<TokenFacts> {
    let claims = Claims::decode(token.expose()).ok()?;
    let left = u64::try_from(claims.exp.saturating_sub(now.as_second())).ok()?;
    let (expires_at, roles) = if let Some(expected) = g.expected() {
        let checked = claims::check(&claims, &expected, Duration::from_secs(left), now).ok()?;
        (checked.expires_at, checked.roles)
    } else {
        // Without the credential nobody knows the application: the digest says whether these are the bytes that we wrote.
        let held = held.filter(|held| untouched(data, held))?;
        (held.expires_at, claims.roles.clone())
    };
    let expires_at = held.map_or(expires_at, |held| held.expires_at.min(expires_at));
    if expires_at <= now {
        return None;
    }
    let issued_at = held
        .map(|held| held.issued_at)
        .or_else(|| claims.iat.and_then(|iat| Timestamp::from_second(iat).ok()))
        .unwrap_or(now);
    let mut facts = token_facts(g, issued_at, expires_at, None, roles);
    if let Some(held) = held {
        // Microsoft may have asked for an earlier instant, which nothing else remembers.
        facts.refresh_at = facts.refresh_at.min(held.refresh_at);
    }
    is_ours(g, token, data, held, &facts).then_some(facts)
}

/// Whether this is the token that we wrote. Its claims don't say: they stay what they are when the signature is spoilt,
/// or when somebody puts another token of the same customer there.
fn is_ours(
    g: &Gathered<'_>,
    token: &AccessToken,
    data: &super::credential::SecretData,
    held: Option<&Held>,
    facts: &TokenFacts,
) -> bool {
    // Without annotations nothing is known of it but its claims, nor by a digest of another version.
    held.is_none_or(|held| {
        let (keys, _) = desired(g, token, facts, Origin::default());
        let digest = target::digest(&keys);
        let version = |digest: &str| {
            digest
                .split_once(':')
                .map(|(version, _)| version.to_owned())
        };
        untouched(data, held) || digest == held.digest || version(&digest) != version(&held.digest)
    })
}

fn untouched(data: &super::credential::SecretData, held: &Held) -> bool {
    let keys: Rendered = target::ALL_KEYS
        .into_iter()
        .filter_map(|name| {
            let text = std::str::from_utf8(data.get(name)?).ok()?;
            Some((name, zeroize::Zeroizing::new(text.to_owned())))
        })
        .collect();
    target::digest(&keys) == held.digest
}
