//! Tokens that are given.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::bed::{
    AUDIENCE, Bed, CLIENT, LOGIN, SECRET, TENANT, answer, claims, form, now, token_url,
};

const V1: &str =
    "https://login.microsoftonline.com/6b1f0f3e-5c0a-4d9b-9a43-0d5f5a1c7e10/oauth2/token";

#[tokio::test]
async fn a_v2_answer_has_numbers_and_nothing_more() {
    let bed = Bed::new().await;
    bed.put("/v1/tokens", json!({"lifetimeSeconds": 3599}))
        .await;
    let (status, mut body) = bed.ask().await;
    assert_eq!(status, 200);
    let token = body["access_token"].take();
    assert_eq!(token.as_str().unwrap().split('.').count(), 3);
    let expected = json!({"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": null});
    assert_eq!(body, expected);
}

#[tokio::test]
async fn refresh_in_is_there_when_it_is_set() {
    let bed = Bed::new().await;
    bed.put(
        "/v1/tokens",
        json!({"lifetimeSeconds": 86400, "refreshInSeconds": 43200}),
    )
    .await;
    let (_, body) = bed.ask().await;
    assert_eq!(
        (&body["expires_in"], &body["refresh_in"]),
        (&json!(86400), &json!(43200))
    );
}

#[tokio::test]
async fn a_v1_answer_has_strings() {
    let bed = Bed::new().await;
    bed.put(
        "/v1/tokens",
        json!({"lifetimeSeconds": 3599, "refreshInSeconds": 1800}),
    )
    .await;
    let form = form(&[("scope", ""), ("resource", AUDIENCE)]);
    let (status, mut body) = answer(bed.post_form(V1, &form).await).await;
    assert_eq!(status, 200);
    let claims = claims(body["access_token"].take().as_str().unwrap());
    let expected = json!({
        "token_type": "Bearer",
        "expires_in": "3599",
        "ext_expires_in": "3599",
        "refresh_in": "1800",
        "expires_on": claims["exp"].to_string(),
        "not_before": claims["nbf"].to_string(),
        "resource": AUDIENCE,
        "access_token": null,
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn the_claims_are_a_real_tokens() {
    let bed = Bed::new().await;
    bed.put("/v1/tokens", json!({"lifetimeSeconds": 3599}))
        .await;
    let before = now();
    let claims = claims(&bed.token().await);
    let minted = claims["exp"].as_i64().unwrap() - 3600;
    assert!((before..=now()).contains(&minted));
    let names: BTreeSet<&str> = claims.keys().map(String::as_str).collect();
    let expected = "aio app_displayname appid appidacr aud exp iat idp iss nbf oid rh roles sub tenant_region_scope tid uti ver";
    assert_eq!(names, expected.split(' ').collect());
    let issuer = format!("https://sts.windows.net/{TENANT}/");
    for (name, value) in [
        ("aud", json!(AUDIENCE)),
        ("iss", json!(issuer)),
        ("idp", json!(issuer)),
        ("iat", json!(minted - 300)),
        ("nbf", json!(minted - 300)),
        ("appid", json!(CLIENT)),
        ("appidacr", json!("1")),
        ("sub", claims["oid"].clone()),
        ("tid", json!(TENANT)),
        ("roles", json!(["Alert.Read.All", "Machine.Read.All"])),
        ("ver", json!("1.0")),
    ] {
        assert_eq!(claims[name], value, "{name}");
    }
}

#[tokio::test]
async fn the_principal_is_stable_and_the_token_id_unique() {
    let bed = Bed::new().await;
    let (one, two) = (claims(&bed.token().await), claims(&bed.token().await));
    assert_eq!(one["oid"], two["oid"]);
    assert_ne!(one["uti"], two["uti"]);
}

#[tokio::test]
async fn a_consent_without_roles_gives_a_token_without_the_claim() {
    let bed = Bed::granting(&[]).await;
    assert_eq!(claims(&bed.token().await).get("roles"), None);
}

#[tokio::test]
async fn lifetimes_are_60_to_90_minutes_by_default() {
    let bed = Bed::new().await;
    let mut seen = BTreeSet::new();
    for _ in 0..5 {
        seen.insert(bed.ask().await.1["expires_in"].as_i64().unwrap());
    }
    assert!(
        seen.iter().all(|seconds| (3599..=5399).contains(seconds)),
        "{seen:?}"
    );
    assert!(seen.len() > 1, "{seen:?}");
}

#[tokio::test]
async fn the_published_key_verifies_the_token() {
    let bed = Bed::new().await;
    let token = bed.token().await;
    for path in ["discovery/keys", "discovery/v2.0/keys"] {
        let (_, keys) = bed.get_api(&format!("{LOGIN}/{TENANT}/{path}"), "").await;
        let keys: jsonwebtoken::jwk::JwkSet = serde_json::from_value(keys).unwrap();
        let header = jsonwebtoken::decode_header(&token).unwrap();
        assert_eq!(
            (header.typ.as_deref(), &header.kid),
            (Some("JWT"), &header.x5t)
        );
        let key =
            jsonwebtoken::DecodingKey::from_jwk(keys.find(&header.kid.unwrap()).unwrap()).unwrap();
        let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
        validation.set_audience(&[AUDIENCE]);
        validation.set_issuer(&[format!("https://sts.windows.net/{TENANT}/")]);
        jsonwebtoken::decode::<Value>(&token, &key, &validation).unwrap();
    }
}

#[tokio::test]
async fn every_form_of_the_resource_becomes_the_audience_as_written() {
    let bed = Bed::new().await;
    for (scope, audience) in [
        (
            "https://api.securitycenter.microsoft.com/.default",
            AUDIENCE,
        ),
        (
            "https://api.securitycenter.microsoft.com//.default",
            "https://api.securitycenter.microsoft.com/",
        ),
        (
            "https://securitycenter.onmicrosoft.com/windowsatpservice/.default",
            "https://securitycenter.onmicrosoft.com/windowsatpservice",
        ),
        (
            "https://api-gcc.securitycenter.microsoft.us/.default",
            "https://api-gcc.securitycenter.microsoft.us",
        ),
        (
            "https://api-gov.securitycenter.microsoft.us/.default",
            "https://api-gov.securitycenter.microsoft.us",
        ),
        (
            "https://api.securitycenter.windows.com/.default",
            "https://api.securitycenter.windows.com",
        ),
        (
            "fc780465-2017-40d4-a0c5-307022471b92/.default",
            "fc780465-2017-40d4-a0c5-307022471b92",
        ),
        (
            "https://api.securitycenter.microsoft.com/.default openid offline_access profile",
            AUDIENCE,
        ),
    ] {
        let (status, body) = bed.ask_with(LOGIN, TENANT, &[("scope", scope)]).await;
        assert_eq!(status, 200, "{scope}: {body}");
        assert_eq!(
            claims(body["access_token"].as_str().unwrap())["aud"],
            audience,
            "{scope}"
        );
    }
    for resource in [
        "https://api.securitycenter.microsoft.com/",
        "fc780465-2017-40d4-a0c5-307022471b92",
    ] {
        let form = form(&[("scope", ""), ("resource", resource)]);
        let (_, body) = answer(bed.post_form(V1, &form).await).await;
        assert_eq!(body["resource"], resource);
        assert_eq!(
            claims(body["access_token"].as_str().unwrap())["aud"],
            resource
        );
    }
}

#[tokio::test]
async fn basic_authentication_is_as_good_as_the_body() {
    let bed = Bed::new().await;
    for secret in [SECRET.to_owned(), SECRET.replace('~', "%7E")] {
        let request = bed
            .client
            .post(token_url(LOGIN, TENANT))
            .basic_auth(CLIENT, Some(secret));
        let form = form(&[("client_id", ""), ("client_secret", "")]);
        let (status, body) = answer(request.form(&form).send().await.unwrap()).await;
        assert_eq!(status, 200, "{body}");
    }
}

#[tokio::test]
async fn unknown_parameters_are_ignored() {
    let bed = Bed::new().await;
    let url = format!(
        "{}?client-request-id=x&dc=ESTS-PUB",
        token_url(LOGIN, TENANT)
    );
    let form = form(&[("client_info", "1"), ("x-client-SKU", "MSAL.Python")]);
    assert_eq!(bed.post_form(&url, &form).await.status(), 200);
}

#[tokio::test]
async fn every_login_host_of_the_cloud_answers() {
    let bed = Bed::new().await;
    for host in [
        "login.windows.net",
        "login.microsoft.com",
        "sts.windows.net",
        "westus2.login.microsoft.com",
    ] {
        let (status, body) = bed.ask_with(&format!("https://{host}"), TENANT, &[]).await;
        assert_eq!(status, 200, "{host}: {body}");
    }
    bed.put_tenant(json!({"cloud": "GCCHigh", "consents": {CLIENT: ["Alert.Read.All"]}}))
        .await;
    for host in ["login.microsoftonline.us", "login.usgovcloudapi.net"] {
        let (status, body) = bed.ask_with(&format!("https://{host}"), TENANT, &[]).await;
        assert_eq!(status, 200, "{host}: {body}");
        assert_eq!(
            claims(body["access_token"].as_str().unwrap())["tenant_region_scope"],
            "USGov"
        );
    }
}

#[tokio::test]
async fn an_upper_case_tenant_is_the_same_tenant() {
    let bed = Bed::new().await;
    let (status, body) = bed.ask_with(LOGIN, &TENANT.to_uppercase(), &[]).await;
    assert_eq!(status, 200);
    assert_eq!(
        claims(body["access_token"].as_str().unwrap())["tid"],
        TENANT
    );
}

#[tokio::test]
async fn answers_carry_entras_headers() {
    let bed = Bed::new().await;
    let id = "8a1c4be0-2d9a-4a58-9c1e-0b2f3d4e5f60";
    for (secret, status) in [(SECRET, 200), ("wrong", 401)] {
        let request = bed
            .client
            .post(token_url(LOGIN, TENANT))
            .form(&form(&[("client_secret", secret)]));
        let request = request
            .header("client-request-id", id)
            .header("return-client-request-id", "true");
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), status);
        let headers = response.headers().clone();
        for (name, value) in [
            ("cache-control", "no-store, no-cache"),
            ("pragma", "no-cache"),
            ("expires", "-1"),
            ("content-type", "application/json; charset=utf-8"),
            ("client-request-id", id),
        ] {
            assert_eq!(headers[name], value);
        }
        for name in ["date", "x-ms-request-id", "x-ms-ests-server", "set-cookie"] {
            assert!(headers.contains_key(name), "{name}");
        }
        if status == 401 {
            let (_, body) = answer(response).await;
            assert_eq!(
                body["trace_id"],
                headers["x-ms-request-id"].to_str().unwrap()
            );
            assert_eq!(body["correlation_id"], id);
        }
    }
    let response = bed
        .post_form(
            &format!("{}?client-request-id={id}", token_url(LOGIN, TENANT)),
            &[],
        )
        .await;
    assert!(!response.headers().contains_key("client-request-id"));
    assert_eq!(answer(response).await.1["correlation_id"], id);
}

#[tokio::test]
async fn roles_become_visible_later_and_until_then_the_old_ones_hold() {
    let bed = Bed::granting(&["Alert.Read.All"]).await;
    let later = |seconds| json!({"consents": {CLIENT: {"roles": {"Endpoint": ["Machine.Read.All"]}, "visibleAfterSeconds": seconds}}});
    bed.put_tenant(later(3600)).await;
    assert_eq!(
        claims(&bed.token().await)["roles"],
        json!(["Alert.Read.All"])
    );
    bed.put_tenant(later(0)).await;
    assert_eq!(
        claims(&bed.token().await)["roles"],
        json!(["Machine.Read.All"])
    );
}
