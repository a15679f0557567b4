//! Rules of the CRD that follow from tables: a new line there needs no word here.

use kube::core::{Message, Reason, Rule};

use super::cloud::{Cloud, DefenderApi, HUNTING_ROLES, Region, regions};

/// Cloud and API as the rules name them together.
const PAIR: &str = "self.cloud + '/' + self.api";

/// `spec.region` is one that the API has in that cloud.
pub(super) fn region() -> Rule {
    Rule::new(region_rule())
        .message(Message::Expression(region_message()))
        .field_path(".region")
        .reason(Reason::FieldValueInvalid)
}

/// Roles that no other API has aren't required of another API's token.
pub(super) fn foreign_roles(owner: DefenderApi) -> Rule {
    roles(foreign_role_rule(owner), foreign_role_message(owner))
}

/// Advanced hunting comes with Plan 2.
pub(super) fn hunting() -> Rule {
    roles(hunting_rule(), hunting_message())
}

fn roles(rule: String, message: String) -> Rule {
    Rule::new(rule)
        .message(Message::Message(message))
        .field_path(".requiredRoles")
        .reason(Reason::FieldValueInvalid)
}

fn region_rule() -> String {
    let list = |regions: &[Region]| format!("[{}]", quoted(regions));
    format!("self.region in ({})", by_pair(list))
}

/// Lists the regions that there are.
fn region_message() -> String {
    let choice = |regions: &[Region]| match regions {
        [only] => format!("'{only}'"),
        many => format!("'one of {}'", joined(many)),
    };
    format!(
        "'api ' + self.api + ' in cloud ' + self.cloud + ' has no front door in region ' + self.region + ': set region to ' + ({})",
        by_pair(choice)
    )
}

/// A value by cloud and API, where the pairs that have the same regions have the same value. The last ones need no
/// condition.
fn by_pair(value: impl Fn(&[Region]) -> String) -> String {
    let mut groups: Vec<(&[Region], Vec<String>)> = Vec::new();
    for cloud in Cloud::ALL {
        for api in DefenderApi::ALL {
            let pair = format!("'{cloud}/{api}'");
            let here = regions(*cloud, *api);
            match groups.iter_mut().find(|(regions, _)| *regions == here) {
                Some((_, pairs)) => pairs.push(pair),
                None => groups.push((here, vec![pair])),
            }
        }
    }
    let last = groups
        .pop()
        .map(|(regions, _)| value(regions))
        .unwrap_or_default();
    groups.iter().rfold(last, |other, (regions, pairs)| {
        let (pairs, value) = (pairs.join(", "), value(regions));
        format!("{PAIR} in [{pairs}] ? {value} : {other}")
    })
}

fn foreign_role_rule(owner: DefenderApi) -> String {
    format!("self.api == '{owner}' || {}", none_of(owner.own_roles()))
}

fn foreign_role_message(owner: DefenderApi) -> String {
    let roles = patterns(owner.own_roles());
    format!(
        "{roles} are roles of api {owner} only: set api to {owner}, or remove the role from requiredRoles"
    )
}

fn hunting_rule() -> String {
    format!(
        "!has(self.plan) || self.plan == 'Plan2' || {}",
        none_of(HUNTING_ROLES)
    )
}

fn hunting_message() -> String {
    format!(
        "advanced hunting ({}) exists in plan Plan2 only: remove the role from requiredRoles, or set plan to Plan2 if that is what the customer has",
        patterns(HUNTING_ROLES)
    )
}

fn none_of(beginnings: &[&str]) -> String {
    let starts: Vec<_> = beginnings
        .iter()
        .map(|beginning| format!("r.startsWith('{beginning}')"))
        .collect();
    format!("!self.requiredRoles.exists(r, {})", starts.join(" || "))
}

fn patterns(beginnings: &[&str]) -> String {
    let patterns: Vec<_> = beginnings.iter().map(|b| format!("{b}*")).collect();
    patterns.join(", ")
}

fn quoted(regions: &[Region]) -> String {
    let names: Vec<_> = regions.iter().map(|r| format!("'{r}'")).collect();
    names.join(", ")
}

fn joined(regions: &[Region]) -> String {
    let names: Vec<_> = regions.iter().map(|r| r.as_str()).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_rule_is_the_table() {
        assert_eq!(
            region_rule(),
            "self.region in (self.cloud + '/' + self.api in ['Commercial/Endpoint', 'Commercial/XDR'] ? \
             ['global', 'us', 'eu', 'uk', 'au', 'swa', 'ina', 'aea'] : ['global'])"
        );
        assert_eq!(
            region_message(),
            "'api ' + self.api + ' in cloud ' + self.cloud + ' has no front door in region ' + self.region + \
             ': set region to ' + (self.cloud + '/' + self.api in ['Commercial/Endpoint', 'Commercial/XDR'] ? \
             'one of global, us, eu, uk, au, swa, ina, aea' : 'global')"
        );
    }

    /// Each combination by the rule's own text: a pair's list is the one behind the condition that names it, else the
    /// last one.
    #[test]
    fn the_region_rule_says_of_each_combination_what_the_table_says() {
        let rule = region_rule();
        let (condition, lists) = rule.split_once(" ? ").unwrap();
        let (named, others) = lists.split_once(" : ").unwrap();
        assert!(!others.contains('?'), "one condition");
        for cloud in Cloud::ALL {
            for api in DefenderApi::ALL {
                let is_named = condition.contains(&format!("'{cloud}/{api}'"));
                let list = if is_named { named } else { others };
                for region in Region::ALL {
                    assert_eq!(
                        list.contains(&format!("'{region}'")),
                        regions(*cloud, *api).contains(region),
                        "{cloud} {api} {region}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_rules_about_roles_name_their_api() {
        assert_eq!(
            foreign_role_rule(DefenderApi::Xdr),
            "self.api == 'XDR' || !self.requiredRoles.exists(r, r.startsWith('AdvancedHunting.') || r.startsWith('Incident.'))"
        );
        assert_eq!(
            foreign_role_message(DefenderApi::Xdr),
            "AdvancedHunting.*, Incident.* are roles of api XDR only: set api to XDR, or remove the role from requiredRoles"
        );
        assert_eq!(
            hunting_rule(),
            "!has(self.plan) || self.plan == 'Plan2' || !self.requiredRoles.exists(r, r.startsWith('AdvancedHunting.') || r.startsWith('AdvancedQuery.') || r.startsWith('ThreatHunting.'))"
        );
    }
}
