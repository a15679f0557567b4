//! The anonymous documents.

use serde_json::{Value, json};

use crate::bed::{Bed, LOGIN, TENANT};

const GOVERNMENT: &str = "https://login.microsoftonline.us";

async fn configuration(bed: &Bed, host: &str, tenant: &str, middle: &str) -> (u16, Value) {
    bed.get_api(
        &format!("{host}/{tenant}{middle}/.well-known/openid-configuration"),
        "",
    )
    .await
}

async fn v2(bed: &Bed, host: &str, tenant: &str) -> (u16, Value) {
    configuration(bed, host, tenant, "/v2.0").await
}

#[tokio::test]
async fn the_v2_configuration_is_whole() {
    let bed = Bed::new().await;
    let base = format!("{LOGIN}/{TENANT}");
    let expected = json!({
        "token_endpoint": format!("{base}/oauth2/v2.0/token"),
        "token_endpoint_auth_methods_supported":
            ["client_secret_post", "private_key_jwt", "client_secret_basic", "self_signed_tls_client_auth"],
        "jwks_uri": format!("{base}/discovery/v2.0/keys"),
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "issuer": format!("{base}/v2.0"),
        "request_uri_parameter_supported": false,
        "userinfo_endpoint": "https://graph.microsoft.com/oidc/userinfo",
        "authorization_endpoint": format!("{base}/oauth2/v2.0/authorize"),
        "device_authorization_endpoint": format!("{base}/oauth2/v2.0/devicecode"),
        "http_logout_supported": true,
        "frontchannel_logout_supported": true,
        "end_session_endpoint": format!("{base}/oauth2/v2.0/logout"),
        "claims_supported": ["sub", "iss", "cloud_instance_name", "cloud_instance_host_name", "cloud_graph_host_name",
            "msgraph_host", "aud", "exp", "iat", "auth_time", "acr", "nonce", "preferred_username", "name", "tid",
            "ver", "at_hash", "c_hash", "email"],
        "kerberos_endpoint": format!("{base}/kerberos"),
        "mtls_endpoint_aliases":
            {"token_endpoint": format!("https://mtlsauth.microsoft.com/{TENANT}/oauth2/v2.0/token")},
        "tls_client_certificate_bound_access_tokens": true,
        "tenant_region_scope": "NA",
        "cloud_instance_name": "microsoftonline.com",
        "cloud_graph_host_name": "graph.windows.net",
        "msgraph_host": "graph.microsoft.com",
        "rbac_url": "https://pas.windows.net",
    });
    assert_eq!(v2(&bed, LOGIN, TENANT).await, (200, expected));
}

#[tokio::test]
async fn the_v1_configuration_names_the_v1_endpoints() {
    let bed = Bed::new().await;
    let (status, body) = configuration(&bed, LOGIN, TENANT, "").await;
    assert_eq!(status, 200);
    for (name, value) in [
        ("issuer", format!("https://sts.windows.net/{TENANT}/")),
        ("token_endpoint", format!("{LOGIN}/{TENANT}/oauth2/token")),
        (
            "authorization_endpoint",
            format!("{LOGIN}/{TENANT}/oauth2/authorize"),
        ),
        ("jwks_uri", format!("{LOGIN}/{TENANT}/discovery/keys")),
    ] {
        assert_eq!(body[name], value, "{name}");
    }
}

#[tokio::test]
async fn shared_authorities_are_templates() {
    let bed = Bed::empty().await;
    for authority in ["common", "organizations"] {
        let (status, body) = v2(&bed, LOGIN, authority).await;
        assert_eq!(status, 200);
        assert_eq!(body["issuer"], format!("{LOGIN}/{{tenantid}}/v2.0"));
        assert_eq!(
            body["token_endpoint"],
            format!("{LOGIN}/{authority}/oauth2/v2.0/token")
        );
        assert_eq!(body["tenant_region_scope"], Value::Null);
        let (_, body) = configuration(&bed, LOGIN, authority, "").await;
        assert_eq!(body["issuer"], "https://sts.windows.net/{tenantid}/");
    }
}

#[tokio::test]
async fn the_cloud_shows_in_the_region_scopes() {
    let bed = Bed::new().await;
    for (cloud, scope, sub_scope, instance, graph) in [
        (
            "Commercial",
            "NA",
            None,
            "microsoftonline.com",
            "graph.microsoft.com",
        ),
        (
            "GCC",
            "NA",
            Some("GCC"),
            "microsoftonline.com",
            "graph.microsoft.com",
        ),
        (
            "GCCHigh",
            "USGov",
            Some("DODCON"),
            "microsoftonline.us",
            "graph.microsoft.us",
        ),
        (
            "DoD",
            "USGov",
            Some("DOD"),
            "microsoftonline.us",
            "dod-graph.microsoft.us",
        ),
    ] {
        bed.put_tenant(json!({"cloud": cloud})).await;
        // The public host answers for every cloud's tenants.
        let (status, body) = v2(&bed, LOGIN, TENANT).await;
        assert_eq!(status, 200);
        assert_eq!(body["tenant_region_scope"], scope, "{cloud}");
        assert_eq!(
            body.get("tenant_region_sub_scope").and_then(Value::as_str),
            sub_scope,
            "{cloud}"
        );
        assert_eq!(body["cloud_instance_name"], instance, "{cloud}");
        assert_eq!(body["msgraph_host"], graph, "{cloud}");
        let is_government = scope == "USGov";
        assert_eq!(
            body["token_endpoint"]
                .as_str()
                .unwrap()
                .starts_with(GOVERNMENT),
            is_government
        );
        assert_eq!(
            v2(&bed, GOVERNMENT, TENANT).await.0,
            if is_government { 200 } else { 400 }
        );
    }
}

#[tokio::test]
async fn unknown_tenants_are_refused() {
    let bed = Bed::empty().await;
    for path in [
        "v2.0/.well-known/openid-configuration",
        ".well-known/openid-configuration",
        "discovery/keys",
    ] {
        let (status, body) = bed.get_api(&format!("{LOGIN}/{TENANT}/{path}"), "").await;
        assert_eq!(
            (status, &body["error"], &body["error_codes"]),
            (400, &json!("invalid_tenant"), &json!([90_002]))
        );
    }
}

#[tokio::test]
async fn keys_name_their_certificate_and_in_v2_their_issuer() {
    let bed = Bed::new().await;
    let (_, v1) = bed
        .get_api(&format!("{LOGIN}/{TENANT}/discovery/keys"), "")
        .await;
    let (_, mut v2) = bed
        .get_api(&format!("{LOGIN}/{TENANT}/discovery/v2.0/keys"), "")
        .await;
    let key = &v1["keys"][0];
    assert_eq!(
        (&key["kty"], &key["use"], &key["e"]),
        (&json!("RSA"), &json!("sig"), &json!("AQAB"))
    );
    assert_eq!(key["kid"], key["x5t"]);
    assert!(key["x5c"][0].as_str().unwrap().len() > 500);
    let extra = v2["keys"][0].as_object_mut().unwrap();
    assert_eq!(
        extra.remove("issuer"),
        Some(json!(format!("{LOGIN}/{TENANT}/v2.0")))
    );
    assert_eq!(
        extra.remove("cloud_instance_name"),
        Some(json!("microsoftonline.com"))
    );
    assert_eq!(v1, v2);
}

async fn instance(bed: &Bed, version: &str, endpoint: &str) -> (u16, Value) {
    let url = format!(
        "{LOGIN}/common/discovery/instance?api-version={version}&authorization_endpoint={endpoint}"
    );
    bed.get_api(&url, "").await
}

#[tokio::test]
async fn instance_discovery_names_the_aliases() {
    let bed = Bed::empty().await;
    let (status, body) = instance(
        &bed,
        "1.1",
        &format!("{LOGIN}/{TENANT}/oauth2/v2.0/authorize"),
    )
    .await;
    let expected = json!({
        "tenant_discovery_endpoint": format!("{LOGIN}/{TENANT}/v2.0/.well-known/openid-configuration"),
        "api-version": "1.1",
        "metadata": [
            {"preferred_network": "login.microsoftonline.com", "preferred_cache": "login.windows.net",
             "aliases": ["login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"]},
            {"preferred_network": "login.partner.microsoftonline.cn",
             "preferred_cache": "login.partner.microsoftonline.cn",
             "aliases": ["login.partner.microsoftonline.cn", "login.chinacloudapi.cn"]},
            {"preferred_network": "login.microsoftonline.us", "preferred_cache": "login.microsoftonline.us",
             "aliases": ["login.microsoftonline.us", "login.usgovcloudapi.net"]},
            {"preferred_network": "login-us.microsoftonline.com", "preferred_cache": "login-us.microsoftonline.com",
             "aliases": ["login-us.microsoftonline.com"]},
        ],
    });
    assert_eq!((status, body), (200, expected));
}

#[tokio::test]
async fn instance_discovery_answers_for_every_alias_that_it_names() {
    let bed = Bed::empty().await;
    let (_, body) = instance(
        &bed,
        "1.1",
        &format!("{LOGIN}/common/oauth2/v2.0/authorize"),
    )
    .await;
    let mut seen = 0;
    for entry in body["metadata"].as_array().unwrap() {
        for alias in entry["aliases"].as_array().unwrap() {
            let base = format!("https://{}/common", alias.as_str().unwrap());
            let (status, answer) =
                instance(&bed, "1.1", &format!("{base}/oauth2/v2.0/authorize")).await;
            assert_eq!(
                (status, &answer["tenant_discovery_endpoint"]),
                (
                    200,
                    &json!(format!("{base}/v2.0/.well-known/openid-configuration"))
                )
            );
            seen += 1;
        }
    }
    assert!(seen >= 9, "{body}");
}

#[tokio::test]
async fn instance_discovery_1_0_names_only_the_configuration() {
    let bed = Bed::empty().await;
    let expected = json!({
        "tenant_discovery_endpoint": format!("{LOGIN}/common/.well-known/openid-configuration"),
        "api-version": "1.0",
    });
    assert_eq!(
        instance(&bed, "1.0", &format!("{LOGIN}/common/oauth2/authorize")).await,
        (200, expected)
    );
}

#[tokio::test]
async fn instance_discovery_knows_no_other_hosts() {
    let bed = Bed::empty().await;
    let (status, body) = instance(
        &bed,
        "1.1",
        "https://login.example.com/common/oauth2/v2.0/authorize",
    )
    .await;
    assert_eq!(
        (status, &body["error"], &body["error_codes"]),
        (400, &json!("invalid_instance"), &json!([50_049]))
    );
}
