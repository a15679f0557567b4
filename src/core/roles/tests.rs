use super::*;
use crate::core::testing::roles;

#[test]
fn write_all_satisfies_read_all_and_nothing_else_follows() {
    for (granted, required, enough) in [
        ("Alert.Read.All", "Alert.Read.All", true),
        ("Alert.ReadWrite.All", "Alert.Read.All", true),
        ("Incident.ReadWrite.All", "Incident.Read.All", true),
        (
            "SecurityIncident.ReadWrite.All",
            "SecurityIncident.Read.All",
            true,
        ),
        ("SecurityAlert.ReadWrite.All", "Alert.Read.All", false),
        ("Alert.Read.All", "Alert.ReadWrite.All", false),
        ("Machine.ReadWrite.All", "Alert.Read.All", false),
        ("Ti.ReadWrite", "Ti.Read.All", false),
        ("Ti.ReadWrite", "Ti.ReadWrite.All", false),
        ("Ti.ReadWrite.All", "Ti.ReadWrite", false),
        ("Ti.ReadWrite.All", "Ti.Read.All", true),
        ("Machine.Isolate", "Machine.Scan", false),
        ("alert.read.all", "Alert.Read.All", false),
        ("", "Alert.Read.All", false),
    ] {
        assert_eq!(
            satisfies(granted, required),
            enough,
            "{granted} for {required}"
        );
    }
}

#[test]
fn missing_and_surplus_are_sorted_differences() {
    let required = [
        "Vulnerability.Read.All",
        "Alert.Read.All",
        "Machine.Read.All",
        "Machine.Read.All",
    ];
    let granted = [
        "Score.Read.All",
        "Alert.ReadWrite.All",
        "File.Read.All",
        "File.Read.All",
    ];
    assert_eq!(
        missing(&required, &granted),
        ["Machine.Read.All", "Vulnerability.Read.All"]
    );
    assert_eq!(
        surplus(&required, &granted),
        ["File.Read.All", "Score.Read.All"]
    );
    assert!(missing::<&str, _>(&[], &granted).is_empty());
    assert_eq!(surplus::<&str, _>(&[], &["A"]), ["A"]);
}

#[test]
fn advanced_hunting_needs_plan_2_and_nothing_else_certainly_does() {
    for plan in [Plan::Plan1, Plan::Business] {
        let unusable: Vec<_> = DefenderApi::ALL
            .iter()
            .flat_map(|api| catalogue(*api))
            .filter(|role| !usable(Some(plan), role))
            .collect();
        assert_eq!(
            unusable,
            [
                &"AdvancedQuery.Read.All",
                &"AdvancedHunting.Read.All",
                &"ThreatHunting.Read.All"
            ]
        );
    }
    for plan in [None, Some(Plan::Plan2)] {
        for api in DefenderApi::ALL {
            assert!(catalogue(*api).iter().all(|role| usable(plan, role)));
        }
    }
}

#[test]
fn the_tenants_own_list_is_taken_as_it_is() {
    let own = roles(&["Machine.Read.All", "Some.New.Role"]);
    let inherited = roles(&["Alert.Read.All", "AdvancedQuery.Read.All"]);
    for plan in [None, Some(Plan::Plan2), Some(Plan::Business)] {
        let told = required(&own, &inherited, DefenderApi::Endpoint, plan);
        assert_eq!(told.roles, own);
        assert!(told.dropped.is_empty());
    }
}

#[test]
fn of_the_applications_list_what_is_for_this_api_and_plan() {
    let inherited = roles(&[
        "Alert.Read.All",
        "AdvancedQuery.Read.All",
        "Incident.Read.All",
        "AdvancedHunting.Read.All",
        "SecurityAlert.Read.All",
        "ThreatHunting.Read.All",
        "Some.New.Role",
    ]);
    for (api, plan, expected, dropped) in [
        (
            DefenderApi::Endpoint,
            None,
            &["Alert.Read.All", "AdvancedQuery.Read.All", "Some.New.Role"][..],
            &[][..],
        ),
        (
            DefenderApi::Endpoint,
            Some(Plan::Plan1),
            &["Alert.Read.All", "Some.New.Role"],
            &["AdvancedQuery.Read.All"],
        ),
        (
            DefenderApi::Xdr,
            Some(Plan::Plan2),
            &[
                "Incident.Read.All",
                "AdvancedHunting.Read.All",
                "Some.New.Role",
            ],
            &[],
        ),
        (
            DefenderApi::Xdr,
            Some(Plan::Business),
            &["Incident.Read.All", "Some.New.Role"],
            &["AdvancedHunting.Read.All"],
        ),
        (
            DefenderApi::Graph,
            Some(Plan::Business),
            &["SecurityAlert.Read.All", "Some.New.Role"],
            &["ThreatHunting.Read.All"],
        ),
    ] {
        let told = required(&[], &inherited, api, plan);
        let expected = Required {
            roles: roles(expected),
            dropped: roles(dropped),
        };
        assert_eq!(told, expected, "{api} {plan:?}");
    }
    assert_eq!(
        required(&[], &[], DefenderApi::Graph, None),
        Required::default()
    );
}

#[test]
fn of_too_many_roles_those_that_are_asked_for_are_kept() {
    let many: Vec<String> = (0..2_000).map(|n| format!("Role{n:04}.Read.All")).collect();
    let few = many[..KEPT].to_vec();
    assert_eq!(kept(few.clone(), &[]), few);
    let required = [
        "Role1999.Read.All".to_owned(),
        "Role1998.Read.All".to_owned(),
    ];
    let found = kept(many, &required);
    assert_eq!(found.len(), KEPT);
    assert!(found.is_sorted() && missing(&required, &found).is_empty());
    assert_eq!(found[0], "Role0000.Read.All");
}
