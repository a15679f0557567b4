//! Microsoft Graph's security calls.

use serde_json::{Value, json};

use crate::bed::{Answer, Bed, CLIENT, LOGIN, SECRET, TENANT, answer};

const GRAPH: &str = "https://graph.microsoft.com";
const ALL: [&str; 3] = [
    "SecurityIncident.Read.All",
    "SecurityAlert.Read.All",
    "ThreatHunting.Read.All",
];

async fn bed(roles: &[&str]) -> (Bed, String) {
    let bed = Bed::with_config(json!({
        "applications": {CLIENT: {"secrets": [SECRET]}},
        "tenants": {TENANT: {"resources": ["Graph"], "consents": {CLIENT: roles}}},
    }))
    .await;
    let token = bed.token_for(LOGIN, GRAPH).await;
    (bed, token)
}

/// Status, code and message of an error document, which must be whole.
fn error((status, body): Answer) -> (u16, String, String) {
    let error = body["error"]
        .as_object()
        .unwrap_or_else(|| panic!("{status} {body}"));
    let inner = error["innerError"].as_object().unwrap();
    for id in ["request-id", "client-request-id"] {
        assert_eq!(inner[id].as_str().unwrap().len(), 36, "{body}");
    }
    let date = inner["date"].as_str().unwrap();
    date.parse::<jiff::civil::DateTime>().unwrap();
    assert_eq!((error.len(), inner.len()), (3, 3), "{body}");
    let text = |name: &str| error[name].as_str().unwrap().to_owned();
    (status, text("code"), text("message"))
}

fn is(status: u16, code: &str, message: &str) -> (u16, String, String) {
    (status, code.to_owned(), message.to_owned())
}

#[tokio::test]
async fn incidents_and_alerts_are_listed_paged_and_found() {
    let (bed, token) = bed(&ALL).await;
    for (set, most) in [("incidents", 50), ("alerts_v2", 2000)] {
        let url = format!("{GRAPH}/v1.0/security/{set}");
        let (status, list) = bed.get_api(&url, &token).await;
        assert_eq!(status, 200, "{list}");
        assert_eq!(
            list["@odata.context"],
            format!("{GRAPH}/v1.0/$metadata#security/{set}")
        );
        let all = list["value"].as_array().unwrap();
        assert_eq!(all.len(), 8);
        let (_, page) = bed.get_api(&format!("{url}?$top=1&$skip=2"), &token).await;
        assert_eq!(page["value"].as_array().unwrap(), &all[2..3]);
        let much = bed
            .get_api(&format!("{url}?$top={}", most + 1), &token)
            .await;
        assert_eq!(error(much).1, "BadRequest");
        let filtered = bed.get_api(&format!("{url}?$filter=x"), &token).await;
        assert_eq!(error(filtered).0, 400);

        let id = all[4]["id"].as_str().unwrap();
        let (status, mut one) = bed.get_api(&format!("{url}/{id}"), &token).await;
        assert_eq!(status, 200);
        assert!(
            one.as_object_mut()
                .unwrap()
                .remove("@odata.context")
                .is_some()
        );
        assert_eq!(one, all[4]);
        let none = bed.get_api(&format!("{url}/none"), &token).await;
        assert_eq!(error(none).0, 404);
    }
    let beta = bed
        .get_api(&format!("{GRAPH}/beta/security/incidents"), &token)
        .await
        .1;
    let context = beta["@odata.context"].as_str().unwrap();
    assert!(context.contains("/beta/$metadata"), "{context}");
}

#[tokio::test]
async fn names_and_words_are_graphs() {
    let (bed, token) = bed(&ALL).await;
    let (_, list) = bed
        .get_api(&format!("{GRAPH}/v1.0/security/alerts_v2"), &token)
        .await;
    let last = list["value"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&last["status"], &last["classification"], &last["tenantId"]),
        (&json!("resolved"), &json!("truePositive"), &json!(TENANT))
    );
    assert!(last["createdDateTime"].is_string());
}

#[tokio::test]
async fn hunting_answers_with_schema_and_results() {
    let (bed, token) = bed(&ALL).await;
    let query = json!({"Query": "DeviceInfo"});
    for path in ["v1.0", "beta"] {
        let url = format!("{GRAPH}/{path}/security/runHuntingQuery");
        let (status, body) = bed.post_api(&url, &token, &query).await;
        assert_eq!(status, 200, "{body}");
        assert_eq!(
            body["schema"][1],
            json!({"name": "DeviceId", "type": "String"})
        );
        assert_eq!(body["results"].as_array().unwrap().len(), 5);
    }
    let url = format!("{GRAPH}/v1.0/security/runHuntingQuery");
    assert_eq!(
        error(bed.post_api(&url, &token, &json!({})).await).1,
        "BadRequest"
    );
    for plan in ["Plan1", "Business"] {
        bed.put_tenant(json!({"plan": plan, "resources": ["Graph"], "consents": {CLIENT: ALL}}))
            .await;
        let refused = error(bed.post_api(&url, &token, &query).await);
        assert_eq!((refused.0, refused.1.as_str()), (403, "DisabledFeature"));
    }
}

#[tokio::test]
async fn tokens_that_are_none() {
    let (bed, token) = bed(&ALL).await;
    let url = format!("{GRAPH}/v1.0/security/incidents");
    let (head, signature) = token.rsplit_once('.').unwrap();
    let forged = format!("{head}.{}", signature.chars().rev().collect::<String>());
    let mut seen = Vec::new();
    for token in ["", "nonsense", &forged] {
        let (status, code, message) = error(bed.get_api(&url, token).await);
        assert_eq!((status, code.as_str()), (401, "InvalidAuthenticationToken"));
        seen.push(message);
    }
    assert_eq!(seen[0], "Access token is empty.");
    for (claims, message) in [
        (
            json!({"exp": 1_700_000_000}),
            "Lifetime validation failed, the token is expired.",
        ),
        (
            json!({"aud": "https://api.securitycenter.microsoft.com"}),
            "Access token validation failure. Invalid audience.",
        ),
        (
            json!({"aud": "https://graph.microsoft.us"}),
            "Access token validation failure. Invalid audience.",
        ),
    ] {
        bed.fault_once(json!({"claims": claims})).await;
        let token = bed.token_for(LOGIN, GRAPH).await;
        assert_eq!(
            error(bed.get_api(&url, &token).await),
            is(401, "InvalidAuthenticationToken", message)
        );
    }
    for identifier in [
        "00000003-0000-0000-c000-000000000000",
        "https://graph.microsoft.com/",
    ] {
        let token = bed.token_for(LOGIN, identifier).await;
        assert_eq!(bed.get_api(&url, &token).await.0, 200, "{identifier}");
    }
    let response = bed.client.get(&url).send().await.unwrap();
    let challenge = response.headers()["www-authenticate"].to_str().unwrap();
    assert!(
        challenge.starts_with("Bearer realm=\"\", authorization_uri="),
        "{challenge}"
    );
}

#[tokio::test]
async fn missing_roles_are_named_as_graph_does() {
    let (bed, token) = bed(&["SecurityEvents.Read.All"]).await;
    for (set, required) in [
        (
            "incidents",
            "SecurityIncident.Read.All,SecurityIncident.ReadWrite.All",
        ),
        (
            "alerts_v2",
            "SecurityAlert.Read.All,SecurityAlert.ReadWrite.All,SecurityIncident.Read.All,SecurityIncident.ReadWrite.All",
        ),
    ] {
        let message = format!(
            "Missing application roles. API required roles: {required}, application roles: SecurityEvents.Read.All."
        );
        let url = format!("{GRAPH}/v1.0/security/{set}");
        assert_eq!(
            error(bed.get_api(&url, &token).await),
            is(403, "Forbidden", &message)
        );
    }
    bed.put_tenant(
        json!({"resources": ["Graph"], "consents": {CLIENT: ["SecurityAlert.ReadWrite.All"]}}),
    )
    .await;
    let token = bed.token_for(LOGIN, GRAPH).await;
    assert_eq!(
        bed.get_api(&format!("{GRAPH}/v1.0/security/alerts_v2"), &token)
            .await
            .0,
        200
    );
    assert_eq!(
        bed.get_api(&format!("{GRAPH}/v1.0/security/incidents"), &token)
            .await
            .0,
        403
    );
}

#[tokio::test]
async fn each_cloud_has_its_own_graph() {
    let (bed, _) = bed(&ALL).await;
    let hosts = [
        "graph.microsoft.com",
        "graph.microsoft.us",
        "dod-graph.microsoft.us",
    ];
    for (cloud, login, own) in [
        ("Commercial", "https://login.microsoftonline.com", hosts[0]),
        ("GCC", "https://login.microsoftonline.com", hosts[0]),
        ("GCCHigh", "https://login.microsoftonline.us", hosts[1]),
        ("DoD", "https://login.microsoftonline.us", hosts[2]),
    ] {
        bed.put_tenant(json!({"cloud": cloud, "resources": ["Graph"], "consents": {CLIENT: ALL}}))
            .await;
        for host in hosts {
            // With the right audience for the host, so that only the tenant's cloud decides.
            let token = bed.token_for(login, &format!("https://{host}")).await;
            let url = format!("https://{host}/v1.0/security/incidents?$top=1");
            let (status, _) = bed.get_api(&url, &token).await;
            assert_eq!(
                status,
                if host == own { 200 } else { 401 },
                "{cloud} at {host}"
            );
        }
    }
}

#[tokio::test]
async fn what_is_not_provisioned_or_not_played() {
    let (bed, token) = bed(&ALL).await;
    let url = format!("{GRAPH}/v1.0/security/incidents");
    let users = bed.get_api(&format!("{GRAPH}/v1.0/users"), &token).await;
    assert_eq!(error(users).1, "notImplemented");
    let post = bed.post_api(&url, &token, &json!({})).await;
    assert_eq!(error(post).0, 405);
    bed.put_tenant(json!({"provisioned": false, "consents": {CLIENT: ALL}}))
        .await;
    let none = "Unauthorized request - Account is not provisioned.";
    assert_eq!(
        error(bed.get_api(&url, &token).await),
        is(403, "Forbidden", none)
    );
}

#[tokio::test]
async fn throttling_and_faults_have_graphs_form() {
    let (bed, token) = bed(&ALL).await;
    let url = format!("{GRAPH}/v1.0/security/incidents");
    let id = "8a1c4be0-2d9a-4a58-9c1e-0b2f3d4e5f60";
    bed.fault_once(json!({"status": 429, "retryAfter": 9}))
        .await;
    let request = bed
        .client
        .get(&url)
        .bearer_auth(&token)
        .header("client-request-id", id);
    let response = request.send().await.unwrap();
    let headers = response.headers().clone();
    assert_eq!(
        (&headers["retry-after"], &headers["client-request-id"]),
        (&"9".parse().unwrap(), &id.parse().unwrap())
    );
    let (status, body) = answer(response).await;
    assert_eq!(body["error"]["innerError"]["client-request-id"], id);
    assert_eq!(error((status, body)).1, "TooManyRequests");
    let hunting = format!("{GRAPH}/v1.0/security/runHuntingQuery");
    let query = json!({"Query": "DeviceInfo"});
    for _ in 0..45 {
        assert_eq!(bed.post_api(&hunting, &token, &query).await.0, 200);
    }
    assert_eq!(
        error(bed.post_api(&hunting, &token, &query).await).1,
        "TooManyRequests"
    );
    assert_eq!(bed.get_api(&url, &token).await.0, 200);
    let entries = bed.journal().await;
    let entry: &Value = entries.last().unwrap();
    assert_eq!(
        (&entry["kind"], &entry["tenant"], &entry["outcome"]),
        (&json!("api"), &json!(TENANT), &json!("ok"))
    );
}
