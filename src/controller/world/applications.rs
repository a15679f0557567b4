//! The applications, their credentials, and whom a change concerns.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::{Asking, Packed, Source, World, is_newer};
use crate::api::{ApplicationCredential, DefenderApi, DefenderApplicationStatus};
use crate::controller::objects::ApplicationObject;
use crate::core::application::{Application, Denial};
use crate::core::credential::{Credential, Declared, Fault, Fingerprint, parse_for_application};
use crate::core::federated::Presented;
use crate::core::roles;
use crate::core::tenant::Key;

/// So many roles are named in an application's status at the most.
const EVERYWHERE_MAX: usize = 32;

/// An application and what its credentials are.
#[derive(Debug, Clone)]
pub struct ApplicationEntry {
    /// The application.
    pub application: Arc<Application>,
    /// Its credentials, in the order of the spec.
    pub credentials: Vec<KnownCredential>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownCredential {
    /// Its name in the spec.
    pub name: Arc<str>,
    /// What is known of it.
    pub known: Known,
    /// When it was seen to change.
    pub changed_at: Option<Timestamp>,
}

/// What is known of a credential.
#[derive(Debug, Clone, PartialEq)]
pub enum Known {
    /// No watch told of this Secret: it isn't there, or lacks the label.
    Unseen(Key),
    /// The operator doesn't know its own namespace, where it would be.
    Homeless,
    /// It makes no credential.
    Malformed(Fault),
    /// A credential.
    Found(Arc<Credential>),
}

impl World {
    /// An application by its name.
    #[must_use]
    pub fn application(&self, name: &str) -> Option<&ApplicationEntry> {
        self.applications.get(name)
    }

    /// All applications.
    pub fn applications(&self) -> impl Iterator<Item = &ApplicationEntry> {
        self.applications.values()
    }

    /// Their names.
    #[must_use]
    pub fn application_names(&self) -> Vec<Arc<str>> {
        self.applications.keys().cloned().collect()
    }

    /// It is there, and has another version's shape.
    #[must_use]
    pub fn is_unreadable(&self, name: &str) -> bool {
        self.unreadable.contains(name)
    }

    /// The watch told an application. Returns the tenants concerned, and no others.
    pub fn application_applied(
        &mut self,
        object: ApplicationObject,
        seen_changing: bool,
        now: Timestamp,
    ) -> Result<Vec<Key>, Vec<Key>> {
        let name: Arc<str> = object.name().into();
        let Some(application) = object.into_application() else {
            let news = self.forget_application(&name) | self.unreadable.insert(name.clone());
            return Err(if news {
                self.users(&Source::Application(name))
            } else {
                Vec::new()
            });
        };
        let was_unreadable = self.unreadable.remove(&name);
        let before = self
            .applications
            .get(&name)
            .map(|entry| entry.application.clone());
        if let Some(before) = &before
            && before.uid == application.uid
            && !is_newer(&application.resource_version, &before.resource_version)
        {
            return Ok(Vec::new());
        }
        let application = Arc::new(application);
        self.know_secrets(&application);
        let entry = self
            .applications
            .entry(name.clone())
            .or_insert_with(|| ApplicationEntry {
                application: application.clone(),
                credentials: Vec::new(),
            });
        entry.application = application.clone();
        let credentials_changed = self.read_credentials(&name, seen_changing, now);
        self.changed_applications.insert(name.clone());
        let users = self.users(&Source::Application(name));
        let Some(before) = before.filter(|_| !was_unreadable) else {
            return Ok(users);
        };
        if credentials_changed || before.differs_for_all(&application) {
            return Ok(users);
        }
        if before.grants == application.grants {
            return Ok(Vec::new());
        }
        let concerned = |key: &Key| {
            self.tenants.get(key).is_some_and(|tenant| {
                let asking = tenant.asking(key);
                self.grant(&before, asking) != self.grant(&application, asking)
                    || self.kept_apis(&before, asking) != self.kept_apis(&application, asking)
            })
        };
        Ok(users.into_iter().filter(concerned).collect())
    }

    /// The application is gone. Returns the tenants concerned.
    pub fn application_deleted(&mut self, name: &Arc<str>) -> Vec<Key> {
        let known = self.forget_application(name) | self.unreadable.remove(name);
        if known {
            self.users(&Source::Application(name.clone()))
        } else {
            Vec::new()
        }
    }

    /// A list is complete: whatever isn't in it is gone. Returns the tenants concerned.
    pub fn applications_listed(&mut self, listed: &HashSet<Key>) -> Vec<Key> {
        let names: HashSet<&str> = listed.iter().map(|key| &*key.name).collect();
        let known = self.applications.keys().chain(&self.unreadable);
        let gone: Vec<Arc<str>> = known
            .filter(|name| !names.contains(&***name))
            .cloned()
            .collect();
        gone.iter()
            .flat_map(|name| self.application_deleted(name))
            .collect()
    }

    fn forget_application(&mut self, name: &Arc<str>) -> bool {
        let Some(entry) = self.applications.remove(name) else {
            return false;
        };
        for credential in entry.credentials {
            if let Known::Found(found) = credential.known {
                self.forget_fingerprints(&found, &Source::Application(name.clone()));
            }
        }
        self.forget_secrets(name);
        self.changed_applications.remove(name);
        true
    }

    fn forget_secrets(&mut self, name: &Arc<str>) {
        self.by_secret.retain(|_, applications| {
            applications.remove(name);
            !applications.is_empty()
        });
    }

    fn know_secrets(&mut self, application: &Application) {
        self.forget_secrets(&application.name);
        for credential in &application.spec.credentials {
            if let Some(secret) = credential.secret_name() {
                self.by_secret
                    .entry(secret.into())
                    .or_default()
                    .insert(application.name.clone());
            }
        }
    }

    /// The operator's own token says this of itself. Returns the tenants concerned, if that is news.
    pub fn identity_known(&mut self, presented: &Presented, now: Timestamp) -> Vec<Key> {
        let same = self
            .identity
            .as_ref()
            .is_some_and(|known| known.is_same(presented));
        if same {
            return Vec::new();
        }
        let seen_changing = self.identity.replace(presented.clone()).is_some();
        let mut concerned = Vec::new();
        for name in self.application_names() {
            if self.read_credentials(&name, seen_changing, now) {
                concerned.extend(self.users(&Source::Application(name)));
            }
        }
        concerned
    }

    /// Takes in what an application's credentials are by now. Returns whether anything changed.
    pub(super) fn read_credentials(
        &mut self,
        name: &Arc<str>,
        seen_changing: bool,
        now: Timestamp,
    ) -> bool {
        let Some(entry) = self.applications.get(name) else {
            return false;
        };
        let fresh: Vec<KnownCredential> = entry
            .application
            .spec
            .credentials
            .iter()
            .map(|credential| {
                let known = self.read(&entry.application, credential);
                let before = entry
                    .credentials
                    .iter()
                    .find(|before| *before.name == *credential.name && before.known == known);
                // The very same one: its parsed key stays, and it is no newer than it was.
                before.cloned().unwrap_or_else(|| KnownCredential {
                    name: credential.name.as_str().into(),
                    known,
                    changed_at: seen_changing.then_some(now),
                })
            })
            .collect();
        if fresh == entry.credentials {
            return false;
        }
        let source = Source::Application(name.clone());
        let old = match self.applications.get_mut(name) {
            Some(entry) => std::mem::replace(&mut entry.credentials, fresh.clone()),
            None => return false,
        };
        for credential in old {
            if let Known::Found(found) = credential.known {
                self.forget_fingerprints(&found, &source);
            }
        }
        for credential in fresh {
            if let Known::Found(found) = credential.known {
                self.know_fingerprints(&found, &source);
            }
        }
        self.changed_applications.insert(name.clone());
        true
    }

    fn read(&self, application: &Application, credential: &ApplicationCredential) -> Known {
        let declared = match (&credential.client_secret, &credential.certificate) {
            (Some(_), _) => Declared::ClientSecret,
            (None, Some(certificate)) => Declared::Certificate(certificate.algorithm),
            (None, None) => {
                return Known::Found(Arc::new(Credential::workload_identity(
                    application.client_id,
                    self.identity.as_ref(),
                )));
            }
        };
        let Some(home) = self.home.clone() else {
            return Known::Homeless;
        };
        let key = Key {
            namespace: home,
            name: credential.secret_name().unwrap_or_default().into(),
        };
        match self
            .credentials
            .get(&key)
            .and_then(|entry| entry.keys.as_ref())
        {
            None => Known::Unseen(key),
            Some(keys) => match parse_for_application(&keys.0, application.client_id, declared) {
                Ok(found) => Known::Found(Arc::new(found)),
                Err(fault) => Known::Malformed(fault),
            },
        }
    }

    /// Whether an application grants a tenant what it asks for.
    pub fn grant<'a>(
        &self,
        application: &Application,
        asking: impl Into<Asking<'a>>,
    ) -> Result<(), Denial> {
        let Asking {
            namespace,
            tenant_id,
            api,
        } = asking.into();
        // A spec that the CRD rejects is granted nothing.
        let Ok(tenant_id) = tenant_id.parse() else {
            return Err(Denial::Tenant);
        };
        let labels = self.labels_of(namespace);
        application.grants.check(namespace, labels, tenant_id, api)
    }

    /// Roles that two customers or more require and that no token of any of them has. `None`: too few to tell. Names
    /// that no API is known to have don't count: whoever writes a tenant could write them into the application's status.
    #[must_use]
    pub fn missing_everywhere(
        &self,
        application: &Application,
        now: Timestamp,
    ) -> Option<Vec<String>> {
        let source = Source::Application(application.name.clone());
        let users = self.by_source.get(&source)?;
        let live = || {
            let packed = users
                .iter()
                .filter_map(|key| Some((key, self.tenants.get(key)?)));
            packed.filter(|(key, tenant)| {
                let times = tenant.token_times();
                times.is_some_and(|(expires_at, _)| expires_at > now)
                    && self.grant(application, tenant.asking(key)).is_ok()
            })
        };
        let missing = |tenant: &Packed| {
            let token = tenant.shape().token.as_ref();
            token.is_some_and(|token| !token.missing_roles.is_empty())
        };
        let lacks = |key: &Key| self.tenants.get(key).is_some_and(&missing);
        if !users.iter().any(lacks) {
            // As almost always: then two of them are enough to tell.
            let mut ids = live().map(|(key, tenant)| tenant.asking(key).tenant_id);
            let first = ids.next()?;
            return ids.any(|id| id != first).then(Vec::new);
        }
        // By API and role: who requires it, and who has it.
        let mut tally = BTreeMap::<(DefenderApi, String), (BTreeSet<&str>, bool)>::new();
        let mut customers = BTreeSet::new();
        for (key, tenant) in live() {
            let spec = tenant.spec();
            let id = tenant.asking(key).tenant_id;
            let token = tenant.shape().token.as_ref();
            let missing = token.map_or(&[][..], |token| token.missing_roles.as_slice());
            customers.insert(id);
            let inherited = &application.spec.required_roles;
            let required = roles::required(&spec.required_roles, inherited, spec.api, spec.plan);
            for role in required.roles {
                let ours = inherited.contains(&role);
                if !ours && !roles::unknown(&[&role], spec.api).is_empty() {
                    continue;
                }
                let has = !missing.contains(&role);
                let (who, somebody) = tally.entry((spec.api, role)).or_default();
                who.insert(id);
                *somebody |= has;
            }
        }
        let everywhere = tally
            .into_iter()
            .filter(|(_, (who, somebody))| who.len() > 1 && !somebody)
            .map(|((_, role), _)| role);
        (customers.len() > 1).then(|| everywhere.take(EVERYWHERE_MAX).collect())
    }

    /// The APIs whose tokens a tenant may keep.
    #[must_use]
    pub fn kept_apis<'a>(
        &self,
        application: &Application,
        asking: impl Into<Asking<'a>>,
    ) -> Vec<DefenderApi> {
        let Asking {
            namespace,
            tenant_id,
            ..
        } = asking.into();
        let Ok(tenant_id) = tenant_id.parse() else {
            return Vec::new();
        };
        let labels = self.labels_of(namespace);
        let kept = |api: &DefenderApi| application.grants.keeps(namespace, labels, tenant_id, *api);
        DefenderApi::ALL.iter().copied().filter(kept).collect()
    }

    /// The applications that have changed since this was last asked.
    pub fn take_changed_applications(&mut self) -> Vec<Arc<str>> {
        std::mem::take(&mut self.changed_applications)
            .into_iter()
            .collect()
    }

    /// A credential is refused, or accepted again: the applications that have it may have to say so.
    pub fn fingerprint_changed(&mut self, fingerprint: Fingerprint) {
        let sources: Vec<Source> = self.sources(fingerprint).cloned().collect();
        for source in &sources {
            self.application_changed(source);
        }
    }

    /// Something happened that an application's status may speak of.
    pub fn application_changed(&mut self, source: &Source) {
        if let Source::Application(name) = source
            && self.applications.contains_key(name)
        {
            self.changed_applications.insert(name.clone());
        }
    }

    /// An application's status that we wrote.
    pub fn application_status_written(
        &mut self,
        name: &str,
        uid: &str,
        resource_version: String,
        status: DefenderApplicationStatus,
    ) {
        if let Some(entry) = self.applications.get_mut(name)
            && entry.application.uid == uid
        {
            let application = Arc::make_mut(&mut entry.application);
            if is_newer(&resource_version, &application.resource_version) {
                application.resource_version = resource_version;
            }
            application.status = Arc::new(status);
        }
    }
}
