//! Keeps `tests/kstatus/reasons.json`: the objects that kstatus judges in `tests/interop`, Argo CD and Flux in
//! `tests/gitops`.

use crate::core::gathered::Obstacle;
use std::path::Path;

use serde_json::{Value, json};

use super::table::{NOW, TABLE, befall};
use crate::api::{DefenderTenantStatus, GROUP, KIND, MissingRolePolicy, VERSION};
use crate::core::reason::Reason;
use crate::core::testing::{Lead, World, at, roles};

const IN_PROGRESS: &str = "InProgress";
const FAILED: &str = "Failed";
const CURRENT: &str = "Current";

fn object(
    name: &str,
    reason: Reason,
    expected: &str,
    generation: i64,
    status: &DefenderTenantStatus,
) -> Value {
    json!({
        "apiVersion": format!("{GROUP}/{VERSION}"),
        "kind": KIND,
        "metadata": {
            "name": name,
            "namespace": "soc",
            "generation": generation,
            "annotations": {"expected": expected, "acts": format!("{:?}", reason.owner())},
        },
        "status": status,
    })
}

/// Each reason as the design's table has it, of a new tenant and of one with a live token.
fn of_every_reason() -> Vec<Value> {
    let mut objects = Vec::new();
    for (reason, _, abnormal) in TABLE {
        let expected = match abnormal {
            "Stalled" => FAILED,
            "Reconciling" => IN_PROGRESS,
            _ => CURRENT,
        };
        for (case, mut world, live) in [
            ("new", World::new(), false),
            ("live", World::settled(), true),
        ] {
            let expected = match reason {
                // These need, or don't go with, a live token.
                Reason::TokenPublished | Reason::RolesMissing if !live => continue,
                Reason::Pending if live => continue,
                // Nothing is left to do.
                Reason::Suspended if live => CURRENT,
                _ => expected,
            };
            befall(&mut world, reason);
            objects.push(object(
                &format!("{reason}-{case}"),
                reason,
                expected,
                1,
                &world.composed(at(NOW)),
            ));
        }
    }
    objects
}

/// What depends on more than the reason.
fn of_circumstances() -> Vec<Value> {
    let mut young = World::new();
    young.lead = Lead::Missing(Obstacle::NotFound);
    let mut withheld = World::settled();
    withheld.spec(|spec| {
        spec.required_roles = roles(&["Machine.Isolate"]);
        spec.missing_role_policy = MissingRolePolicy::Withhold;
    });
    let unseen = World::new();
    let settled = World::settled();
    vec![
        object(
            "never-seen",
            Reason::Pending,
            IN_PROGRESS,
            1,
            &unseen.tenant.status,
        ),
        object(
            "spec-changed",
            Reason::TokenPublished,
            IN_PROGRESS,
            2,
            &settled.composed(at(NOW)),
        ),
        object(
            "CredentialSecretNotFound-young",
            Reason::CredentialSecretNotFound,
            IN_PROGRESS,
            1,
            &young.composed(at(119)),
        ),
        object(
            "CredentialSecretNotFound-old",
            Reason::CredentialSecretNotFound,
            FAILED,
            1,
            &young.composed(at(121)),
        ),
        object(
            "RolesMissing-withheld",
            Reason::RolesMissing,
            FAILED,
            1,
            &withheld.composed(at(NOW)),
        ),
    ]
}

/// One object a line, so that a change is seen where it is.
fn fixture() -> String {
    let objects: Vec<_> = of_every_reason()
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
fn the_objects_that_kstatus_judges_are_those_that_the_code_composes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kstatus/reasons.json");
    let fixture = fixture();
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        std::fs::write(&path, &fixture).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap();
    let same = committed == fixture;
    assert!(
        same,
        "{} is out of date: run `UPDATE_FIXTURES=1 cargo test --lib kstatus`",
        path.display()
    );
}
