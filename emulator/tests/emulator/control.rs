//! The control API: what it takes, what it refuses, what it tells.

use reqwest::Method;
use serde_json::{Value, json};

use crate::bed::{Bed, CLIENT, SECRET, TENANT, answer};
use crate::identity::{PARTNER, changed};

/// Of an RSA key of 1024 bits.
const WEAK: &str = include_str!("weak.pem");

fn federated(changes: Value) -> Value {
    let good = json!({"issuer": "https://issuer.example", "subject": "s", "audience": "api://AzureADTokenExchange",
        "jwks": {"keys": [PARTNER.jwk("a")]}});
    changed(good, changes)
}

async fn refusal(bed: &Bed, method: Method, path: &str, body: &Value) -> String {
    let response = bed
        .control_request(method, path)
        .json(body)
        .send()
        .await
        .unwrap();
    let (status, body) = answer(response).await;
    assert_eq!(status, 400, "{body}");
    assert_eq!(body.as_object().unwrap().len(), 1, "{body}");
    body["error"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_body_of_the_contract_is_taken() {
    let bed = Bed::empty().await;
    bed.put_application(json!({
        "secrets": ["a", {"value": "b", "notBefore": "2026-01-01T00:00:00Z", "expires": "2999-01-01T00:00:00Z",
            "visibleAfterSeconds": 0}],
        "certificates": [PARTNER.pem, {"pem": PARTNER.pem, "notBefore": "2026-01-01T00:00:00Z",
            "expires": "2999-01-01T00:00:00Z", "visibleAfterSeconds": 0}],
        "federated": [federated(json!({})), federated(json!({"visibleAfterSeconds": 0}))],
        "entraCloud": "Public",
        "requiredRoles": ["Alert.Read.All"],
        "redirectUris": ["https://portal.azure.com"],
        "displayName": "Example SOC",
        "publisher": "Example Ltd",
    }))
    .await;
    bed.put_application(
        json!({"requiredRoles": {"Endpoint": ["Alert.Read.All"], "XDR": ["Incident.Read.All"],
            "Graph": ["SecurityAlert.Read.All"]}}),
    )
    .await;
    bed.put_application(json!({})).await;
    bed.put_tenant(json!({
        "cloud": "GCCHigh", "plan": "Business", "state": "active", "resources": ["Endpoint", "XDR", "Graph"],
        "provisioned": true, "consentVisibleAfterSeconds": 0,
        "consents": {CLIENT: {"enabled": true, "visibleAfterSeconds": 0,
            "roles": {"Endpoint": ["Alert.Read.All"], "XDR": ["Incident.Read.All"], "Graph": []}}},
    }))
    .await;
    bed.put_tenant(json!({"consents": {CLIENT: ["Alert.Read.All"]}}))
        .await;
    bed.put_tenant(json!({})).await;
    bed.put(
        "/v1/tenants",
        json!([{"tenantId": TENANT, "plan": "Plan1"}]),
    )
    .await;
    bed.put("/v1/tenants", json!([])).await;
    bed.put(
        "/v1/tokens",
        json!({"lifetimeSeconds": 3599, "refreshInSeconds": null}),
    )
    .await;
    bed.put("/v1/tokens", json!({})).await;
}

#[tokio::test]
async fn unknown_fields_are_named() {
    let bed = Bed::empty().await;
    let (application, tenant) = (
        format!("/v1/applications/{CLIENT}"),
        format!("/v1/tenants/{TENANT}"),
    );
    for (method, path, body) in [
        (Method::PUT, application.as_str(), json!({"oops": 1})),
        (
            Method::PUT,
            &application,
            json!({"secrets": [{"value": "a", "oops": 1}]}),
        ),
        (
            Method::PUT,
            &application,
            json!({"requiredRoles": {"oops": []}}),
        ),
        (Method::PUT, &tenant, json!({"oops": 1})),
        (Method::PUT, &tenant, json!({"tenantId": TENANT, "oops": 1})),
        (
            Method::PUT,
            &tenant,
            json!({"consents": {CLIENT: {"oops": 1}}}),
        ),
        (
            Method::PUT,
            "/v1/tenants",
            json!([{"tenantId": TENANT, "oops": 1}]),
        ),
        (Method::PUT, "/v1/tokens", json!({"oops": 1})),
        (
            Method::POST,
            "/v1/faults",
            json!({"oops": 1, "fault": {"reset": true}}),
        ),
        (
            Method::POST,
            "/v1/faults",
            json!({"match": {"oops": 1}, "fault": {"reset": true}}),
        ),
        (Method::POST, "/v1/faults", json!({"fault": {"oops": 1}})),
    ] {
        let error = refusal(&bed, method, path, &body).await;
        assert!(
            error.contains("oops") || error.contains("tenantId"),
            "{body}: {error}"
        );
    }
}

#[tokio::test]
async fn what_is_no_object_is_refused_as_that() {
    let bed = Bed::new().await;
    let (application, tenant) = (
        format!("/v1/applications/{CLIENT}"),
        format!("/v1/tenants/{TENANT}"),
    );
    let bodies = [
        json!([]),
        json!([false]),
        json!([null, null]),
        json!([[], [], [], null, null, null]),
        json!([[], [], [], null, null, null, null, null]),
        json!(7),
        json!("x"),
        json!(null),
    ];
    for body in &bodies {
        for (method, path) in [
            (Method::PUT, application.as_str()),
            (Method::PUT, &tenant),
            (Method::PUT, "/v1/tokens"),
            (Method::PUT, "/v1/features"),
            (Method::POST, "/v1/faults"),
        ] {
            let error = refusal(&bed, method, path, body).await;
            assert!(
                error.ends_with(": expected an object"),
                "{path} {body}: {error}"
            );
            assert!(!error.contains("Body"), "{error}");
        }
    }
    for body in [
        json!({"fault": [7_000_215, null, null, null, null, null, null, null, null, null]}),
        json!({"match": [null, null, null], "fault": {"reset": true}}),
        json!({"match": null, "fault": {"reset": true}}),
    ] {
        let error = refusal(&bed, Method::POST, "/v1/faults", &body).await;
        assert!(error.ends_with(": expected an object"), "{body}: {error}");
    }
    for entry in [
        json!(["i", "s", "a", {"keys": []}, 0]),
        federated(json!({"jwks": [[]]})),
        federated(json!({"jwks": {"keys": [["RSA", "a", "AQAB", "AQAB"]]}})),
    ] {
        let body = json!({"federated": [entry]});
        let error = refusal(&bed, Method::PUT, &application, &body).await;
        assert!(error.ends_with(": expected an object"), "{body}: {error}");
    }
    let error = refusal(&bed, Method::PUT, "/v1/tenants", &json!([[]])).await;
    assert_eq!(error, "entry 0: must be an object");
    assert_eq!(bed.ask().await.0, 200);
}

#[tokio::test]
async fn bad_values_are_refused_with_a_reason() {
    let bed = Bed::empty().await;
    let (application, tenant) = (
        format!("/v1/applications/{CLIENT}"),
        format!("/v1/tenants/{TENANT}"),
    );
    for (method, path, body, reason) in [
        (
            Method::PUT,
            "/v1/applications/x",
            json!({}),
            "client id (of 1 characters) is not a GUID",
        ),
        (
            Method::PUT,
            "/v1/tenants/x",
            json!({}),
            "tenant id (of 1 characters) is not a GUID",
        ),
        (
            Method::PUT,
            &application,
            json!({"secrets": [""]}),
            "must not be empty",
        ),
        (
            Method::PUT,
            &application,
            json!({"secrets": [1]}),
            "a string or an object",
        ),
        (
            Method::PUT,
            &application,
            json!({"secrets": [{"value": "a", "expires": "soon"}]}),
            "a time like",
        ),
        (
            Method::PUT,
            &application,
            json!({"redirectUris": ["javascript:alert(1)"]}),
            "absolute http or https addresses",
        ),
        (
            Method::PUT,
            &application,
            json!({"displayName": "é".repeat(121)}),
            "displayName: must be 1 to 120 characters",
        ),
        (
            Method::PUT,
            &application,
            json!({"publisher": " "}),
            "publisher: must be 1 to 120 characters",
        ),
        (
            Method::PUT,
            &tenant,
            json!({"resources": ["Intune"]}),
            "`XDR`",
        ),
        (Method::PUT, &tenant, json!({"cloud": "China"}), "`GCCHigh`"),
        (Method::PUT, &tenant, json!({"state": "Active"}), "`active`"),
        (
            Method::PUT,
            &tenant,
            json!({"consents": {"x": []}}),
            "client id (of 1 characters) is not a GUID",
        ),
        (
            Method::PUT,
            &tenant,
            json!({"consents": {CLIENT: [""]}}),
            "a role must have a name",
        ),
        (Method::PUT, "/v1/tenants", json!([{}]), "entry 0: tenantId"),
        (Method::PUT, "/v1/tenants", json!({}), "expected a sequence"),
        (
            Method::PUT,
            "/v1/tokens",
            json!({"lifetimeSeconds": 0}),
            "lifetimeSeconds",
        ),
        (
            Method::PUT,
            "/v1/tokens",
            json!({"refreshInSeconds": 0}),
            "refreshInSeconds",
        ),
    ] {
        let error = refusal(&bed, method, path, &body).await;
        assert!(error.contains(reason), "{body}: {error}");
    }
}

#[tokio::test]
async fn bad_certificates_and_federated_credentials_are_refused_without_quoting_them() {
    let bed = Bed::empty().await;
    let application = format!("/v1/applications/{CLIENT}");
    let elliptic = rcgen::generate_simple_self_signed(vec!["a".to_owned()]).unwrap();
    let certificate = |entry: Value| json!({"certificates": [PARTNER.pem, entry]});
    let credential = |changes| json!({"federated": [federated(json!({})), federated(changes)]});
    let keys = |keys: Value| credential(json!({"jwks": {"keys": keys}}));
    let block = |label: &str, base64: &str| {
        format!("-----BEGIN {label}-----\n{base64}\n-----END {label}-----\n")
    };
    let wanted = "certificates: entry 1: must be a certificate in PEM";
    for (body, reason) in [
        (certificate(json!("canary")), wanted),
        (certificate(json!("")), wanted),
        (certificate(json!(block("PUBLIC KEY", "Y2FuYXJ5"))), wanted),
        (
            certificate(json!(block("CERTIFICATE", "Y2FuYXJ5"))),
            "holds no X.509 certificate",
        ),
        (certificate(json!(PARTNER.key_pem())), "is a private key"),
        (
            certificate(json!(PARTNER.pem.clone() + &PARTNER.key_pem())),
            "one PEM block",
        ),
        (
            certificate(json!(elliptic.cert.pem())),
            "must be RSA, of 2048",
        ),
        (certificate(json!(WEAK)), "must be RSA, of 2048"),
        (certificate(json!({})), "missing field `pem`"),
        (
            certificate(json!({"pem": PARTNER.pem, "expires": "canary"})),
            "a time like",
        ),
        (certificate(json!(1)), "a string or an object"),
        (
            credential(json!({"issuer": null})),
            "missing field `issuer`",
        ),
        (
            credential(json!({"subject": " "})),
            "federated: entry 1: subject: must not be empty",
        ),
        (
            credential(json!({"audience": ["canary"]})),
            "expected a string",
        ),
        (
            credential(json!({"canary8Q": 1})),
            "unknown field of 8 characters",
        ),
        (keys(json!([])), "jwks: must have an RSA key with a kid"),
        (keys(json!([{"kty": "EC", "kid": "canary"}])), "an RSA key"),
        (
            keys(json!([{"kty": "RSA", "kid": "a", "n": "canary", "e": "+"}])),
            "federated: entry 1: jwks: keys: entry 0: n and e must be",
        ),
        (
            keys(json!([{"kty": "RSA", "kid": "a", "n": "AQAB", "e": "AQAB"}])),
            "of 2048 bits at least",
        ),
        (
            credential(json!({"jwks": {"canary": 1}})),
            "missing field `keys`",
        ),
        (json!({"entraCloud": "canary"}), "`USGovernment`"),
    ] {
        let error = refusal(&bed, Method::PUT, &application, &body).await;
        assert!(error.contains(reason), "{body}: {error}");
        assert!(!error.contains("canary"), "{error}");
        assert!(!error.contains("Y2FuYXJ5"), "{error}");
    }
}

#[tokio::test]
async fn bad_faults_are_refused_with_a_reason() {
    let bed = Bed::empty().await;
    for (body, reason) in [
        (json!({}), "missing field `fault`"),
        (json!({"fault": {}}), "exactly one of"),
        (
            json!({"fault": {"reset": true, "status": 500}}),
            "exactly one of",
        ),
        (
            json!({"fault": {"aadsts": "x"}}),
            "expected a whole number from 0 to 4294967295",
        ),
        (
            json!({"fault": {"aadsts": 1, "error": ""}}),
            "error: must not be empty",
        ),
        (json!({"fault": {"aadsts": 1, "status": 7}}), "status: must"),
        (
            json!({"fault": {"aadsts": 1, "text": "a"}}),
            "need a status",
        ),
        (
            json!({"fault": {"status": 400, "error": "a"}}),
            "error needs aadsts",
        ),
        (json!({"fault": {"status": 100}}), "status: must be"),
        (json!({"fault": {"text": "a"}}), "need a status"),
        (
            json!({"fault": {"status": 429, "retryAfter": "a\nb"}}),
            "no header",
        ),
        (json!({"fault": {"latencyMs": 0}}), "latencyMs"),
        (json!({"fault": {"reset": false}}), "reset: must be true"),
        (json!({"fault": {"body": "odd"}}), "`truncated`"),
        (json!({"times": 0, "fault": {"reset": true}}), "times"),
        (
            json!({"match": {"tenant": "x"}, "fault": {"reset": true}}),
            "match: tenant",
        ),
        (
            json!({"match": {"endpoint": "api"}, "fault": {"aadsts": 90002}}),
            "no request there",
        ),
    ] {
        let error = refusal(&bed, Method::POST, "/v1/faults", &body).await;
        assert!(error.contains(reason), "{body}: {error}");
    }
}

#[tokio::test]
async fn a_put_replaces_what_was_there() {
    let bed = Bed::new().await;
    bed.put_application(json!({"secrets": ["other"]})).await;
    assert_eq!(bed.ask().await.0, 401);
    bed.put_application(json!({"secrets": [SECRET]})).await;
    assert_eq!(bed.ask().await.0, 200);
    bed.put("/v1/tenants", json!([{"tenantId": TENANT.to_uppercase()}]))
        .await;
    assert_eq!(bed.ask().await.1["error_codes"], json!([7_000_229]));
}

#[tokio::test]
async fn a_list_with_a_mistake_changes_nothing() {
    let bed = Bed::new().await;
    let body = json!([{"tenantId": TENANT}, {"tenantId": "x"}]);
    assert!(
        refusal(&bed, Method::PUT, "/v1/tenants", &body)
            .await
            .starts_with("entry 1: ")
    );
    assert_eq!(bed.ask().await.0, 200);
}

#[tokio::test]
async fn the_port_describes_itself() {
    let bed = Bed::empty().await;
    assert_eq!(bed.get_control("/openapi.json").await["openapi"], "3.1.0");
    assert_eq!(bed.get_control("/healthz").await, json!("ok\n"));
    let none = bed
        .control_request(Method::GET, "/v1/none")
        .send()
        .await
        .unwrap();
    assert_eq!(none.status(), 404);
    let method = bed
        .control_request(Method::POST, "/v1/counters")
        .send()
        .await
        .unwrap();
    assert_eq!(
        (
            method.status().as_u16(),
            method.headers()["allow"].to_str().unwrap()
        ),
        (405, "GET")
    );
}
