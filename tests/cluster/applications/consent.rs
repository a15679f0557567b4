//! A customer's administrator consents by the application's link, and takes the consent back.

use defender_tenant_operator::api::DefenderTenant;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::{CLIENT, Lab, Setup, condition, guid, key, run};

const REDIRECT: &str = "https://partner.example/done";

async fn contoso(lab: &Lab, more: Value) {
    lab.home_credential("partner", &lab.secret).await;
    let grants = json!([{"namespaces": {"names": [lab.ns]}, "tenantIds": [guid(1)]}]);
    let spec = json!({"grants": grants, "consent": {"redirectUri": REDIRECT}});
    lab.application("soc-reader", spec).await;
    let spec = crate::support::overlay(json!({"tenantId": guid(1)}), more);
    lab.granted(&lab.ns, "contoso", "soc-reader", spec).await;
}

fn consent_url(tenant: &DefenderTenant) -> Option<&str> {
    tenant.status.as_ref()?.consent_url.as_deref()
}

fn link() -> String {
    format!(
        "https://login.microsoftonline.com/{}/v2.0/adminconsent?client_id={CLIENT}&scope=https%3A%2F%2Fapi.securitycenter.microsoft.com%2F.default&redirect_uri=https%3A%2F%2Fpartner.example%2Fdone",
        guid(1)
    )
}

#[test]
fn whoever_follows_the_application_s_link_and_accepts_comes_back_and_is_served() {
    run(async {
        let lab = Lab::of_applications("follow", Setup::default()).await;
        let registration = json!({
            "secrets": [lab.secret], "requiredRoles": ["Alert.Read.All"], "redirectUris": [REDIRECT],
        });
        let path = format!("applications/{CLIENT}");
        lab.emulator.put(&path, &registration).await;
        let body = json!({"resources": ["Endpoint"]});
        lab.emulator.tenant(&guid(1), &body).await;
        contoso(&lab, json!({"requiredRoles": ["Alert.Read.All"]})).await;
        let seen = lab.reason("contoso", "False", "ConsentRequired").await;
        let url = consent_url(&seen).expect("a link");
        assert_eq!(url, link());

        let page = lab.browser().get(url).send().await.expect("a page");
        assert_eq!(page.status(), 200);
        let decision = lab.browser().post(url).form(&[("decision", "accept")]);
        let answer = decision.send().await.expect("an answer");
        assert_eq!(answer.status(), 302);
        let back = answer.headers()["location"].to_str().expect("a URL");
        let query = back.strip_prefix(&format!("{REDIRECT}?")).expect(back);
        let query: Vec<_> = query.split('&').collect();
        assert!(query.contains(&"admin_consent=True"), "{back}");
        assert!(query.contains(&&*format!("tenant={}", guid(1))), "{back}");

        lab.force("contoso", "consented").await;
        let seen = lab.reason("contoso", "True", "TokenPublished").await;
        assert_eq!(consent_url(&seen), None);
        let token = seen.status.expect("a status").token.expect("a token");
        assert_eq!(token.roles, ["Alert.Read.All"]);
        lab.finish().await;
    });
}

#[test]
fn a_consent_that_is_taken_back_is_noticed_at_the_next_refresh_and_its_token_lives_to_its_end() {
    run(async {
        let args = ["--refresh-margin", "2"].map(str::to_owned).into();
        let setup = Setup {
            args,
            ..Setup::default()
        };
        let lab = Lab::of_applications("revoked", setup).await;
        lab.emulator.lifetime(30).await;
        lab.emulator
            .consented(&guid(1), CLIENT, &["Alert.Read.All"])
            .await;
        contoso(&lab, json!({"refresh": {"minRemainingSeconds": 5}})).await;
        lab.reason("contoso", "True", "TokenPublished").await;
        lab.emulator.tenant(&guid(1), &json!({})).await;

        let seen = lab.reason("contoso", "True", "ConsentRequired").await;
        let consent = condition(&seen, "ConsentGranted").expect("ConsentGranted");
        assert_eq!(
            (&*consent.status, &*consent.reason),
            ("False", "ConsentRequired")
        );
        assert_eq!(consent_url(&seen), Some(&*link()));
        let target = lab.target("contoso").await.expect("the Secret stays");
        let end: Timestamp = key(&target, "expires-on")
            .and_then(|end| end.parse().ok())
            .expect("a time");
        lab.eventually("an Event", async || {
            let events = lab.events("contoso").await;
            let told = events.iter().any(|event| event.0 == "ConsentRequired");
            told.then_some(())
        })
        .await;
        lab.eventually("the Secret goes", async || {
            lab.target("contoso").await.is_none().then_some(())
        })
        .await;
        assert!(Timestamp::now() >= end, "and not before its end");
        let seen = lab.reason("contoso", "False", "ConsentRequired").await;
        assert!(seen.status.expect("a status").token.is_none());
        lab.finish().await;
    });
}
