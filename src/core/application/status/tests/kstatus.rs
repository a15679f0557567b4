//! Keeps `tests/kstatus/applications.json`: the objects that Argo CD's and Flux's own code judges in `tests/gitops`.

use std::path::Path;

use super::*;
use crate::api::{APPLICATION_KIND, GROUP, VERSION};
use crate::core::credential::Fault;

const IN_PROGRESS: &str = "InProgress";
const FAILED: &str = "Failed";
const CURRENT: &str = "Current";

/// The generation that [`application`] has.
const GENERATION: i64 = 3;

fn object(
    name: &str,
    expected: &str,
    generation: i64,
    status: &DefenderApplicationStatus,
) -> Value {
    json!({
        "apiVersion": format!("{GROUP}/{VERSION}"),
        "kind": APPLICATION_KIND,
        "metadata": {
            "name": name,
            "generation": generation,
            "annotations": {"expected": expected},
        },
        "status": status,
    })
}

/// Everything that one credential can be, with what kstatus should say.
fn of_every_credential() -> Vec<Value> {
    let mut fresh = fine("a", None);
    if let Ok(usable) = &mut fresh.usable {
        usable.health = Health::Propagating;
        usable.standing = Standing::Refused(at(10));
    }
    let mut cases = vec![
        (fine("a", Some(at(300 * DAY))), CURRENT),
        (fine("a", Some(at(3 * DAY))), CURRENT),
        (fresh, IN_PROGRESS),
        (missing("a", Obstacle::NotFound), FAILED),
        (missing("a", Obstacle::NotLabelled), FAILED),
        (missing("a", Obstacle::Malformed(Fault::SecretIsId)), FAILED),
    ];
    for reason in [
        Reason::CredentialRejected,
        Reason::CredentialExpired,
        Reason::FederationMismatch,
        Reason::AppMisconfigured,
    ] {
        cases.push((refused("a", reason), FAILED));
    }
    let application = application(&json!({}));
    cases
        .into_iter()
        .map(|(credential, expected)| {
            let expiring = credential.expires_at == Some(at(3 * DAY));
            let status = compose(&facts(&application, vec![credential]), at(0));
            let name = if expiring {
                reason::EXPIRES_SOON
            } else {
                &status.conditions[0].reason
            };
            object(name, expected, GENERATION, &status)
        })
        .collect()
}

fn of_circumstances() -> Vec<Value> {
    let plain = application(&json!({}));
    let settled = compose(&facts(&plain, vec![fine("a", None)]), at(0));
    let pair = vec![refused("a", Reason::CredentialExpired), fine("b", None)];
    let one_of_two = compose(&facts(&plain, pair), at(0));
    let mut lacking = facts(&plain, vec![fine("a", None)]);
    lacking.missing_everywhere = Some(vec!["Machine.Isolate".to_owned()]);
    let suspended = application(&json!({"suspend": true}));
    let mut leaving = application(&json!({}));
    leaving.deleting = true;
    let mut terminating = object(
        Reason::ApplicationTerminating.as_str(),
        "Terminating",
        GENERATION,
        &compose(&facts(&leaving, vec![fine("a", None)]), at(0)),
    );
    terminating["metadata"]["deletionTimestamp"] = json!("2026-09-21T14:13:20Z");
    vec![
        object(
            "never-seen",
            IN_PROGRESS,
            1,
            &DefenderApplicationStatus {
                observed_generation: Some(-1),
                ..DefenderApplicationStatus::default()
            },
        ),
        object("spec-changed", IN_PROGRESS, GENERATION + 1, &settled),
        object("one-of-two-refused", CURRENT, GENERATION, &one_of_two),
        object(
            reason::ROLES_MISSING_EVERYWHERE,
            CURRENT,
            GENERATION,
            &compose(&lacking, at(0)),
        ),
        object(
            Reason::ApplicationSuspended.as_str(),
            FAILED,
            GENERATION,
            &compose(&facts(&suspended, vec![fine("a", None)]), at(0)),
        ),
        terminating,
    ]
}

/// One object a line, so that a change is seen where it is.
fn fixture() -> String {
    let objects: Vec<_> = of_every_credential()
        .into_iter()
        .chain(of_circumstances())
        .map(|o| o.to_string())
        .collect();
    format!(
        "{{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [\n{}\n]}}\n",
        objects.join(",\n")
    )
}

#[test]
fn the_objects_that_gitops_engines_judge_are_those_that_the_code_composes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kstatus/applications.json");
    let fixture = fixture();
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        std::fs::write(&path, &fixture).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    let same = committed == fixture;
    assert!(same, "{} is out of date: run `make crds`", path.display());
}
