use std::time::Duration;

use defender_tenant_operator::api::cloud::{Cloud, DefenderApi, Region, regions};
use defender_tenant_operator::core::errors::{Failure, Retry, Scope};
use defender_tenant_operator::core::ids::AccessToken;
use defender_tenant_operator::core::reason::Reason;
use defender_tenant_operator::defender::hosts;
use defender_tenant_operator::defender::probe::{Check, Prober, check_for, checks};
use defender_tenant_operator::entra::client::TokenRequest;
use serde_json::json;

use super::lab::{APPLICATION, Lab, checked, request};

/// A token of the customer, and the call that its roles allow.
async fn token(lab: &Lab) -> (AccessToken, Check) {
    let request = request();
    let minted = lab
        .mint(&request)
        .await
        .unwrap_or_else(|failure| panic!("{failure:?}"));
    let roles = checked(&request, &minted).unwrap().roles;
    (
        minted.answer.token,
        check_for(DefenderApi::Endpoint, &roles).unwrap(),
    )
}

async fn probe(
    lab: &Lab,
    region: Region,
    token: &AccessToken,
    check: Check,
) -> Result<(), Failure> {
    let door = hosts::front_door(Cloud::Commercial, DefenderApi::Endpoint, region).unwrap();
    let user_agent = http::HeaderValue::from_static("MdePartner-Example-Soc/1.0");
    Prober::new(lab.http(), user_agent)
        .probe(door.url, check, token)
        .await
}

#[tokio::test]
async fn a_live_token_is_proven_at_every_front_door() {
    let lab = Lab::new().await;
    let (token, check) = token(&lab).await;
    assert_eq!(check.path, "/api/machines?$top=1");
    for region in regions(Cloud::Commercial, DefenderApi::Endpoint) {
        assert_eq!(
            probe(&lab, *region, &token, check).await,
            Ok(()),
            "{region}"
        );
    }
    let hosts: Vec<_> = lab
        .journal()
        .await
        .iter()
        .map(|entry| entry["host"].clone())
        .collect();
    assert_eq!(hosts[1], "api.security.microsoft.com");
    assert_eq!(hosts.last().unwrap(), "aea.api.security.microsoft.com");
}

#[tokio::test]
async fn what_the_api_holds_against_a_token_is_told_apart() {
    let lab = Lab::new().await;
    let (token, check) = token(&lab).await;
    let score = checks(DefenderApi::Endpoint)[2];
    let refused = |failure: Failure| {
        assert_eq!(failure.verdict.scope, Scope::Tenant);
        assert!(failure.correlation_id.is_some());
        failure.verdict.reason
    };
    let outcome = probe(&lab, Region::Global, &token, score).await;
    assert_eq!(refused(outcome.unwrap_err()), Reason::RolesMissing);

    let forged = AccessToken::new(format!("{}x", token.expose()));
    let outcome = probe(&lab, Region::Global, &forged, check).await;
    assert_eq!(refused(outcome.unwrap_err()), Reason::TokenMismatch);

    lab.tenant(json!({"provisioned": false})).await;
    let outcome = probe(&lab, Region::Global, &token, check).await;
    assert_eq!(refused(outcome.unwrap_err()), Reason::NotProvisioned);
}

#[tokio::test]
async fn the_apis_troubles_are_not_the_tokens() {
    let lab = Lab::new().await;
    let (token, check) = token(&lab).await;
    for (fault, outcome) in [
        (
            json!({"status": 429, "retryAfter": 7}),
            (Reason::Throttled, Retry::Throttle, Some(7)),
        ),
        (
            json!({"status": 503}),
            (Reason::ServiceUnavailable, Retry::Transient, None),
        ),
        (
            json!({"reset": true}),
            (Reason::ServiceUnavailable, Retry::Transient, None),
        ),
    ] {
        lab.fault("api", fault.clone()).await;
        let failure = probe(&lab, Region::Eu, &token, check).await.unwrap_err();
        let (reason, retry, wait) = outcome;
        assert_eq!(
            (failure.verdict.reason, failure.verdict.retry),
            (reason, retry),
            "{fault}"
        );
        assert_eq!(
            failure.retry_after,
            wait.map(Duration::from_secs),
            "{fault}"
        );
    }
    // No machine seen lately.
    lab.fault("api", json!({"status": 404})).await;
    assert_eq!(probe(&lab, Region::Eu, &token, check).await, Ok(()));
}

/// Every check of an API, each made with the one role that it needs: what the API answers while all is well, without
/// that role, to a forged token, and where Defender isn't set up.
#[tokio::test]
async fn each_api_says_what_it_holds_against_a_token_in_its_own_words() {
    for api in DefenderApi::ALL {
        for check in checks(*api) {
            let lab = Lab::new().await;
            let http = Prober::new(lab.http(), http::HeaderValue::from_static("x"));
            let url = hosts::global_url(Cloud::Commercial, *api);
            let what = format!("{api} {}", check.path);
            let token = async |role: &str| {
                lab.tenant(json!({"consents": {APPLICATION: {"roles": {api.as_str(): [role]}}}}))
                    .await;
                let request = TokenRequest {
                    audience: hosts::audience(Cloud::Commercial, *api),
                    ..request()
                };
                match lab.mint(&request).await {
                    Ok(minted) => minted.answer.token,
                    Err(failure) => panic!("{failure:?}"),
                }
            };
            let other = token("Something.Else").await;
            let failure = http.probe(url, *check, &other).await.unwrap_err();
            assert_eq!(failure.verdict.reason, Reason::RolesMissing, "{what}");
            assert!(failure.correlation_id.is_some(), "{what}");

            let good = token(check.role).await;
            assert_eq!(http.probe(url, *check, &good).await, Ok(()), "{what}");

            let forged = AccessToken::new(format!("{}x", good.expose()));
            let failure = http.probe(url, *check, &forged).await.unwrap_err();
            assert_eq!(failure.verdict.reason, Reason::TokenMismatch, "{what}");
            assert!(failure.correlation_id.is_some(), "{what}");

            lab.tenant(json!({"provisioned": false, "consents": {APPLICATION: {"roles": {api.as_str(): [check.role]}}}}))
                .await;
            let failure = http.probe(url, *check, &good).await.unwrap_err();
            assert_eq!(failure.verdict.reason, Reason::NotProvisioned, "{what}");
        }
    }
}
