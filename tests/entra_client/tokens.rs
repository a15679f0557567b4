use defender_tenant_operator::api::cloud::Cloud;
use defender_tenant_operator::core::claims::Mismatch;
use defender_tenant_operator::core::reason::Reason;
use defender_tenant_operator::core::token_response::clock_skew;
use defender_tenant_operator::entra::client::TokenClient;
use serde_json::json;

use super::lab::{APPLICATION, Lab, TENANT, checked, request, request_in};

#[tokio::test]
async fn a_token_comes_with_the_right_secret_whatever_its_characters() {
    let lab = Lab::new().await;
    let request = request();
    let minted = lab
        .mint(&request)
        .await
        .unwrap_or_else(|failure| panic!("{failure:?}"));
    let checked = checked(&request, &minted).unwrap();
    assert_eq!(checked.roles, ["Alert.Read.All", "Machine.Read.All"]);
    assert!(checked.uti.is_some());
    assert!(checked.expires_at > minted.received_at);
    assert_eq!(
        clock_skew(minted.answer.server_date, minted.received_at),
        None
    );
    // One mint is one request, found again by the id that we gave it.
    let journal = lab.journal().await;
    assert_eq!(journal.len(), 1, "{journal:?}");
    assert_eq!(journal[0]["outcome"], "ok");
    assert_eq!(journal[0]["host"], "login.microsoftonline.com");
    assert_eq!(journal[0]["tenant"], TENANT);
    assert_eq!(journal[0]["client"], APPLICATION);
    assert_eq!(
        journal[0]["correlationId"],
        minted.correlation_id.to_string()
    );
}

#[tokio::test]
async fn every_cloud_has_its_authority_and_its_audience() {
    let lab = Lab::new().await;
    for cloud in Cloud::ALL {
        lab.tenant(json!({"cloud": cloud.as_str()})).await;
        let request = request_in(*cloud);
        let minted = lab
            .mint(&request)
            .await
            .unwrap_or_else(|failure| panic!("{cloud} {failure:?}"));
        assert!(checked(&request, &minted).is_ok(), "{cloud}");
    }
}

#[tokio::test]
async fn one_client_mints_many_tokens_at_once() {
    let lab = Lab::new().await;
    let client = TokenClient::new(lab.http());
    let request = request();
    let all = (0..20).map(|_| client.mint(&request));
    for minted in futures::future::join_all(all).await {
        assert!(minted.is_ok());
    }
}

#[tokio::test]
async fn a_token_for_somebody_else_is_seen() {
    let lab = Lab::new().await;
    let other = "11111111-2222-4333-8444-555555555555";
    for (claims, mismatch) in [
        (json!({"tid": other}), Mismatch::Tenant),
        (
            json!({"aud": "https://graph.microsoft.com"}),
            Mismatch::Audience,
        ),
        (json!({"appid": other}), Mismatch::Application),
        (json!({"scp": "x"}), Mismatch::Delegated),
        (json!({"exp": 1}), Mismatch::Expired),
        (json!({"tid": null}), Mismatch::Undecodable),
    ] {
        lab.fault("token", json!({"claims": claims})).await;
        let request = request();
        let minted = lab
            .mint(&request)
            .await
            .unwrap_or_else(|failure| panic!("{failure:?}"));
        assert_eq!(checked(&request, &minted), Err(mismatch), "{claims}");
    }
}

#[tokio::test]
async fn a_clock_that_is_off_is_named() {
    let lab = Lab::new().await;
    for seconds in [600, -600] {
        lab.fault("token", json!({"clockSkewSeconds": seconds}))
            .await;
        let request = request();
        let minted = lab
            .mint(&request)
            .await
            .unwrap_or_else(|failure| panic!("{failure:?}"));
        let skew = clock_skew(minted.answer.server_date, minted.received_at);
        let ahead = skew.expect("ten minutes are too much").as_secs();
        assert!((ahead + seconds).abs() < 30, "{ahead} s");
        assert_eq!(checked(&request, &minted), Err(Mismatch::ExpiryDisagrees));
        assert_eq!(Mismatch::ExpiryDisagrees.reason(skew), Reason::ClockSkew);
    }
}
