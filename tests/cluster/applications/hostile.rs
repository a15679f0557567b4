//! Strings that want to be something else: in names, roles, and in what Microsoft answers.

use serde_json::{Value, json};

use crate::support::{CLIENT, Lab, Setup, condition, guid, run};

/// Ends a line, a label's value and a JSON string, colours a terminal, writes backwards, and is long.
fn evil() -> String {
    format!(
        "x\" }} }} evil 1\n{{\"level\":\"ERROR\",\"message\":\"forged\"}}\r\n# HELP forged\u{1b}[31m\u{202e}\u{0}{}",
        "A".repeat(3_000)
    )
}

async fn lab(name: &str) -> Lab {
    let lab = Lab::of_applications(name, Setup::default()).await;
    lab.home_credential("partner", &lab.secret).await;
    let spec = json!({"grants": [{"namespaces": {"names": [lab.ns]}, "allTenants": true}]});
    lab.application("soc-reader", spec).await;
    lab
}

/// Nothing of it ends a line of the log, or makes a series of its own; what is shown of it is short and printable.
async fn nothing_forged(lab: &Lab, names: &[&str]) {
    for line in lab.operator.log().lines() {
        let parsed: Value =
            serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line:.300}"));
        assert_ne!(parsed["message"], "forged");
        assert!(
            !line.contains('\u{1b}') && !line.contains('\u{202e}'),
            "{line:.300}"
        );
    }
    for line in lab.operator.metrics().await.lines() {
        assert!(
            line.starts_with("defender_tenant") || line.starts_with("# "),
            "{line:.300}"
        );
        assert!(
            !line.contains("forged") && line.len() < 1_000,
            "{line:.300}"
        );
    }
    for name in names {
        let tenant = lab.tenants().get(name).await.expect("the tenant");
        let status = serde_json::to_string(&tenant.status).expect("JSON");
        assert!(status.len() < 16 * 1024, "{} bytes", status.len());
        for shown in [&tenant.status.as_ref().expect("a status").conditions] {
            for condition in shown {
                assert!(
                    condition
                        .message
                        .chars()
                        .all(|c| !c.is_control() && c != '\u{202e}'),
                    "{:?}",
                    condition.message
                );
                assert!(
                    condition.message.len() < 2_048,
                    "{}",
                    condition.message.len()
                );
            }
        }
        for (_, note) in lab.events(name).await {
            assert!(note.chars().all(|c| !c.is_control()), "{note:?}");
        }
    }
}

#[test]
fn what_microsoft_answers_forges_no_log_line_no_label_and_no_status() {
    run(async {
        let lab = lab("hostileanswers").await;
        for n in 1..=3 {
            lab.emulator
                .consented(&guid(n), CLIENT, &["Alert.Read.All"])
                .await;
        }
        // A plain text instead of an answer; roles that are no names; an error that says something.
        lab.emulator
            .token_fault(&guid(1), json!({"status": 503, "text": evil()}))
            .await;
        let roles = json!({"roles": ["Alert.Read.All", evil(), "B\nC"]});
        lab.emulator
            .token_fault(&guid(2), json!({"claims": roles}))
            .await;
        let many: Vec<String> = (0..2_000).map(|n| format!("Role{n}.Read.All")).collect();
        lab.emulator
            .token_fault(&guid(3), json!({"claims": {"roles": many}}))
            .await;
        for n in 1..=3 {
            let spec = json!({"tenantId": guid(n), "requiredRoles": ["Alert.Read.All"]});
            lab.granted(&lab.ns, &format!("t{n}"), "soc-reader", spec)
                .await;
        }
        lab.reason("t1", "False", "ServiceUnavailable").await;
        lab.until(
            "t2",
            "seen",
            crate::support::Patience::default(),
            |tenant| {
                condition(tenant, "RolesGranted").is_some()
                    || condition(tenant, "Ready").is_some_and(|c| c.reason != "Pending")
            },
        )
        .await;
        lab.until(
            "t3",
            "seen",
            crate::support::Patience::default(),
            |tenant| condition(tenant, "Ready").is_some_and(|c| c.reason != "Pending"),
        )
        .await;
        nothing_forged(&lab, &["t1", "t2", "t3"]).await;
        lab.finish().await;
    });
}

#[test]
fn what_a_user_writes_forges_none_either() {
    run(async {
        let lab = lab("hostilewords").await;
        lab.emulator
            .consented(&guid(1), CLIENT, &["Alert.Read.All"])
            .await;
        let spec = json!({"tenantId": guid(1)});
        lab.granted(&lab.ns, "contoso", "soc-reader", spec.clone())
            .await;
        lab.ready("contoso").await;
        lab.force("contoso", &evil()).await;
        // A label's, an annotation's and a Secret's own words.
        let labels = json!({"defendertenant.io/credential": "true"});
        let keys = [
            ("client-id", &*evil()),
            ("client-secret", "s~1"),
            ("evil key".trim_end_matches(" key"), &*evil()),
        ];
        lab.secret_in(&lab.ns, "odd", labels, &keys).await;
        lab.tenant("odd", json!({"tenantId": guid(1)})).await;
        lab.change("odd", json!({"secretRef": {"name": "odd"}}))
            .await;
        lab.reason("odd", "False", "CredentialMalformed").await;
        // A name that leads nowhere makes no series.
        lab.granted(&lab.ns, "nowhere", "forged", spec).await;
        lab.reason("nowhere", "False", "ApplicationNotFound").await;
        nothing_forged(&lab, &["contoso", "odd", "nowhere"]).await;
        lab.finish().await;
    });
}
