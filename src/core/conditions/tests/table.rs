use super::*;
use crate::core::credential::Fault;
use crate::core::errors::{Failure, Verdict};
use crate::core::gathered::{Denied, NoApplication, Obstacle};
use crate::core::testing::{Lead, Microsoft, World, at, code, http, roles, token};

/// The design's table: reason, what it says beside Ready, abnormal condition.
pub(super) const TABLE: [(Reason, &str, &str); 35] = [
    (Reason::TokenPublished, "", ""),
    (Reason::Pending, "", "Reconciling"),
    (Reason::Throttled, "", "Reconciling"),
    (Reason::ServiceUnavailable, "", "Reconciling"),
    (Reason::CredentialPropagating, "", "Reconciling"),
    (
        Reason::CredentialSecretNotFound,
        "CredentialReady=False",
        "Stalled",
    ),
    (
        Reason::CredentialSecretNotLabelled,
        "CredentialReady=False",
        "Stalled",
    ),
    (
        Reason::CredentialMalformed,
        "CredentialReady=False",
        "Stalled",
    ),
    (Reason::SecretRefDenied, "CredentialReady=False", "Stalled"),
    (Reason::NotGranted, "CredentialReady=False", "Stalled"),
    (
        Reason::ApplicationNotFound,
        "CredentialReady=False",
        "Stalled",
    ),
    (
        Reason::ApplicationTerminating,
        "CredentialReady=False",
        "Stalled",
    ),
    (
        Reason::ApplicationSuspended,
        "CredentialReady=False",
        "Stalled",
    ),
    (
        Reason::CredentialRejected,
        "CredentialReady=False",
        "Stalled",
    ),
    (
        Reason::CredentialExpired,
        "CredentialReady=False",
        "Stalled",
    ),
    (
        Reason::FederationMismatch,
        "CredentialReady=False",
        "Stalled",
    ),
    (Reason::AppMisconfigured, "CredentialReady=False", "Stalled"),
    (Reason::ConsentRequired, "ConsentGranted=False", "Stalled"),
    (Reason::NoRoles, "ConsentGranted=False", "Stalled"),
    (
        Reason::ServicePrincipalDisabled,
        "ConsentGranted=False",
        "Stalled",
    ),
    (
        Reason::ResourceNotInTenant,
        "ConsentGranted=False",
        "Stalled",
    ),
    (Reason::NotProvisioned, "ConsentGranted=Unknown", "Stalled"),
    (Reason::BlockedByPolicy, "ConsentGranted=Unknown", "Stalled"),
    (Reason::TenantNotFound, "ConsentGranted=Unknown", "Stalled"),
    (Reason::TenantDeleted, "ConsentGranted=Unknown", "Stalled"),
    (Reason::WrongCloud, "ConsentGranted=Unknown", "Stalled"),
    (Reason::RolesMissing, "RolesGranted=False", ""),
    (Reason::TokenMismatch, "", "Stalled"),
    (Reason::ClockSkew, "", "Stalled"),
    (Reason::TargetConflict, "", "Stalled"),
    (Reason::TargetContested, "", "Stalled"),
    (Reason::NotPermitted, "", "Stalled"),
    (Reason::NamespaceTerminating, "", "Stalled"),
    (Reason::RegionUnavailable, "", "Stalled"),
    (Reason::Suspended, "", "Stalled"),
];

pub(super) const NOW: i64 = 1_000;

/// Makes this world one where that reason holds.
pub(super) fn befall(world: &mut World, reason: Reason) {
    let failed = |verdict: Verdict| Minted::Failed {
        scope: verdict.scope,
        failure: Failure::from(verdict),
        progress: None,
    };
    match reason {
        Reason::TokenPublished | Reason::Pending => {}
        Reason::Throttled => world.session.minted = Some(failed(http(429))),
        Reason::ServiceUnavailable => world.session.minted = Some(failed(http(503))),
        Reason::CredentialPropagating => world.health = Health::Propagating,
        Reason::CredentialSecretNotFound => world.lead = Lead::Missing(Obstacle::NotFound),
        Reason::CredentialSecretNotLabelled => world.lead = Lead::Missing(Obstacle::NotLabelled),
        Reason::CredentialMalformed => {
            world.lead = Lead::Missing(Obstacle::Malformed(Fault::SecretIsId));
        }
        Reason::SecretRefDenied => world.lead = Lead::Missing(Obstacle::Denied(Denied::Flag)),
        Reason::NotGranted => world.lead = Lead::Missing(Obstacle::NotListed),
        Reason::ApplicationNotFound => {
            world.lead = Lead::Missing(Obstacle::NoApplication(NoApplication::Missing));
        }
        Reason::ApplicationTerminating => world.lead = Lead::Missing(Obstacle::Terminating),
        Reason::ApplicationSuspended => world.lead = Lead::Missing(Obstacle::Suspended),
        Reason::CredentialRejected
        | Reason::CredentialExpired
        | Reason::FederationMismatch
        | Reason::AppMisconfigured => {
            world.health = Health::Refused(reason);
        }
        Reason::ConsentRequired
        | Reason::ServicePrincipalDisabled
        | Reason::ResourceNotInTenant
        | Reason::NotProvisioned
        | Reason::BlockedByPolicy
        | Reason::TenantNotFound
        | Reason::TenantDeleted
        | Reason::WrongCloud => {
            world.session.minted = Some(failed(Verdict {
                reason,
                ..code(7_000_229)
            }));
        }
        Reason::NoRoles => {
            world.session.minted = Some(Minted::Token {
                token: token(at(NOW), &[]),
                skew: None,
            });
        }
        Reason::RolesMissing => {
            world.spec(|spec| spec.required_roles = roles(&["Machine.Isolate"]));
        }
        Reason::TokenMismatch | Reason::ClockSkew => {
            world.session.minted = Some(Minted::Wrong {
                reason,
                detail: "its tenant (tid) is another",
            });
        }
        Reason::TargetContested => world.memo.repairs = [900, 910, 920, 930, 940].map(at).into(),
        Reason::TargetConflict => world.target = TargetView::Stranger { predecessor: false },
        Reason::NotPermitted => world.session.failed_write = Some(WriteFailure::NotPermitted),
        Reason::NamespaceTerminating => {
            world.session.failed_write = Some(WriteFailure::NamespaceTerminating);
        }
        Reason::RegionUnavailable => world.endpoints.has_front_door = false,
        Reason::Suspended => world.spec(|spec| spec.suspend = true),
    }
}

/// As the library of that name reads conditions (`status/generic.go`).
fn kstatus(status: &DefenderTenantStatus, generation: i64) -> &'static str {
    let is = |type_: &str, truth: &str| {
        status
            .conditions
            .iter()
            .any(|c| c.type_ == type_ && c.status == truth)
    };
    if status.observed_generation != Some(generation) || is("Reconciling", "True") {
        "InProgress"
    } else if is("Stalled", "True") {
        "Failed"
    } else if is("Ready", "True") {
        "Current"
    } else {
        "InProgress"
    }
}

#[test]
fn each_reason_shows_as_the_design_says() {
    assert_eq!(
        TABLE
            .map(|(reason, ..)| reason)
            .iter()
            .collect::<std::collections::BTreeSet<_>>()
            .len(),
        Reason::ALL.len()
    );
    for (reason, on, abnormal) in TABLE {
        for (name, mut world, has_token) in [
            ("new", World::new(), false),
            ("live", World::settled(), true),
        ] {
            // These need, or don't go with, a live token.
            if (has_token && matches!(reason, Reason::Pending | Reason::Suspended))
                || (!has_token && matches!(reason, Reason::TokenPublished | Reason::RolesMissing))
            {
                continue;
            }
            befall(&mut world, reason);
            let ready = has_token && reason != Reason::TargetConflict;
            let mut expected = vec![format!(
                "Ready={}/{reason}",
                if ready { "True" } else { "False" }
            )];
            let known = [
                ("CredentialReady", Some("CredentialReady=True/Usable")),
                (
                    "ConsentGranted",
                    has_token.then_some("ConsentGranted=True/Consented"),
                ),
                (
                    "RolesGranted",
                    has_token.then_some("RolesGranted=True/Granted"),
                ),
            ];
            for (type_, otherwise) in known {
                if on.starts_with(type_) {
                    expected.push(format!("{on}/{reason}"));
                } else {
                    expected.extend(otherwise.map(str::to_owned));
                }
            }
            if !abnormal.is_empty() {
                expected.push(format!("{abnormal}=True/{reason}"));
            }
            let status = world.composed(at(NOW));
            assert_eq!(shown(&status), expected, "{name}");
            let seen = match abnormal {
                "Stalled" => "Failed",
                "Reconciling" => "InProgress",
                _ => "Current",
            };
            assert_eq!(kstatus(&status, 1), seen, "{name} {reason}");
            let ready = &status.conditions[0];
            assert!(
                ready
                    .message
                    .starts_with(reason.message().trim_end_matches('.')),
                "{}",
                ready.message
            );
            let asks_customer = on.ends_with("=False") && !on.starts_with("CredentialReady");
            assert_eq!(
                status.consent_url.is_some(),
                asks_customer,
                "{name} {reason}"
            );
        }
    }
}

#[test]
fn what_an_unchanged_world_says_twice_is_the_same() {
    for reason in Reason::ALL {
        let mut world = World::settled();
        befall(&mut world, reason);
        let first = world.composed(at(NOW));
        world.tenant.status = first.clone().into();
        world.session = crate::core::gathered::Session::default();
        assert_eq!(world.composed(at(NOW + 7)), first, "{reason}");
    }
}

#[test]
fn a_missing_secret_may_still_be_on_its_way_for_two_minutes() {
    let mut world = World::new();
    world.lead = Lead::Missing(Obstacle::NotFound);
    for (now, abnormal) in [(0, "Reconciling"), (119, "Reconciling"), (120, "Stalled")] {
        let last = shown(&world.composed(at(now))).pop().unwrap();
        assert_eq!(last, format!("{abnormal}=True/CredentialSecretNotFound"));
    }
}

#[test]
fn suspended_with_a_live_token_is_nothing_abnormal() {
    let mut world = World::settled();
    world.spec(|spec| spec.suspend = true);
    assert_eq!(shown(&world.composed(at(NOW)))[0], "Ready=True/Suspended");
    assert_eq!(kstatus(&world.composed(at(NOW)), 1), "Current");
    assert_eq!(kstatus(&world.composed(at(3_600)), 1), "Failed");
}

#[test]
fn a_withheld_token_is_stalled_and_the_older_one_is_not_ready() {
    let mut world = World::settled();
    world.spec(|spec| {
        spec.required_roles = roles(&["Machine.Isolate"]);
        spec.missing_role_policy = MissingRolePolicy::Withhold;
    });
    let status = world.composed(at(NOW));
    assert_eq!(
        shown(&status),
        [
            "Ready=False/RolesMissing",
            "CredentialReady=True/Usable",
            "ConsentGranted=True/Consented",
            "RolesGranted=False/RolesMissing",
            "Stalled=True/RolesMissing",
        ]
    );
    assert_eq!(
        status.conditions[0].message,
        "Required roles are missing. [Machine.Isolate]"
    );
    assert_eq!(status.token.unwrap().missing_roles, ["Machine.Isolate"]);
}

#[test]
fn the_most_urgent_reason_is_ready_s_and_each_says_its_own() {
    let mut world = World::settled();
    for reason in [
        Reason::ConsentRequired,
        Reason::RolesMissing,
        Reason::CredentialRejected,
        Reason::Suspended,
    ] {
        befall(&mut world, reason);
    }
    assert_eq!(
        shown(&world.composed(at(NOW))),
        [
            "Ready=True/CredentialRejected",
            "CredentialReady=False/CredentialRejected",
            "ConsentGranted=False/ConsentRequired",
            "RolesGranted=False/RolesMissing",
            "Stalled=True/CredentialRejected",
        ]
    );
}

#[test]
fn a_credential_s_reason_is_the_one_that_holds_now() {
    let mut world = World::settled();
    world.health = Health::Refused(Reason::CredentialRejected);
    world.microsoft = Microsoft::Fails(code(7_000_215), Scope::Credential, Some((1, at(2_430))));
    world.reconcile(at(2_400));
    world.session = crate::core::gathered::Session::default();
    world.health = Health::Refused(Reason::CredentialExpired);
    assert_eq!(
        shown(&world.composed(at(2_410)))[0],
        "Ready=True/CredentialExpired"
    );
    world.health = Health::Fine;
    assert_eq!(
        shown(&world.composed(at(2_410)))[0],
        "Ready=True/TokenPublished"
    );
}

#[test]
fn a_namesake_s_secret_is_waited_for_and_no_conflict() {
    let mut world = World::new();
    world.target = TargetView::Stranger { predecessor: true };
    assert_eq!(shown(&world.composed(at(NOW)))[0], "Ready=False/Pending");
}

#[test]
fn nothing_is_longer_than_the_api_allows() {
    let mut world = World::settled();
    let long: Vec<_> = (0..64).map(|n| format!("{n:0>128}")).collect();
    world.spec(|spec| spec.required_roles = long);
    for reason in Reason::ALL {
        let mut world = world.clone();
        befall(&mut world, reason);
        for condition in world.composed(at(NOW)).conditions {
            assert!(condition.message.len() <= 32_768, "{reason}");
            assert!(
                !condition.reason.is_empty() && condition.reason.len() <= 1_024,
                "{reason}"
            );
            assert!(
                condition.reason.chars().all(|c| c.is_ascii_alphanumeric()),
                "{reason}"
            );
        }
    }
}

#[test]
fn no_secret_shows_in_what_is_debugged() {
    let mut world = World::settled();
    world.secret("canary~secret");
    assert!(!format!("{:?}", world.g()).contains("canary"));
}
