//! The consent page: what it shows, what accepting does, where it sends the browser.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use reqwest::{Client, Response, Url};
use serde_json::{Value, json};

use crate::bed::{Bed, CLIENT, LOGIN, SECRET, TENANT, browser, claims};

const DONE: &str = "https://soc.example/done?x=1";
const EVERYWHERE: [&str; 3] = ["Endpoint", "XDR", "Graph"];

/// An application that asks for roles of every API, and a tenant without a consent.
async fn bed(tenant: Value) -> (Bed, Client) {
    let bed = Bed::with_config(json!({
        "applications": {CLIENT: {
            "secrets": [SECRET],
            "requiredRoles": ["Alert.Read.All", "Machine.Read.All", "Incident.Read.All", "SecurityAlert.Read.All"],
            "redirectUris": ["https://portal.azure.com", DONE],
        }},
        "tenants": {TENANT: tenant},
    }))
    .await;
    let browser = browser(&bed.emulator);
    (bed, browser)
}

fn everywhere() -> Value {
    json!({"resources": EVERYWHERE})
}

fn link(path: &str, parameters: &[(&str, &str)]) -> Url {
    let url = format!("{LOGIN}/{path}");
    Url::parse_with_params(&url, [("client_id", CLIENT)].iter().chain(parameters)).unwrap()
}

async fn decide(browser: &Client, url: Url, form: &[(&str, &str)]) -> Response {
    browser.post(url).form(form).send().await.unwrap()
}

const ACCEPT: [(&str, &str); 1] = [("decision", "accept")];
const CANCEL: [(&str, &str); 1] = [("decision", "cancel")];

/// Where a browser is sent, and with which parameters besides those of the address itself.
fn sent(response: &Response) -> (String, BTreeMap<String, String>) {
    assert_eq!(response.status(), 302);
    let location = response.headers()["location"].to_str().unwrap();
    let url = Url::parse(location).unwrap();
    let parameters = url.query_pairs().into_owned().collect();
    let (address, _) = location.split_once('?').unwrap();
    (address.to_owned(), parameters)
}

fn parameters(expected: &[(&str, &str)]) -> BTreeMap<String, String> {
    expected
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// The roles of a token for this resource; `None`: no token.
async fn roles(bed: &Bed, resource: &str) -> Option<Value> {
    let scope = format!("https://{resource}/.default");
    let (status, body) = bed.ask_with(LOGIN, TENANT, &[("scope", &scope)]).await;
    let token = body["access_token"].as_str();
    assert_eq!(status == 200, token.is_some(), "{body}");
    token.map(|token| claims(token).get("roles").cloned().unwrap_or(json!([])))
}

#[tokio::test]
async fn the_page_tells_a_person_what_is_asked() {
    let (bed, browser) = bed(everywhere()).await;
    let response = browser
        .get(link(&format!("{TENANT}/adminconsent"), &[]))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    let headers = response.headers();
    assert_eq!(headers["content-type"], "text/html; charset=utf-8");
    assert!(
        headers["content-security-policy"]
            .to_str()
            .unwrap()
            .starts_with("default-src 'none';")
    );
    let page = response.text().await.unwrap();
    let mut rest = page.as_str();
    for part in [
        "<html lang=\"en\">",
        CLIENT,
        TENANT,
        "<h2>WindowsDefenderATP</h2>",
        "<li>Alert.Read.All</li>",
        "<li>Machine.Read.All</li>",
        "<h2>Microsoft Threat Protection</h2>",
        "<li>Incident.Read.All</li>",
        "<h2>Microsoft Graph</h2>",
        "<li>SecurityAlert.Read.All</li>",
        "<form method=\"post\">",
        "name=\"decision\" value=\"accept\"",
        "name=\"decision\" value=\"cancel\"",
    ] {
        let place = rest.find(part);
        let place = place.unwrap_or_else(|| panic!("{part} is missing or misplaced in {page}"));
        rest = &rest[place + part.len()..];
    }
    assert!(!page.contains("<input"), "{page}");
    assert_eq!(roles(&bed, "api.securitycenter.microsoft.com").await, None);
}

#[tokio::test]
async fn the_page_names_the_application_and_its_publisher() {
    let (bed, browser) = bed(everywhere()).await;
    let shown = async || {
        let url = link(&format!("{TENANT}/adminconsent"), &[]);
        let page = browser.get(url).send().await.unwrap();
        page.text().await.unwrap()
    };
    let page = shown().await;
    let unnamed =
        "<dt>Application</dt><dd>application-0c4f3a52</dd>\n<dt>Publisher</dt><dd>unverified</dd>";
    assert!(page.contains(unnamed), "{page}");

    let longest = "é".repeat(120);
    let hostile = "</dd><script>alert(\"a\")</script>";
    for (name, publisher, expected) in [
        (
            hostile,
            "<b title='x'>O'Neill & \"Sons\"",
            "<dt>Application</dt><dd>&lt;/dd&gt;&lt;script&gt;alert(&quot;a&quot;)&lt;/script&gt;</dd>\n\
            <dt>Publisher</dt><dd>&lt;b title=&#39;x&#39;&gt;O&#39;Neill &amp; &quot;Sons&quot; (verified)</dd>",
        ),
        (&longest, "Example Ltd", "<dd>Example Ltd (verified)</dd>"),
    ] {
        bed.put_application(json!({
            "secrets": [SECRET], "requiredRoles": ["Alert.Read.All"], "displayName": name, "publisher": publisher,
        }))
        .await;
        let page = shown().await;
        assert!(page.contains(expected), "{page}");
        let url = link(&format!("{TENANT}/adminconsent"), &[]);
        let page = decide(&browser, url, &ACCEPT).await.text().await.unwrap();
        assert!(page.contains(expected), "{page}");
        assert_eq!(claims(&bed.token().await)["app_displayname"], name);
    }
}

#[tokio::test]
async fn accepting_grants_all_that_the_registration_asks_for() {
    let (bed, browser) = bed(everywhere()).await;
    let url = link(&format!("{TENANT}/adminconsent"), &[]);
    let response = decide(&browser, url, &ACCEPT).await;
    assert_eq!(response.status(), 200);
    let page = response.text().await.unwrap();
    assert!(page.contains("<h1>Permissions granted</h1>"), "{page}");
    for (resource, expected) in [
        (
            "api.securitycenter.microsoft.com",
            json!(["Alert.Read.All", "Machine.Read.All"]),
        ),
        ("api.security.microsoft.com", json!(["Incident.Read.All"])),
        ("graph.microsoft.com", json!(["SecurityAlert.Read.All"])),
    ] {
        assert_eq!(roles(&bed, resource).await, Some(expected), "{resource}");
    }
}

#[tokio::test]
async fn the_journal_tells_looking_from_accepting_and_declining() {
    let (bed, browser) = bed(everywhere()).await;
    let url = link("common/adminconsent", &[]);
    browser.get(url.clone()).send().await.unwrap();
    let form = |decision| [("tenant", TENANT), ("decision", decision)];
    decide(&browser, url.clone(), &form("cancel")).await;
    decide(&browser, url, &form("accept")).await;
    let entries: Vec<_> = bed
        .journal()
        .await
        .into_iter()
        .map(|entry| ["kind", "tenant", "client", "outcome"].map(|name| entry[name].clone()))
        .collect();
    let entry = |tenant: &str, outcome: &str| {
        [
            json!("consent"),
            json!(tenant),
            json!(CLIENT),
            json!(outcome),
        ]
    };
    assert_eq!(
        entries,
        [
            entry("common", "http 200"),
            entry(TENANT, "AADSTS65004"),
            entry(TENANT, "ok")
        ]
    );
    assert_eq!(
        bed.get_control("/v1/counters").await["consent"],
        json!({"http 200": 1, "AADSTS65004": 1, "ok": 1})
    );
}

#[tokio::test]
async fn the_first_form_redirects_as_entra_does() {
    let (bed, browser) = bed(everywhere()).await;
    let state = "a b&admin_consent=False";
    let url = link(
        &format!("{TENANT}/adminconsent"),
        &[("redirect_uri", DONE), ("state", state)],
    );
    let declined = decide(&browser, url.clone(), &CANCEL).await;
    let location = declined.headers()["location"].to_str().unwrap();
    assert_eq!(
        location,
        format!(
            "{DONE}&error=permission_denied&error_description=The+admin+canceled+the+request\
             &state=a+b%26admin_consent%3DFalse"
        )
    );
    assert_eq!(roles(&bed, "api.securitycenter.microsoft.com").await, None);
    let accepted = decide(&browser, url, &ACCEPT).await;
    assert_eq!(
        accepted.headers()["location"].to_str().unwrap(),
        format!("{DONE}&tenant={TENANT}&state=a+b%26admin_consent%3DFalse&admin_consent=True")
    );
    assert!(
        roles(&bed, "api.securitycenter.microsoft.com")
            .await
            .is_some()
    );
}

#[tokio::test]
async fn the_second_form_redirects_as_entra_does() {
    let (bed, browser) = bed(everywhere()).await;
    let scope = "https://api.securitycenter.microsoft.com/.default";
    let url = link(
        &format!("{TENANT}/v2.0/adminconsent"),
        &[("redirect_uri", DONE), ("scope", scope), ("state", "s")],
    );
    let (address, mut declined) = sent(&decide(&browser, url.clone(), &CANCEL).await);
    assert_eq!(address, "https://soc.example/done");
    let text = declined.remove("error_description").unwrap();
    assert!(text.starts_with("AADSTS65004: "), "{text}");
    let expected = [
        ("x", "1"),
        ("admin_consent", "True"),
        ("error", "consent_required"),
        ("state", "s"),
    ];
    assert_eq!(declined, parameters(&expected));
    assert_eq!(roles(&bed, "api.securitycenter.microsoft.com").await, None);

    let (_, accepted) = sent(&decide(&browser, url, &ACCEPT).await);
    let expected = [
        ("x", "1"),
        ("admin_consent", "True"),
        ("tenant", TENANT),
        ("scope", scope),
        ("state", "s"),
    ];
    assert_eq!(accepted, parameters(&expected));
    // Whichever resource the scope names, all that the registration asks for is granted.
    assert_eq!(
        roles(&bed, "graph.microsoft.com").await,
        Some(json!(["SecurityAlert.Read.All"]))
    );
}

#[tokio::test]
async fn the_old_sign_in_link_asks_which_tenant_and_sends_a_code() {
    let (bed, browser) = bed(everywhere()).await;
    let old = [
        ("prompt", "consent"),
        ("response_type", "code"),
        ("sso_reload", "true"),
    ];
    let url = link("common/oauth2/authorize", &old);
    let page = browser.get(url.clone()).send().await.unwrap();
    let page = page.text().await.unwrap();
    assert!(page.contains("<label for=\"tenant\">"), "{page}");
    assert!(page.contains("name=\"tenant\" required"), "{page}");

    let form = [("tenant", TENANT), ("decision", "accept")];
    let (address, sent_back) = sent(&decide(&browser, url.clone(), &form).await);
    assert_eq!(address, "https://portal.azure.com");
    assert!(sent_back["code"].starts_with("1."), "{sent_back:?}");
    assert!(
        roles(&bed, "api.securitycenter.microsoft.com")
            .await
            .is_some()
    );

    // A declining administrator need not say whose.
    let mut elsewhere = old.to_vec();
    elsewhere.extend([("redirect_uri", DONE), ("state", "s")]);
    let declined = decide(
        &browser,
        link("common/oauth2/authorize", &elsewhere),
        &CANCEL,
    )
    .await;
    let (address, sent_back) = sent(&declined);
    assert_eq!(address, "https://soc.example/done");
    assert_eq!(
        (sent_back["error"].as_str(), sent_back["state"].as_str()),
        ("access_denied", "s")
    );

    // Without any address there is a page.
    bed.put_application(json!({"secrets": [SECRET]})).await;
    let response = decide(&browser, url, &form).await;
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn every_login_host_of_the_cloud_has_the_page() {
    let (bed, browser) = bed(everywhere()).await;
    let public = [
        "login.microsoftonline.com",
        "login.windows.net",
        "login.microsoft.com",
        "sts.windows.net",
        "westus2.login.microsoft.com",
    ];
    let government = ["login.microsoftonline.us", "login.usgovcloudapi.net"];
    for (cloud, hosts) in [
        ("Commercial", &public[..]),
        ("GCC", &public),
        ("GCCHigh", &government),
        ("DoD", &government),
    ] {
        bed.put_tenant(json!({"cloud": cloud, "resources": EVERYWHERE}))
            .await;
        for host in hosts {
            let url = format!("https://{host}/{TENANT}/adminconsent?client_id={CLIENT}");
            let response = browser.get(url).send().await.unwrap();
            assert_eq!(response.status(), 200, "{cloud} at {host}");
        }
    }
}

#[tokio::test]
async fn a_consent_replaces_the_one_before() {
    let (bed, browser) = bed(everywhere()).await;
    bed.put_tenant(json!({"resources": EVERYWHERE, "consents": {CLIENT: ["Ti.ReadWrite"]}}))
        .await;
    let url = link(&format!("{TENANT}/adminconsent"), &[]);
    decide(&browser, url, &ACCEPT).await;
    assert_eq!(
        roles(&bed, "api.securitycenter.microsoft.com").await,
        Some(json!(["Alert.Read.All", "Machine.Read.All"]))
    );
}

#[tokio::test]
async fn roles_can_arrive_late() {
    let late = json!({
        "resources": EVERYWHERE, "consents": {CLIENT: ["Ti.ReadWrite"]}, "consentVisibleAfterSeconds": 2,
    });
    let (bed, browser) = bed(late).await;
    let url = link(&format!("{TENANT}/adminconsent"), &[]);
    let start = Instant::now();
    decide(&browser, url, &ACCEPT).await;
    // However slow the machine is: for two seconds the roles are those of before, and then the new ones.
    loop {
        let roles = roles(&bed, "api.securitycenter.microsoft.com").await;
        if roles == Some(json!(["Alert.Read.All", "Machine.Read.All"])) {
            assert!(start.elapsed() >= Duration::from_secs(2));
            break;
        }
        assert_eq!(roles, Some(json!(["Ti.ReadWrite"])));
        assert!(start.elapsed() < Duration::from_mins(1), "they never come");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
