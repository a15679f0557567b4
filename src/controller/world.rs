//! What this process knows of the cluster: small copies of what the watches told, overlaid with its own last writes.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::api::DefenderTenantSpec;
use crate::core::application::Labels;
use crate::core::credential::{Credential, Fault, Fingerprint, SecretData};
use crate::core::federated::Presented;
use crate::core::gathered::{Memo, Owned};
use crate::core::ids::LoginHost;
use crate::core::tenant::{Key, Tenant};

mod applications;
mod credentials;
mod held;
mod namespaces;
mod packed;
mod shards;
mod shared;
mod targets;
mod tenants;

pub use applications::{ApplicationEntry, Known, KnownCredential};
use held::PackedHeld;
use packed::Common;
pub use packed::{Asking, Packed};
use shared::Texts;

/// An own write younger than this is believed over a list that lacks it.
const OWN_WRITE_TRUSTED: SignedDuration = SignedDuration::from_mins(1);

/// A Secret that carries our bucket label, or that was looked at.
#[derive(Debug, Clone)]
pub struct TargetEntry {
    uid: Box<str>,
    resource_version: Box<str>,
    /// The tenant that controls it, if one does.
    owner: Option<Owner>,
    /// What its annotations say.
    held: Option<PackedHeld>,
    /// This version of it was written or checked by us.
    verified: bool,
    written_at: Option<Timestamp>,
}

/// The tenant that controls a Secret.
#[derive(Debug, Clone)]
struct Owner {
    uid: Arc<str>,
    name: Arc<str>,
}

/// Where a tenant's credential comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// A Secret of its own namespace.
    Secret(Key),
    /// An application.
    Application(Arc<str>),
}

impl Source {
    /// What a tenant refers to. `None` only for a spec that the CRD rejects.
    #[must_use]
    pub fn of(tenant: &Tenant) -> Option<Self> {
        source_of(&tenant.key.namespace, &tenant.spec)
    }
}

fn source_of(namespace: &Arc<str>, spec: &DefenderTenantSpec) -> Option<Source> {
    match (&spec.secret_ref, &spec.application_ref) {
        (Some(secret), None) => Some(Source::Secret(Key {
            namespace: namespace.clone(),
            name: secret.name.as_str().into(),
        })),
        (None, Some(application)) => Some(Source::Application(application.name.as_str().into())),
        _ => None,
    }
}

/// A credential Secret.
#[derive(Debug, Clone, PartialEq)]
pub struct CredentialEntry {
    /// The credential, or what is wrong with it.
    pub parsed: Result<Arc<Credential>, Fault>,
    /// When it was seen to change.
    pub changed_at: Option<Timestamp>,
    /// The keys, of Secrets in the operator's namespace alone: what they make depends on the application.
    keys: Option<Keys>,
}

/// A Secret's keys. No `Debug` of them; wiped when dropped.
#[derive(Clone, PartialEq)]
struct Keys(Arc<SecretData>);

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

/// The copies.
#[derive(Debug, Default)]
pub struct World {
    tenants: HashMap<Key, Packed>,
    /// What tenants have in common.
    common: Common,
    /// Texts that many have in common: namespaces, fingerprints.
    texts: Texts,
    /// Tenants whose status is ahead of what the API server has.
    unwritten: HashSet<Key>,
    undecodable: HashMap<Key, u8>,
    /// Tenants whose token somebody took, and that wait for the mint that replaces it.
    robbed: HashSet<Key>,
    targets: HashMap<Key, TargetEntry>,
    /// Targets by the UID of their owner.
    by_owner: BTreeSet<(Arc<str>, Key)>,
    /// Tenants that found a target of somebody else under their target's name.
    waiting: HashMap<Key, BTreeSet<Key>>,
    credentials: HashMap<Key, CredentialEntry>,
    applications: HashMap<Arc<str>, ApplicationEntry>,
    /// Applications that have another version's shape.
    unreadable: HashSet<Arc<str>>,
    /// Applications by the names of their Secrets.
    by_secret: HashMap<Arc<str>, BTreeSet<Arc<str>>>,
    /// What the operator's own token says of itself.
    identity: Option<Presented>,
    /// Applications whose status may have to say something new.
    changed_applications: BTreeSet<Arc<str>>,
    /// The operator looks at labels of namespaces.
    labels_count: bool,
    /// Labels of namespaces.
    namespaces: HashMap<Arc<str>, Arc<Labels>>,
    /// Tenants by what they refer to.
    by_source: HashMap<Source, BTreeSet<Key>>,
    /// Login authorities: a credential has a fingerprint at each.
    logins: Vec<LoginHost>,
    /// The operator's namespace, which holds the credentials of applications.
    home: Option<Arc<str>>,
    by_fingerprint: HashMap<Fingerprint, BTreeSet<Source>>,
    memos: HashMap<String, Memo>,
}

/// More than the plan looks at.
const REPAIRS_KEPT: usize = 16;

/// Whether `a` is a later resourceVersion than `b`. They are numbers (Kubernetes documents the order since 1.35);
/// whatever can't be compared is taken for news.
pub(super) fn is_newer(a: &str, b: &str) -> bool {
    match (a.parse::<u128>(), b.parse::<u128>()) {
        (Ok(a), Ok(b)) => a > b,
        _ => a != b,
    }
}

impl World {
    /// A world that knows nothing yet.
    #[must_use]
    pub fn new(logins: impl IntoIterator<Item = LoginHost>, home: Option<&str>) -> Self {
        Self {
            logins: logins.into_iter().collect(),
            home: home.map(Into::into),
            ..Self::default()
        }
    }

    /// A repair was made (or, `owed`, seen to be needed, though Microsoft may not be asked yet). Each counts once.
    pub fn remember_repair(&mut self, key: &Key, uid: &str, owed: bool, now: Timestamp) {
        if self.robbed.contains(key) {
            if !owed {
                self.robbed.remove(key);
            }
            return;
        }
        if owed {
            self.robbed.insert(key.clone());
        }
        self.remember(key, uid, |memo| {
            memo.repairs.push_back(now);
            while memo.repairs.len() > REPAIRS_KEPT {
                memo.repairs.pop_front();
            }
        });
    }

    /// What is remembered of a tenant.
    #[must_use]
    pub fn memo(&self, uid: &str) -> Memo {
        self.memos.get(uid).cloned().unwrap_or_default()
    }

    /// Changes what is remembered of a tenant that exists.
    pub fn remember(&mut self, key: &Key, uid: &str, edit: impl FnOnce(&mut Memo)) {
        if self
            .tenants
            .get(key)
            .is_some_and(|tenant| *tenant.uid == *uid)
        {
            let mut memo = self.memo(uid);
            edit(&mut memo);
            // Nothing to remember, as of most.
            if memo == Memo::default() {
                self.memos.remove(uid);
            } else {
                self.memos.insert(uid.to_owned(), memo);
            }
        }
    }
}

fn owned(entry: &TargetEntry, tenant: &Tenant, name: &str) -> Owned {
    let told = tenant
        .status
        .target
        .as_ref()
        .filter(|target| target.name == name);
    let as_status_says = told.and_then(|target| target.resource_version.as_deref())
        == Some(&*entry.resource_version);
    Owned {
        uid: entry.uid.to_string(),
        resource_version: entry.resource_version.to_string(),
        held: entry.held.as_ref().map(PackedHeld::unpack),
        verified: as_status_says || entry.verified,
    }
}

#[cfg(test)]
mod tests;
