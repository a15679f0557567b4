use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::*;
use crate::api::LastErrorStatus;
use crate::core::gathered::Obstacle;
use crate::core::testing::{Lead, Microsoft, World, at, code, http, roles};

fn status(reason: &str, message: &str) -> DefenderTenantStatus {
    let mut world = World::settled();
    let ready = &mut world.status().conditions[0];
    ready.reason = reason.into();
    ready.message = message.into();
    (*world.tenant.status).clone()
}

#[test]
fn a_transition_is_told_once_and_a_first_success_or_a_refresh_never() {
    let first = DefenderTenantStatus::default();
    let said = |reason: &str| status(reason, "Text.");
    for (name, before, after, told) in [
        ("first success", first.clone(), said("TokenPublished"), None),
        (
            "after waiting",
            said("Pending"),
            said("TokenPublished"),
            None,
        ),
        (
            "refresh",
            said("TokenPublished"),
            said("TokenPublished"),
            None,
        ),
        (
            "work under way",
            said("TokenPublished"),
            said("Pending"),
            None,
        ),
        (
            "bad at once",
            first,
            said("ConsentRequired"),
            Some((true, "ConsentRequired")),
        ),
        (
            "bad",
            said("TokenPublished"),
            said("CredentialRejected"),
            Some((true, "CredentialRejected")),
        ),
        (
            "still bad",
            said("CredentialRejected"),
            said("CredentialRejected"),
            None,
        ),
        (
            "bad otherwise",
            said("CredentialRejected"),
            said("CredentialExpired"),
            Some((true, "CredentialExpired")),
        ),
        (
            "good again",
            said("CredentialRejected"),
            said("TokenPublished"),
            Some((false, "Recovered")),
        ),
        (
            "suspended",
            said("TokenPublished"),
            said("Suspended"),
            Some((false, "Suspended")),
        ),
        (
            "not one of ours",
            said("TokenPublished"),
            said("Whatever"),
            None,
        ),
    ] {
        let expected = told.map(|(warning, reason)| Notice {
            warning,
            reason,
            note: "Text.".into(),
        });
        assert_eq!(transition(&before, &after, false), expected, "{name}");
    }
}

#[test]
fn what_is_an_applications_is_told_by_the_application_alone() {
    let blamed = |scope: Scope| {
        let mut status = status("CredentialRejected", "Text.");
        status.last_error = Some(LastErrorStatus {
            code: None,
            reason: "CredentialRejected".into(),
            scope: scope.as_str().into(),
            correlation_id: None,
            trace_id: None,
            at: Time(at(0)),
        });
        status
    };
    let waiting = DefenderTenantStatus {
        conditions: status("Pending", "Text.").conditions,
        ..blamed(Scope::Credential)
    };
    let well = status("TokenPublished", "Text.");
    let said = |before: &DefenderTenantStatus, after: &DefenderTenantStatus| {
        [true, false].map(|shared| transition(before, after, shared).map(|notice| notice.reason))
    };
    for (name, bad) in [
        ("asked", blamed(Scope::Credential)),
        ("told by others", status("CredentialRejected", "Text.")),
    ] {
        assert_eq!(
            said(&well, &bad),
            [None, Some("CredentialRejected")],
            "{name}"
        );
        assert_eq!(said(&bad, &well), [None, Some("Recovered")], "{name}");
    }
    assert_eq!(said(&waiting, &well), [None, Some("Recovered")]);
    // Refused to this customer alone.
    let own = blamed(Scope::Tenant);
    assert_eq!(said(&well, &own), [Some("CredentialRejected"); 2]);
    assert_eq!(said(&own, &well), [Some("Recovered"); 2]);
    for reason in ["ApplicationSuspended", "CredentialSecretNotFound"] {
        assert_eq!(said(&well, &status(reason, ""))[0], None, "{reason}");
    }
    for reason in ["NotGranted", "ApplicationNotFound", "ConsentRequired"] {
        assert_eq!(said(&well, &status(reason, ""))[0], Some(reason));
    }
}

#[test]
fn a_whole_life_tells_exactly_this() {
    let mut world = World::new();
    world.microsoft = Microsoft::Fails(code(7_000_229), Scope::Tenant, None);
    world.run(0, 200);
    world.microsoft = Microsoft::Token(roles(&["Alert.Read.All"]));
    world.run(1_000, 9_000);
    world.microsoft = Microsoft::Fails(http(503), Scope::Service, None);
    world.run(9_001, 11_000);
    world.microsoft = Microsoft::Token(roles(&["Alert.Read.All"]));
    world.run(12_000, 20_000);
    assert_eq!(
        world.events,
        [
            "ConsentRequired",
            "Recovered",
            "ServiceUnavailable",
            "Recovered"
        ]
    );
}

#[test]
fn one_that_failed_and_waits_for_its_turn_has_recovered_when_it_is_good_again() {
    let mut world = World::new();
    world.health = Health::Refused(Reason::CredentialRejected);
    world.microsoft = Microsoft::Fails(code(7_000_215), Scope::Credential, Some((1, at(30))));
    world.reconcile(at(0));
    world.secret("s~2");
    world.health = Health::Fine;
    world.microsoft = Microsoft::Park;
    world.reconcile(at(20));
    assert_eq!(shown(&world.tenant.status)[0], "Ready=False/Pending");
    world.microsoft = Microsoft::Token(roles(&["Alert.Read.All"]));
    world.reconcile(at(40));
    assert_eq!(world.events, ["CredentialRejected", "Recovered"]);
}

#[test]
fn a_note_is_no_longer_than_an_event_takes_and_ends_between_characters() {
    let note = transition(
        &status("TokenPublished", ""),
        &status("RolesMissing", &"ö…".repeat(9_000)),
        true,
    )
    .unwrap()
    .note;
    assert!(note.len() <= 1_024 && note.len() > 1_020, "{}", note.len());
    let mut world = World::settled();
    world.lead = Lead::Missing(Obstacle::NotFound);
    world.reconcile(at(100));
    assert_eq!(world.events, ["CredentialSecretNotFound"]);
}
