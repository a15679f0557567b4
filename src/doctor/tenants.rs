//! The tenants: which hosts and credentials they need, and how they are.

use std::collections::{BTreeMap, BTreeSet};

use super::hosts::Uses;
use super::report::{Check, Finding};
use crate::api::{Cloud, DefenderApi, Region};
use crate::core::reason::Reason;
use crate::core::tenant::{Key, Tenant};
use crate::defender::hosts::front_door;

/// Of a list of tenants, what the checks need: it is read page by page, and no page is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// How many there are.
    pub total: usize,
    /// How many are Ready.
    pub ready: usize,
    /// Of the others, how many for which reason.
    pub not_ready: BTreeMap<&'static str, usize>,
    /// How many have another version's shape.
    pub unreadable: usize,
    /// The Secrets that `secretRef` names, where one is used.
    pub secrets: BTreeSet<Key>,
    /// The hosts that they need.
    pub hosts: Uses,
}

/// A tenant that no operator has looked at.
const NO_STATUS: &str = "no status yet";
/// A reason that this version doesn't know.
const UNKNOWN: &str = "a reason that this version doesn't know";

impl Survey {
    /// Takes one in; `None` is one that can't be read.
    pub fn add(&mut self, tenant: Option<&Tenant>) {
        self.total += 1;
        let Some(tenant) = tenant else {
            self.unreadable += 1;
            return;
        };
        let spec = &tenant.spec;
        // Nothing is minted for the others: their Secrets may well be gone.
        let used = !spec.suspend && !tenant.deleting;
        if let Some(secret) = spec.secret_ref.as_ref().filter(|_| used) {
            let key = Key::new(&tenant.key.namespace, &secret.name);
            self.secrets.insert(key);
        }
        self.hosts.login_of(spec.cloud);
        // A region that an API doesn't have is told by the tenant's own status.
        let door = front_door(spec.cloud, spec.api, spec.region);
        let door = door.or_else(|| front_door(spec.cloud, spec.api, Region::Global));
        if let Some(door) = door {
            self.hosts.api(&door);
        }
        let ready = tenant.status.conditions.iter().find(|c| c.type_ == "Ready");
        match ready {
            Some(ready) if ready.status == "True" => self.ready += 1,
            Some(ready) => {
                let known = Reason::ALL.into_iter().find(|r| r.as_str() == ready.reason);
                let reason = known.map_or(UNKNOWN, |reason| reason.as_str());
                *self.not_ready.entry(reason).or_default() += 1;
            }
            None => *self.not_ready.entry(NO_STATUS).or_default() += 1,
        }
    }

    /// Where there is nobody, the hosts that the first customer will most likely need.
    pub fn or_usual_hosts(&mut self) {
        if self.hosts.is_empty() {
            self.hosts.login_of(Cloud::default());
            if let Some(door) =
                front_door(Cloud::default(), DefenderApi::default(), Region::default())
            {
                self.hosts.api(&door);
            }
        }
    }
}

/// How they are.
#[must_use]
pub fn tenants(place: &str, survey: &Survey) -> Vec<Finding> {
    let mut findings = Vec::new();
    let found = match survey.total {
        0 => "there is none".to_owned(),
        total => format!("{} of {total} Ready", survey.ready),
    };
    if survey.ready == survey.total {
        findings.push(Finding::ok(Check::Tenants, place, &found));
    } else {
        let reasons: Vec<_> = survey
            .not_ready
            .iter()
            .map(|(reason, count)| format!("{reason}: {count}"))
            .collect();
        let found = match reasons.as_slice() {
            [] => found,
            reasons => format!("{found}; {}", reasons.join(", ")),
        };
        findings.push(Finding::warning(
            Check::Tenants,
            place,
            &found,
            "kubectl get dt -A -o wide says which, and what to do; each reason has its entry in docs/runbook.md",
        ));
    }
    if survey.unreadable > 0 {
        findings.push(Finding::warning(
            Check::Tenants,
            place,
            &format!(
                "{} can't be read: they have another version's shape",
                survey.unreadable
            ),
            "install the operator's version that belongs to the CRD, or apply these tenants anew",
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::DefenderTenantStatus;
    use crate::core::testing::tenant;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

    fn ready(status: &str, reason: &str) -> Tenant {
        let condition = Condition {
            type_: "Ready".into(),
            status: status.into(),
            reason: reason.into(),
            message: "canary".into(),
            last_transition_time: Time(jiff::Timestamp::UNIX_EPOCH),
            observed_generation: None,
        };
        Tenant {
            status: std::sync::Arc::new(DefenderTenantStatus {
                conditions: vec![condition],
                ..DefenderTenantStatus::default()
            }),
            ..tenant()
        }
    }

    fn survey(tenants: &[Option<Tenant>]) -> Survey {
        let mut survey = Survey::default();
        for tenant in tenants {
            survey.add(tenant.as_ref());
        }
        survey
    }

    #[test]
    fn reasons_are_counted_and_texts_of_others_are_not_repeated() {
        let advice = "kubectl get dt -A -o wide says which, and what to do; each reason has its entry in docs/runbook.md";
        let all = |found: &str| Finding::ok(Check::Tenants, "all", found);
        let some = |found: &str| Finding::warning(Check::Tenants, "all", found, advice);
        let mut fresh = ready("True", "x");
        fresh.status = std::sync::Arc::default();
        for (list, expected) in [
            (vec![], vec![all("there is none")]),
            (
                vec![Some(ready("True", "TokenPublished"))],
                vec![all("1 of 1 Ready")],
            ),
            (
                vec![
                    Some(ready("True", "Throttled")),
                    Some(ready("False", "ConsentRequired")),
                    Some(ready("False", "ConsentRequired")),
                    Some(ready("False", "canary")),
                    Some(fresh),
                ],
                vec![some(
                    "1 of 5 Ready; ConsentRequired: 2, a reason that this version doesn't know: 1, no status yet: 1",
                )],
            ),
            (
                vec![None],
                vec![
                    some("0 of 1 Ready"),
                    Finding::warning(
                        Check::Tenants,
                        "all",
                        "1 can't be read: they have another version's shape",
                        "install the operator's version that belongs to the CRD, or apply these tenants anew",
                    ),
                ],
            ),
        ] {
            assert_eq!(tenants("all", &survey(&list)), expected);
        }
    }

    #[test]
    fn hosts_and_secrets_are_those_in_use_each_once() {
        let list = [Some(tenant()), Some(tenant())];
        let mut found = survey(&list);
        assert_eq!(found.secrets.len(), 1);
        let mut suspended = tenant();
        std::sync::Arc::make_mut(&mut suspended.spec).suspend = true;
        let mut deleting = tenant();
        deleting.deleting = true;
        let idle = survey(&[Some(suspended), Some(deleting)]);
        assert_eq!((idle.total, idle.secrets.len()), (2, 0));
        let hosts = |survey: &Survey| {
            survey
                .hosts
                .iter()
                .map(|(host, _)| host.to_owned())
                .collect::<Vec<_>>()
        };
        let usual = ["api.security.microsoft.com", "login.microsoftonline.com"];
        let before = hosts(&found);
        found.or_usual_hosts();
        assert_eq!(hosts(&found), before, "somebody is there");
        let mut none = Survey::default();
        none.or_usual_hosts();
        assert_eq!(hosts(&none), usual);
    }
}
