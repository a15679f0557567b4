use super::*;
use crate::core::errors::retry::MAX_RETRY_AFTER;
use proptest::prelude::*;
use serde_json::json;

const NOW: i64 = 1_793_527_200;
const DATE: &str = "Sun, 01 Nov 2026 10:00:00 GMT";

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

fn read(status: u16, body: &str) -> Result<TokenAnswer, Failure> {
    interpret(status, None, None, Body::Complete(body.as_bytes()), now())
}

fn failure(status: u16, body: &str) -> Failure {
    read(status, body).err().expect("a failure")
}

/// Lifetime, renewal, token.
fn answer(body: &str) -> (u64, Option<u64>, String) {
    let answer = read(200, body).unwrap_or_else(|failure| panic!("{}", failure.verdict.detail));
    (
        answer.expires_in.as_secs(),
        answer.refresh_in.map(|renewal| renewal.as_secs()),
        answer.token.expose().to_owned(),
    )
}

#[test]
fn both_versions_of_the_endpoint_are_understood() {
    // Version 2, as documented.
    let v2 =
        r#"{"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":"a.b.c"}"#;
    assert_eq!(answer(v2), (3599, None, "a.b.c".into()));
    // Version 1: all numbers are strings.
    let v1 = r#"{"token_type":"bearer","expires_in":"3599","ext_expires_in":"0","expires_on":"1793530799","not_before":"1793526900","resource":"https://api.securitycenter.microsoft.com","access_token":"a.b.c"}"#;
    assert_eq!(answer(v1), (3599, None, "a.b.c".into()));
    let renewed = r#"{"token_type":"Bearer","expires_in":86399,"refresh_in":"43199","access_token":"a.b.c","new_field":{"x":[1]}}"#;
    assert_eq!(answer(renewed), (86_399, Some(43_199), "a.b.c".into()));
}

#[test]
fn expires_on_stands_in_for_a_missing_expires_in() {
    for expires_on in [json!(NOW + 900), json!((NOW + 900).to_string())] {
        let body =
            json!({"token_type": "Bearer", "expires_on": expires_on, "access_token": "a.b.c"});
        assert_eq!(answer(&body.to_string()).0, 900);
    }
}

#[test]
fn a_renewal_that_makes_no_sense_is_left_out() {
    for refresh_in in [
        json!(0),
        json!(-1),
        json!(3599),
        json!(99999),
        json!("soon"),
        json!(null),
        json!({}),
    ] {
        let body = json!({"token_type": "Bearer", "expires_in": 3599, "refresh_in": refresh_in, "access_token": "a.b.c"});
        assert_eq!(answer(&body.to_string()).1, None, "{refresh_in}");
    }
}

#[test]
fn a_success_without_a_usable_token_holds_up_that_tenant_alone() {
    let base = json!({"token_type": "Bearer", "expires_in": 3599, "access_token": "a.b.c"});
    let changed = |name: &str, value: Value| {
        let mut body = base.clone();
        body[name] = value;
        body.to_string()
    };
    let no_token = "The answer holds no token that could be used.";
    let no_expiry = "The answer doesn't say when the token expires.";
    let bounds = "The token's lifetime isn't between a second and two days.";
    let unreadable = "The answer of the token endpoint can't be read.";
    for (body, detail) in [
        ("{}".to_owned(), no_token),
        (changed("access_token", json!("")), no_token),
        (changed("access_token", json!("a b")), no_token),
        (changed("access_token", json!("a\r\nX: y")), no_token),
        (changed("access_token", json!("é")), no_token),
        (changed("access_token", json!(5)), unreadable),
        (
            r#"{"access_token":"a","access_token":"b"}"#.to_owned(),
            unreadable,
        ),
        (r#"{"access_token": a}"#.to_owned(), unreadable),
        (
            changed("token_type", json!("pop")),
            "The token isn't a Bearer token.",
        ),
        (
            changed("token_type", json!(null)),
            "The token isn't a Bearer token.",
        ),
        (changed("expires_in", json!(null)), no_expiry),
        (changed("expires_in", json!("soon")), no_expiry),
        (changed("expires_in", json!(0)), bounds),
        (changed("expires_in", json!(-5)), bounds),
        (changed("expires_in", json!(48 * 3600 + 1)), bounds),
        (changed("expires_in", json!("999999999999")), bounds),
    ] {
        let failure = failure(200, &body);
        assert_eq!(failure, Failure::from(malformed(detail)), "{body}");
        assert_eq!(
            (failure.verdict.scope, failure.verdict.retry),
            (Scope::Tenant, Retry::Slow)
        );
    }
}

#[test]
fn the_ids_for_microsofts_support_are_kept_and_no_text() {
    let body = json!({
        "error": "invalid_client",
        "error_description": "AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '0c4f3a52-9d1b-4c3e-8f57-2a6b9e1d4f88'. Trace ID: a Correlation ID: b Timestamp: 2026-11-01 10:00:00Z",
        "error_codes": [7_000_215], "timestamp": "2026-11-01 10:00:00Z",
        "trace_id": "4d3a1c1e-0a63-4dd1-9f3b-2f9d7d0f4d00", "correlation_id": "2b0e6a5c-77a4-4c67-8a5b-6d3c1a9e8f11",
        "error_uri": "https://login.microsoftonline.com/error?code=7000215"
    });
    let body = body.to_string();
    let failure = interpret(
        401,
        None,
        Some(DATE),
        Body::Complete(body.as_bytes()),
        now(),
    )
    .err()
    .unwrap();
    assert_eq!(
        failure.correlation_id.unwrap().to_string(),
        "2b0e6a5c-77a4-4c67-8a5b-6d3c1a9e8f11"
    );
    assert_eq!(
        failure.trace_id.unwrap().to_string(),
        "4d3a1c1e-0a63-4dd1-9f3b-2f9d7d0f4d00"
    );
    assert_eq!(failure.server_date, Some(now()));
    assert_eq!(failure.verdict.code, Some(7_000_215));
    let shown = format!("{failure:?}");
    assert!(
        !shown.contains("0c4f3a52") && !shown.contains("Ensure the secret being sent"),
        "{shown}"
    );
}

#[test]
fn the_code_is_found_wherever_it_stands() {
    for body in [
        json!({"error": "invalid_client", "error_codes": [7_000_229]}),
        json!({"error": "invalid_client", "error_codes": ["7000229"]}),
        json!({"error": "invalid_client", "error_codes": [1, 7_000_229]}),
        json!({"error": "invalid_client", "error_description": "AADSTS7000229: The client application is missing service principal in the tenant."}),
        json!({"error": "invalid_client", "error_codes": [], "error_description": "x AADSTS7000229"}),
        json!({"error": {"code": "x"}, "error_codes": [7_000_229], "trace_id": 5, "correlation_id": "no guid"}),
    ] {
        let failure = failure(401, &body.to_string());
        assert_eq!(failure.verdict.code, Some(7_000_229), "{body}");
        assert_eq!(failure.verdict.reason, Reason::ConsentRequired);
        assert_eq!((failure.trace_id, failure.correlation_id), (None, None));
    }
}

#[test]
fn bodies_that_are_no_json_are_told_apart() {
    let transient = |status, body| {
        let verdict = failure(status, body).verdict;
        assert_eq!(
            (verdict.reason, verdict.scope, verdict.retry),
            (Reason::ServiceUnavailable, Scope::Service, Retry::Transient),
            "{status} {body}"
        );
        verdict.detail
    };
    for (status, body, detail) in [
        (200, "<html>", "A web page came instead"),
        (
            200,
            "  \n<!DOCTYPE html><html></html>",
            "A web page came instead",
        ),
        (403, "<HTML>blocked</HTML>", "A web page came instead"),
        (503, "<html></html>", "A web page came instead"),
        (200, "", "The answer isn't one of the token endpoint"),
        (204, "", "The answer isn't one of the token endpoint"),
        (200, "ok", "The answer isn't one of the token endpoint"),
        (200, r#"{"access_token":"a.b"#, "The answer ended early"),
        (401, r#"{"error":"invalid_cl"#, "The answer ended early"),
        (500, "", "Microsoft's sign-in service failed"),
        (
            503,
            "Service Unavailable",
            "Microsoft's sign-in service failed",
        ),
        (408, "", "Microsoft's sign-in service failed"),
        (502, "", "A gateway's failure"),
        (504, "upstream", "A gateway's failure"),
        (407, "<html></html>", "The proxy refused"),
        (302, "", "A redirect came"),
        (
            403,
            "no",
            "The request was refused without an error of Microsoft's",
        ),
        (
            400,
            "[1]",
            "The request was refused without an error of Microsoft's",
        ),
        (
            400,
            "",
            "The request was refused without an error of Microsoft's",
        ),
    ] {
        assert!(
            transient(status, body).starts_with(detail),
            "{status} {body}"
        );
    }
    for (body, detail) in [
        (Body::Truncated, "The answer ended early."),
        (Body::TooLarge, "The answer was too large"),
    ] {
        for status in [200, 400] {
            let verdict = interpret(status, None, None, body, now())
                .err()
                .unwrap()
                .verdict;
            assert!(verdict.detail.starts_with(detail));
            assert_eq!(verdict.retry, Retry::Transient);
        }
    }
}

#[test]
fn a_byte_order_mark_is_skipped() {
    let body = "\u{feff}{\"token_type\":\"Bearer\",\"expires_in\":3599,\"access_token\":\"a.b.c\"}";
    assert_eq!(answer(body).0, 3599);
    assert_eq!(
        failure(400, "\u{feff}{\"error\":\"invalid_tenant\"}")
            .verdict
            .reason,
        Reason::TenantNotFound
    );
}

#[test]
fn the_plain_text_429_throttles_for_as_long_as_it_says() {
    for (header, wait) in [
        (Some("60"), Some(60)),
        (Some("Sun, 01 Nov 2026 10:02:00 GMT"), Some(120)),
        (Some("7200"), Some(3600)),
        (Some("later"), None),
        (None, None),
    ] {
        let failure = interpret(
            429,
            header,
            Some(DATE),
            Body::Complete(b"Too Many Requests"),
            now(),
        )
        .err()
        .unwrap();
        assert_eq!(failure.retry_after, wait.map(Duration::from_secs));
        assert_eq!(
            (failure.verdict.reason, failure.verdict.retry),
            (Reason::Throttled, Retry::Throttle)
        );
        assert_eq!(failure.server_date, Some(now()));
    }
}

#[test]
fn a_503_that_says_when_to_come_back_is_obeyed_and_a_rejected_secret_is_not() {
    let body = Body::Complete(b"");
    let busy = interpret(503, Some("90"), None, body, now()).err().unwrap();
    assert_eq!(
        (busy.verdict.reason, busy.verdict.retry),
        (Reason::ServiceUnavailable, Retry::Throttle)
    );
    assert_eq!(busy.retry_after, Some(Duration::from_secs(90)));
    let body = Body::Complete(br#"{"error":"invalid_client","error_codes":[7000215]}"#);
    let wrong = interpret(401, Some("90"), None, body, now()).err().unwrap();
    assert_eq!(
        (wrong.verdict.reason, wrong.verdict.retry),
        (Reason::CredentialRejected, Retry::Breaker)
    );
}

#[test]
fn clocks_that_differ_by_more_than_two_minutes_are_told() {
    let at = |seconds: i64| Some(Timestamp::from_second(NOW + seconds).unwrap());
    for (server, skew) in [
        (0, None),
        (120, None),
        (-120, None),
        (121, Some(-121)),
        (-600, Some(600)),
    ] {
        assert_eq!(
            clock_skew(at(server), now()),
            skew.map(SignedDuration::from_secs)
        );
    }
    assert_eq!(clock_skew(None, now()), None);
}

proptest! {
    #[test]
    fn no_answer_panics_and_no_wait_is_longer_than_an_hour(
        status: u16, header in proptest::option::of(".*"), date in proptest::option::of(".*"), body: Vec<u8>,
    ) {
        if let Err(failure) = interpret(status, header.as_deref(), date.as_deref(), Body::Complete(&body), now()) {
            prop_assert!(failure.retry_after.is_none_or(|wait| wait <= MAX_RETRY_AFTER));
        }
    }

    #[test]
    fn no_json_object_panics(status in 200_u16..600, body in r#"\{("(error|error_codes|expires_in|access_token|error_description)":("[a-zA-Z0-9]{0,9}"|-?[0-9]{1,25}|\[[0-9]{1,12}\]|null),?){0,4}\}"#) {
        let _ = read(status, &body);
    }
}
