//! Every state of a customer, as the token endpoint, the consent page and the API tell it.

use reqwest::Client;
use serde_json::{Value, json};

use crate::bed::{API, Answer, Bed, CLIENT, LOGIN, SECRET, TENANT, browser};

/// What is seen of one state.
#[derive(Debug, PartialEq)]
struct Seen {
    /// Status and code of a token request; 0: a token.
    token: (u16, u64),
    /// Status of the consent page, and its code; 0: the question.
    page: (u16, u64),
    /// Status and message of the API; 200 without one.
    api: Option<(u16, String)>,
}

async fn page(browser: &Client, decision: Option<&str>) -> (u16, u64) {
    let url = format!("{LOGIN}/{TENANT}/adminconsent?client_id={CLIENT}");
    let request = match decision {
        None => browser.get(url),
        Some(decision) => browser.post(url).form(&[("decision", decision)]),
    };
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    let code = text.split_once("<p>AADSTS").map_or(0, |(_, rest)| {
        rest.split(':').next().unwrap().parse().unwrap()
    });
    (status, code)
}

async fn seen(bed: &Bed, browser: &Client) -> Seen {
    let (status, body): Answer = bed.ask().await;
    let api = match body["access_token"].as_str() {
        None => None,
        Some(token) => {
            let (status, body) = bed.get_api(&format!("{API}/api/alerts"), token).await;
            let message = body["error"]["message"].as_str().unwrap_or_default();
            Some((status, message.to_owned()))
        }
    };
    Seen {
        token: (status, body["error_codes"][0].as_u64().unwrap_or_default()),
        page: page(browser, None).await,
        api,
    }
}

type Row = (&'static str, Value, Seen);

/// A state: its name, the tenant, and what is seen.
fn row(
    name: &'static str,
    tenant: Value,
    token: (u16, u64),
    page: (u16, u64),
    api: Option<(u16, &str)>,
) -> Row {
    let api = api.map(|(status, message)| (status, message.to_owned()));
    (name, tenant, Seen { token, page, api })
}

const INACTIVE: &str = "Unauthorized request - reason of failure: Account mode is inactive";
const NO_ROLES: &str = "Missing application roles. API required roles: Alert.Read.All,Alert.ReadWrite.All, \
    application roles: .";

#[tokio::test]
async fn a_customer_is_in_one_of_these_states() {
    let yes = || json!({CLIENT: ["Alert.Read.All"]});
    let off = || json!({CLIENT: {"enabled": false, "roles": ["Alert.Read.All"]}});
    let (token, question) = ((200, 0), (200, 0));
    let unknown = (400, 700_016);
    let table = [
        row(
            "consented",
            json!({"consents": yes()}),
            token,
            question,
            Some((200, "")),
        ),
        row("no consent", json!({}), (401, 7_000_229), question, None),
        row(
            "no roles",
            json!({"consents": {CLIENT: []}}),
            token,
            question,
            Some((403, NO_ROLES)),
        ),
        row(
            "unknown application",
            json!({"consents": yes()}),
            unknown,
            unknown,
            None,
        ),
        row(
            "switched off",
            json!({"consents": off()}),
            (400, 7_000_112),
            (400, 7_000_112),
            None,
        ),
        row(
            "product gone",
            json!({"resources": [], "consents": yes()}),
            (400, 500_011),
            (400, 650_052),
            None,
        ),
        row(
            "no product",
            json!({"resources": []}),
            (401, 7_000_229),
            (400, 650_052),
            None,
        ),
        row(
            "not provisioned",
            json!({"provisioned": false, "consents": yes()}),
            token,
            question,
            Some((401, INACTIVE)),
        ),
        row(
            "deleted",
            json!({"state": "gone", "consents": yes()}),
            (400, 5_000_224),
            (400, 5_000_224),
            None,
        ),
        row(
            "never was",
            json!({"state": "absent"}),
            (400, 90_002),
            (400, 90_002),
            None,
        ),
        row(
            "another cloud",
            json!({"cloud": "DoD", "consents": yes()}),
            (400, 900_382),
            (400, 90_038),
            None,
        ),
    ];
    for (name, tenant, expected) in table {
        let mut applications = json!({});
        if expected.token != unknown {
            let roles = json!(["Alert.Read.All"]);
            applications[CLIENT] = json!({"secrets": [SECRET], "requiredRoles": roles});
        }
        let tenants = json!({TENANT: tenant});
        let bed = Bed::with_config(json!({"applications": applications, "tenants": tenants})).await;
        let browser = browser(&bed.emulator);
        assert_eq!(seen(&bed, &browser).await, expected, "{name}");
    }
}

#[tokio::test]
async fn a_customer_who_declines_stays_as_he_was() {
    let bed = Bed::with_config(json!({
        "applications": {CLIENT: {"secrets": [SECRET], "requiredRoles": ["Machine.Read.All"]}},
        "tenants": {TENANT: {}},
    }))
    .await;
    let browser = browser(&bed.emulator);
    for (tenant, token) in [
        (json!({}), (401, 7_000_229)),
        (json!({"consents": {CLIENT: ["Alert.Read.All"]}}), (200, 0)),
    ] {
        bed.put_tenant(tenant).await;
        assert_eq!(page(&browser, Some("cancel")).await, (200, 0));
        let after = seen(&bed, &browser).await;
        assert_eq!(after.token, token);
        assert_eq!(after.api.map_or(200, |(status, _)| status), 200);
    }
}
