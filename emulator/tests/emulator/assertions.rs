//! Assertions that are refused, and what the refusal says.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::bed::{Bed, CLIENT, LOGIN, SECRET, TENANT, now, token_url};
use crate::identity::{PARTNER, STRANGER};
use crate::refusals::{is, summary};

const OTHER: &str = "11111111-2222-4333-8444-555555555555";

fn good() -> String {
    PARTNER.assertion(TENANT, json!({}), json!({}))
}

fn with_header(changes: Value) -> String {
    PARTNER.assertion(TENANT, changes, json!({}))
}

fn with_claims(changes: Value) -> String {
    PARTNER.assertion(TENANT, json!({}), changes)
}

/// Entra calls what it can't read a bad request, and what it doesn't believe a bad client.
async fn are_refused<const N: usize>(cases: [(&str, String, u64); N]) {
    let bed = Bed::with_certificate().await;
    for (what, assertion, number) in cases {
        let expected = match number {
            50_027 | 90_014 => is(400, "invalid_request", number),
            _ => is(401, "invalid_client", number),
        };
        assert_eq!(summary(bed.present(&assertion).await), expected, "{what}");
    }
}

#[tokio::test]
async fn what_is_no_assertion() {
    are_refused([
        ("no token", "a.b.c".to_owned(), 50_027),
        ("two parts", "e30.e30".to_owned(), 50_027),
        ("no iss", with_claims(json!({"iss": null})), 90_014),
        ("no sub", with_claims(json!({"sub": null})), 90_014),
        ("no aud", with_claims(json!({"aud": null})), 90_014),
        ("aud a number", with_claims(json!({"aud": 1})), 50_027),
        (
            "aud a list",
            with_claims(json!({"aud": [LOGIN, LOGIN]})),
            50_027,
        ),
        ("exp no time", with_claims(json!({"exp": "soon"})), 50_027),
    ])
    .await;
}

#[tokio::test]
async fn an_assertion_of_another_client() {
    are_refused([
        (
            "both",
            with_claims(json!({"iss": OTHER, "sub": OTHER})),
            700_021,
        ),
        ("the subject", with_claims(json!({"sub": OTHER})), 50_048),
    ])
    .await;
}

#[tokio::test]
async fn an_assertion_by_another_key_or_algorithm() {
    let partners = json!({"x5t#S256": URL_SAFE_NO_PAD.encode(PARTNER.sha256())});
    let anothers_signature = {
        let (good, other) = (good(), with_claims(json!({"jti": "other"})));
        let (_, signature) = good.rsplit_once('.').unwrap();
        let (signed, _) = other.rsplit_once('.').unwrap();
        format!("{signed}.{signature}")
    };
    let declared =
        |name: &str| URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"{name}""#))[..15].to_owned();
    let not_rs256 = good().replacen(&declared("PS256"), &declared("RS256"), 1);
    assert_ne!(not_rs256, good());
    are_refused([
        ("none", with_header(json!({"alg": "none"})), 5_002_738),
        ("HS256", with_header(json!({"alg": "HS256"})), 5_002_738),
        ("ES256", with_header(json!({"alg": "ES256"})), 5_002_738),
        ("RS512", with_header(json!({"alg": "RS512"})), 5_002_738),
        ("no alg", with_header(json!({"alg": null})), 5_002_738),
        (
            "no thumbprint",
            with_header(json!({"x5t#S256": null})),
            5_002_723,
        ),
        (
            "a key id alone",
            with_header(json!({"x5t#S256": null, "kid": "a"})),
            700_027,
        ),
        (
            "no base64",
            with_header(json!({"x5t#S256": "a b"})),
            700_027,
        ),
        (
            "another certificate",
            STRANGER.assertion(TENANT, json!({}), json!({})),
            700_027,
        ),
        (
            "another key",
            STRANGER.assertion(TENANT, partners, json!({})),
            700_027,
        ),
        ("another assertion's signature", anothers_signature, 700_027),
        ("another algorithm's signature", not_rs256, 700_027),
    ])
    .await;
}

#[tokio::test]
async fn an_assertion_for_another_audience_or_time() {
    let government = token_url("https://login.microsoftonline.us", TENANT);
    let common = token_url(LOGIN, "common");
    let expired = json!({"nbf": now() - 1000, "exp": now() - 302});
    are_refused([
        (
            "the government's",
            with_claims(json!({"aud": government})),
            700_023,
        ),
        ("common", with_claims(json!({"aud": common})), 700_023),
        ("no exp", with_claims(json!({"exp": null})), 700_024),
        ("expired", with_claims(expired), 700_024),
        (
            "not yet valid",
            with_claims(json!({"nbf": now() + 330})),
            700_024,
        ),
    ])
    .await;
}

/// One customer's assertion must not open another's tenant.
#[tokio::test]
async fn an_assertion_made_for_one_tenant_is_refused_at_another() {
    let bed = Bed::with_certificate().await;
    bed.put(
        &format!("/v1/tenants/{OTHER}"),
        json!({"consents": {CLIENT: ["Alert.Read.All"]}}),
    )
    .await;
    let made_for_other = PARTNER.assertion(OTHER, json!({}), json!({}));
    assert_eq!(
        bed.present_with(LOGIN, OTHER, &made_for_other, &[]).await.0,
        200
    );
    let (status, body) = bed.present(&made_for_other).await;
    let text = body["error_description"].as_str().unwrap();
    assert!(
        text.contains("Client assertion audience claim does not match Realm issuer."),
        "{text}"
    );
    assert_eq!(summary((status, body)), is(401, "invalid_client", 700_023));
    assert_eq!(
        summary(bed.present_with(LOGIN, OTHER, &good(), &[]).await).2,
        700_023
    );
}

#[tokio::test]
async fn five_minutes_of_skew_are_forgiven() {
    let bed = Bed::with_certificate().await;
    for times in [
        json!({"nbf": now() - 1000, "exp": now() - 240}),
        json!({"nbf": now() + 290, "exp": now() + 600}),
    ] {
        let assertion = PARTNER.assertion(TENANT, json!({}), times.clone());
        assert_eq!(bed.present(&assertion).await.0, 200, "{times}");
    }
}

#[tokio::test]
async fn refusals_say_what_entra_says() {
    let bed = Bed::with_certificate().await;
    let unknown = STRANGER.assertion(TENANT, json!({}), json!({}));
    let stale = PARTNER.assertion(
        TENANT,
        json!({}),
        json!({"nbf": 1_700_000_000, "exp": "1700000600"}),
    );
    let algorithm = PARTNER.assertion(TENANT, json!({"alg": "ES256"}), json!({}));
    for (assertion, said) in [
        (
            unknown,
            "is not registered on application. [Reason - The key was not found., Thumbprint of key used by client: '",
        ),
        (
            stale,
            "assertion valid from 2023-11-14T22:13:20.0000000Z, expiry time of assertion 2023-11-14T22:23:20.0000000Z. Review",
        ),
        (
            algorithm,
            "'ES256' is not a supported signature algorithm. Supported signing algorithms are: 'RS256,PS256'",
        ),
    ] {
        let (_, body) = bed.present(&assertion).await;
        let text = body["error_description"].as_str().unwrap();
        assert!(text.contains(said), "{text}");
        assert!(!text.contains(&assertion[..40]), "{text}");
    }
}

#[tokio::test]
async fn the_assertion_type_must_be_jwt_bearer() {
    let bed = Bed::with_certificate().await;
    let wrong = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    for (kind, expected) in [(wrong, 90_011), ("", 900_144)] {
        let changes = [("client_assertion_type", kind)];
        assert_eq!(
            summary(bed.present_with(LOGIN, TENANT, &good(), &changes).await),
            is(400, "invalid_request", expected)
        );
    }
}

#[tokio::test]
async fn two_credentials_at_once_are_one_too_many() {
    let bed = Bed::new().await;
    bed.put_application(json!({"secrets": [SECRET], "certificates": [PARTNER.pem]}))
        .await;
    let changes = [("client_secret", SECRET)];
    assert_eq!(
        summary(bed.present_with(LOGIN, TENANT, &good(), &changes).await),
        is(400, "invalid_request", 9_002_324)
    );
}
