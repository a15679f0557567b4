//! Tokens of each API: audiences, roles, and which host takes them.

use reqwest::Method;
use serde_json::{Value, json};

use crate::bed::{API, AUDIENCE, Bed, CLIENT, LOGIN, SECRET, TENANT, answer, claims, form};

const XDR: &str = "https://api.security.microsoft.com";
const GRAPH: &str = "https://graph.microsoft.com";

/// A tenant with every API whose consent names roles as this says.
async fn bed(roles: Value) -> Bed {
    Bed::with_config(json!({
        "applications": {CLIENT: {"secrets": [SECRET]}},
        "tenants": {TENANT: {
            "resources": ["Endpoint", "XDR", "Graph"], "consents": {CLIENT: {"roles": roles}},
        }},
    }))
    .await
}

#[tokio::test]
async fn each_api_has_its_own_roles() {
    let by_api = json!({
        "Endpoint": ["Alert.Read.All", "Nobody.Knows"], "XDR": ["Incident.Read.All"],
        "Graph": ["SecurityAlert.Read.All", "User.Read.All"],
    });
    let list = json!([
        "SecurityAlert.Read.All",
        "Alert.Read.All",
        "Incident.Read.All",
        "Nobody.Knows"
    ]);
    for (roles, graph) in [
        (by_api, json!(["SecurityAlert.Read.All", "User.Read.All"])),
        (list, json!(["SecurityAlert.Read.All"])),
    ] {
        let bed = bed(roles).await;
        for (resource, expected) in [
            (AUDIENCE, json!(["Alert.Read.All", "Nobody.Knows"])),
            (XDR, json!(["Incident.Read.All"])),
            (GRAPH, graph),
        ] {
            let token = bed.token_for(LOGIN, resource).await;
            assert_eq!(claims(&token)["roles"], expected, "{resource}");
        }
    }
}

#[tokio::test]
async fn the_audience_is_the_identifier_that_was_asked_for() {
    let bed = bed(json!([])).await;
    for identifier in [
        "fc780465-2017-40d4-a0c5-307022471b92",
        "https://securitycenter.onmicrosoft.com/windowsatpservice",
        "https://api-gcc.securitycenter.microsoft.us",
        "8ee8fdad-f234-4243-8f3b-15c294843740",
        "https://api.security.microsoft.com",
        "https://api-us.security.microsoft.com",
        "https://api-eu.security.microsoft.com",
        "https://api-uk.security.microsoft.com",
        "https://api-gcc.security.microsoft.us",
        "https://api-gov.security.microsoft.us",
        "00000003-0000-0000-c000-000000000000",
        "https://graph.microsoft.com",
        "https://graph.microsoft.us",
        "https://dod-graph.microsoft.us",
    ] {
        for identifier in [identifier.to_owned(), format!("{identifier}/")] {
            let claims = claims(&bed.token_for(LOGIN, &identifier).await);
            assert_eq!(claims["aud"], identifier);
            assert_eq!(claims["ver"], "1.0");
            // The v1 endpoint says the same.
            let url = format!("{LOGIN}/{TENANT}/oauth2/token");
            let changes = [("scope", ""), ("resource", identifier.as_str())];
            let (status, body) = answer(bed.post_form(&url, &form(&changes)).await).await;
            assert_eq!((status, &body["resource"]), (200, &json!(identifier)));
        }
    }
}

#[tokio::test]
async fn a_resource_that_the_tenant_lacks_has_no_tokens() {
    let bed = bed(json!([])).await;
    for (resources, present) in [
        (json!({"resources": ["Endpoint"]}), [200, 400, 400]),
        (json!({"resources": ["XDR", "Graph"]}), [400, 200, 200]),
        // Without the field: Endpoint, and whatever somebody consented to.
        (json!({}), [200, 400, 400]),
    ] {
        let mut tenant = resources;
        tenant["consents"] = json!({CLIENT: []});
        bed.put_tenant(tenant).await;
        for (resource, expected) in [AUDIENCE, XDR, GRAPH].iter().zip(present) {
            let scope = format!("{resource}/.default");
            let (status, body) = bed.ask_with(LOGIN, TENANT, &[("scope", &scope)]).await;
            assert_eq!(status, expected, "{resource}: {body}");
            if status == 400 {
                assert_eq!(body["error_codes"], json!([500_011]));
            }
        }
    }
    bed.put_tenant(json!({"consents": {CLIENT: ["ThreatHunting.Read.All"]}}))
        .await;
    bed.token_for(LOGIN, GRAPH).await;
}

#[tokio::test]
async fn graphs_tokens_have_a_nonce_in_their_header() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    let bed = bed(json!([])).await;
    for (resource, has_nonce) in [(AUDIENCE, false), (XDR, false), (GRAPH, true)] {
        let token = bed.token_for(LOGIN, resource).await;
        let header = URL_SAFE_NO_PAD
            .decode(token.split('.').next().unwrap())
            .unwrap();
        let header: Value = serde_json::from_slice(&header).unwrap();
        assert_eq!(header.get("nonce").is_some(), has_nonce, "{resource}");
    }
}

/// A token of one API is none for the others, also where they share a host.
#[tokio::test]
async fn the_audience_must_be_the_calls_api() {
    let bed = bed(json!([
        "Alert.Read.All",
        "AdvancedQuery.Read.All",
        "Incident.Read.All",
        "AdvancedHunting.Read.All",
        "SecurityIncident.Read.All",
        "ThreatHunting.Read.All"
    ]))
    .await;
    let query = json!({"Query": "DeviceInfo"});
    for (resource, expected) in [
        (AUDIENCE, [200, 200, 403, 403, 401, 401]),
        (XDR, [403, 403, 200, 200, 401, 401]),
        (GRAPH, [403, 403, 403, 403, 200, 200]),
    ] {
        let token = bed.token_for(LOGIN, resource).await;
        let mut seen = Vec::new();
        for (method, url) in [
            (Method::GET, format!("{API}/api/alerts")),
            (Method::POST, format!("{API}/api/advancedqueries/run")),
            (Method::GET, format!("{API}/api/incidents")),
            (Method::POST, format!("{API}/api/advancedhunting/run")),
            (Method::GET, format!("{GRAPH}/v1.0/security/incidents")),
            (
                Method::POST,
                format!("{GRAPH}/v1.0/security/runHuntingQuery"),
            ),
        ] {
            let (status, _) = match method {
                Method::GET => bed.get_api(&url, &token).await,
                _ => bed.post_api(&url, &token, &query).await,
            };
            seen.push(status);
        }
        assert_eq!(seen, expected, "{resource}");
    }
}
