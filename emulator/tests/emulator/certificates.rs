//! Assertions that an application signs with its certificate.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::bed::{
    AUDIENCE, Bed, CLIENT, LOGIN, SECRET, TENANT, answer, claims, form, now, token_url,
};
use crate::identity::{Identity, JWT_BEARER, PARTNER, STRANGER, assertion_claims};
use crate::refusals::{is, summary};

const OTHER: &str = "11111111-2222-4333-8444-555555555555";
const GOVERNMENT: &str = "https://login.microsoftonline.us";

fn good() -> String {
    PARTNER.assertion(TENANT, json!({}), json!({}))
}

/// The code of an answer, 0 for a token.
fn code((status, body): (u16, Value)) -> u64 {
    if status == 200 {
        0
    } else {
        summary((status, body)).2
    }
}

#[tokio::test]
async fn a_certificate_is_as_good_as_a_secret_and_the_token_says_which_it_was() {
    let bed = Bed::new().await;
    bed.put_application(json!({"secrets": [SECRET], "certificates": [PARTNER.pem]}))
        .await;
    let (status, body) = bed.present(&good()).await;
    assert_eq!(status, 200, "{body}");
    let token = body["access_token"].as_str().unwrap();
    assert_eq!(claims(token)["appidacr"], "2");
    assert_eq!(claims(&bed.token().await)["appidacr"], "1");
    let url = "https://api.security.microsoft.com/api/alerts?$top=1";
    assert_eq!(bed.get_api(url, token).await.0, 200);
}

#[tokio::test]
async fn the_v1_endpoint_takes_assertions_too() {
    let bed = Bed::with_certificate().await;
    let url = format!("{LOGIN}/{TENANT}/oauth2/token");
    let assertion = good();
    let form = form(&[
        ("scope", ""),
        ("resource", AUDIENCE),
        ("client_secret", ""),
        ("client_assertion", &assertion),
        ("client_assertion_type", JWT_BEARER),
    ]);
    let (status, body) = answer(bed.post_form(&url, &form).await).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(
        claims(body["access_token"].as_str().unwrap())["appidacr"],
        "2"
    );
}

/// What each library puts into header and claims.
#[tokio::test]
async fn the_assertion_of_every_library_is_taken() {
    let bed = Bed::with_certificate().await;
    let (sha1, sha256) = (PARTNER.sha1(), PARTNER.sha256());
    let base64url = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let seconds = now();
    let float = |offset: i64| format!("{}.25", seconds + offset).parse::<f64>().unwrap();
    let endpoint = token_url(LOGIN, TENANT);
    for (library, header, assertion) in [
        (
            "Microsoft's documentation",
            json!({"alg": "PS256", "typ": "JWT", "x5t#S256": base64url(&sha256)}),
            assertion_claims(TENANT),
        ),
        (
            "MSAL .NET: times as strings, no iat, x5c a string",
            json!({"alg": "PS256", "typ": "JWT", "x5t#S256": base64url(&sha256), "x5c": PARTNER.x5c()}),
            json!({"aud": endpoint, "iss": CLIENT, "sub": CLIENT, "jti": "a",
                "nbf": seconds.to_string(), "exp": (seconds + 600).to_string()}),
        ),
        (
            "MSAL .NET with RS256, after PSS failed",
            json!({"alg": "RS256", "typ": "JWT", "x5t": base64url(&sha1), "kid": "A0B1"}),
            json!({"aud": endpoint, "iss": CLIENT, "sub": CLIENT, "jti": "a",
                "nbf": seconds.to_string(), "exp": (seconds + 600).to_string()}),
        ),
        (
            "MSAL Python: floats, no nbf",
            json!({"alg": "PS256", "typ": "JWT", "x5t#S256": base64url(&sha256)}),
            json!({"aud": endpoint, "iss": CLIENT, "sub": CLIENT, "jti": "a", "iat": float(0), "exp": float(600)}),
        ),
        (
            "MSAL Python with a SHA-1 thumbprint",
            json!({"alg": "RS256", "typ": "JWT", "x5t": base64url(&sha1)}),
            json!({"aud": endpoint, "iss": CLIENT, "sub": CLIENT, "jti": "a", "iat": float(0), "exp": float(600)}),
        ),
        (
            "MSAL Go: the thumbprint in standard base64, padded; x5c an array",
            json!({"alg": "PS256", "typ": "JWT", "x5t#S256": STANDARD.encode(&sha256), "x5c": [PARTNER.x5c()]}),
            json!({"aud": endpoint, "iss": CLIENT, "sub": CLIENT, "jti": "a", "nbf": seconds, "exp": seconds + 600}),
        ),
        (
            "MSAL Node",
            json!({"alg": "PS256", "x5t#S256": base64url(&sha256)}),
            json!({"aud": endpoint, "iss": CLIENT, "sub": CLIENT, "jti": "a", "nbf": seconds, "exp": seconds + 600}),
        ),
        (
            "azure_identity (Rust): RS256, SHA-1, x5c of PEM, no typ",
            json!({"alg": "RS256", "x5t": base64url(&sha1), "x5c": [STANDARD.encode(&PARTNER.pem)]}),
            json!({"aud": endpoint, "iss": CLIENT, "sub": CLIENT, "jti": "a", "iat": seconds, "nbf": seconds,
                "exp": seconds + 300}),
        ),
        (
            "a client by hand: no jti, upper-case GUIDs",
            json!({"alg": "RS256", "x5t": STANDARD.encode(&sha1)}),
            json!({"aud": token_url(LOGIN, &TENANT.to_uppercase()), "iss": CLIENT.to_uppercase(),
                "sub": CLIENT.to_uppercase(), "exp": seconds + 60}),
        ),
    ] {
        let (status, body) = bed.present(&PARTNER.sign(&header, &assertion)).await;
        assert_eq!(status, 200, "{library}: {body}");
    }
}

#[tokio::test]
async fn every_endpoint_and_issuer_of_the_tenant_is_an_audience() {
    let bed = Bed::with_certificate().await;
    for audience in [
        format!("{LOGIN}/{TENANT}/oauth2/v2.0/token"),
        format!("{LOGIN}/{TENANT}/oauth2/token"),
        format!("{LOGIN}/{TENANT}/v2.0"),
        format!("{LOGIN}/{TENANT}/"),
        format!("https://sts.windows.net/{TENANT}/"),
        format!("https://login.windows.net/{TENANT}/oauth2/v2.0/token"),
        format!("https://westus2.login.microsoft.com/{TENANT}/oauth2/v2.0/token"),
    ] {
        let assertion = PARTNER.assertion(TENANT, json!({}), json!({"aud": audience}));
        assert_eq!(code(bed.present(&assertion).await), 0, "{audience}");
    }
}

#[tokio::test]
async fn certificates_have_a_time() {
    let bed = Bed::new().await;
    let ended = PARTNER.renewed((2020, 2021));
    let early = PARTNER.renewed((2998, 2999));
    let entry = |change: Value| {
        let mut entry = change;
        entry["pem"] = PARTNER.pem.clone().into();
        entry
    };
    let good = good();
    let of = |identity: &Identity| identity.assertion(TENANT, json!({}), json!({}));
    for (what, registered, assertion, said) in [
        (
            "its own end",
            json!(ended.pem),
            of(&ended),
            "The key used is expired.",
        ),
        (
            "its own begin",
            json!(early.pem),
            of(&early),
            "The key used is expired.",
        ),
        (
            "expires",
            entry(json!({"expires": "2024-01-01T00:00:00Z"})),
            good.clone(),
            "End=01/01/2024 00:00:00'",
        ),
        (
            "notBefore",
            entry(json!({"notBefore": "2998-01-01T00:00:00Z"})),
            good.clone(),
            "Start=01/01/2998 00:00:00,",
        ),
        (
            "visible later",
            entry(json!({"visibleAfterSeconds": 3600})),
            good.clone(),
            "The key was not found.",
        ),
    ] {
        bed.put_application(json!({"certificates": [registered]}))
            .await;
        let (status, body) = bed.present(&assertion).await;
        let text = body["error_description"].as_str().unwrap().to_owned();
        assert_eq!(
            summary((status, body)),
            is(401, "invalid_client", 700_027),
            "{what}"
        );
        assert!(text.contains(said), "{what}: {text}");
    }
    // A registration can't outlive its certificate.
    let longer = json!({"pem": ended.pem, "expires": "2999-01-01T00:00:00Z"});
    bed.put_application(json!({"certificates": [longer]})).await;
    assert_eq!(code(bed.present(&of(&ended)).await), 700_027);
}

#[tokio::test]
async fn a_new_certificate_becomes_visible() {
    let bed = Bed::new().await;
    let put = Instant::now();
    bed.put_application(json!({"certificates": [{"pem": PARTNER.pem, "visibleAfterSeconds": 2}]}))
        .await;
    loop {
        match code(bed.present(&good()).await) {
            0 => break,
            other => assert_eq!(other, 700_027),
        }
        assert!(put.elapsed() < Duration::from_mins(1), "it stays invisible");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(put.elapsed() >= Duration::from_secs(2));
}

/// Two certificates at once, as in every rotation.
#[tokio::test]
async fn any_of_several_certificates_is_good() {
    let bed = Bed::new().await;
    bed.put_application(json!({"certificates": [PARTNER.pem, STRANGER.pem]}))
        .await;
    for identity in [&PARTNER, &STRANGER] {
        let assertion = identity.assertion(TENANT, json!({}), json!({}));
        assert_eq!(code(bed.present(&assertion).await), 0);
    }
}

#[tokio::test]
async fn a_jti_that_comes_again_is_taken_and_counted() {
    let bed = Bed::with_certificate().await;
    let reused = async || bed.get_control("/v1/counters").await["assertions"]["reusedJti"].clone();
    assert_eq!(reused().await, 0);
    let one = PARTNER.assertion(TENANT, json!({}), json!({"jti": "one"}));
    assert_eq!(code(bed.present(&one).await), 0);
    let two = PARTNER.assertion(TENANT, json!({}), json!({"jti": "two"}));
    assert_eq!(code(bed.present(&two).await), 0);
    assert_eq!(reused().await, 0);
    for count in 1..=2 {
        assert_eq!(code(bed.present(&one).await), 0);
        assert_eq!(reused().await, count);
    }
    // Also where the credential was right and something else wrong.
    bed.put_tenant(json!({})).await;
    assert_eq!(code(bed.present(&two).await), 7_000_229);
    assert_eq!(reused().await, 3);
    // A wrong assertion proves nothing, its jti neither.
    let wrong = PARTNER.assertion(TENANT, json!({}), json!({"jti": "one", "exp": 1}));
    assert_eq!(code(bed.present(&wrong).await), 700_024);
    assert_eq!(reused().await, 3);
}

#[tokio::test]
async fn the_governments_hosts_take_assertions_made_for_them() {
    let bed = Bed::with_certificate().await;
    for cloud in ["GCCHigh", "DoD"] {
        bed.put_tenant(json!({"cloud": cloud, "consents": {CLIENT: ["Alert.Read.All"]}}))
            .await;
        for host in [GOVERNMENT, "https://login.usgovcloudapi.net"] {
            for audience in [
                token_url(GOVERNMENT, TENANT),
                token_url("https://login.usgovcloudapi.net", TENANT),
                format!("{GOVERNMENT}/{TENANT}/v2.0"),
            ] {
                let assertion = PARTNER.assertion(TENANT, json!({}), json!({"aud": audience}));
                let answer = bed.present_with(host, TENANT, &assertion, &[]).await;
                assert_eq!(code(answer), 0, "{cloud}: {audience} at {host}");
            }
            let answer = bed.present_with(host, TENANT, &good(), &[]).await;
            assert_eq!(code(answer), 700_023, "the public audience");
        }
        assert_eq!(code(bed.present(&good()).await), 900_382);
    }
}

#[tokio::test]
async fn an_application_can_be_of_one_cloud() {
    let bed = Bed::new().await;
    let tenant = |cloud| json!({"cloud": cloud, "consents": {CLIENT: []}});
    for (entra_cloud, public, us) in [
        (json!("Public"), 0, 700_016),
        (json!("USGovernment"), 700_016, 0),
        (json!(null), 0, 0),
    ] {
        bed.put_application(json!({"secrets": [SECRET], "entraCloud": entra_cloud}))
            .await;
        bed.put_tenant(tenant("GCC")).await;
        assert_eq!(code(bed.ask().await), public, "{entra_cloud}");
        bed.put_tenant(tenant("DoD")).await;
        assert_eq!(
            code(bed.ask_with(GOVERNMENT, TENANT, &[]).await),
            us,
            "{entra_cloud}"
        );
    }
}

#[tokio::test]
async fn faults_meet_requests_with_assertions() {
    let bed = Bed::with_certificate().await;
    bed.fault_once(json!({"aadsts": 700_024})).await;
    assert_eq!(code(bed.present(&good()).await), 700_024);
    bed.fault_once(json!({"claims": {"tid": OTHER}})).await;
    let (_, body) = bed.present(&good()).await;
    assert_eq!(claims(body["access_token"].as_str().unwrap())["tid"], OTHER);
    assert_eq!(code(bed.present(&good()).await), 0);
}

#[tokio::test]
async fn the_journal_holds_nothing_of_an_assertion() {
    let bed = Bed::with_certificate().await;
    let assertion = good();
    bed.present(&assertion).await;
    bed.present_with(LOGIN, TENANT, &assertion, &[("client_id", &assertion)])
        .await;
    let url = format!("{LOGIN}/{assertion}/oauth2/v2.0/token?client_assertion={assertion}");
    bed.post_form(&url, &[]).await;
    let all = bed.get_control("/v1/journal").await.to_string()
        + &bed.get_control("/v1/counters").await.to_string();
    assert_eq!(bed.journal().await.len(), 3);
    for part in assertion.split('.') {
        assert!(!all.contains(&part[..20]), "{all}");
    }
}
