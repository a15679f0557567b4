//! Which credential Secrets there are to look at, and for whom.

use std::collections::BTreeSet;

use futures::StreamExt as _;
use jiff::Timestamp;
use tokio::time::Instant;

use super::cluster::Cluster;
use super::credentials::{Known, secret};
use super::late;
use super::report::{Check, Finding};
use crate::core::application::Application;
use crate::core::application::status::expires_at;
use crate::core::credential::{Credential, Declared, Fault, SecretData};
use crate::core::credential::{parse_data, parse_for_application};
use crate::core::ids::ApplicationId;
use crate::core::tenant::Key;

/// So many Secrets at once.
const AT_ONCE: usize = 8;
/// The content of so many is read, the applications' first.
const READ: usize = 200;
/// So many that the list of labelled Secrets hasn't got are looked at.
const LOOKED_AT: usize = 100;
/// Subject of what is said of several.
const SECRETS: &str = "Secrets";

/// One Secret, and how it is read.
struct Visit {
    subject: String,
    key: Key,
    form: Form,
    declared: Option<Timestamp>,
}

enum Form {
    Tenants,
    Application(ApplicationId, Declared),
}

impl Form {
    fn parse(&self, data: &SecretData) -> Result<Credential, Fault> {
        match self {
            Self::Tenants => parse_data(data),
            Self::Application(client_id, declared) => {
                parse_for_application(data, *client_id, *declared)
            }
        }
    }
}

/// What there is to look at, and what needs no look.
#[derive(Default)]
pub struct Secrets {
    visits: Vec<Visit>,
    findings: Vec<Finding>,
}

impl Secrets {
    /// Those of the applications.
    pub fn of(applications: &[Application], home: Option<&str>) -> Self {
        let mut secrets = Self::default();
        for application in applications {
            for credential in &application.spec.credentials {
                let Some(name) = credential.secret_name() else {
                    continue;
                };
                let whose = format!("{}/{}", application.name, credential.name);
                let Some(home) = home else {
                    secrets.findings.push(Finding::problem(
                        Check::Credentials,
                        &format!("{whose}: Secret {name}"),
                        "the operator's own namespace, where it would be, isn't known",
                        "set POD_NAMESPACE or --operator-namespace, for the operator as well",
                    ));
                    continue;
                };
                let declared = match &credential.certificate {
                    Some(certificate) => Declared::Certificate(certificate.algorithm),
                    None => Declared::ClientSecret,
                };
                secrets.visits.push(Visit {
                    subject: format!("{whose}: Secret {home}/{name}"),
                    key: Key::new(home, name),
                    form: Form::Application(application.client_id, declared),
                    declared: expires_at(&application.spec, &credential.name, None),
                });
            }
        }
        secrets
    }

    /// Those of the tenants, as far as they are used.
    pub fn of_tenants(&mut self, keys: &BTreeSet<Key>, home: Option<&str>, allowed: bool) {
        for key in keys {
            let subject = format!("secretRef: Secret {key}");
            let refused = match home {
                _ if !allowed => Some("secretRef is denied by --secret-ref"),
                Some(home) if *home == *key.namespace => {
                    Some("secretRef is refused in the operator's own namespace")
                }
                _ => None,
            };
            match refused {
                Some(why) => {
                    let finding = Finding::skipped(Check::Credentials, &subject, why);
                    self.findings.push(finding);
                }
                None => self.visits.push(Visit {
                    subject,
                    key: key.clone(),
                    form: Form::Tenants,
                    declared: None,
                }),
            }
        }
    }

    /// Looks at them: by one list in each of these places which are labelled, then at the content of so many.
    pub async fn look(
        self,
        cluster: &Cluster,
        places: &[Option<&str>],
        deadline: Instant,
    ) -> Vec<Finding> {
        let mut findings = self.findings;
        if self.visits.is_empty() {
            if findings.is_empty() {
                let why = "no tenant and no DefenderApplication refers to a Secret";
                findings.push(Finding::skipped(Check::Credentials, SECRETS, why));
            }
            return findings;
        }
        let listed = labelled(cluster, places, &self.visits);
        let Ok(labelled) = tokio::time::timeout_at(deadline, listed).await else {
            findings.push(late(Check::Credentials));
            return findings;
        };
        let plan = Plan::new(self.visits, labelled.as_ref());
        let mut left = plan.steps.len();
        let looks = plan.steps.into_iter().map(|(visit, labelled)| async move {
            let form = visit.form;
            let parse = |data: &SecretData| form.parse(data);
            let known: Known = cluster
                .credential(&visit.key, labelled, parse, visit.declared)
                .await;
            secret(&visit.subject, &known, Timestamp::now())
        });
        let mut looks = futures::stream::iter(looks).buffered(AT_ONCE);
        while let Ok(Some(finding)) = tokio::time::timeout_at(deadline, looks.next()).await {
            findings.push(finding);
            left -= 1;
        }
        findings.extend(rest(plan.unread + left, plan.absent));
        findings
    }
}

/// Those of the visits that are labelled; `None` if they can't be listed, which the permissions tell.
async fn labelled(
    cluster: &Cluster,
    places: &[Option<&str>],
    visits: &[Visit],
) -> Option<BTreeSet<Key>> {
    let wanted = visits.iter().map(|visit| &visit.key).collect();
    let mut found = BTreeSet::new();
    for place in places {
        found.extend(cluster.labelled(*place, &wanted).await.ok()?);
    }
    Some(found)
}

/// Which Secrets are looked at one by one; of thousands not all.
#[derive(Default)]
struct Plan {
    /// Each with whether its label was seen.
    steps: Vec<(Visit, bool)>,
    /// So many are labelled, as far as is known, and not read.
    unread: usize,
    /// So many aren't there or not labelled, and which of the two isn't looked at.
    absent: usize,
}

impl Plan {
    fn new(visits: Vec<Visit>, labelled: Option<&BTreeSet<Key>>) -> Self {
        let mut plan = Self::default();
        let (mut reads, mut looks) = (READ, LOOKED_AT);
        for visit in visits {
            let seen = labelled.map(|labelled| labelled.contains(&visit.key));
            let (budget, over) = match seen {
                Some(false) => (&mut looks, &mut plan.absent),
                Some(true) | None => (&mut reads, &mut plan.unread),
            };
            if *budget == 0 {
                *over += 1;
            } else {
                *budget -= 1;
                plan.steps.push((visit, seen == Some(true)));
            }
        }
        plan
    }
}

fn rest(unread: usize, absent: usize) -> Vec<Finding> {
    let mut findings = Vec::new();
    if absent > 0 {
        findings.push(Finding::problem(
            Check::Credentials,
            SECRETS,
            &format!(
                "{absent} more aren't there, or lack the label that marks them as a credential"
            ),
            "mend the ones above, and run this again",
        ));
    }
    if unread > 0 {
        let why = format!("{unread} more weren't looked at: they are too many for one report");
        findings.push(Finding::skipped(Check::Credentials, SECRETS, &why));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visits(count: usize) -> Vec<Visit> {
        let keys = (0..count)
            .map(|n| Key::new("soc", &format!("s{n:04}")))
            .collect();
        let mut secrets = Secrets::default();
        secrets.of_tenants(&keys, None, true);
        secrets.visits
    }

    #[test]
    fn of_thousands_some_are_read_and_the_others_are_counted() {
        let all: BTreeSet<Key> = visits(5_000).into_iter().map(|visit| visit.key).collect();
        let half: BTreeSet<Key> = all.iter().step_by(2).cloned().collect();
        let counts = |visits, labelled| {
            let plan = Plan::new(visits, labelled);
            let seen = plan.steps.iter().filter(|(_, labelled)| *labelled).count();
            (seen, plan.steps.len() - seen, plan.unread, plan.absent)
        };
        assert_eq!(counts(visits(5_000), Some(&all)), (200, 0, 4_800, 0));
        assert_eq!(counts(visits(5_000), Some(&half)), (200, 100, 2_300, 2_400));
        assert_eq!(counts(visits(5_000), None), (0, 200, 4_800, 0));
        assert_eq!(counts(visits(3), Some(&all)), (3, 0, 0, 0));
        assert_eq!(counts(visits(3), Some(&BTreeSet::new())), (0, 3, 0, 0));
    }

    #[test]
    fn what_was_not_looked_at_is_no_problem_and_what_is_not_there_is_one() {
        let skipped = Finding::skipped(
            Check::Credentials,
            "Secrets",
            "7 more weren't looked at: they are too many for one report",
        );
        let absent = Finding::problem(
            Check::Credentials,
            "Secrets",
            "2 more aren't there, or lack the label that marks them as a credential",
            "mend the ones above, and run this again",
        );
        assert_eq!(rest(0, 0), []);
        assert_eq!(rest(7, 0), std::slice::from_ref(&skipped));
        assert_eq!(rest(7, 2), [absent, skipped]);
    }
}
