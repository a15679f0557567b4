//! The API: which tokens open what.

use reqwest::Method;
use serde_json::{Value, json};

use crate::bed::{API, Answer, Bed, CLIENT, TENANT, answer, claims, now};

const ALL: [&str; 5] = [
    "Vulnerability.Read.All",
    "Alert.Read.All",
    "Machine.Read.All",
    "Score.Read.All",
    "AdvancedQuery.Read.All",
];

/// An error document without its target, which must be a GUID.
fn error((status, mut body): Answer) -> (u16, String, String) {
    let text = body.to_string();
    let error = body["error"].as_object_mut();
    let error = error.unwrap_or_else(|| panic!("{status} {text}"));
    assert_eq!(error.remove("target").unwrap().as_str().unwrap().len(), 36);
    let mut text = |name: &str| error.remove(name).unwrap().as_str().unwrap().to_owned();
    let found = (status, text("code"), text("message"));
    assert!(error.is_empty(), "{error:?}");
    found
}

fn is(status: u16, code: &str, message: &str) -> (u16, String, String) {
    (status, code.to_owned(), message.to_owned())
}

async fn hunt(bed: &Bed, token: &str) -> Answer {
    let request = bed
        .client
        .request(Method::POST, format!("{API}/api/advancedqueries/run"));
    answer(
        request
            .bearer_auth(token)
            .json(&json!({"Query": "DeviceInfo"}))
            .send()
            .await
            .unwrap(),
    )
    .await
}

async fn alerts(bed: &Bed, token: &str) -> Answer {
    bed.get_api(&format!("{API}/api/alerts"), token).await
}

#[tokio::test]
async fn reads_are_answered_with_and_without_a_version() {
    let bed = Bed::granting(&ALL).await;
    let token = bed.token().await;
    for (path, context) in [
        ("alerts", "Alerts"),
        ("machines", "Machines"),
        ("exposureScore", "ExposureScore/$entity"),
        ("vulnerabilities", "Vulnerabilities"),
    ] {
        let (status, plain) = bed.get_api(&format!("{API}/api/{path}"), &token).await;
        assert_eq!(status, 200, "{plain}");
        assert_eq!(
            plain["@odata.context"],
            format!("{API}/api/$metadata#{context}")
        );
        assert_eq!(
            bed.get_api(&format!("{API}/api/v1.0/{path}"), &token).await,
            (200, plain)
        );
    }
}

#[tokio::test]
async fn top_and_skip_are_kept() {
    let bed = Bed::granting(&ALL).await;
    let token = bed.token().await;
    let all = alerts(&bed, &token).await.1["value"]
        .as_array()
        .unwrap()
        .clone();
    assert_eq!(all.len(), 8);
    let (_, page) = bed
        .get_api(&format!("{API}/api/alerts?$top=2&$skip=1"), &token)
        .await;
    assert_eq!(page["value"].as_array().unwrap(), &all[1..3]);
    for bad in ["$top=x", "$top=10001", "$skip=-1"] {
        let refused = bed
            .get_api(&format!("{API}/api/alerts?{bad}"), &token)
            .await;
        assert_eq!(error(refused).1, "BadRequest", "{bad}");
    }
}

#[tokio::test]
async fn options_that_the_emulator_lacks_are_refused() {
    let bed = Bed::granting(&ALL).await;
    let token = bed.token().await;
    for option in [
        "$filter=severity eq 'High'",
        "$orderby=alertCreationTime",
        "$select=id",
        "$expand=evidence",
        "%24filter=x",
        "$count=true",
    ] {
        for path in ["alerts", "machines", "alerts/none", "exposureScore"] {
            let url = format!("{API}/api/{path}?$top=1&{option}");
            let (status, code, text) = error(bed.get_api(&url, &token).await);
            assert_eq!((status, code.as_str()), (400, "BadRequest"), "{url}");
            let name = option.split('=').next().unwrap().replace("%24", "$");
            assert!(text.contains(&name), "{url}: {text}");
        }
    }
    let (status, _) = bed
        .get_api(&format!("{API}/api/alerts?other=1"), &token)
        .await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn one_entity_by_its_id() {
    let bed = Bed::granting(&ALL).await;
    let token = bed.token().await;
    for set in ["alerts", "machines", "vulnerabilities"] {
        let (_, list) = bed.get_api(&format!("{API}/api/{set}"), &token).await;
        let listed = list["value"][1].clone();
        let url = format!("{API}/api/{set}/{}", listed["id"].as_str().unwrap());
        let (status, mut entity) = bed.get_api(&url, &token).await;
        assert_eq!(status, 200);
        assert!(
            entity
                .as_object_mut()
                .unwrap()
                .remove("@odata.context")
                .is_some()
        );
        assert_eq!(entity, listed);
        assert_eq!(
            error(bed.get_api(&format!("{API}/api/{set}/none"), &token).await).1,
            "ResourceNotFound"
        );
    }
}

#[tokio::test]
async fn hunting_answers_with_schema_and_results() {
    let bed = Bed::granting(&ALL).await;
    let (status, body) = hunt(&bed, &bed.token().await).await;
    assert_eq!(status, 200);
    assert_eq!(
        body["Schema"][1],
        json!({"Name": "DeviceId", "Type": "String"})
    );
    assert_eq!(body["Results"].as_array().unwrap().len(), 5);
    assert!(body["Stats"]["ExecutionTime"].is_number());
}

#[tokio::test]
async fn no_good_token_is_unauthorized() {
    let bed = Bed::new().await;
    let token = bed.token().await;
    let (head, signature) = token.rsplit_once('.').unwrap();
    let forged = format!("{head}.{}", signature.chars().rev().collect::<String>());
    for token in ["", "nonsense", &forged, &Bed::new().await.token().await] {
        assert_eq!(
            error(alerts(&bed, token).await),
            is(401, "Unauthorized", "Unauthorized"),
            "{token}"
        );
    }
    let response = bed
        .client
        .get(format!("{API}/api/alerts"))
        .send()
        .await
        .unwrap();
    assert_eq!(response.headers()["www-authenticate"], "Bearer");
    assert_eq!(response.status(), 401);
}

async fn with_claims(bed: &Bed, claims: Value) -> Answer {
    bed.fault_once(json!({"claims": claims})).await;
    alerts(bed, &bed.token().await).await
}

#[tokio::test]
async fn expired_or_foreign_tokens_are_unauthorized() {
    let bed = Bed::new().await;
    for claims in [
        json!({"exp": 1_700_000_000}),
        json!({"iss": "https://sts.windows.net/11111111-2222-4333-8444-555555555555/"}),
        json!({"tid": null}),
    ] {
        assert_eq!(
            error(with_claims(&bed, claims).await),
            is(401, "Unauthorized", "Unauthorized")
        );
    }
}

#[tokio::test]
async fn a_token_expires_when_it_says_so() {
    let bed = Bed::new().await;
    bed.put("/v1/tokens", json!({"lifetimeSeconds": 2})).await;
    let token = bed.token().await;
    let end = claims(&token)["exp"].as_i64().unwrap();
    // However slow the machine is: what was answered before the end was good, what was asked after it is not.
    loop {
        let asked = now();
        let (status, _) = alerts(&bed, &token).await;
        if asked >= end {
            assert_eq!(status, 401);
            break;
        }
        assert!(status == 200 || now() >= end, "{status}");
        assert!(asked + 60 > end, "the token lives for {}", end - asked);
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn the_host_as_audience_is_forbidden_and_every_identifier_of_the_resource_good() {
    let bed = Bed::new().await;
    let refused = error(with_claims(&bed, json!({"aud": API})).await);
    assert_eq!((refused.0, refused.1.as_str()), (403, "Forbidden"));
    for audience in [
        "https://api.securitycenter.microsoft.com/",
        "https://securitycenter.onmicrosoft.com/windowsatpservice",
        "https://api-gcc.securitycenter.microsoft.us",
        "fc780465-2017-40d4-a0c5-307022471b92",
    ] {
        assert_eq!(
            with_claims(&bed, json!({"aud": audience})).await.0,
            200,
            "{audience}"
        );
    }
}

#[tokio::test]
async fn missing_roles_are_named() {
    let bed = Bed::granting(&["Alert.Read.All", "Machine.Read.All"]).await;
    let message = "Missing application roles. API required roles: AdvancedQuery.Read.All, \
        application roles: Alert.Read.All,Machine.Read.All.";
    assert_eq!(
        error(hunt(&bed, &bed.token().await).await),
        is(403, "Forbidden", message)
    );
    bed.put_tenant(json!({"consents": {CLIENT: []}})).await;
    let message = "Missing application roles. API required roles: Alert.Read.All,Alert.ReadWrite.All, application roles: .";
    assert_eq!(
        error(alerts(&bed, &bed.token().await).await),
        is(403, "Forbidden", message)
    );
}

#[tokio::test]
async fn a_write_role_is_enough_to_read() {
    let bed = Bed::granting(&["Alert.ReadWrite.All"]).await;
    assert_eq!(alerts(&bed, &bed.token().await).await.0, 200);
}

#[tokio::test]
async fn licence_and_provisioning_are_known() {
    let bed = Bed::granting(&ALL).await;
    let token = bed.token().await;
    let tenant = |changes: Value| {
        let mut body = json!({"consents": {CLIENT: ALL}});
        body.as_object_mut()
            .unwrap()
            .extend(changes.as_object().unwrap().clone());
        body
    };
    for plan in ["Plan1", "Business"] {
        bed.put_tenant(tenant(json!({"plan": plan}))).await;
        assert_eq!(
            error(hunt(&bed, &token).await),
            is(403, "DisabledFeature", "Tenant feature is not enabled.")
        );
        assert_eq!(alerts(&bed, &token).await.0, 200);
        let no_licence = "Unauthorized request - reason of failure: No Tvm license";
        for path in ["exposureScore", "vulnerabilities", "vulnerabilities/x"] {
            let url = format!("{API}/api/{path}");
            assert_eq!(
                error(bed.get_api(&url, &token).await),
                is(401, "Unauthorized", no_licence),
                "{plan} {path}"
            );
        }
    }
    bed.put_tenant(tenant(json!({"provisioned": false}))).await;
    let inactive = "Unauthorized request - reason of failure: Account mode is inactive";
    assert_eq!(
        error(alerts(&bed, &token).await),
        is(401, "Unauthorized", inactive)
    );
    bed.put_tenant(tenant(json!({"state": "gone"}))).await;
    let none = "Unauthorized request - Account is not provisioned.";
    assert_eq!(
        error(alerts(&bed, &token).await),
        is(401, "Unauthorized", none)
    );
}

#[tokio::test]
async fn any_host_of_the_tenants_cloud_serves_it_and_no_other() {
    let bed = Bed::new().await;
    let commercial = [
        "us.api.security.microsoft.com",
        "aea.api.security.microsoft.com",
        "api-uk.security.microsoft.com",
        "api.securitycenter.microsoft.com",
        "api-us3.securitycenter.microsoft.com",
        "api.securitycenter.windows.com",
    ];
    let gcc = [
        "api-gcc.securitycenter.microsoft.us",
        "api-gcc.security.microsoft.us",
    ];
    let government = [
        "api-gov.securitycenter.microsoft.us",
        "api-gov.security.microsoft.us",
    ];
    for (cloud, login, own) in [
        (
            "Commercial",
            "https://login.microsoftonline.com",
            &commercial[..],
        ),
        ("GCC", "https://login.microsoftonline.com", &gcc),
        ("GCCHigh", "https://login.microsoftonline.us", &government),
        ("DoD", "https://login.microsoftonline.us", &government),
    ] {
        bed.put_tenant(json!({"cloud": cloud, "consents": {CLIENT: ["Alert.Read.All"]}}))
            .await;
        let (_, body) = bed.ask_with(login, TENANT, &[]).await;
        let token = body["access_token"].as_str().unwrap();
        for host in commercial.iter().chain(&gcc).chain(&government) {
            let (status, _) = bed
                .get_api(&format!("https://{host}/api/alerts?$top=1"), token)
                .await;
            assert_eq!(
                status,
                if own.contains(host) { 200 } else { 401 },
                "{cloud} at {host}"
            );
        }
    }
}

#[tokio::test]
async fn too_many_calls_are_told_to_wait() {
    let bed = Bed::granting(&ALL).await;
    let token = bed.token().await;
    for _ in 0..45 {
        assert_eq!(hunt(&bed, &token).await.0, 200);
    }
    let request = bed
        .client
        .post(format!("{API}/api/advancedqueries/run"))
        .bearer_auth(&token);
    let response = request
        .json(&json!({"Query": "DeviceInfo"}))
        .send()
        .await
        .unwrap();
    let wait: u32 = response.headers()["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=60).contains(&wait));
    let refused = error(answer(response).await);
    assert_eq!((refused.0, refused.1.as_str()), (429, "TooManyRequests"));
    // Other calls have a limit of their own.
    for _ in 0..100 {
        assert_eq!(alerts(&bed, &token).await.0, 200);
    }
    assert_eq!(alerts(&bed, &token).await.0, 429);
}

#[tokio::test]
async fn other_paths_and_methods_are_refused() {
    let bed = Bed::granting(&ALL).await;
    let token = bed.token().await;
    assert_eq!(
        error(bed.get_api(&format!("{API}/api/none"), &token).await).1,
        "NotFound"
    );
    assert_eq!(
        error(
            bed.get_api(&format!("{API}/api/advancedqueries/run"), &token)
                .await
        )
        .1,
        "MethodNotAllowed"
    );
}
