//! Labels of namespaces, for grants that select by label.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::{Source, World};
use crate::api::DefenderApi;
use crate::core::application::Labels;
use crate::core::tenant::Key;

impl World {
    /// From now on namespaces' labels count.
    pub fn look_at_labels(&mut self) {
        self.labels_count = true;
    }

    /// A namespace's labels; `None` where they don't count.
    #[must_use]
    pub fn labels_of(&self, namespace: &str) -> Option<&Labels> {
        static NONE: Labels = Labels::new();
        self.labels_count.then(|| {
            self.namespaces
                .get(namespace)
                .map_or(&NONE, |labels| labels)
        })
    }

    /// The watch told a namespace. Returns the tenants whose grant that changes.
    pub fn namespace_applied(&mut self, name: &str, labels: Labels) -> Vec<Key> {
        if self
            .namespaces
            .get(name)
            .is_some_and(|known| **known == labels)
        {
            return Vec::new();
        }
        self.with_labels(name, Some(labels))
    }

    /// The namespace is gone.
    pub fn namespace_deleted(&mut self, name: &str) -> Vec<Key> {
        self.with_labels(name, None)
    }

    /// A list is complete: whatever isn't in it is gone.
    pub fn namespaces_listed(&mut self, listed: &HashSet<Key>) -> Vec<Key> {
        let names: HashSet<&str> = listed.iter().map(|key| &*key.name).collect();
        let gone: Vec<Arc<str>> = self
            .namespaces
            .keys()
            .filter(|name| !names.contains(&***name))
            .cloned()
            .collect();
        gone.iter()
            .flat_map(|name| self.namespace_deleted(name))
            .collect()
    }

    fn with_labels(&mut self, name: &str, labels: Option<Labels>) -> Vec<Key> {
        let before = self.answers_by_label(name);
        match labels {
            Some(labels) => self.namespaces.insert(name.into(), Arc::new(labels)),
            None => self.namespaces.remove(name),
        };
        let after = self.answers_by_label(name);
        let changed = after
            .into_iter()
            .filter(|(key, answer)| before.get(key) != Some(answer));
        changed.map(|(key, _)| key).collect()
    }

    /// What the tenants of a namespace are granted, and may keep, by those applications that look at labels.
    fn answers_by_label(&self, namespace: &str) -> HashMap<Key, (bool, Vec<DefenderApi>)> {
        let mut answers = HashMap::new();
        for entry in self.applications.values() {
            let application = &entry.application;
            if !application.grants.use_labels() {
                continue;
            }
            let Some(users) = self
                .by_source
                .get(&Source::Application(application.name.clone()))
            else {
                continue;
            };
            // Keys are in the order of their namespaces.
            let here = users
                .range(Key::new(namespace, "")..)
                .take_while(|key| *key.namespace == *namespace);
            for key in here {
                if let Some(tenant) = self.tenants.get(key) {
                    let asking = tenant.asking(key);
                    let granted = self.grant(application, asking).is_ok();
                    let answer = (granted, self.kept_apis(application, asking));
                    answers.insert(key.clone(), answer);
                }
            }
        }
        answers
    }
}
