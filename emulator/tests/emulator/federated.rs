//! Tokens of an issuer that the application trusts, above all Kubernetes' service account tokens.

use serde_json::{Value, json};

use crate::bed::{Bed, CLIENT, LOGIN, TENANT, claims, now};
use crate::identity::{PARTNER, STRANGER, changed};
use crate::refusals::{is, summary};

const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
const SUBJECT: &str = "system:serviceaccount:defender:defender-tenant-operator";
const EXCHANGE: &str = "api://AzureADTokenExchange";
const KID: &str = "CpS1bDzmZl1mUzqZ6kXW4OXKw0fgpo2PrAWrNPcWGPg";

fn credential(changes: Value) -> Value {
    let good = json!({"issuer": ISSUER, "subject": SUBJECT, "audience": EXCHANGE,
        "jwks": {"keys": [PARTNER.jwk(KID)]}});
    changed(good, changes)
}

/// As an API server issues it: `aud` is a list.
fn service_account_token(changes: Value) -> String {
    let good = json!({
        "aud": [EXCHANGE], "exp": now() + 3600, "iat": now(), "iss": ISSUER,
        "jti": "11ef6a48-0a39-4f22-a6a7-b8b1c5bcbf0a",
        "kubernetes.io": {"namespace": "defender", "serviceaccount": {"name": "defender-tenant-operator", "uid": "u"}},
        "nbf": now(), "sub": SUBJECT,
    });
    PARTNER.sign(
        &json!({"alg": "RS256", "kid": KID}),
        &changed(good, changes),
    )
}

async fn bed(federated: Value) -> Bed {
    let bed = Bed::new().await;
    bed.put_application(json!({"federated": federated})).await;
    bed
}

#[tokio::test]
async fn a_clusters_token_is_as_good_as_a_secret_in_every_tenant() {
    let bed = bed(json!([credential(json!({}))])).await;
    let token = service_account_token(json!({}));
    let other = "11111111-2222-4333-8444-555555555555";
    let consent = json!({"consents": {CLIENT: ["Alert.Read.All"]}});
    bed.put(&format!("/v1/tenants/{other}"), consent).await;
    // Such a token names no tenant, and is used until it ends.
    for tenant in [TENANT, other, TENANT] {
        let (status, body) = bed.present_with(LOGIN, tenant, &token, &[]).await;
        assert_eq!(status, 200, "{body}");
        let claims = claims(body["access_token"].as_str().unwrap());
        assert_eq!(
            (&claims["appidacr"], &claims["tid"]),
            (&json!("2"), &json!(tenant))
        );
    }
    let reused = &bed.get_control("/v1/counters").await["assertions"]["reusedJti"];
    assert_eq!(*reused, 0);
}

#[tokio::test]
async fn one_of_several_audiences_and_credentials_is_enough() {
    let other = credential(json!({"subject": "system:serviceaccount:a:b"}));
    let rotated = json!({"keys": [{"kty": "EC", "kid": "x", "crv": "P-256"}, STRANGER.jwk("old"), PARTNER.jwk(KID)]});
    let bed = bed(json!([other, credential(json!({"jwks": rotated}))])).await;
    for audience in [json!(EXCHANGE), json!(["other", EXCHANGE])] {
        let token = service_account_token(json!({"aud": audience}));
        assert_eq!(bed.present(&token).await.0, 200, "{audience}");
    }
}

#[tokio::test]
async fn what_does_not_match_is_named() {
    let bed = bed(json!([
        credential(json!({})),
        credential(json!({"issuer": "https://other.example", "subject": "s", "audience": "a"})),
    ]))
    .await;
    let upper = SUBJECT.to_uppercase();
    let slash = format!("{ISSUER}/");
    for (changes, number, said) in [
        (
            json!({"iss": slash}),
            700_211,
            format!("assertion issuer '{slash}'. Check"),
        ),
        (
            json!({"iss": ISSUER.to_uppercase()}),
            700_211,
            "assertion issuer 'HTTPS".to_owned(),
        ),
        (
            json!({"sub": "s"}),
            700_213,
            "assertion subject 's'. Check your".to_owned(),
        ),
        (
            json!({"sub": format!("{SUBJECT}2")}),
            700_213,
            format!("subject '{SUBJECT}2'"),
        ),
        (
            json!({"sub": upper}),
            7_002_138,
            format!("subject '{upper}'. The subject matches with case-insens"),
        ),
        (
            json!({"aud": ["a"]}),
            700_212,
            "assertion audience 'a'. Check".to_owned(),
        ),
        (
            json!({"aud": EXCHANGE.to_lowercase()}),
            700_212,
            "audience 'api://azuread".to_owned(),
        ),
        (json!({"aud": []}), 700_212, "audience ''".to_owned()),
    ] {
        let (status, body) = bed.present(&service_account_token(changes.clone())).await;
        let text = body["error_description"].as_str().unwrap().to_owned();
        let expected = is(401, "invalid_client", number);
        assert_eq!(summary((status, body)), expected, "{changes}");
        assert!(text.contains(&said), "{text}");
    }
}

#[tokio::test]
async fn an_application_without_federated_credentials_says_so() {
    for federated in [
        json!([]),
        json!([credential(json!({"visibleAfterSeconds": 3600}))]),
    ] {
        let bed = bed(federated).await;
        let (status, body) = bed.present(&service_account_token(json!({}))).await;
        let text = body["error_description"].as_str().unwrap().to_owned();
        assert_eq!(summary((status, body)), is(401, "invalid_client", 70_025));
        let said = format!(
            "The client '{CLIENT}'(application-0c4f3a52) has no configured federated identity credentials."
        );
        assert!(text.contains(&said), "{text}");
    }
}

#[tokio::test]
async fn the_issuers_keys_decide() {
    let header = |changes| changed(json!({"alg": "RS256", "kid": KID}), changes);
    let good = json!({"aud": [EXCHANGE], "exp": now() + 600, "iss": ISSUER, "sub": SUBJECT});
    let bed = bed(json!([credential(json!({}))])).await;
    for (what, token, number) in [
        ("its own", PARTNER.sign(&header(json!({})), &good), 0),
        (
            "another kid",
            PARTNER.sign(&header(json!({"kid": "new"})), &good),
            7_000_272,
        ),
        (
            "no kid",
            PARTNER.sign(&header(json!({"kid": null})), &good),
            7_000_272,
        ),
        (
            "another key",
            STRANGER.sign(&header(json!({})), &good),
            700_027,
        ),
        (
            "PS256",
            PARTNER.sign(&header(json!({"alg": "PS256"})), &good),
            5_002_738,
        ),
        (
            "ES256",
            PARTNER.sign(&header(json!({"alg": "ES256"})), &good),
            5_002_738,
        ),
    ] {
        let (status, body) = bed.present(&token).await;
        if number == 0 {
            assert_eq!(status, 200, "{what}: {body}");
        } else {
            assert_eq!(
                summary((status, body)),
                is(401, "invalid_client", number),
                "{what}"
            );
        }
    }
    let (_, body) = bed
        .present(&PARTNER.sign(&header(json!({"kid": "new"})), &good))
        .await;
    let text = body["error_description"].as_str().unwrap();
    assert!(
        text.contains(&format!("identifier new used to sign the federated credential could not be found in the metadata of identity provider {ISSUER}.")),
        "{text}"
    );
}

#[tokio::test]
async fn an_expired_or_incomplete_token_is_refused() {
    let bed = bed(json!([credential(json!({}))])).await;
    for (changes, expected) in [
        (
            json!({"exp": now() - 302, "nbf": now() - 4000}),
            is(401, "invalid_client", 700_024),
        ),
        (
            json!({"nbf": now() + 330}),
            is(401, "invalid_client", 700_024),
        ),
        (json!({"sub": null}), is(400, "invalid_request", 90_014)),
        (json!({"aud": null}), is(400, "invalid_request", 90_014)),
        (json!({"aud": [1]}), is(400, "invalid_request", 50_027)),
    ] {
        let answer = bed.present(&service_account_token(changes.clone())).await;
        assert_eq!(summary(answer), expected, "{changes}");
    }
}

/// The key of a certificate signs no federated token, and the other way round.
#[tokio::test]
async fn certificates_and_federation_are_apart() {
    let bed = Bed::with_certificate().await;
    let (status, body) = bed.present(&service_account_token(json!({}))).await;
    assert_eq!(summary((status, body)).2, 70_025);
    bed.put_application(json!({"federated": [credential(json!({}))]}))
        .await;
    let assertion = PARTNER.assertion(TENANT, json!({}), json!({}));
    assert_eq!(summary(bed.present(&assertion).await).2, 700_027);
}
