//! Every code that a client with a secret can meet.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::bed::{AUDIENCE, Bed, CLIENT, LOGIN, SCOPE, SECRET, TENANT, answer, form, token_url};

const OTHER: &str = "11111111-2222-4333-8444-555555555555";

/// Status, OAuth error and code of an answer; fails if it isn't a whole error document.
pub fn summary((status, body): (u16, Value)) -> (u16, String, u64) {
    let text = |name: &str| {
        body[name]
            .as_str()
            .unwrap_or_else(|| panic!("{name} in {body}"))
            .to_owned()
    };
    let code = body["error_codes"][0].as_u64().unwrap();
    let description = text("error_description");
    assert!(
        description.starts_with(&format!("AADSTS{code}: ")),
        "{description}"
    );
    let tail = format!(
        " Trace ID: {} Correlation ID: {} Timestamp: {}",
        text("trace_id"),
        text("correlation_id"),
        text("timestamp")
    );
    assert!(description.ends_with(&tail), "{description}");
    assert!(text("error_uri").ends_with(&format!("/error?code={code}")));
    (status, text("error"), code)
}

pub fn is(status: u16, error: &str, code: u64) -> (u16, String, u64) {
    (status, error.to_owned(), code)
}

async fn refused(bed: &Bed, changes: &[(&str, &str)]) -> (u16, String, u64) {
    summary(bed.ask_with(LOGIN, TENANT, changes).await)
}

#[tokio::test]
async fn the_error_document_is_whole() {
    let bed = Bed::new().await;
    let id = "8a1c4be0-2d9a-4a58-9c1e-0b2f3d4e5f60";
    let request = bed
        .client
        .post(token_url(LOGIN, TENANT))
        .header("client-request-id", id);
    let response = request
        .form(&form(&[("client_secret", "wrong")]))
        .send()
        .await
        .unwrap();
    let trace = response.headers()["x-ms-request-id"]
        .to_str()
        .unwrap()
        .to_owned();
    let (status, body) = answer(response).await;
    let timestamp = body["timestamp"].as_str().unwrap();
    jiff::fmt::strtime::parse("%Y-%m-%d %H:%M:%SZ", timestamp).unwrap();
    let expected = json!({
        "error": "invalid_client",
        "error_description": format!("AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in \
            the request is the client secret value, not the client secret ID, for a secret added to app '{CLIENT}'. \
            Trace ID: {trace} Correlation ID: {id} Timestamp: {timestamp}"),
        "error_codes": [7_000_215],
        "timestamp": timestamp,
        "trace_id": trace,
        "correlation_id": id,
        "error_uri": "https://login.microsoftonline.com/error?code=7000215",
    });
    assert_eq!((status, body), (401, expected));
}

#[tokio::test]
async fn a_wrong_secret() {
    let bed = Bed::new().await;
    assert_eq!(
        refused(&bed, &[("client_secret", "wrong")]).await,
        is(401, "invalid_client", 7_000_215)
    );
}

#[tokio::test]
async fn a_missing_secret() {
    let bed = Bed::new().await;
    assert_eq!(
        refused(&bed, &[("client_secret", "")]).await,
        is(401, "invalid_client", 7_000_216)
    );
    let half = [
        ("client_secret", ""),
        (
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ),
    ];
    assert_eq!(
        refused(&bed, &half).await,
        is(401, "invalid_client", 7_000_218)
    );
}

#[tokio::test]
async fn secrets_have_a_time() {
    let bed = Bed::new().await;
    for (secret, expected) in [
        (json!({"expires": "2020-01-01T00:00:00Z"}), 7_000_222),
        (json!({"notBefore": "2999-01-01T00:00:00Z"}), 7_000_215),
        (json!({"visibleAfterSeconds": 3600}), 7_000_215),
    ] {
        let mut secret = secret;
        secret["value"] = SECRET.into();
        bed.put_application(json!({"secrets": [secret]})).await;
        assert_eq!(
            refused(&bed, &[]).await,
            is(401, "invalid_client", expected)
        );
    }
}

#[tokio::test]
async fn a_new_secret_becomes_visible() {
    let bed = Bed::new().await;
    let put = Instant::now();
    bed.put_application(json!({"secrets": [{"value": SECRET, "visibleAfterSeconds": 2}]}))
        .await;
    // However slow the machine is: until two seconds after the call no answer is good, and then one is.
    loop {
        let (status, body) = bed.ask().await;
        if status == 200 {
            assert!(put.elapsed() >= Duration::from_secs(2));
            break;
        }
        assert_eq!(summary((status, body)).2, 7_000_215);
        assert!(put.elapsed() < Duration::from_mins(1), "it stays invisible");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn an_unknown_application() {
    let bed = Bed::new().await;
    for id in [OTHER, "not-a-guid"] {
        assert_eq!(
            refused(&bed, &[("client_id", id)]).await,
            is(400, "unauthorized_client", 700_016)
        );
    }
}

#[tokio::test]
async fn no_consent() {
    let bed = Bed::new().await;
    bed.put_tenant(json!({})).await;
    assert_eq!(
        refused(&bed, &[]).await,
        is(401, "invalid_client", 7_000_229)
    );
}

#[tokio::test]
async fn a_disabled_service_principal() {
    let bed = Bed::new().await;
    bed.put_tenant(json!({"consents": {CLIENT: {"enabled": false}}}))
        .await;
    assert_eq!(
        refused(&bed, &[]).await,
        is(400, "unauthorized_client", 7_000_112)
    );
}

#[tokio::test]
async fn a_resource_that_the_tenant_lacks_or_nobody_knows() {
    let bed = Bed::new().await;
    for scope in [
        "https://api.security.microsoft.com/.default",
        "https://example.com/.default",
    ] {
        assert_eq!(
            refused(&bed, &[("scope", scope)]).await,
            is(400, "invalid_resource", 500_011)
        );
    }
    bed.put_tenant(json!({"resources": [], "consents": {CLIENT: []}}))
        .await;
    assert_eq!(
        refused(&bed, &[]).await,
        is(400, "invalid_resource", 500_011)
    );
}

#[tokio::test]
async fn tenants_that_are_none() {
    let bed = Bed::new().await;
    for (tenant, error, code) in [
        (OTHER, "invalid_tenant", 90_002),
        ("contoso.onmicrosoft.com", "invalid_tenant", 90_002),
        ("contoso", "invalid_request", 900_023),
        ("common", "invalid_request", 50_059),
        ("organizations", "invalid_request", 50_059),
        ("consumers", "invalid_request", 9_001_023),
    ] {
        assert_eq!(
            summary(bed.ask_with(LOGIN, tenant, &[]).await),
            is(400, error, code),
            "{tenant}"
        );
    }
    bed.put_tenant(json!({"state": "absent"})).await;
    assert_eq!(refused(&bed, &[]).await, is(400, "invalid_tenant", 90_002));
    bed.put_tenant(json!({"state": "gone"})).await;
    assert_eq!(
        refused(&bed, &[]).await,
        is(400, "invalid_request", 5_000_224)
    );
}

#[tokio::test]
async fn only_the_cloud_separates_tenants_from_login_hosts() {
    let bed = Bed::new().await;
    let government = "https://login.microsoftonline.us";
    for (cloud, public, us) in [
        ("Commercial", 200, 90_002),
        ("GCC", 200, 90_002),
        ("GCCHigh", 900_382, 200),
        ("DoD", 900_382, 200),
    ] {
        bed.put_tenant(json!({"cloud": cloud, "consents": {CLIENT: []}}))
            .await;
        for (host, expected) in [(LOGIN, public), (government, us)] {
            let (status, body) = bed.ask_with(host, TENANT, &[]).await;
            let seen = if status == 200 {
                200
            } else {
                summary((status, body)).2
            };
            assert_eq!(seen, expected, "{cloud} at {host}");
        }
    }
}

#[tokio::test]
async fn scopes_that_are_none() {
    let bed = Bed::new().await;
    for (scope, code) in [
        (
            "https://api.securitycenter.microsoft.com/Alert.Read.All",
            1_002_012,
        ),
        ("https://api.securitycenter.microsoft.com", 1_002_012),
        ("openid profile", 70_011),
        ("https://a/.default https://b/.default", 70_011),
    ] {
        assert_eq!(
            refused(&bed, &[("scope", scope)]).await,
            is(400, "invalid_scope", code),
            "{scope}"
        );
    }
}

#[tokio::test]
async fn a_resource_on_the_v2_endpoint() {
    let bed = Bed::new().await;
    assert_eq!(
        refused(&bed, &[("resource", AUDIENCE)]).await,
        is(400, "invalid_request", 901_002)
    );
}

#[tokio::test]
async fn missing_parameters_are_named() {
    let bed = Bed::new().await;
    for name in ["grant_type", "client_id", "scope"] {
        let (status, body) = bed.ask_with(LOGIN, TENANT, &[(name, "")]).await;
        assert!(
            body["error_description"]
                .as_str()
                .unwrap()
                .contains(&format!("parameter: '{name}'.")),
            "{body}"
        );
        assert_eq!(summary((status, body)), is(400, "invalid_request", 900_144));
    }
    let url = format!("{LOGIN}/{TENANT}/oauth2/token");
    let (status, body) = answer(bed.post_form(&url, &form(&[])).await).await;
    assert!(
        body["error_description"]
            .as_str()
            .unwrap()
            .contains("'resource'"),
        "{body}"
    );
    assert_eq!(summary((status, body)), is(400, "invalid_request", 900_144));
}

#[tokio::test]
async fn another_grant_type() {
    let bed = Bed::new().await;
    let changes = [("grant_type", "device_code")];
    assert_eq!(
        refused(&bed, &changes).await,
        is(400, "unsupported_grant_type", 70_003)
    );
}

#[tokio::test]
async fn another_method_or_content_type() {
    let bed = Bed::new().await;
    let url = token_url(LOGIN, TENANT);
    let get = answer(bed.client.get(&url).send().await.unwrap()).await;
    assert_eq!(summary(get), is(405, "invalid_request", 900_561));
    let body = json!({"grant_type": "client_credentials", "client_id": CLIENT, "client_secret": SECRET, "scope": SCOPE});
    let sent = bed
        .client
        .request(Method::POST, &url)
        .json(&body)
        .send()
        .await
        .unwrap();
    assert_eq!(
        summary(answer(sent).await),
        is(400, "invalid_request", 900_144)
    );
}

/// Tenant, application, credential, service principal, resource: each mistake hides those after it.
#[tokio::test]
async fn the_first_mistake_is_told() {
    let bed = Bed::new().await;
    bed.put_tenant(json!({})).await;
    let mut wrong = vec![
        ("scope", "https://example.com/.default"),
        ("client_secret", "wrong"),
        ("client_id", OTHER),
    ];
    assert_eq!(summary(bed.ask_with(LOGIN, OTHER, &wrong).await).2, 90_002);
    assert_eq!(refused(&bed, &wrong).await.2, 700_016);
    wrong.pop();
    assert_eq!(refused(&bed, &wrong).await.2, 7_000_215);
    wrong.pop();
    assert_eq!(refused(&bed, &wrong).await.2, 7_000_229);
    bed.put_tenant(json!({"consents": {CLIENT: []}})).await;
    assert_eq!(refused(&bed, &wrong).await.2, 500_011);
}
