//! Defender XDR's calls.

use serde_json::json;

use crate::bed::{API, Bed, CLIENT, LOGIN, SECRET, TENANT};

const ROLES: [&str; 2] = ["Incident.Read.All", "AdvancedHunting.Read.All"];

async fn bed() -> (Bed, String) {
    let bed = Bed::granting(&ROLES).await;
    let token = bed.token_for(LOGIN, API).await;
    (bed, token)
}

#[tokio::test]
async fn incidents_are_the_tenants_alerts() {
    let bed = Bed::granting(&["Incident.Read.All", "Alert.Read.All"]).await;
    let token = bed.token_for(LOGIN, API).await;
    let (status, list) = bed.get_api(&format!("{API}/api/incidents"), &token).await;
    assert_eq!(status, 200, "{list}");
    assert_eq!(
        list["@odata.context"],
        format!("{API}/api/$metadata#Incidents")
    );
    let incidents = list["value"].as_array().unwrap();
    let (_, alerts) = bed
        .get_api(&format!("{API}/api/alerts"), &bed.token().await)
        .await;
    let of_alerts: Vec<_> = alerts["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|alert| (&alert["incidentId"], &alert["id"]))
        .collect();
    let of_incidents: Vec<_> = incidents
        .iter()
        .map(|incident| (&incident["incidentId"], &incident["alerts"][0]["alertId"]))
        .collect();
    assert_eq!(of_incidents, of_alerts);

    let (status, page) = bed
        .get_api(&format!("{API}/api/v1.0/incidents?$top=2&$skip=1"), &token)
        .await;
    assert_eq!(status, 200);
    assert_eq!(page["value"].as_array().unwrap(), &incidents[1..3]);
    let (status, _) = bed
        .get_api(&format!("{API}/api/incidents?$top=101"), &token)
        .await;
    assert_eq!(status, 400);

    let id = incidents[3]["incidentId"].as_u64().unwrap();
    let url = format!("{API}/api/incidents/{id}");
    let (status, mut one) = bed.get_api(&url, &token).await;
    assert_eq!(status, 200);
    let context = one.as_object_mut().unwrap().remove("@odata.context");
    assert!(context.is_some());
    assert_eq!(one, incidents[3]);
    let (status, body) = bed
        .get_api(&format!("{API}/api/incidents/99"), &token)
        .await;
    assert_eq!(
        (status, &body["error"]["code"]),
        (404, &json!("ResourceNotFound"))
    );
}

#[tokio::test]
async fn hunting_is_plan_2s() {
    let (bed, token) = bed().await;
    let url = format!("{API}/api/advancedhunting/run");
    let query = json!({"Query": "AlertInfo"});
    let (status, body) = bed.post_api(&url, &token, &query).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["Schema"][1]["Name"], "AlertId");
    assert_eq!(body["Results"].as_array().unwrap().len(), 8);
    for plan in ["Plan1", "Business"] {
        bed.put_tenant(json!({"plan": plan, "consents": {CLIENT: ROLES}}))
            .await;
        let (status, body) = bed.post_api(&url, &token, &query).await;
        assert_eq!(
            (status, &body["error"]["code"]),
            (403, &json!("DisabledFeature"))
        );
        let incidents = bed.get_api(&format!("{API}/api/incidents"), &token).await;
        assert_eq!(incidents.0, 200);
    }
}

#[tokio::test]
async fn roles_are_named_and_a_write_role_is_enough() {
    let bed = Bed::granting(&["Incident.ReadWrite.All"]).await;
    let token = bed.token_for(LOGIN, API).await;
    let incidents = bed.get_api(&format!("{API}/api/incidents"), &token).await;
    assert_eq!(incidents.0, 200);
    let url = format!("{API}/api/advancedhunting/run");
    let (status, body) = bed.post_api(&url, &token, &json!({"Query": "x"})).await;
    assert_eq!(
        (status, &body["error"]["message"]),
        (
            403,
            &json!(
                "Missing application roles. API required roles: AdvancedHunting.Read.All, \
                 application roles: Incident.ReadWrite.All."
            )
        )
    );
}

#[tokio::test]
async fn incidents_have_a_limit_of_their_own() {
    let (bed, token) = bed().await;
    let url = format!("{API}/api/incidents?$top=1");
    for _ in 0..50 {
        assert_eq!(bed.get_api(&url, &token).await.0, 200);
    }
    let (status, body) = bed.get_api(&url, &token).await;
    assert_eq!(
        (status, &body["error"]["code"]),
        (429, &json!("TooManyRequests"))
    );
    let hunting = format!("{API}/api/advancedhunting/run");
    let query = json!({"Query": "DeviceInfo"});
    assert_eq!(bed.post_api(&hunting, &token, &query).await.0, 200);
}

#[tokio::test]
async fn only_the_cloud_separates() {
    let bed = Bed::with_config(json!({"applications": {CLIENT: {"secrets": [SECRET]}}})).await;
    let (public, us) = (LOGIN, "https://login.microsoftonline.us");
    let commercial = [
        "api.security.microsoft.com",
        "eu.api.security.microsoft.com",
    ];
    let (gcc, gov) = (
        ["api-gcc.security.microsoft.us"],
        ["api-gov.security.microsoft.us"],
    );
    for (cloud, login, audience, own) in [
        (
            "Commercial",
            public,
            "https://api.security.microsoft.com",
            &commercial[..],
        ),
        ("GCC", public, "https://api-gcc.security.microsoft.us", &gcc),
        ("GCCHigh", us, "https://api-gov.security.microsoft.us", &gov),
        ("DoD", us, "https://api-gov.security.microsoft.us", &gov),
    ] {
        let tenant = json!({"cloud": cloud, "consents": {CLIENT: ROLES}});
        bed.put(&format!("/v1/tenants/{TENANT}"), tenant).await;
        let token = bed.token_for(login, audience).await;
        for host in commercial.iter().chain(&gcc).chain(&gov) {
            let url = format!("https://{host}/api/incidents?$top=1");
            let (status, _) = bed.get_api(&url, &token).await;
            let expected = if own.contains(host) { 200 } else { 401 };
            assert_eq!(status, expected, "{cloud} at {host}");
        }
    }
}
