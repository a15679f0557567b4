use super::*;
use crate::core::breaker::Health;
use crate::core::conditions::problems;
use crate::core::credential::Credential;
use crate::core::credential::certificate_tests::credential;
use crate::core::federated::Presented;
use crate::core::plan::{MintWhy, Step};
use crate::core::testing::{CLIENT, Lead, Microsoft, World, at, code};

/// The dates of the tests' certificate.
const BEGIN: &str = "2026-01-01T00:00:00Z";
const END: &str = "2027-01-01T00:00:00Z";

fn instant(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn seconds(at: &str, later: i64) -> Timestamp {
    instant(at) + SignedDuration::from_secs(later)
}

fn with_certificate() -> World {
    let mut world = World::new();
    world.lead = Lead::Found(Box::new(credential(&[])));
    world
}

fn with_token(found: Result<Presented, TokenFault>) -> World {
    let mut world = World::new();
    let client = CLIENT.parse().unwrap();
    world.lead = Lead::Found(Box::new(Credential::workload_identity(client, None)));
    world.federated = Some(TokenView {
        path: Some("/var/run/token".into()),
        found,
    });
    world
}

fn presented() -> Presented {
    Presented {
        issuer: "https://oidc.example".into(),
        subject: "system:serviceaccount:defender:operator".into(),
        audience: "api://AzureADTokenExchange".into(),
        expires_at: Some(at(600)),
    }
}

/// Reason and message of CredentialReady, or its absence.
fn told(world: &World, now: Timestamp) -> Option<(Reason, String)> {
    let first = problems(&world.g(), now).into_iter().next()?;
    Some((first.reason, first.message.into_owned()))
}

#[test]
fn a_certificate_is_used_from_its_first_second_to_its_last() {
    let mut world = with_certificate();
    let (steps, wake) = world.reconcile(seconds(BEGIN, -3_600));
    assert_eq!((steps, wake), (vec![], Some(instant(BEGIN))));
    assert_eq!(
        told(&world, seconds(BEGIN, -1)),
        Some((
            Reason::CredentialMalformed,
            "The credential can't be used. [the certificate isn't valid before 2026-01-01T00:00:00Z; it is used from then on, or put one there that is valid now]".into()
        ))
    );
    let (steps, wake) = world.reconcile(instant(BEGIN));
    assert_eq!(steps, [Step::Mint(MintWhy::NoToken), Step::Publish]);
    assert!(wake.is_some_and(|wake| wake < instant(END)));
    assert_eq!(told(&world, instant(BEGIN)), None);
}

#[test]
fn an_expired_certificate_asks_microsoft_nothing_and_keeps_the_token() {
    let mut world = with_certificate();
    world.reconcile(seconds(END, -1_000));
    assert_eq!(world.mints.len(), 1);
    // Nobody tells when it expires: the plan itself comes back then, before the token is due.
    let (steps, wake) = world.reconcile(seconds(END, -900));
    assert_eq!((steps, wake), (vec![], Some(instant(END))));
    let (steps, wake) = world.reconcile(instant(END));
    assert_eq!(steps, []);
    assert_eq!(
        told(&world, instant(END)),
        Some((
            Reason::CredentialExpired,
            "The partner's credential has expired: create a new one and put it into the credential Secret. [the certificate expired at 2027-01-01T00:00:00Z]".into()
        ))
    );
    assert!(world.g().live(instant(END)).is_some());
    assert_eq!(world.tenant.status.conditions[0].status, "True");
    // Nothing more comes than the token's own end.
    let held = world.g().live(instant(END)).unwrap().expires_at;
    assert_eq!(wake, Some(held));
    let (steps, _) = world.reconcile(held);
    assert!(matches!(steps[..], [Step::Retire(_)]), "{steps:?}");
    assert_eq!(world.mints.len(), 1);
}

#[test]
fn a_suspended_tenant_says_it_too() {
    let mut world = with_certificate();
    world.spec(|spec| spec.suspend = true);
    let (steps, wake) = world.reconcile(seconds(END, -1));
    assert_eq!((steps, wake), (vec![], Some(instant(END))));
}

#[test]
fn a_certificate_that_was_refused_is_named_as_the_portal_names_it() {
    let mut world = with_certificate();
    let thumbprint = credential(&[]).thumbprint().unwrap();
    world.health = Health::Refused(Reason::CredentialRejected);
    let expected = format!(
        "Microsoft refused the partner's credential: put a valid one into the credential Secret. [thumbprint {thumbprint} must stand among the application's certificates]"
    );
    let now = seconds(BEGIN, 9);
    assert_eq!(
        told(&world, now),
        Some((Reason::CredentialRejected, expected))
    );
    // Before anybody knows whose fault it is.
    world.health = Health::Fine;
    let verdict = code(700_027);
    world.microsoft = Microsoft::Fails(verdict, crate::core::errors::Scope::Tenant, None);
    world.reconcile(now);
    let (reason, message) = told(&world, now).unwrap();
    assert_eq!(reason, Reason::CredentialRejected);
    assert!(message.contains(verdict.detail), "{message}");
    assert!(message.contains(&thumbprint), "{message}");
    // A client secret has none, and other reasons have nothing to do with it.
    world.health = Health::Refused(Reason::AppMisconfigured);
    assert_eq!(world.g().refusal_hint(Reason::AppMisconfigured), None);
    assert_eq!(
        World::new().g().refusal_hint(Reason::CredentialRejected),
        None
    );
}

#[test]
fn a_token_file_that_cannot_be_used_asks_nothing_and_is_looked_at_again_soon() {
    for fault in [
        TokenFault::NoFile,
        TokenFault::Missing,
        TokenFault::Unreadable,
        TokenFault::Empty,
        TokenFault::TooLong,
        TokenFault::NotAToken,
    ] {
        let mut world = with_token(Err(fault));
        assert_eq!(world.reconcile(at(0)), (vec![], Some(at(30))), "{fault}");
        let (reason, message) = told(&world, at(0)).unwrap();
        assert_eq!(reason, Reason::CredentialMalformed);
        assert!(message.contains("/var/run/token"), "{message}");
        assert!(message.contains(&fault.to_string()), "{message}");
        assert!(world.tenant.status.attempt.is_none());
        // It came back.
        world.federated = with_token(Ok(presented())).federated;
        let (steps, _) = world.reconcile(at(30));
        assert_eq!(steps, [Step::Mint(MintWhy::NoToken), Step::Publish]);
    }
}

#[test]
fn a_token_that_expired_where_it_lay_is_not_presented() {
    let mut world = with_token(Ok(presented()));
    world.reconcile(at(599));
    assert_eq!(world.mints.len(), 1);
    let mut world = with_token(Ok(presented()));
    assert_eq!(world.reconcile(at(600)), (vec![], Some(at(630))));
    let (_, message) = told(&world, at(600)).unwrap();
    assert!(
        message.contains("has expired and wasn't renewed"),
        "{message}"
    );
}

#[test]
fn a_valid_token_outlives_a_token_file() {
    let mut world = with_token(Ok(Presented {
        expires_at: None,
        ..presented()
    }));
    world.reconcile(at(0));
    world.federated = with_token(Err(TokenFault::Missing)).federated;
    let (steps, wake) = world.reconcile(at(10));
    assert_eq!((steps, wake), (vec![], Some(at(40))));
    assert!(world.g().live(at(10)).is_some());
    assert_eq!(world.tenant.status.conditions[0].status, "True");
}

#[test]
fn a_mismatch_says_what_was_presented() {
    let mut world = with_token(Ok(presented()));
    world.health = Health::Refused(Reason::FederationMismatch);
    assert_eq!(
        told(&world, at(0)),
        Some((
            Reason::FederationMismatch,
            "The application's federated credential doesn't match. [the operator's token has issuer https://oidc.example, subject system:serviceaccount:defender:operator, audience api://AzureADTokenExchange: a federated credential of the application must have exactly these]".into()
        ))
    );
    assert_eq!(
        with_certificate()
            .g()
            .refusal_hint(Reason::FederationMismatch),
        None
    );
}

#[test]
fn a_client_secret_is_always_fit() {
    let world = World::new();
    for now in [Timestamp::MIN, at(0), Timestamp::MAX] {
        assert_eq!(world.g().unfit(now), None);
        assert_eq!(world.g().fitness_changes_at(now), None);
    }
}
