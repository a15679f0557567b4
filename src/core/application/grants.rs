//! Grants: which namespaces may use an application for which customers and APIs. What isn't granted is denied.

use std::collections::BTreeMap;

use super::super::ids::TenantId;
use crate::api::{DefenderApi, Grant, Selector, SelectorExt as _};

/// A namespace's labels.
pub type Labels = BTreeMap<String, String>;

/// What is missing. The texts name nothing of other grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Denial {
    /// No grant covers the namespace.
    #[error(
        "the application grants this namespace nothing: the platform team adds it to spec.grants of the DefenderApplication"
    )]
    Namespace,
    /// A grant would, by label, and the operator doesn't look at labels. It says no more than the former: whoever isn't
    /// granted anything mustn't learn of what others are.
    #[error(
        "the application grants this namespace nothing: the platform team adds it to spec.grants of the DefenderApplication"
    )]
    SelectorsOff,
    /// The namespace has grants, none for this customer.
    #[error(
        "the application doesn't grant this namespace this tenant: the platform team adds the tenant id to the grant's tenantIds"
    )]
    Tenant,
    /// The namespace has grants for this customer, none for this API.
    #[error(
        "the application doesn't grant this namespace this API for this tenant: the platform team adds it to the grant's apis"
    )]
    Api,
}

#[derive(Debug, Clone, PartialEq)]
struct Rule {
    /// Sorted.
    namespaces: Vec<String>,
    selector: Option<Selector>,
    /// Sorted; `None`: every tenant but the home tenant.
    tenants: Option<Vec<TenantId>>,
    apis: Vec<DefenderApi>,
}

/// The grants of one application, ready to be asked without a scan of their tenants.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Grants {
    rules: Vec<Rule>,
    home: Option<TenantId>,
}

impl Grants {
    /// From the spec's; `None` for what the CRD's rules wouldn't have let in.
    #[must_use]
    pub fn new(grants: Vec<Grant>, home: Option<TenantId>) -> Option<Self> {
        let rules = grants.into_iter().map(rule).collect::<Option<Vec<_>>>()?;
        Some(Self { rules, home })
    }

    /// Some grant selects namespaces by label.
    #[must_use]
    pub fn use_labels(&self) -> bool {
        self.rules.iter().any(|rule| rule.selector.is_some())
    }

    /// Whether this namespace may use the application for this tenant and API. `labels`: the namespace's, where the
    /// operator looks at them.
    pub fn check(
        &self,
        namespace: &str,
        labels: Option<&Labels>,
        tenant: TenantId,
        api: DefenderApi,
    ) -> Result<(), Denial> {
        let mut nearest = Denial::Namespace;
        for rule in &self.rules {
            let denial = match rule.judge(namespace, labels, self.home, tenant, api) {
                Ok(()) => return Ok(()),
                Err(denial) => denial,
            };
            if nearness(denial) > nearness(nearest) {
                nearest = denial;
            }
        }
        Err(nearest)
    }
}

impl Grants {
    /// Whether a tenant may keep a token for this API: it is granted, or would be by a label that nobody looks at.
    #[must_use]
    pub fn keeps(
        &self,
        namespace: &str,
        labels: Option<&Labels>,
        tenant: TenantId,
        api: DefenderApi,
    ) -> bool {
        self.rules.iter().any(
            |rule| match rule.judge(namespace, labels, self.home, tenant, api) {
                Ok(()) => true,
                Err(Denial::SelectorsOff) => rule.apis.contains(&api),
                Err(_) => false,
            },
        )
    }
}

/// How far a rule went before it said no.
const fn nearness(denial: Denial) -> u8 {
    match denial {
        Denial::Namespace => 0,
        Denial::SelectorsOff => 1,
        Denial::Tenant => 2,
        Denial::Api => 3,
    }
}

impl Rule {
    fn judge(
        &self,
        namespace: &str,
        labels: Option<&Labels>,
        home: Option<TenantId>,
        tenant: TenantId,
        api: DefenderApi,
    ) -> Result<(), Denial> {
        let named = self
            .namespaces
            .binary_search_by(|name| name.as_str().cmp(namespace))
            .is_ok();
        let selected = match (&self.selector, labels) {
            (Some(selector), Some(labels)) => selector.matches(labels),
            _ => false,
        };
        let covers = match &self.tenants {
            Some(tenants) => tenants.binary_search(&tenant).is_ok(),
            None => home != Some(tenant),
        };
        if !named && !selected {
            let by_label_alone = self.selector.is_some() && labels.is_none() && covers;
            return Err(if by_label_alone {
                Denial::SelectorsOff
            } else {
                Denial::Namespace
            });
        }
        if !covers {
            return Err(Denial::Tenant);
        }
        if self.apis.contains(&api) {
            Ok(())
        } else {
            Err(Denial::Api)
        }
    }
}

fn rule(grant: Grant) -> Option<Rule> {
    let mut namespaces = grant.namespaces.names;
    namespaces.sort_unstable();
    // What the CRD rejects must not widen a grant where an older CRD let it in.
    if grant.all_tenants && (grant.namespaces.selector.is_some() || !grant.tenant_ids.is_empty()) {
        return None;
    }
    let selector = match grant.namespaces.selector {
        Some(selector) => {
            let selector: Selector = selector.try_into().ok()?;
            (!selector.selects_all()).then_some(Some(selector))?
        }
        None => None,
    };
    let tenants = if grant.all_tenants {
        None
    } else {
        let mut ids = grant
            .tenant_ids
            .iter()
            .map(|id| id.parse().ok())
            .collect::<Option<Vec<TenantId>>>()?;
        ids.sort_unstable();
        Some(ids)
    };
    Some(Rule {
        namespaces,
        selector,
        tenants,
        apis: grant.apis,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::{TENANT, tenant_id};
    use serde_json::{Value, json};

    fn grants(grants: Value) -> Grants {
        let home = Some(tenant_id(999));
        Grants::new(serde_json::from_value(grants).unwrap(), home).unwrap()
    }

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    fn ours() -> TenantId {
        TENANT.parse().unwrap()
    }

    #[test]
    fn without_a_grant_nobody_may() {
        let none = grants(json!([]));
        assert_eq!(
            none.check("soc", None, ours(), DefenderApi::Endpoint),
            Err(Denial::Namespace)
        );
    }

    #[test]
    fn namespace_tenant_and_api_must_stand_in_one_grant() {
        let grants = grants(json!([
            {"namespaces": {"names": ["soc", "blue"]}, "tenantIds": [TENANT]},
            {"namespaces": {"names": ["red"]}, "tenantIds": [tenant_id(2).to_string()], "apis": ["XDR", "Graph"]},
        ]));
        let check = |namespace, tenant, api| grants.check(namespace, None, tenant, api);
        let endpoint = DefenderApi::Endpoint;
        assert_eq!(check("soc", ours(), endpoint), Ok(()));
        assert_eq!(check("blue", ours(), endpoint), Ok(()));
        assert_eq!(check("red", tenant_id(2), DefenderApi::Graph), Ok(()));
        assert_eq!(check("other", ours(), endpoint), Err(Denial::Namespace));
        assert_eq!(check("so", ours(), endpoint), Err(Denial::Namespace));
        // Each of the three is granted to somebody, together to nobody.
        assert_eq!(check("red", ours(), endpoint), Err(Denial::Tenant));
        assert_eq!(check("soc", tenant_id(2), endpoint), Err(Denial::Tenant));
        assert_eq!(check("soc", ours(), DefenderApi::Xdr), Err(Denial::Api));
        assert_eq!(check("red", tenant_id(2), endpoint), Err(Denial::Api));
    }

    #[test]
    fn all_tenants_is_every_customer_and_never_the_partner_itself() {
        let grants = grants(json!([{"namespaces": {"names": ["soc"]}, "allTenants": true}]));
        let check = |tenant| grants.check("soc", None, tenant, DefenderApi::Endpoint);
        assert_eq!(check(tenant_id(1)), Ok(()));
        assert_eq!(check(tenant_id(999)), Err(Denial::Tenant));
    }

    #[test]
    fn a_selector_counts_where_labels_are_looked_at() {
        let grants = grants(json!([{
            "namespaces": {"selector": {"matchLabels": {"team": "soc"}, "matchExpressions": [
                {"key": "tier", "operator": "In", "values": ["gold", "silver"]},
                {"key": "retired", "operator": "DoesNotExist"},
            ]}},
            "tenantIds": [TENANT],
        }]));
        assert!(grants.use_labels());
        let check = |labels: Option<&Labels>, tenant| {
            grants.check("anything", labels, tenant, DefenderApi::Endpoint)
        };
        let good = labels(&[("team", "soc"), ("tier", "gold")]);
        assert_eq!(check(Some(&good), ours()), Ok(()));
        assert_eq!(check(Some(&good), tenant_id(2)), Err(Denial::Tenant));
        for bad in [
            labels(&[]),
            labels(&[("team", "soc")]),
            labels(&[("team", "soc"), ("tier", "lead")]),
            labels(&[("team", "soc"), ("tier", "gold"), ("retired", "")]),
        ] {
            assert_eq!(check(Some(&bad), ours()), Err(Denial::Namespace), "{bad:?}");
        }
        assert_eq!(check(None, ours()), Err(Denial::SelectorsOff));
        assert_eq!(check(None, tenant_id(2)), Err(Denial::Namespace));
    }

    #[test]
    fn what_a_label_would_grant_is_kept_where_nobody_looks_whatever_names_grant_beside_it() {
        let grants = grants(json!([
            {"namespaces": {"names": ["soc"]}, "tenantIds": [tenant_id(5).to_string()]},
            {"namespaces": {"names": ["soc"]}, "tenantIds": [TENANT], "apis": ["XDR"]},
            {"namespaces": {"selector": {"matchLabels": {"team": "soc"}}}, "tenantIds": [TENANT]},
        ]));
        let keeps = |labels: Option<&Labels>, tenant, api| grants.keeps("soc", labels, tenant, api);
        let (endpoint, none) = (DefenderApi::Endpoint, labels(&[]));
        assert!(grants.check("soc", None, ours(), endpoint).is_err());
        assert!(keeps(None, ours(), endpoint));
        assert!(keeps(None, ours(), DefenderApi::Xdr));
        assert!(!keeps(None, ours(), DefenderApi::Graph));
        assert!(!keeps(None, tenant_id(6), endpoint));
        assert!(!keeps(Some(&none), ours(), endpoint));
        assert!(keeps(Some(&labels(&[("team", "soc")])), ours(), endpoint));
    }

    #[test]
    fn whoever_is_granted_nothing_learns_nothing_of_others() {
        let texts = [Denial::Namespace, Denial::SelectorsOff].map(|denial| denial.to_string());
        assert_eq!(texts[0], texts[1]);
    }

    #[test]
    fn what_the_crd_rejects_grants_nothing() {
        for bad in [
            json!([{"namespaces": {"selector": {"matchLabels": {"a": "b"}}}, "allTenants": true}]),
            json!([{"namespaces": {"selector": {}}, "tenantIds": [TENANT]}]),
            json!([{"namespaces": {"names": ["soc"]}, "tenantIds": ["common"]}]),
            json!([{"namespaces": {"names": ["soc"]}, "tenantIds": [TENANT], "allTenants": true}]),
            json!([{"namespaces": {"selector": {"matchExpressions": [{"key": "a", "operator": "Like"}]}}, "tenantIds": [TENANT]}]),
        ] {
            let parsed = serde_json::from_value(bad.clone()).unwrap();
            assert_eq!(Grants::new(parsed, None), None, "{bad}");
        }
        let empty = grants(json!([{"namespaces": {"names": ["soc"]}}]));
        assert_eq!(
            empty.check("soc", None, ours(), DefenderApi::Endpoint),
            Err(Denial::Tenant)
        );
    }
}
