//! What the customer must do, and what is wrong with the customer's tenant.

use defender_tenant_operator::api::DefenderTenant;
use serde_json::{Value, json};

use crate::support::{CLIENT, Lab, Patience, condition, guid, run};

fn link(n: u64) -> String {
    format!(
        "https://login.microsoftonline.com/{}/adminconsent?client_id={CLIENT}",
        guid(n)
    )
}

fn consent_url(tenant: &DefenderTenant) -> Option<String> {
    tenant.status.as_ref()?.consent_url.clone()
}

fn is(tenant: &DefenderTenant, type_: &str) -> Option<(String, String)> {
    condition(tenant, type_).map(|c| (c.status.clone(), c.reason.clone()))
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "compared with what may not be there"
)]
fn so(status: &str, reason: &str) -> Option<(String, String)> {
    Some((status.to_owned(), reason.to_owned()))
}

#[test]
fn a_customer_without_consent_gets_a_link_and_then_a_token_on_demand_or_by_schedule() {
    run(async {
        let lab = Lab::new("consent").await;
        for (n, name) in [(1, "forced"), (2, "scheduled")] {
            lab.emulator.tenant(&guid(n), &json!({})).await;
            lab.tenant(
                name,
                json!({"tenantId": guid(n), "requiredRoles": ["Alert.Read.All"]}),
            )
            .await;
        }
        for (n, name) in [(1, "forced"), (2, "scheduled")] {
            let seen = lab.reason(name, "False", "ConsentRequired").await;
            assert_eq!(is(&seen, "ConsentGranted"), so("False", "ConsentRequired"));
            assert_eq!(is(&seen, "CredentialReady"), so("True", "Usable"));
            assert_eq!(is(&seen, "Stalled"), so("True", "ConsentRequired"));
            assert_eq!(is(&seen, "Reconciling"), None);
            assert_eq!(consent_url(&seen), Some(link(n)));
            let error = seen
                .status
                .and_then(|status| status.last_error)
                .expect("an error");
            assert_eq!(
                (error.code.as_deref(), error.scope.as_str()),
                (Some("AADSTS7000229"), "Tenant")
            );
            assert!(
                error.correlation_id.is_some() && error.trace_id.is_some(),
                "for a support request"
            );
            let events = lab
                .eventually("an Event", async || {
                    let events = lab.events(name).await;
                    (!events.is_empty()).then_some(events)
                })
                .await;
            assert_eq!(events[0].0, "ConsentRequired");
            lab.emulator
                .consented(&guid(n), CLIENT, &["Alert.Read.All"])
                .await;
        }
        lab.force("forced", "2026-11-24T10:00:00Z").await;
        let seen = lab.reason("forced", "True", "TokenPublished").await;
        assert_eq!(consent_url(&seen), None);
        assert_eq!(is(&seen, "ConsentGranted"), so("True", "Consented"));
        assert_eq!(
            (is(&seen, "Stalled"), is(&seen, "Reconciling")),
            (None, None)
        );
        // Asked again one minute after the first time, plus jitter.
        lab.until(
            "scheduled",
            "TokenPublished",
            Patience::seconds(90),
            |tenant| is(tenant, "Ready") == so("True", "TokenPublished"),
        )
        .await;
        let requests = lab.emulator.token_requests(&guid(2)).await;
        let outcomes: Vec<_> = requests
            .iter()
            .map(|entry| entry.outcome.as_str())
            .collect();
        assert_eq!(outcomes, ["AADSTS7000229", "ok"], "nobody asked in between");
        lab.finish().await;
    });
}

#[test]
fn a_redirect_uri_in_the_credential_makes_the_link_return_there() {
    run(async {
        let lab = Lab::new("redirect").await;
        let keys = [
            ("client-id", CLIENT),
            ("client-secret", lab.secret.as_str()),
            ("redirect-uri", "https://partner.example/done?x=1"),
        ];
        lab.labelled("partner", &keys).await;
        for (n, cloud, api, login, audience) in [
            (
                1,
                "Commercial",
                "Endpoint",
                "login.microsoftonline.com",
                "https%3A%2F%2Fapi.securitycenter.microsoft.com",
            ),
            (
                2,
                "GCCHigh",
                "Endpoint",
                "login.microsoftonline.us",
                "https%3A%2F%2Fapi-gov.securitycenter.microsoft.us",
            ),
            (
                3,
                "GCC",
                "XDR",
                "login.microsoftonline.com",
                "https%3A%2F%2Fapi-gcc.security.microsoft.us",
            ),
            (
                4,
                "DoD",
                "Graph",
                "login.microsoftonline.us",
                "https%3A%2F%2Fdod-graph.microsoft.us",
            ),
        ] {
            lab.emulator
                .tenant(&guid(n), &json!({"cloud": cloud, "resources": [api]}))
                .await;
            let name = cloud.to_lowercase();
            let spec = json!({"tenantId": guid(n), "cloud": cloud, "api": api});
            lab.tenant(&name, spec).await;
            let seen = lab.reason(&name, "False", "ConsentRequired").await;
            let expected = format!(
                "https://{login}/{}/v2.0/adminconsent?client_id={CLIENT}&scope={audience}%2F.default&redirect_uri=https%3A%2F%2Fpartner.example%2Fdone%3Fx%3D1",
                guid(n)
            );
            assert_eq!(consent_url(&seen), Some(expected));
        }
        lab.finish().await;
    });
}

#[test]
fn missing_roles_are_published_or_withheld_as_the_spec_says() {
    run(async {
        let lab = Lab::new("roles").await;
        let required = json!(["Alert.Read.All", "Machine.Read.All", "Machine.Isolate"]);
        for (n, policy) in [(1, "Publish"), (2, "Withhold")] {
            lab.emulator
                .consented(
                    &guid(n),
                    CLIENT,
                    &["Alert.ReadWrite.All", "Machine.Isolate", "Url.Read.All"],
                )
                .await;
            let spec = json!({"tenantId": guid(n), "requiredRoles": required, "missingRolePolicy": policy});
            lab.tenant(&policy.to_lowercase(), spec).await;
        }
        let seen = lab.reason("publish", "True", "RolesMissing").await;
        assert_eq!(is(&seen, "RolesGranted"), so("False", "RolesMissing"));
        assert_eq!(is(&seen, "ConsentGranted"), so("True", "Consented"));
        assert_eq!(
            (is(&seen, "Stalled"), is(&seen, "Reconciling")),
            (None, None)
        );
        assert_eq!(consent_url(&seen), Some(link(1)));
        let message = condition(&seen, "RolesGranted")
            .map(|c| c.message.clone())
            .unwrap_or_default();
        assert!(
            message.contains("Machine.Read.All") && !message.contains("Alert"),
            "{message}"
        );
        let token = seen
            .status
            .and_then(|status| status.token)
            .expect("a token");
        assert_eq!(token.missing_roles, ["Machine.Read.All"]);
        assert_eq!(token.surplus_roles, ["Url.Read.All"]);
        assert!(lab.token("publish").await.is_some());

        let seen = lab.reason("withhold", "False", "RolesMissing").await;
        assert_eq!(is(&seen, "RolesGranted"), so("False", "RolesMissing"));
        assert_eq!(is(&seen, "Stalled"), so("True", "RolesMissing"));
        assert_eq!(consent_url(&seen), Some(link(2)));
        assert_eq!(lab.target("withhold").await, None);

        for (n, name) in [(1, "publish"), (2, "withhold")] {
            lab.emulator
                .consented(
                    &guid(n),
                    CLIENT,
                    &["Alert.Read.All", "Machine.Read.All", "Machine.Isolate"],
                )
                .await;
            lab.force(name, "granted").await;
            let seen = lab.reason(name, "True", "TokenPublished").await;
            assert_eq!(is(&seen, "RolesGranted"), so("True", "Granted"));
            assert_eq!(consent_url(&seen), None);
        }
        lab.finish().await;
    });
}

#[test]
fn roles_taken_away_never_take_a_live_token_away() {
    run(async {
        let lab = Lab::new("revoked").await;
        lab.emulator
            .consented(&guid(1), CLIENT, &["Alert.Read.All"])
            .await;
        let spec = json!({"tenantId": guid(1), "requiredRoles": ["Alert.Read.All"], "missingRolePolicy": "Withhold"});
        lab.tenant("contoso", spec).await;
        lab.reason("contoso", "True", "TokenPublished").await;
        let before = lab.token("contoso").await;
        lab.emulator.consented(&guid(1), CLIENT, &[]).await;
        lab.force("contoso", "now").await;
        let seen = lab.reason("contoso", "True", "NoRoles").await;
        assert_eq!(is(&seen, "ConsentGranted"), so("False", "NoRoles"));
        assert_eq!(is(&seen, "Stalled"), so("True", "NoRoles"));
        assert_eq!(lab.token("contoso").await, before);
        lab.finish().await;
    });
}

#[test]
fn each_trouble_of_a_customers_tenant_has_its_own_reason() {
    let consents = json!({CLIENT: ["Alert.Read.All"]});
    let disabled = json!({CLIENT: {"enabled": false, "roles": {"Endpoint": ["Alert.Read.All"]}}});
    let no_roles = json!({CLIENT: {"enabled": true, "roles": {"Endpoint": []}}});
    // The tenant at Microsoft, reason, ConsentGranted.
    let cases: [(&str, Option<Value>, &str, &str); 6] = [
        (
            "no-roles",
            Some(json!({"consents": no_roles})),
            "NoRoles",
            "False",
        ),
        (
            "disabled",
            Some(json!({"consents": disabled})),
            "ServicePrincipalDisabled",
            "False",
        ),
        (
            "no-defender",
            Some(json!({"consents": consents, "resources": []})),
            "ResourceNotInTenant",
            "False",
        ),
        (
            "gone",
            Some(json!({"consents": consents, "state": "gone"})),
            "TenantDeleted",
            "Unknown",
        ),
        ("absent", None, "TenantNotFound", "Unknown"),
        (
            "elsewhere",
            Some(json!({"consents": consents, "cloud": "GCCHigh"})),
            "WrongCloud",
            "Unknown",
        ),
    ];
    run(async {
        let lab = Lab::new("trouble").await;
        for (n, (name, body, ..)) in (1..).zip(&cases) {
            if let Some(body) = body {
                lab.emulator.tenant(&guid(n), body).await;
            }
            lab.tenant(name, json!({"tenantId": guid(n)})).await;
        }
        for (n, (name, _, reason, granted)) in (1..).zip(&cases) {
            let seen = lab.reason(name, "False", reason).await;
            assert_eq!(is(&seen, "ConsentGranted"), so(granted, reason), "{name}");
            assert_eq!(is(&seen, "Stalled"), so("True", reason), "{name}");
            assert_eq!(is(&seen, "CredentialReady"), so("True", "Usable"), "{name}");
            assert_eq!(
                consent_url(&seen),
                (*granted == "False").then(|| link(n)),
                "{name}"
            );
            assert_eq!(lab.target(name).await, None, "{name}");
        }
        let (journal, _) = lab.settled().await;
        let mints = journal.iter().filter(|entry| entry.kind == "token");
        assert_eq!(
            mints.count(),
            cases.len(),
            "one request each, and no storm: {journal:?}"
        );
        lab.finish().await;
    });
}
