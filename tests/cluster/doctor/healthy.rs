//! Where all is well, it says so and changes nothing.

use serde_json::json;

use crate::support::{CLIENT, Lab, Setup, guid, run};

#[test]
fn where_the_whole_cluster_is_served_every_line_is_ok() {
    run(async {
        let mut lab = Lab::of_applications("well", Setup::default()).await;
        let home = lab.home();
        lab.home_credential("partner", &lab.secret).await;
        let grants = json!([{"namespaces": {"names": [lab.ns]}, "allTenants": true}]);
        lab.application("soc-reader", json!({"grants": grants}))
            .await;
        lab.emulator
            .consented(&guid(1), CLIENT, &["Alert.Read.All"])
            .await;
        lab.granted(
            &lab.ns,
            "contoso",
            "soc-reader",
            json!({"tenantId": guid(1), "region": "eu"}),
        )
        .await;
        lab.ready("contoso").await;
        let told = lab.doctor(&[]).await;
        assert_eq!(told.code, Some(0), "{:#}", told.report);
        assert_eq!(told.report["result"], "ok", "{:#}", told.report);
        assert_eq!(told.report["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(told.with("skipped"), ["federated-token"]);
        assert_eq!(
            told.with("ok"),
            [
                "api-server",
                "permissions",
                "crds",
                "hosts",
                "clock",
                "credentials",
                "leader",
                "tenants"
            ]
        );
        told.says(
            "hosts",
            "ok",
            &[
                "eu.api.security.microsoft.com",
                "through the proxy 127.0.0.1:",
            ],
        );
        told.says("hosts", "ok", &["login.microsoftonline.com (login)"]);
        told.says("crds", "ok", &["DefenderApplication"]);
        told.says(
            "permissions",
            "ok",
            &[
                "defenderapplications.defendertenant.io in all namespaces",
                "get, list, watch",
            ],
        );
        told.says(
            "credentials",
            "ok",
            &[
                &format!("soc-reader/first: Secret {home}/partner"),
                "client secret",
            ],
        );
        told.says(
            "leader",
            "ok",
            &[
                &format!("Lease {home}/defender-tenant-operator-0"),
                "held by ",
            ],
        );
        told.says("tenants", "ok", &["1 of 1 Ready"]);
        // Alone now: what it asks is its own.
        lab.operator.stop().await;
        let before = lab.writes();
        let ended = lab.doctor_says(&[]).await;
        assert_eq!(ended.stderr, "");
        assert!(
            ended.stdout.starts_with("defender-tenant-operator "),
            "{}",
            ended.stdout
        );
        assert!(
            ended
                .stdout
                .contains("\nAPI server\n  ok       version  Kubernetes v1."),
            "{}",
            ended.stdout
        );
        assert_eq!(lab.writes(), before, "it changes nothing");
        lab.finish().await;
    });
}

#[test]
fn where_namespaces_are_served_roles_in_them_are_enough() {
    run(async {
        let lab = Lab::examined("well-ns", false).await;
        lab.consented("contoso", &guid(1), json!({})).await;
        lab.ready("contoso").await;
        let told = lab.doctor(&[]).await;
        assert_eq!(told.code, Some(0), "{:#}", told.report);
        assert_eq!(told.report["result"], "ok", "{:#}", told.report);
        told.says(
            "permissions",
            "ok",
            &[
                "secrets in namespace",
                &lab.ns,
                "get, list, watch, create, patch, delete",
            ],
        );
        told.says(
            "credentials",
            "ok",
            &[&format!("secretRef: Secret {}/partner", lab.ns)],
        );
        told.says("tenants", "ok", &["1 of 1 Ready"]);
        let denied = lab.doctor(&["--secret-ref", "deny"]).await;
        denied.says("credentials", "skipped", &["denied by --secret-ref"]);
        lab.finish().await;
    });
}
