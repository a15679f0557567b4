//! Everything that can be made to go wrong.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::bed::{API, Bed, CLIENT, LOGIN, TENANT, answer, claims, form, now, token_url};

const OTHER: &str = "11111111-2222-4333-8444-555555555555";

#[tokio::test]
async fn a_fault_happens_as_often_as_asked() {
    let bed = Bed::new().await;
    bed.fault(json!({"times": 2, "fault": {"aadsts": 7_000_222}}))
        .await;
    let codes = [bed.ask().await, bed.ask().await, bed.ask().await]
        .map(|(_, body)| body["error_codes"][0].clone());
    assert_eq!(codes, [json!(7_000_222), json!(7_000_222), Value::Null]);
}

#[tokio::test]
async fn a_fault_without_times_stays_until_it_is_cleared() {
    let bed = Bed::new().await;
    bed.fault(json!({"fault": {"aadsts": 90_033}})).await;
    for _ in 0..3 {
        assert_eq!(bed.ask().await.0, 503);
    }
    let cleared = bed
        .control_request(Method::DELETE, "/v1/faults")
        .send()
        .await
        .unwrap();
    assert_eq!(cleared.status(), StatusCode::NO_CONTENT);
    assert_eq!(bed.ask().await.0, 200);
}

#[tokio::test]
async fn one_fault_can_be_removed() {
    let bed = Bed::new().await;
    let first = bed.fault(json!({"fault": {"aadsts": 90_033}})).await;
    bed.fault(json!({"fault": {"aadsts": 7_000_215}})).await;
    let path = format!("/v1/faults/{first}");
    assert_eq!(
        bed.control_request(Method::DELETE, &path)
            .send()
            .await
            .unwrap()
            .status(),
        204
    );
    assert_eq!(bed.ask().await.0, 401);
    assert_eq!(
        bed.control_request(Method::DELETE, &path)
            .send()
            .await
            .unwrap()
            .status(),
        404
    );
}

#[tokio::test]
async fn a_match_narrows() {
    let bed = Bed::new().await;
    for matching in [
        json!({"tenant": OTHER}),
        json!({"client": OTHER}),
        json!({"endpoint": "discovery"}),
        json!({"tenant": TENANT, "client": CLIENT, "endpoint": "api"}),
    ] {
        bed.fault(json!({"match": matching, "fault": {"status": 500}}))
            .await;
    }
    assert_eq!(bed.ask().await.0, 200);
    bed.fault(json!({"match": {"tenant": TENANT, "client": CLIENT, "endpoint": "token"}, "fault": {"status": 500}})).await;
    assert_eq!(bed.ask().await.0, 500);
}

#[tokio::test]
async fn codes_have_their_status_error_and_extras() {
    let bed = Bed::new().await;
    for (code, status, error) in [
        (7_000_215, 401, "invalid_client"),
        (7_000_222, 401, "invalid_client"),
        (700_027, 401, "invalid_client"),
        (700_016, 400, "unauthorized_client"),
        (7_000_229, 401, "invalid_client"),
        (7_000_112, 400, "unauthorized_client"),
        (500_011, 400, "invalid_resource"),
        (90_002, 400, "invalid_tenant"),
        (53_003, 400, "invalid_grant"),
        (65_001, 400, "invalid_grant"),
        (90_033, 503, "temporarily_unavailable"),
        (90_055, 429, "temporarily_unavailable"),
        (90_041, 500, "server_error"),
    ] {
        bed.fault_once(json!({"aadsts": code})).await;
        let (seen, body) = bed.ask().await;
        assert_eq!(
            (seen, &body["error"], &body["error_codes"]),
            (status, &json!(error), &json!([code])),
            "{body}"
        );
        match code {
            53_003 => {
                assert_eq!(body["suberror"], "message_only");
                let claims: Value = serde_json::from_str(body["claims"].as_str().unwrap()).unwrap();
                assert!(claims["access_token"]["capolids"]["values"][0].is_string());
            }
            65_001 => assert_eq!(body["suberror"], "consent_required"),
            _ => assert_eq!((body.get("suberror"), body.get("claims")), (None, None)),
        }
    }
}

/// All that a client must be able to tell apart.
const CODES: [u32; 65] = [
    7_000_215, 7_000_222, 7_000_218, 7_000_216, 70_002, 700_027, 700_024, 50_012, 50_027,
    5_002_730, 70_021, 700_211, 700_212, 700_213, 700_223, 700_238, 700_236, 700_229, 900_612,
    50_166, 700_025, 700_016, 7_000_229, 700_011, 70_001, 7_000_112, 1_000_031, 65_001, 65_004,
    650_051, 650_052, 650_056, 650_057, 90_094, 90_095, 90_099, 500_011, 50_001, 500_014, 501_051,
    70_011, 1_002_012, 901_002, 90_002, 900_023, 50_059, 50_128, 9_001_023, 5_000_224, 90_038,
    900_432, 900_382, 900_383, 900_384, 53_003, 530_032, 530_035, 90_055, 90_033, 90_006, 90_012,
    90_024, 90_090, 50_033, 90_041,
];

#[tokio::test]
async fn every_code_can_be_asked_for() {
    let bed = Bed::new().await;
    for code in CODES.into_iter().chain([90_036, 1_002_016]) {
        bed.fault_once(json!({"aadsts": code})).await;
        let (status, body) = bed.ask().await;
        assert!(
            status >= 400 && body["error_codes"] == json!([code]),
            "{code}: {body}"
        );
        let description = body["error_description"].as_str().unwrap();
        assert!(
            description.starts_with(&format!("AADSTS{code}: ")),
            "{description}"
        );
        assert!(!description.contains('{'), "{description}");
    }
    let outcomes = bed.get_control("/v1/counters").await["token"].clone();
    assert_eq!(outcomes.as_object().unwrap().len(), CODES.len() + 2);
}

#[tokio::test]
async fn a_code_that_nobody_has_written_down_is_played_as_well() {
    let bed = Bed::new().await;
    for (fault, expected) in [
        (json!({"aadsts": 7_999_999}), (401, "invalid_client")),
        (
            json!({"aadsts": 7_999_999, "error": "brand_new"}),
            (401, "brand_new"),
        ),
        (
            json!({"aadsts": 7_999_999, "error": "invalid_grant", "status": 400}),
            (400, "invalid_grant"),
        ),
        // A known one can be bent too.
        (
            json!({"aadsts": 7_000_215, "status": 400}),
            (400, "invalid_client"),
        ),
    ] {
        let code = fault["aadsts"].clone();
        bed.fault_once(fault).await;
        let (status, body) = bed.ask().await;
        assert_eq!((status, body["error"].as_str().unwrap()), expected);
        assert_eq!(body["error_codes"], json!([code]));
        let description = body["error_description"].as_str().unwrap();
        assert!(
            description.starts_with(&format!("AADSTS{code}: ")),
            "{description}"
        );
        for name in ["timestamp", "trace_id", "correlation_id", "error_uri"] {
            assert!(body[name].is_string(), "{name} in {body}");
        }
    }
    assert_eq!(
        bed.get_control("/v1/counters").await["token"],
        json!({"AADSTS7999999": 3, "AADSTS7000215": 1})
    );
}

#[tokio::test]
async fn a_request_loop_is_answered_in_plain_text() {
    let bed = Bed::new().await;
    bed.fault_once(json!({"aadsts": 50_196})).await;
    let response = bed.post_form(&token_url(LOGIN, TENANT), &form(&[])).await;
    assert_eq!(
        (response.status(), &response.headers()["retry-after"]),
        (StatusCode::TOO_MANY_REQUESTS, &"60".parse().unwrap())
    );
    assert_eq!(answer(response).await.1, json!("Too Many Requests"));
}

#[tokio::test]
async fn a_status_has_the_text_and_retry_after_that_were_asked_for() {
    let bed = Bed::new().await;
    for (retry_after, header) in [
        (json!(60), "60"),
        (
            json!("Wed, 21 Oct 2026 07:28:00 GMT"),
            "Wed, 21 Oct 2026 07:28:00 GMT",
        ),
        (json!("soon"), "soon"),
        (json!(-1), "-1"),
    ] {
        bed.fault_once(json!({"status": 429, "retryAfter": retry_after, "text": "slow down"}))
            .await;
        let response = bed.post_form(&token_url(LOGIN, TENANT), &form(&[])).await;
        assert_eq!(response.headers()["retry-after"], header);
        assert_eq!(
            response.headers()["content-type"],
            "text/plain; charset=utf-8"
        );
        assert_eq!(answer(response).await, (429, json!("slow down")));
    }
    bed.fault_once(json!({"status": 503})).await;
    let response = bed.post_form(&token_url(LOGIN, TENANT), &form(&[])).await;
    assert!(!response.headers().contains_key("retry-after"));
    assert_eq!(answer(response).await, (503, json!("Service Unavailable")));
}

#[tokio::test]
async fn a_status_of_the_api_has_defenders_body() {
    let bed = Bed::new().await;
    let token = bed.token().await;
    bed.fault(json!({"match": {"endpoint": "api"}, "times": 1, "fault": {"status": 429, "retryAfter": 7}})).await;
    let response = bed
        .client
        .get(format!("{API}/api/alerts"))
        .bearer_auth(token)
        .send()
        .await
        .unwrap();
    assert_eq!(response.headers()["retry-after"], "7");
    let (status, body) = answer(response).await;
    assert_eq!(
        (status, &body["error"]["code"]),
        (429, &json!("TooManyRequests"))
    );
}

#[tokio::test]
async fn latency_delays_and_lets_a_later_fault_through() {
    let bed = Bed::new().await;
    bed.fault(json!({"times": 2, "fault": {"latencyMs": 400}}))
        .await;
    bed.fault(json!({"times": 1, "fault": {"status": 500}}))
        .await;
    for expected in [500, 200] {
        let start = Instant::now();
        assert_eq!(bed.ask().await.0, expected);
        assert!(start.elapsed() >= Duration::from_millis(400));
    }
    let start = Instant::now();
    assert_eq!(bed.ask().await.0, 200);
    assert!(start.elapsed() < Duration::from_millis(400));
}

#[tokio::test]
async fn a_reset_ends_the_connection_without_an_answer() {
    let bed = Bed::new().await;
    bed.fault_once(json!({"reset": true})).await;
    let error = bed
        .client
        .post(token_url(LOGIN, TENANT))
        .form(&form(&[]))
        .send()
        .await
        .unwrap_err();
    assert!(!error.is_timeout() && error.is_request(), "{error:?}");
    assert_eq!(bed.journal().await[0]["outcome"], "reset");
    assert_eq!(bed.ask().await.0, 200);
}

#[tokio::test]
async fn bodies_that_are_no_answer() {
    let bed = Bed::new().await;
    bed.fault_once(json!({"body": "html"})).await;
    let response = bed.post_form(&token_url(LOGIN, TENANT), &form(&[])).await;
    assert_eq!(
        response.headers()["content-type"],
        "text/html; charset=utf-8"
    );
    let (status, body) = answer(response).await;
    assert!(
        status == 200 && body.as_str().unwrap().starts_with("<!DOCTYPE html>"),
        "{body}"
    );

    bed.fault_once(json!({"body": "empty"})).await;
    assert_eq!(bed.ask().await, (200, json!("")));

    bed.fault_once(json!({"body": "truncated"})).await;
    let (status, body) = bed.ask().await;
    assert!(
        status == 200 && body.as_str().unwrap().starts_with("{\"token_type\""),
        "{body}"
    );
}

#[tokio::test]
async fn a_huge_body_is_64_mib() {
    let bed = Bed::new().await;
    bed.fault_once(json!({"body": "huge"})).await;
    let mut response = bed.post_form(&token_url(LOGIN, TENANT), &form(&[])).await;
    let mut length = 0;
    while let Some(chunk) = response.chunk().await.unwrap() {
        length += chunk.len();
    }
    assert_eq!(length, 64 * 1024 * 1024);
}

#[tokio::test]
async fn a_slow_body_drips() {
    let bed = Bed::new().await;
    bed.fault_once(json!({"body": "slow"})).await;
    let mut response = bed.post_form(&token_url(LOGIN, TENANT), &form(&[])).await;
    assert_eq!(response.status(), 200);
    assert!(response.content_length().unwrap() > 1000);
    assert_eq!(response.chunk().await.unwrap().unwrap(), "{");
    let next = tokio::time::timeout(Duration::from_millis(500), response.chunk()).await;
    assert!(next.is_err(), "{next:?}");
}

#[tokio::test]
async fn claims_are_replaced_and_removed_and_still_signed() {
    let bed = Bed::new().await;
    bed.fault_once(json!({"claims": {"tid": OTHER, "aud": "https://example.com", "roles": null}}))
        .await;
    let token = bed.token().await;
    let claims = claims(&token);
    assert_eq!(
        (&claims["tid"], &claims["aud"]),
        (&json!(OTHER), &json!("https://example.com"))
    );
    assert_eq!(claims.get("roles"), None);
    assert_eq!(claims["appid"], CLIENT);
    let (_, keys) = bed
        .get_api(&format!("{LOGIN}/common/discovery/keys"), "")
        .await;
    let keys: jsonwebtoken::jwk::JwkSet = serde_json::from_value(keys).unwrap();
    let key = jsonwebtoken::DecodingKey::from_jwk(&keys.keys[0]).unwrap();
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
    validation.validate_aud = false;
    jsonwebtoken::decode::<Value>(&token, &key, &validation).unwrap();
}

#[tokio::test]
async fn a_skewed_clock_moves_the_date_and_the_tokens_times() {
    let bed = Bed::new().await;
    bed.put("/v1/tokens", json!({"lifetimeSeconds": 3599}))
        .await;
    for skew in [7200, -7200] {
        bed.fault_once(json!({"clockSkewSeconds": skew})).await;
        let response = bed.post_form(&token_url(LOGIN, TENANT), &form(&[])).await;
        let date = response.headers()["date"].to_str().unwrap().to_owned();
        let date = httpdate::parse_http_date(&date)
            .unwrap()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap();
        let (_, body) = answer(response).await;
        let claims = claims(body["access_token"].as_str().unwrap());
        let expected = now() + skew;
        for seen in [
            date.as_secs().try_into().unwrap(),
            claims["exp"].as_i64().unwrap() - 3600,
            claims["iat"].as_i64().unwrap() + 300,
        ] {
            assert!((seen - expected).abs() <= 2, "{seen} instead of {expected}");
        }
        assert_eq!(body["expires_in"], 3599);
    }
}

#[tokio::test]
async fn faults_also_meet_discovery_and_the_api() {
    let bed = Bed::new().await;
    let token = bed.token().await;
    let configuration = format!("{LOGIN}/{TENANT}/v2.0/.well-known/openid-configuration");
    bed.fault(json!({"match": {"endpoint": "discovery"}, "times": 1, "fault": {"aadsts": 90_002}}))
        .await;
    bed.fault(json!({"match": {"endpoint": "api"}, "times": 1, "fault": {"body": "html"}}))
        .await;
    assert_eq!(
        bed.get_api(&configuration, "").await.1["error_codes"],
        json!([90_002])
    );
    assert_eq!(bed.get_api(&configuration, "").await.0, 200);
    let (_, body) = bed.get_api(&format!("{API}/api/alerts"), &token).await;
    assert!(body.as_str().unwrap().starts_with("<!DOCTYPE"));
}
