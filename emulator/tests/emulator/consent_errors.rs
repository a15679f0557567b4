//! The consent page's error pages.

use reqwest::{Client, Method, Response, Url};
use serde_json::{Value, json};

use crate::bed::{Bed, CLIENT, LOGIN, SECRET, TENANT, browser};

const OTHER: &str = "11111111-2222-4333-8444-555555555555";
const DONE: &str = "https://soc.example/done";
const SCOPE: &str = "https://api.securitycenter.microsoft.com/.default";

async fn bed() -> (Bed, Client) {
    let bed = Bed::with_config(json!({
        "applications": {CLIENT: {
            "secrets": [SECRET], "requiredRoles": ["Alert.Read.All"], "redirectUris": [DONE],
        }},
        "tenants": {TENANT: {}},
    }))
    .await;
    let browser = browser(&bed.emulator);
    (bed, browser)
}

fn link(path: &str, parameters: &[(&str, &str)]) -> Url {
    Url::parse_with_params(&format!("{LOGIN}/{path}"), parameters).unwrap()
}

/// The page's code, which must also be the journal's; fails if it isn't a whole page.
async fn page(bed: &Bed, response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    assert_eq!(
        response.headers()["content-type"],
        "text/html; charset=utf-8"
    );
    let text = response.text().await.unwrap();
    assert!(text.contains("having trouble signing you in"), "{text}");
    let (_, rest) = text.split_once("<p>AADSTS").expect(&text);
    let code = rest.split(':').next().unwrap().to_owned();
    for part in ["Request Id", "Correlation Id", "Timestamp"] {
        assert!(text.contains(part), "{text}");
    }
    let last = bed.journal().await.pop().unwrap();
    assert_eq!(
        (&last["kind"], &last["outcome"]),
        (&json!("consent"), &json!(format!("AADSTS{code}")))
    );
    (status, code)
}

#[tokio::test]
async fn links_with_mistakes() {
    let (bed, browser) = bed().await;
    let (v1, v2) = (
        format!("{TENANT}/adminconsent"),
        format!("{TENANT}/v2.0/adminconsent"),
    );
    let old = format!("{TENANT}/oauth2/authorize");
    let id = ("client_id", CLIENT);
    let (scope, done) = (("scope", SCOPE), ("redirect_uri", DONE));
    let (code, consent) = (("response_type", "code"), ("prompt", "consent"));
    for (path, parameters, status, expected) in [
        (v1.as_str(), vec![], 400, "900144"),
        (&v1, vec![("client_id", " ")], 400, "900144"),
        (&v1, vec![("client_id", OTHER)], 400, "700016"),
        (&v1, vec![("client_id", "none")], 400, "700016"),
        (
            &v1,
            vec![id, ("redirect_uri", "https://soc.example/done/")],
            400,
            "50011",
        ),
        (
            &v1,
            vec![id, ("redirect_uri", "https://evil.example")],
            400,
            "50011",
        ),
        (&format!("{OTHER}/adminconsent"), vec![id], 400, "90002"),
        ("contoso.example/adminconsent", vec![id], 400, "90002"),
        ("contoso/adminconsent", vec![id], 400, "900023"),
        (&v2, vec![scope, done], 400, "900144"),
        (&v2, vec![id, done], 400, "900144"),
        (&v2, vec![id, scope], 400, "900144"),
        (
            "common/v2.0/adminconsent",
            vec![id, scope, done],
            400,
            "50059",
        ),
        (
            &v2,
            vec![
                id,
                done,
                (
                    "scope",
                    "https://api.securitycenter.microsoft.com/Alert.Read.All",
                ),
            ],
            400,
            "70011",
        ),
        (
            &v2,
            vec![id, done, ("scope", "https://example.com/.default")],
            400,
            "500011",
        ),
        (
            &v2,
            vec![id, done, ("scope", "https://graph.microsoft.com/.default")],
            400,
            "650057",
        ),
        (&old, vec![id, consent], 400, "900144"),
        (&old, vec![id, code], 400, "900144"),
        (
            &old,
            vec![id, consent, ("response_type", "token")],
            400,
            "700054",
        ),
    ] {
        let url = link(path, &parameters);
        let response = browser.get(url.clone()).send().await.unwrap();
        assert_eq!(
            page(&bed, response).await,
            (status, expected.to_owned()),
            "{url}"
        );
        // A script that doesn't look first is told the same.
        let sent = browser.post(url.clone()).form(&[("decision", "accept")]);
        let response = sent.send().await.unwrap();
        assert_eq!(page(&bed, response).await.1, expected, "{url}");
    }
    let good = link("organizations/v2.0/adminconsent", &[id, scope, done]);
    assert_eq!(browser.get(good).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn without_registered_addresses_any_web_page_is_one() {
    let (bed, browser) = bed().await;
    bed.put_application(json!({"secrets": [SECRET]})).await;
    for (uri, expected) in [
        ("https://anywhere.example/x", 302),
        ("http://localhost:5000", 302),
        ("javascript:alert(1)", 400),
        ("data:text/html,x", 400),
        ("/done", 400),
    ] {
        let url = link(
            &format!("{TENANT}/adminconsent"),
            &[("client_id", CLIENT), ("redirect_uri", uri)],
        );
        let sent = browser.post(url).form(&[("decision", "cancel")]);
        assert_eq!(sent.send().await.unwrap().status(), expected, "{uri}");
    }
}

#[tokio::test]
async fn forms_with_mistakes() {
    let (bed, browser) = bed().await;
    for (path, form, expected) in [
        (format!("{TENANT}/adminconsent"), vec![], "900144"),
        (
            format!("{TENANT}/adminconsent"),
            vec![("decision", "yes")],
            "900144",
        ),
        (
            "common/adminconsent".to_owned(),
            vec![("decision", "accept")],
            "50059",
        ),
        (
            "common/adminconsent".to_owned(),
            vec![("decision", "accept"), ("tenant", OTHER)],
            "90002",
        ),
        (
            "common/adminconsent".to_owned(),
            vec![("decision", "accept"), ("tenant", "x")],
            "900023",
        ),
        (
            "common/adminconsent".to_owned(),
            vec![("decision", "accept"), ("tenant", "common")],
            "50059",
        ),
    ] {
        let sent = browser
            .post(link(&path, &[("client_id", CLIENT)]))
            .form(&form);
        let (_, code) = page(&bed, sent.send().await.unwrap()).await;
        assert_eq!(code, expected, "{path} {form:?}");
    }
    let url = link(&format!("{TENANT}/adminconsent"), &[("client_id", CLIENT)]);
    let put = browser.request(Method::PUT, url).send().await.unwrap();
    assert_eq!(put.status(), 405);
}

#[tokio::test]
async fn tenants_that_cannot_consent() {
    let (bed, browser) = bed().await;
    let url = link(&format!("{TENANT}/adminconsent"), &[("client_id", CLIENT)]);
    let token = |code: u64| json!([code]);
    for (tenant, expected, minted) in [
        (json!({"state": "gone"}), "5000224", token(5_000_224)),
        (json!({"state": "absent"}), "90002", token(90_002)),
        (json!({"cloud": "GCCHigh"}), "90038", token(900_382)),
        (json!({"resources": []}), "650052", token(7_000_229)),
        (
            json!({"resources": ["XDR", "Graph"]}),
            "650052",
            token(7_000_229),
        ),
        (
            json!({"consents": {CLIENT: {"enabled": false}}}),
            "7000112",
            token(7_000_112),
        ),
    ] {
        bed.put_tenant(tenant.clone()).await;
        let looked = browser.get(url.clone()).send().await.unwrap();
        assert_eq!(page(&bed, looked).await.1, expected, "{tenant}");
        let sent = browser.post(url.clone()).form(&[("decision", "accept")]);
        assert_eq!(
            page(&bed, sent.send().await.unwrap()).await.1,
            expected,
            "{tenant}"
        );
        // Nothing came of it.
        assert_eq!(bed.ask().await.1["error_codes"], minted, "{tenant}");
    }
}

#[tokio::test]
async fn a_public_tenant_at_the_government_is_unknown() {
    let (bed, browser) = bed().await;
    let url = format!("https://login.microsoftonline.us/{TENANT}/adminconsent?client_id={CLIENT}");
    let response = browser.get(url).send().await.unwrap();
    assert_eq!(page(&bed, response).await.1, "90002");
}

#[tokio::test]
async fn an_application_of_the_other_cloud_is_unknown() {
    let (bed, browser) = bed().await;
    bed.put_application(json!({"entraCloud": "USGovernment"}))
        .await;
    let url = link(&format!("{TENANT}/adminconsent"), &[("client_id", CLIENT)]);
    let response = browser.get(url).send().await.unwrap();
    assert_eq!(page(&bed, response).await.1, "700016");
}

#[tokio::test]
async fn faults_happen_here_too() {
    let (bed, browser) = bed().await;
    let url = link(&format!("{TENANT}/adminconsent"), &[("client_id", CLIENT)]);
    let matching = json!({"tenant": TENANT, "client": CLIENT, "endpoint": "consent"});
    let fault = |fault: Value| json!({"match": matching, "times": 1, "fault": fault});
    bed.fault(fault(json!({"aadsts": 90_094}))).await;
    assert_eq!(bed.ask().await.1["error_codes"], json!([7_000_229]));
    let response = browser.get(url.clone()).send().await.unwrap();
    let text = response.text().await.unwrap();
    assert!(
        text.contains("<p>AADSTS90094: An administrator of "),
        "{text}"
    );
    bed.fault(fault(json!({"aadsts": 50_196}))).await;
    let response = browser.get(url.clone()).send().await.unwrap();
    assert_eq!(
        (
            response.status().as_u16(),
            response.headers()["retry-after"].to_str().unwrap()
        ),
        (429, "60")
    );
    bed.fault(fault(json!({"status": 503, "retryAfter": 7})))
        .await;
    let sent = browser.post(url.clone()).form(&[("decision", "accept")]);
    assert_eq!(sent.send().await.unwrap().status(), 503);
    assert_eq!(bed.ask().await.1["error_codes"], json!([7_000_229]));
    assert_eq!(browser.get(url).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn nothing_that_comes_from_outside_is_markup() {
    let (bed, browser) = bed().await;
    let evil = "\"'><script>alert(1)</script>";
    bed.put_application(json!({"requiredRoles": [evil]})).await;
    bed.put_tenant(json!({})).await;
    let path = format!("{TENANT}/adminconsent");
    let v2 = format!("{TENANT}/v2.0/adminconsent");
    let redirect = "https://soc.example/?a='b'&c=<script>";
    for (path, parameters) in [
        (
            path.as_str(),
            vec![
                ("client_id", CLIENT),
                ("state", evil),
                ("redirect_uri", redirect),
            ],
        ),
        (&path, vec![("client_id", evil)]),
        (&path, vec![("client_id", CLIENT), ("redirect_uri", evil)]),
        (
            &v2,
            vec![
                ("client_id", CLIENT),
                ("redirect_uri", DONE),
                ("scope", evil),
            ],
        ),
        ("%3Cscript%3E/adminconsent", vec![("client_id", CLIENT)]),
        ("<script>.example/adminconsent", vec![("client_id", CLIENT)]),
    ] {
        let url = link(path, &parameters);
        let text = browser
            .get(url.clone())
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        assert!(text.starts_with("<!DOCTYPE html>"), "{url}: {text}");
        assert!(!text.contains("<script"), "{url}: {text}");
        assert!(!text.contains("\"'>"), "{url}: {text}");
    }
}
