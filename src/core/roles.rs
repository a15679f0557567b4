//! Application roles of the Defender for Endpoint API, and what makes a set of them enough.

use std::collections::BTreeSet;

use crate::api::cloud::Plan;

/// The application roles of the resource `WindowsDefenderATP`. Advisory: Microsoft adds some now and then, so
/// an unknown name is worth a word and never a refusal.
pub const ENDPOINT: &[&str] = &[
    ADVANCED_QUERY,
    "Alert.Read.All",
    "Alert.ReadWrite.All",
    "Event.Write",
    "File.Read.All",
    "IntegrationConfiguration.ReadWrite",
    "Ip.Read.All",
    "Library.Manage",
    "Machine.CollectForensics",
    "Machine.Isolate",
    "Machine.LiveResponse",
    "Machine.Offboard",
    "Machine.Read.All",
    "Machine.ReadWrite.All",
    "Machine.RestrictExecution",
    "Machine.Scan",
    "Machine.StopAndQuarantine",
    "RemediationTasks.Read.All",
    "Score.Read.All",
    "SecurityBaselinesAssessment.Read.All",
    "SecurityConfiguration.Read.All",
    "SecurityConfiguration.ReadWrite.All",
    "SecurityRecommendation.Read.All",
    "Software.Read.All",
    "Ti.Read.All",
    "Ti.ReadWrite",
    "Ti.ReadWrite.All",
    "Url.Read.All",
    "User.Read.All",
    "Vulnerability.Read.All",
];

const ADVANCED_QUERY: &str = "AdvancedQuery.Read.All";

/// Whether one granted role gives what one required role asks for: itself, or `X.ReadWrite.All` for
/// `X.Read.All`.
///
/// The latter because the API's pages name both for each reading call. Nothing else follows from anything:
/// `Ti.ReadWrite` covers only what the application itself wrote.
#[must_use]
pub fn satisfies(granted: &str, required: &str) -> bool {
    granted == required
        || matches!(
            (granted.strip_suffix(".ReadWrite.All"), required.strip_suffix(".Read.All")),
            (Some(has), Some(asks)) if has == asks
        )
}

/// The required roles that no granted one satisfies, sorted, each once.
#[must_use]
pub fn missing<R: AsRef<str>, G: AsRef<str>>(required: &[R], granted: &[G]) -> Vec<String> {
    distinct(required.iter().map(AsRef::as_ref).filter(|required| {
        !granted
            .iter()
            .any(|granted| satisfies(granted.as_ref(), required))
    }))
}

/// The granted roles that no required one asks for: more than is needed. Sorted, each once.
#[must_use]
pub fn surplus<R: AsRef<str>, G: AsRef<str>>(required: &[R], granted: &[G]) -> Vec<String> {
    distinct(granted.iter().map(AsRef::as_ref).filter(|granted| {
        !required
            .iter()
            .any(|required| satisfies(granted, required.as_ref()))
    }))
}

/// The names that aren't in the catalogue. Sorted, each once.
#[must_use]
pub fn unknown<N: AsRef<str>>(names: &[N]) -> Vec<String> {
    distinct(
        names
            .iter()
            .map(AsRef::as_ref)
            .filter(|name| !ENDPOINT.contains(name)),
    )
}

/// Whether a tenant of that plan can use the role: advanced hunting comes with Plan 2 alone.
///
/// The role itself may be granted there all the same, so that a token doesn't tell.
#[must_use]
pub fn usable(plan: Plan, role: &str) -> bool {
    plan == Plan::Plan2 || role != ADVANCED_QUERY
}

fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    names
        .collect::<BTreeSet<_>>()
        .into_iter()
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_has_each_of_the_thirty_roles_once_and_in_order() {
        assert_eq!(ENDPOINT.len(), 30);
        assert!(ENDPOINT.is_sorted());
        assert!(unknown(ENDPOINT).is_empty());
        assert_eq!(
            unknown(&["Z.Read.All", "Alert.Read.All", "A", "A"]),
            ["A", "Z.Read.All"]
        );
    }

    #[test]
    fn write_all_satisfies_read_all_and_nothing_else_follows() {
        for (granted, required, enough) in [
            ("Alert.Read.All", "Alert.Read.All", true),
            ("Alert.ReadWrite.All", "Alert.Read.All", true),
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
    fn advanced_hunting_needs_plan_2() {
        for plan in [Plan::Plan1, Plan::Business] {
            assert!(!usable(plan, "AdvancedQuery.Read.All"));
            assert!(ENDPOINT.iter().filter(|role| !usable(plan, role)).count() == 1);
        }
        assert!(ENDPOINT.iter().all(|role| usable(Plan::Plan2, role)));
    }
}
