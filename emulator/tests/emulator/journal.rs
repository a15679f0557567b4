//! Journal and counters.

use reqwest::Method;
use serde_json::{Value, json};

use crate::bed::{API, Bed, CLIENT, LOGIN, SECRET, TENANT, answer, form, token_url};

#[tokio::test]
async fn counters_are_by_kind_and_outcome() {
    let bed = Bed::new().await;
    let token = bed.token().await;
    bed.ask_with(LOGIN, TENANT, &[("client_secret", "wrong")])
        .await;
    bed.get_api(&format!("{API}/api/alerts"), &token).await;
    bed.get_api(&format!("{API}/api/exposureScore"), &token)
        .await;
    bed.get_api(
        &format!("{LOGIN}/{TENANT}/v2.0/.well-known/openid-configuration"),
        "",
    )
    .await;
    let expected = json!({
        "token": {"ok": 1, "AADSTS7000215": 1},
        "api": {"ok": 1, "http 403": 1},
        "discovery": {"ok": 1},
        "consent": {},
        "assertions": {"reusedJti": 0},
    });
    assert_eq!(bed.get_control("/v1/counters").await, expected);
}

#[tokio::test]
async fn the_journal_tells_who_asked_for_what_and_how_it_ended() {
    let bed = Bed::new().await;
    let id = "8a1c4be0-2d9a-4a58-9c1e-0b2f3d4e5f60";
    let request = bed
        .client
        .post(token_url(LOGIN, TENANT))
        .header("client-request-id", id)
        .form(&form(&[]));
    let token = answer(request.send().await.unwrap()).await.1["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let request = bed
        .client
        .get(format!("{API}/api/alerts"))
        .bearer_auth(&token)
        .header("client-request-id", id);
    request.send().await.unwrap();
    bed.fault_once(json!({"status": 429})).await;
    bed.ask().await;
    let mut entries = bed.journal().await;
    let last = entries.pop().unwrap();
    assert_eq!(
        (&last["id"], &last["outcome"]),
        (&json!(3), &json!("http 429"))
    );
    let entry = |id: u64, kind: &str, host: &str, at: &Value| {
        json!({
            "id": id, "at": at, "kind": kind, "host": host, "tenant": TENANT, "client": CLIENT, "outcome": "ok",
            "correlationId": "8a1c4be0-2d9a-4a58-9c1e-0b2f3d4e5f60",
        })
    };
    let expected = [
        entry(1, "token", "login.microsoftonline.com", &entries[0]["at"]),
        entry(2, "api", "api.security.microsoft.com", &entries[1]["at"]),
    ];
    assert_eq!(entries, expected);
    let at = entries[0]["at"].as_str().unwrap();
    assert!(
        at.contains('.') && at.ends_with('Z') && at.parse::<jiff::Timestamp>().is_ok(),
        "{at}"
    );
}

#[tokio::test]
async fn the_journal_can_be_continued_and_cleared() {
    let bed = Bed::new().await;
    bed.ask().await;
    bed.ask().await;
    let later = bed.get_control("/v1/journal?after=1").await;
    assert_eq!(
        (later["entries"].as_array().unwrap().len(), &later["next"]),
        (1, &json!(2))
    );
    assert_eq!(
        bed.get_control("/v1/journal?after=2").await,
        json!({"entries": [], "next": 2})
    );
    bed.control_request(Method::DELETE, "/v1/journal")
        .send()
        .await
        .unwrap();
    assert_eq!(
        bed.get_control("/v1/journal").await,
        json!({"entries": [], "next": 2})
    );
    bed.ask().await;
    assert_eq!(bed.journal().await[0]["id"], 3);
    let bad = bed
        .control_request(Method::GET, "/v1/journal?after=x")
        .send()
        .await
        .unwrap();
    assert_eq!(bad.status(), 400);
}

/// Also where a client puts it in the wrong place.
#[tokio::test]
async fn the_journal_and_the_counters_never_hold_a_credential() {
    let bed = Bed::new().await;
    let token = bed.token().await;
    bed.ask_with(LOGIN, TENANT, &[("client_id", SECRET)]).await;
    bed.ask_with(LOGIN, SECRET, &[]).await;
    bed.ask_with(LOGIN, TENANT, &[("scope", SECRET)]).await;
    bed.ask_with(LOGIN, TENANT, &[("grant_type", SECRET)]).await;
    bed.post_form(
        &format!("{}?client_id={SECRET}", token_url(LOGIN, TENANT)),
        &form(&[]),
    )
    .await;
    let basic = bed
        .client
        .post(token_url(LOGIN, TENANT))
        .basic_auth(SECRET, Some(SECRET));
    basic
        .form(&[("grant_type", "client_credentials")])
        .send()
        .await
        .unwrap();
    bed.get_api(
        &format!("{LOGIN}/{TENANT}/adminconsent?client_id={SECRET}"),
        "",
    )
    .await;
    bed.get_api(&format!("{LOGIN}/{SECRET}/{SECRET}"), "").await;
    bed.get_api(&format!("{API}/api/{SECRET}?token={token}"), &token)
        .await;
    bed.get_api(&format!("{API}/api/alerts"), SECRET).await;
    bed.fault_once(json!({"body": "truncated"})).await;
    bed.ask().await;
    let seen = format!(
        "{}{}",
        bed.get_control("/v1/journal").await,
        bed.get_control("/v1/counters").await
    );
    assert!(bed.journal().await.len() >= 12);
    assert!(!seen.contains("canary"), "{seen}");
    for part in token.split('.') {
        assert!(!seen.contains(&part[..20]), "{seen}");
    }
}
