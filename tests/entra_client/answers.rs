use std::time::Duration;

use defender_tenant_operator::core::errors::{Failure, Retry, Scope};
use defender_tenant_operator::core::reason::Reason;
use defender_tenant_operator::entra::client::ClientCredential;
use serde_json::{Value, json};

use super::lab::{APPLICATION, Lab, SECRET, refused, request};

fn seen(failure: &Failure) -> (Option<u32>, Reason, Scope, Retry) {
    let verdict = failure.verdict;
    (verdict.code, verdict.reason, verdict.scope, verdict.retry)
}

async fn after(lab: &Lab, fault: Value) -> Failure {
    lab.fault("token", fault).await;
    refused(lab.mint(&request()).await)
}

#[tokio::test]
async fn a_wrong_secret_is_the_partners_and_shows_in_no_error() {
    let lab = Lab::new().await;
    let mut request = request();
    request.credential = ClientCredential::Secret("canary".into());
    let failure = refused(lab.mint(&request).await);
    assert_eq!(
        seen(&failure),
        (
            Some(7_000_215),
            Reason::CredentialRejected,
            Scope::Credential,
            Retry::Breaker
        )
    );
    assert!(failure.verdict.may_be_fresh_credential());
    assert!(failure.trace_id.is_some() && failure.server_date.is_some());
    assert!(!format!("{failure:?}").contains("canary"));
    // Microsoft echoes the id that we sent.
    let journal = lab.journal().await;
    assert_eq!(
        journal[0]["correlationId"],
        failure.correlation_id.unwrap().to_string()
    );
}

#[tokio::test]
async fn an_expired_secret_is_told_from_a_wrong_one() {
    let lab = Lab::new().await;
    let expired = json!({"secrets": [{"value": SECRET, "expires": "2020-01-01T00:00:00Z"}]});
    lab.put(&format!("applications/{APPLICATION}"), &expired)
        .await;
    let failure = refused(lab.mint(&request()).await);
    assert_eq!(
        seen(&failure),
        (
            Some(7_000_222),
            Reason::CredentialExpired,
            Scope::Credential,
            Retry::Breaker
        )
    );
}

#[tokio::test]
async fn each_state_of_a_customer_has_its_reason() {
    let lab = Lab::new().await;
    for (state, code, reason, retry) in [
        (
            json!({"consents": {}}),
            7_000_229,
            Reason::ConsentRequired,
            Retry::Consent,
        ),
        (
            json!({"state": "absent"}),
            90_002,
            Reason::TenantNotFound,
            Retry::Slow,
        ),
        (
            json!({"state": "gone"}),
            5_000_224,
            Reason::TenantDeleted,
            Retry::Slow,
        ),
        (
            json!({"resources": []}),
            500_011,
            Reason::ResourceNotInTenant,
            Retry::Slow,
        ),
        (
            json!({"consents": {APPLICATION: {"enabled": false, "roles": {"Endpoint": []}}}}),
            7_000_112,
            Reason::ServicePrincipalDisabled,
            Retry::Slow,
        ),
    ] {
        lab.tenant(state.clone()).await;
        let failure = refused(lab.mint(&request()).await);
        assert_eq!(
            seen(&failure),
            (Some(code), reason, Scope::Tenant, retry),
            "{state}"
        );
    }
}

#[tokio::test]
async fn a_tenant_that_never_was_is_not_found() {
    let lab = Lab::new().await;
    let mut request = request();
    request.tenant = "11111111-2222-4333-8444-555555555555".parse().unwrap();
    let failure = refused(lab.mint(&request).await);
    assert_eq!(
        seen(&failure),
        (
            Some(90_002),
            Reason::TenantNotFound,
            Scope::Tenant,
            Retry::Slow
        )
    );
}

#[tokio::test]
async fn throttling_waits_as_long_as_microsoft_says_in_whatever_form() {
    let lab = Lab::new().await;
    for (retry_after, wait) in [
        (json!(60), Some(60..=60)),
        (json!(86_400), Some(3600..=3600)),
        (json!("Fri, 31 Dec 2100 00:00:00 GMT"), Some(3600..=3600)),
        (json!("Fri, 31 Dec 1999 00:00:00 GMT"), Some(0..=0)),
        (json!("later"), None),
        (json!(-5), None),
        (json!(null), None),
    ] {
        let fault = json!({"status": 429, "retryAfter": retry_after, "text": "Too Many Requests"});
        let failure = after(&lab, fault).await;
        assert_eq!(
            seen(&failure),
            (None, Reason::Throttled, Scope::Service, Retry::Throttle)
        );
        match (failure.retry_after, wait) {
            (Some(waited), Some(wait)) => {
                assert!(wait.contains(&waited.as_secs()), "{retry_after}");
            }
            (waited, wait) => assert_eq!(waited.is_some(), wait.is_some(), "{retry_after}"),
        }
    }
    let looped = after(&lab, json!({"aadsts": 50196})).await;
    assert_eq!(
        (looped.verdict.reason, looped.verdict.retry),
        (Reason::Throttled, Retry::Throttle)
    );
    assert_eq!(looped.retry_after, Some(Duration::from_mins(1)));
}

#[tokio::test]
async fn what_is_no_answer_of_the_token_endpoint_is_retried_and_blamed_on_nobody() {
    let lab = Lab::new().await;
    for (fault, detail) in [
        (json!({"body": "html"}), "A web page came instead"),
        (
            json!({"body": "empty"}),
            "The answer isn't one of the token endpoint",
        ),
        (json!({"body": "truncated"}), "The answer ended early"),
        (json!({"body": "huge"}), "The answer was too large"),
        (json!({"status": 407, "text": "x"}), "The proxy refused"),
        (
            json!({"status": 502, "text": "Bad Gateway"}),
            "A gateway's failure",
        ),
        (
            json!({"status": 503, "text": "x"}),
            "Microsoft's sign-in service failed",
        ),
        (json!({"status": 302, "text": "x"}), "A redirect came"),
        (
            json!({"status": 403, "text": "<html>blocked</html>"}),
            "A web page came instead",
        ),
    ] {
        let failure = after(&lab, fault.clone()).await;
        assert_eq!(
            seen(&failure),
            (
                None,
                Reason::ServiceUnavailable,
                Scope::Service,
                Retry::Transient
            ),
            "{fault}"
        );
        assert!(
            failure.verdict.detail.starts_with(detail),
            "{fault}: {}",
            failure.verdict.detail
        );
        assert!(failure.correlation_id.is_some());
        // And the next one succeeds.
        assert!(lab.mint(&request()).await.is_ok());
    }
    let entries = lab.journal().await;
    assert_eq!(entries.len(), 18, "nothing was asked twice");
}
