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

    /// Looks at them.
    pub async fn look(self, cluster: &Cluster, deadline: Instant) -> Vec<Finding> {
        let mut findings = self.findings;
        let nothing = self.visits.is_empty() && findings.is_empty();
        let looks = self.visits.into_iter().map(|visit| async move {
            let form = visit.form;
            let parse = |data: &SecretData| form.parse(data);
            let known: Known = cluster.credential(&visit.key, parse, visit.declared).await;
            secret(&visit.subject, &known, Timestamp::now())
        });
        let mut looks = futures::stream::iter(looks).buffered(AT_ONCE);
        loop {
            match tokio::time::timeout_at(deadline, looks.next()).await {
                Ok(Some(finding)) => findings.push(finding),
                Ok(None) => break,
                Err(_) => {
                    findings.push(late(Check::Credentials));
                    break;
                }
            }
        }
        if nothing {
            let why = "no tenant and no DefenderApplication refers to a Secret";
            findings.push(Finding::skipped(Check::Credentials, "Secrets", why));
        }
        findings
    }
}
