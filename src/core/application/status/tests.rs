use super::*;
use crate::core::application::Version;
use crate::core::gathered::NoApplication;
use crate::core::testing::{CLIENT, at, fingerprint};
use serde_json::{Value, json};

mod kstatus;

const DAY: i64 = 86_400;

fn application(spec: &Value) -> Application {
    let mut whole =
        json!({"clientId": CLIENT, "credentials": [{"name": "a", "workloadIdentity": {}}]});
    for (key, value) in spec.as_object().unwrap() {
        whole[key] = value.clone();
    }
    let version = Version {
        uid: "u".into(),
        resource_version: "1".into(),
        generation: 3,
        created_at: Timestamp::UNIX_EPOCH,
        deleting: false,
    };
    let spec = serde_json::from_value(whole).unwrap();
    Application::new(
        "soc-reader",
        version,
        spec,
        DefenderApplicationStatus::default(),
    )
    .unwrap()
}

fn fine(name: &str, expires_at: Option<Timestamp>) -> CredentialFacts {
    CredentialFacts {
        name: name.into(),
        usable: Ok(Usable {
            fingerprint: fingerprint(name),
            health: Health::Fine,
            standing: Standing::Fine,
            validity: Validity::Valid,
        }),
        expires_at,
        endless: false,
        thumbprint: None,
    }
}

fn refused(name: &str, reason: Reason) -> CredentialFacts {
    let mut facts = fine(name, None);
    if let Ok(usable) = &mut facts.usable {
        usable.health = Health::Refused(reason);
        usable.standing = Standing::Refused(at(30));
    }
    facts
}

fn missing(name: &str, obstacle: Obstacle) -> CredentialFacts {
    CredentialFacts {
        usable: Err(obstacle),
        ..fine(name, None)
    }
}

fn facts(application: &Application, credentials: Vec<CredentialFacts>) -> Facts<'_> {
    Facts {
        application,
        credentials,
        selectors_off: false,
        missing_everywhere: None,
    }
}

fn shown(status: &DefenderApplicationStatus) -> Vec<String> {
    let conditions = status.conditions.iter();
    conditions
        .map(|c| format!("{}={}/{}", c.type_, c.status, c.reason))
        .collect()
}

fn message<'a>(status: &'a DefenderApplicationStatus, type_: &str) -> &'a str {
    &status
        .conditions
        .iter()
        .find(|c| c.type_ == type_)
        .unwrap()
        .message
}

#[test]
fn one_good_credential_is_enough_and_the_bad_one_is_named() {
    let application = application(&json!({}));
    let status = compose(&facts(&application, vec![fine("a", None)]), at(0));
    assert_eq!(
        shown(&status),
        [
            "Ready=True/Available",
            "CredentialReady=True/Usable",
            "CredentialExpiring=Unknown/ExpiryNotDeclared"
        ]
    );
    assert_eq!(status.observed_generation, Some(3));
    assert_eq!(status.credential_in_use.as_deref(), Some("a"));

    let pair = vec![refused("a", Reason::CredentialExpired), fine("b", None)];
    let status = compose(&facts(&application, pair), at(0));
    assert_eq!(status.credential_in_use.as_deref(), Some("b"));
    assert_eq!(
        shown(&status)[..2],
        ["Ready=True/Available", "CredentialReady=True/Usable"]
    );
    let said = message(&status, "CredentialReady");
    assert!(
        said.contains("b is used") && said.contains("a: The partner's credential has expired"),
        "{said}"
    );
    let reasons: Vec<_> = status
        .credentials
        .iter()
        .map(|c| c.reason.as_str())
        .collect();
    assert_eq!(reasons, ["CredentialExpired", "Usable"]);
}

#[test]
fn without_a_usable_credential_it_is_not_ready_and_somebody_must_act() {
    let application = application(&json!({}));
    for (credentials, reason) in [
        (
            vec![missing("a", Obstacle::NotFound)],
            "CredentialSecretNotFound",
        ),
        (
            vec![
                missing("a", Obstacle::NotLabelled),
                missing("b", Obstacle::NotFound),
            ],
            "CredentialSecretNotLabelled",
        ),
        (
            vec![
                refused("a", Reason::CredentialRejected),
                missing("b", Obstacle::NotFound),
            ],
            "CredentialRejected",
        ),
        (
            vec![missing(
                "a",
                Obstacle::NoApplication(NoApplication::Missing),
            )],
            "ApplicationNotFound",
        ),
    ] {
        let status = compose(&facts(&application, credentials), at(0));
        let shown = shown(&status);
        assert_eq!(shown[0], format!("Ready=False/{reason}"));
        assert_eq!(shown[1], format!("CredentialReady=False/{reason}"));
        assert_eq!(shown.last().unwrap(), &format!("Stalled=True/{reason}"));
        assert_eq!(status.credential_in_use, None);
    }
    let mut fresh = fine("a", None);
    if let Ok(usable) = &mut fresh.usable {
        usable.health = Health::Propagating;
        usable.standing = Standing::Refused(at(10));
    }
    let status = compose(&facts(&application, vec![fresh]), at(0));
    assert_eq!(
        shown(&status)[1],
        "CredentialReady=Unknown/CredentialPropagating"
    );
    assert_eq!(shown(&status)[3], "Reconciling=True/CredentialPropagating");
}

#[test]
fn a_certificate_outside_its_dates_is_not_used() {
    let application = application(&json!({}));
    for (validity, reason) in [
        (Validity::Expired(at(-1)), "CredentialExpired"),
        (Validity::NotYet(at(60)), "CredentialMalformed"),
    ] {
        let mut dated = fine("a", Some(at(60)));
        if let Ok(usable) = &mut dated.usable {
            usable.validity = validity;
        }
        let status = compose(
            &facts(&application, vec![dated.clone(), fine("b", None)]),
            at(0),
        );
        assert_eq!(status.credential_in_use.as_deref(), Some("b"));
        assert_eq!(status.credentials[0].reason, reason);
        let alone = compose(&facts(&application, vec![dated]), at(0));
        assert_eq!(shown(&alone)[0], format!("Ready=False/{reason}"));
    }
}

#[test]
fn expiry_is_told_thirty_days_ahead_of_the_credential_that_lasts_longest() {
    let application = application(&json!({}));
    let expiring = |credentials: Vec<CredentialFacts>| {
        shown(&compose(&facts(&application, credentials), at(0)))[2].clone()
    };
    let until = |days: i64, seconds: i64| Some(at(days * DAY + seconds));
    for (credentials, expected) in [
        (vec![fine("a", until(30, 1))], "False/NotExpiring"),
        (vec![fine("a", until(30, 0))], "True/ExpiresSoon"),
        (vec![fine("a", until(0, 1))], "True/ExpiresSoon"),
        (vec![fine("a", until(0, 0))], "True/Expired"),
        (vec![fine("a", None)], "Unknown/ExpiryNotDeclared"),
        // The next one is in place.
        (
            vec![fine("a", until(300, 0)), fine("b", until(3, 0))],
            "False/NotExpiring",
        ),
        (
            vec![fine("a", until(20, 0)), fine("b", until(3, 0))],
            "True/ExpiresSoon",
        ),
        (
            vec![fine("a", until(300, 0)), fine("b", None)],
            "Unknown/ExpiryNotDeclared",
        ),
        // Whatever can't be used lasts for nobody.
        (
            vec![fine("a", until(3, 0)), missing("b", Obstacle::NotFound)],
            "True/ExpiresSoon",
        ),
        // Nor does one that Microsoft refuses, as long as another is accepted.
        (
            vec![
                CredentialFacts {
                    expires_at: until(700, 0),
                    ..refused("a", Reason::CredentialRejected)
                },
                fine("b", until(7, 0)),
            ],
            "True/ExpiresSoon",
        ),
        (
            vec![CredentialFacts {
                endless: true,
                ..fine("a", None)
            }],
            "False/NotExpiring",
        ),
    ] {
        assert_eq!(
            expiring(credentials),
            format!("CredentialExpiring={expected}")
        );
    }
}

#[test]
fn the_status_changes_by_itself_when_a_credential_nears_its_end_or_reaches_it() {
    let end = at(100 * DAY);
    let warned = at(70 * DAY);
    let application = Application {
        created_at: at(0),
        ..application(&json!({}))
    };
    let facts = facts(&application, vec![fine("a", Some(end)), fine("b", None)]);
    assert_eq!(wake_at(&facts, at(0)), Some(at(120)), "a Secret may come");
    assert_eq!(wake_at(&facts, at(120)), Some(warned));
    assert_eq!(wake_at(&facts, warned), Some(end));
    assert_eq!(wake_at(&facts, end), None);
}

#[test]
fn a_suspended_or_deleted_application_says_so_before_anything_else() {
    let suspended = application(&json!({"suspend": true}));
    let status = compose(
        &facts(&suspended, vec![refused("a", Reason::CredentialRejected)]),
        at(0),
    );
    assert_eq!(shown(&status)[0], "Ready=False/ApplicationSuspended");
    assert!(!suspended.deletes_secrets());
    assert!(application(&json!({"suspend": true, "suspendedSecrets": "Delete"})).deletes_secrets());
    assert!(!application(&json!({"suspendedSecrets": "Delete"})).deletes_secrets());
    let mut going = application(&json!({}));
    going.deleting = true;
    let status = compose(&facts(&going, vec![fine("a", None)]), at(0));
    assert_eq!(shown(&status)[0], "Ready=False/ApplicationTerminating");
}

#[test]
fn a_role_that_nobody_has_is_said_and_told_once() {
    let mut application = application(&json!({}));
    let told = |application: &Application, missing: Option<&[&str]>| {
        let missing = missing.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
        let facts = Facts {
            missing_everywhere: missing,
            ..facts(application, vec![fine("a", Some(at(400 * DAY)))])
        };
        compose(&facts, at(0))
    };
    let before = told(&application, None);
    assert_eq!(shown(&before).len(), 3);
    let after = told(&application, Some(&["Machine.Read.All"]));
    assert_eq!(
        shown(&after)[3],
        "RolesConfigured=False/RolesMissingEverywhere"
    );
    assert!(message(&after, "RolesConfigured").contains("Machine.Read.All"));
    let said: Vec<_> = notices(&before, &after)
        .iter()
        .map(|n| (n.warning, n.reason))
        .collect();
    assert_eq!(said, [(true, "RolesMissingEverywhere")]);
    application.status = std::sync::Arc::new(after.clone());
    let again = told(&application, Some(&["Machine.Read.All"]));
    assert_eq!(again, after);
    assert!(notices(&after, &again).is_empty());
    assert_eq!(
        shown(&told(&application, Some(&[])))[3],
        "RolesConfigured=True/RolesConfigured"
    );
}

#[test]
fn what_turns_bad_is_a_warning_and_what_is_well_again_is_told() {
    let application = application(&json!({}));
    let good = compose(
        &facts(&application, vec![fine("a", Some(at(400 * DAY)))]),
        at(0),
    );
    let bad = compose(
        &facts(&application, vec![refused("a", Reason::CredentialRejected)]),
        at(0),
    );
    let reasons = |before: &_, after: &_| -> Vec<_> {
        notices(before, after)
            .iter()
            .map(|n| (n.warning, n.reason))
            .collect()
    };
    let nothing = DefenderApplicationStatus::default();
    assert_eq!(reasons(&nothing, &good), [], "a first success is no news");
    assert_eq!(reasons(&good, &bad), [(true, "CredentialRejected")]);
    assert_eq!(reasons(&bad, &bad), []);
    assert_eq!(reasons(&bad, &good), [(false, "Recovered")]);
    let soon = compose(&facts(&application, vec![fine("a", Some(at(DAY)))]), at(0));
    assert_eq!(reasons(&good, &soon), [(true, "ExpiresSoon")]);
}

#[test]
fn a_certificate_that_is_not_known_is_named_as_the_portal_shows_it() {
    let application = application(&json!({}));
    let mut unknown = refused("a", Reason::CredentialRejected);
    unknown.thumbprint = Some("AB12".into());
    let status = compose(&facts(&application, vec![unknown, fine("b", None)]), at(0));
    let said = message(&status, "CredentialReady");
    assert!(said.contains("thumbprint AB12"), "{said}");
}

#[test]
fn a_secret_that_may_still_come_is_waited_for_before_anybody_must_act() {
    let application = Application {
        created_at: at(0),
        ..application(&json!({}))
    };
    let gone = missing("a", Obstacle::NotFound);
    let unlabelled = missing("a", Obstacle::NotLabelled);
    for (credential, now, expected) in [
        (&gone, 119, "Reconciling=True/CredentialSecretNotFound"),
        (&gone, 120, "Stalled=True/CredentialSecretNotFound"),
        (&unlabelled, 1, "Stalled=True/CredentialSecretNotLabelled"),
    ] {
        let facts = facts(&application, vec![credential.clone()]);
        let status = compose(&facts, at(now));
        assert_eq!(shown(&status).last().unwrap(), expected, "{now}");
    }
}
