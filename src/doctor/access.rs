//! What the operator may do.

use std::collections::BTreeMap;

use super::report::{Check, Finding};
use crate::controller::preflight::{Need, Place, Review, Scope};

const EVENTS: &str = "events.k8s.io";
/// Without these it works, and tells less.
const WISHES: [Need; 2] = [event("create"), event("patch")];

const fn event(verb: &'static str) -> Need {
    Need {
        verb,
        group: EVENTS,
        resource: "events",
        subresource: None,
    }
}

/// What the operator needs, and what it does beside where it may.
#[must_use]
pub fn needs(scope: &Scope) -> Vec<(&Need, Place<'_>)> {
    let mut needs = scope.needs();
    let mut places: Vec<_> = scope
        .namespaces
        .iter()
        .map(|name| Place {
            namespace: Some(name),
            name: None,
        })
        .collect();
    if places.is_empty() {
        places.push(Place::default());
    }
    for place in places {
        needs.extend(WISHES.iter().map(|wish| (wish, place)));
    }
    needs
}

/// One resource in one place: the verbs that are there, and those that aren't.
#[derive(Default)]
struct Verbs {
    granted: Vec<&'static str>,
    missing: Vec<&'static str>,
}

/// A line for each resource and place.
#[must_use]
pub fn permissions(reviews: &[Review]) -> Vec<Finding> {
    // In the order of the reviews.
    let mut order = Vec::new();
    let mut by_subject: BTreeMap<(String, String, bool), Verbs> = BTreeMap::new();
    for review in reviews {
        let place = match &review.namespace {
            None => "in all namespaces".to_owned(),
            Some(namespace) => format!("in namespace {namespace}"),
        };
        let name = review.name.as_ref().map(|name| format!(" {name}"));
        let resource = review.need.resource_name();
        let subject = format!("{resource}{} {place}", name.unwrap_or_default());
        let key = (subject, rule(review), review.need.group == EVENTS);
        if !by_subject.contains_key(&key) {
            order.push(key.clone());
        }
        let verbs = by_subject.entry(key).or_default();
        if review.allowed {
            verbs.granted.push(review.need.verb);
        } else {
            verbs.missing.push(review.need.verb);
        }
    }
    let mut findings = Vec::with_capacity(order.len());
    for key in order {
        let Some(verbs) = by_subject.remove(&key) else {
            continue;
        };
        let (subject, rule, wish) = key;
        if verbs.missing.is_empty() {
            let found = format!("may {}", verbs.granted.join(", "));
            findings.push(Finding::ok(Check::Permissions, &subject, &found));
        } else {
            let missing = verbs.missing.join(", ");
            let found = format!("may not {missing}");
            let advice = format!(
                "add to the role of the operator's service account: {rule}, verbs: [{missing}]"
            );
            findings.push(if wish {
                let found = format!("{found}: what happens to a tenant isn't told as an Event");
                Finding::warning(Check::Permissions, &subject, &found, &advice)
            } else {
                Finding::problem(Check::Permissions, &subject, &found, &advice)
            });
        }
    }
    findings
}

/// The rule as it stands in a role, without its verbs.
fn rule(review: &Review) -> String {
    let need = &review.need;
    let group = if need.group.is_empty() {
        "\"\""
    } else {
        need.group
    };
    let sub = need
        .subresource
        .map(|sub| format!("/{sub}"))
        .unwrap_or_default();
    let names = review
        .name
        .as_ref()
        .map(|name| format!(", resourceNames: [{name}]"))
        .unwrap_or_default();
    format!(
        "apiGroups: [{group}], resources: [{}{sub}]{names}",
        need.resource
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::preflight::Leases;

    fn reviews(scope: &Scope, denied: &[(&str, &str)]) -> Vec<Review> {
        let needs = needs(scope).into_iter();
        needs
            .map(|(need, place)| Review {
                need: *need,
                namespace: place.namespace.map(str::to_owned),
                name: place.name.map(str::to_owned),
                allowed: !denied.contains(&(need.verb, need.resource)),
            })
            .collect()
    }

    #[test]
    fn a_line_a_resource_and_the_rule_that_is_lacking() {
        let scope = Scope {
            leases: Some(Leases::of("op".into(), "dto", 1)),
            namespaces: vec!["soc".into()],
            selectors: false,
        };
        let found = permissions(&reviews(
            &scope,
            &[
                ("watch", "secrets"),
                ("delete", "secrets"),
                ("patch", "events"),
            ],
        ));
        let ok = |subject: &str, found: &str| Finding::ok(Check::Permissions, subject, found);
        let expected = [
            ok(
                "defendertenants.defendertenant.io in namespace soc",
                "may get, list, watch",
            ),
            ok(
                "defendertenants.defendertenant.io/status in namespace soc",
                "may update",
            ),
            Finding::problem(
                Check::Permissions,
                "secrets in namespace soc",
                "may not watch, delete",
                "add to the role of the operator's service account: apiGroups: [\"\"], resources: [secrets], verbs: [watch, delete]",
            ),
            ok(
                "leases.coordination.k8s.io dto-0 in namespace op",
                "may get, update",
            ),
            ok(
                "leases.coordination.k8s.io dto-shards in namespace op",
                "may get, update",
            ),
            ok("leases.coordination.k8s.io in namespace op", "may create"),
            Finding::warning(
                Check::Permissions,
                "events.events.k8s.io in namespace soc",
                "may not patch: what happens to a tenant isn't told as an Event",
                "add to the role of the operator's service account: apiGroups: [events.k8s.io], resources: [events], verbs: [patch]",
            ),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn the_whole_cluster_needs_applications_and_with_selectors_namespaces() {
        let scope = Scope {
            leases: Some(Leases::of("op".into(), "dto", 1)),
            namespaces: vec![],
            selectors: true,
        };
        let found = permissions(&reviews(
            &scope,
            &[("update", "defenderapplications"), ("update", "leases")],
        ));
        let problems: Vec<_> = found
            .iter()
            .filter_map(|f| Some((f.subject.as_str(), f.advice.as_deref()?)))
            .collect();
        assert_eq!(
            problems,
            [
                (
                    "defenderapplications.defendertenant.io/status in all namespaces",
                    "add to the role of the operator's service account: apiGroups: [defendertenant.io], resources: [defenderapplications/status], verbs: [update]"
                ),
                (
                    "leases.coordination.k8s.io dto-0 in namespace op",
                    "add to the role of the operator's service account: apiGroups: [coordination.k8s.io], resources: [leases], resourceNames: [dto-0], verbs: [update]"
                ),
                (
                    "leases.coordination.k8s.io dto-shards in namespace op",
                    "add to the role of the operator's service account: apiGroups: [coordination.k8s.io], resources: [leases], resourceNames: [dto-shards], verbs: [update]"
                ),
            ]
        );
        assert!(found.contains(&Finding::ok(
            Check::Permissions,
            "events.events.k8s.io in all namespaces",
            "may create, patch"
        )));
        assert!(found.contains(&Finding::ok(
            Check::Permissions,
            "namespaces in all namespaces",
            "may get, list, watch"
        )));
    }
}
