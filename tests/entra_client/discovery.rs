use std::time::Duration;

use defender_tenant_operator::api::cloud::Cloud;
use defender_tenant_operator::core::discovery::{Answer, Home, Silence};
use defender_tenant_operator::core::ids::LoginHost;
use defender_tenant_operator::entra::clouds;
use defender_tenant_operator::entra::discovery::{DiscoveryClient, Unanswered};
use serde_json::json;

use super::lab::{Lab, TENANT};

const NOBODY: &str = "dead0000-1111-4222-8333-444455556666";

async fn ask(lab: &Lab, login: LoginHost, tenant: &str) -> Result<Answer, Unanswered> {
    DiscoveryClient::new(lab.http())
        .ask(login, tenant.parse().unwrap())
        .await
}

#[tokio::test]
async fn the_worldwide_authority_tells_where_every_tenant_lives() {
    let lab = Lab::new().await;
    let worldwide = clouds::login_host(Cloud::Commercial);
    let government = clouds::login_host(Cloud::GccHigh);
    assert_eq!(clouds::wider(government), Some(worldwide));
    assert_eq!(clouds::wider(worldwide), None);
    for cloud in Cloud::ALL {
        lab.tenant(json!({"cloud": cloud.as_str()})).await;
        let found = Ok(Answer::Found(Home::Cloud(*cloud)));
        assert_eq!(ask(&lab, worldwide, TENANT).await, found, "{cloud}");
        let here = if clouds::login_host(*cloud) == government {
            found
        } else {
            Ok(Answer::NotFound)
        };
        assert_eq!(ask(&lab, government, TENANT).await, here, "{cloud}");
    }
    assert_eq!(ask(&lab, worldwide, NOBODY).await, Ok(Answer::NotFound));
    lab.tenant(json!({"state": "absent"})).await;
    assert_eq!(ask(&lab, worldwide, TENANT).await, Ok(Answer::NotFound));
    lab.tenant(json!({"state": "gone"})).await;
    assert_eq!(ask(&lab, worldwide, TENANT).await, Ok(Answer::Unclear));

    for entry in lab.journal().await {
        assert_eq!(
            (&entry["kind"], &entry["client"]),
            (&json!("discovery"), &json!(null))
        );
    }
}

#[tokio::test]
async fn whatever_is_no_answer_of_microsofts_tells_nothing() {
    let lab = Lab::new().await;
    let login = clouds::login_host(Cloud::Commercial);
    let silent = |silence, seconds: Option<u64>| {
        Err(Unanswered {
            silence,
            retry_after: seconds.map(Duration::from_secs),
        })
    };
    for (fault, expected) in [
        (
            json!({"status": 429, "retryAfter": 7}),
            silent(Silence::Throttled, Some(7)),
        ),
        (json!({"status": 503}), silent(Silence::Unavailable, None)),
        (json!({"reset": true}), silent(Silence::Unavailable, None)),
        (json!({"body": "html"}), silent(Silence::Unavailable, None)),
        (json!({"body": "empty"}), silent(Silence::Unavailable, None)),
        (
            json!({"body": "truncated"}),
            silent(Silence::Unavailable, None),
        ),
        (json!({"body": "huge"}), silent(Silence::Unavailable, None)),
        (json!({"aadsts": 90_002}), Ok(Answer::NotFound)),
    ] {
        lab.fault("discovery", fault.clone()).await;
        assert_eq!(ask(&lab, login, TENANT).await, expected, "{fault}");
    }
    let home = Home::Cloud(Cloud::Commercial);
    assert_eq!(ask(&lab, login, TENANT).await, Ok(Answer::Found(home)));
}
