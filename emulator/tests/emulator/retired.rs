//! The hunting calls that Microsoft takes away.

use serde_json::{Value, json};

use crate::bed::{API, AUDIENCE, Bed, CLIENT, LOGIN, SECRET, TENANT};

const ROLES: [&str; 4] = [
    "Alert.Read.All",
    "AdvancedQuery.Read.All",
    "AdvancedHunting.Read.All",
    "ThreatHunting.Read.All",
];

async fn statuses(bed: &Bed) -> [u16; 6] {
    let graph = "https://graph.microsoft.com";
    let (endpoint, xdr) = (
        bed.token_for(LOGIN, AUDIENCE).await,
        bed.token_for(LOGIN, API).await,
    );
    let hunting = bed.token_for(LOGIN, graph).await;
    let query = json!({"Query": "DeviceInfo"});
    let post = async |url: String, token: &str| bed.post_api(&url, token, &query).await.0;
    [
        post(format!("{API}/api/advancedqueries/run"), &endpoint).await,
        post(format!("{API}/api/v1.0/advancedqueries/run"), &endpoint).await,
        post(format!("{API}/api/advancedhunting/run"), &xdr).await,
        post(format!("{API}/api/advancedhunting/run"), "").await,
        post(format!("{graph}/v1.0/security/runHuntingQuery"), &hunting).await,
        bed.get_api(&format!("{API}/api/alerts"), &endpoint).await.0,
    ]
}

#[tokio::test]
async fn only_hunting_outside_graph_retires() {
    let bed = Bed::granting(&ROLES).await;
    assert_eq!(statuses(&bed).await, [200, 200, 200, 401, 200, 200]);
    bed.put("/v1/features", json!({"huntingRetired": true}))
        .await;
    assert_eq!(statuses(&bed).await, [410, 410, 410, 410, 200, 200]);
    let token = bed.token_for(LOGIN, AUDIENCE).await;
    let url = format!("{API}/api/advancedqueries/run");
    let (_, body) = bed.post_api(&url, &token, &json!({})).await;
    assert_eq!(body["error"]["code"], "Gone");
    let message = body["error"]["message"].as_str().unwrap();
    assert!(message.contains("runHuntingQuery"), "{message}");
    // A PUT replaces what was there.
    bed.put("/v1/features", json!({})).await;
    assert_eq!(statuses(&bed).await, [200, 200, 200, 401, 200, 200]);
}

#[tokio::test]
async fn a_configuration_can_begin_so() {
    let config = |features: Value| {
        json!({
            "applications": {CLIENT: {"secrets": [SECRET]}},
            "tenants": {TENANT: {"consents": {CLIENT: ROLES}}},
            "features": features,
        })
    };
    let bed = Bed::with_config(config(json!({"huntingRetired": true}))).await;
    assert_eq!(statuses(&bed).await[0], 410);
}
