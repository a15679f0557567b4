//! What keeps the operator from starting is said plainly.

use std::process::Command;

use k8s_openapi::api::rbac::v1::Role;
use kube::Api;
use kube::api::PostParams;
use serde_json::json;

use crate::support::{Arena, CLIENT, Lab, Patience, Setup, crd, guid, rbac, run};

/// Runs the operator to its end.
fn outcome(args: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_defender-tenant-operator"))
        .args(args)
        .env_remove("KUBECONFIG")
        .output()
        .expect("the operator starts");
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

fn idle() -> Setup {
    Setup {
        no_operator: true,
        ..Setup::default()
    }
}

#[test]
fn bad_configuration_ends_with_2_and_names_the_flag() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = folder
        .path()
        .join("missing.pem")
        .to_string_lossy()
        .into_owned();
    let junk = folder.path().join("junk.pem");
    std::fs::write(&junk, "no certificate").expect("a file");
    let junk = junk.to_string_lossy().into_owned();
    for (args, texts) in [
        (vec!["run", "--no-such-flag"], vec!["--no-such-flag"]),
        (
            vec!["run", "--concurrency", "0"],
            vec!["--concurrency", "1..=1024"],
        ),
        (
            vec!["run", "--watch-namespaces", "Soc"],
            vec!["--watch-namespaces", "lower-case letters"],
        ),
        (vec!["run", "--log-level", "loud=?"], vec!["--log-level"]),
        (
            vec!["run", "--target-metadata-allow", "app.kubernetes.io/name"],
            vec!["--target-metadata-allow", "reserved"],
        ),
        (vec!["run", "--ca-bundle", &missing], vec!["missing.pem"]),
        (vec!["run", "--ca-bundle", &junk], vec!["junk.pem"]),
        (
            vec!["run", "--kubeconfig", &missing],
            vec!["no way to reach a cluster"],
        ),
    ] {
        let (code, stderr) = outcome(&args);
        assert_eq!(code, Some(2), "{args:?}: {stderr}");
        for text in texts {
            assert!(stderr.contains(text), "{args:?}: {stderr}");
        }
    }
}

#[test]
fn a_taken_port_ends_with_2_and_is_named() {
    run(async {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = taken.local_addr().expect("an address").to_string();
        let mut lab = Lab::with("port", idle()).await;
        lab.flag("--listen", &address);
        lab.start().await;
        let status = lab.operator.ended(Patience::default()).await;
        let log = lab.operator.log();
        assert_eq!(status.code(), Some(2), "{log}");
        assert!(log.contains(&format!("--listen {address}")), "{log}");
        lab.finish().await;
    });
}

#[test]
fn a_cluster_without_the_crd_or_with_another_version_of_it_is_told_apart() {
    run(async {
        let arena = Arena::own().await;
        let mut lab = Lab::on(arena.clone(), "no-crd", idle()).await;
        lab.start().await;
        let status = lab.operator.ended(Patience::default()).await;
        let log = lab.operator.log();
        assert_eq!(status.code(), Some(1), "{log}");
        assert!(
            log.contains("the cluster has no DefenderTenant resource: install its CRD first (kubectl apply -f crds/)"),
            "{log}"
        );
        let mut other = crd();
        other["spec"]["versions"][0]["name"] = json!("v9");
        arena.apply_crd_version(&other, "v9").await;
        lab.start().await;
        let status = lab.operator.ended(Patience::default()).await;
        let log = lab.operator.log();
        assert_eq!(status.code(), Some(1), "{log}");
        assert!(
            log.contains("doesn't serve defendertenant.io/v1alpha1 (it serves v9)"),
            "{log}"
        );
    });
}

/// The role of the committed manifest, less one verb of one of its rules.
fn without(role: &Role, rule: usize, verb: &str) -> Role {
    let mut less = role.clone();
    let rules = less.rules.as_mut().expect("rules");
    rules[rule].verbs.retain(|granted| granted != verb);
    rules.retain(|rule| !rule.verbs.is_empty());
    less
}

#[test]
fn every_permission_of_the_manifest_is_needed_and_a_missing_one_is_named() {
    run(async {
        let mut lab = Lab::with("denied", idle()).await;
        let ns = lab.ns.clone();
        let roles: Api<Role> = Api::namespaced(lab.arena.admin.clone(), &ns);
        let mut role = roles.get(rbac::ACCOUNT).await.expect("the role");
        let granted = role.clone();
        let mut tried = 0;
        for (n, rule) in granted.rules.iter().flatten().enumerate() {
            let resource = rule.resources.clone().expect("a resource").remove(0);
            // It works without telling.
            if resource == "events" {
                continue;
            }
            for verb in &rule.verbs {
                let mut less = without(&granted, n, verb);
                less.metadata = role.metadata.clone();
                role = roles
                    .replace(rbac::ACCOUNT, &PostParams::default(), &less)
                    .await
                    .expect("less");
                rbac::allowed(&lab.arena.admin, &ns, Some(&ns), verb, &resource, false).await;
                lab.start().await;
                let status = lab.operator.ended(Patience::default()).await;
                let log = lab.operator.log();
                assert_eq!(status.code(), Some(1), "{log}");
                let shown =
                    resource.replacen("defendertenants", "defendertenants.defendertenant.io", 1);
                let expected =
                    format!("the operator lacks permissions: {verb} {shown} in namespace {ns}");
                assert!(log.contains(&expected), "{expected}: {log}");
                let mut again = granted.clone();
                again.metadata = role.metadata.clone();
                role = roles
                    .replace(rbac::ACCOUNT, &PostParams::default(), &again)
                    .await
                    .expect("more");
                rbac::allowed(&lab.arena.admin, &ns, Some(&ns), verb, &resource, true).await;
                tried += 1;
            }
        }
        assert_eq!(tried, 10);
        // With all of them, it starts.
        lab.emulator
            .consented(&guid(1), CLIENT, &["Alert.Read.All"])
            .await;
        lab.tenant("contoso", json!({"tenantId": guid(1)})).await;
        lab.start().await;
        lab.reason("contoso", "True", "TokenPublished").await;
        lab.finish().await;
    });
}

#[test]
fn the_cluster_wide_manifest_is_enough_to_serve_all_namespaces() {
    run(async {
        let arena = Arena::own().await;
        arena.install_crd().await;
        let setup = Setup {
            more_namespaces: vec!["b"],
            cluster_wide: true,
            ..Setup::default()
        };
        let lab = Lab::on(arena, "everywhere", setup).await;
        let other = format!("{}-b", lab.ns);
        let labels = json!({"defendertenant.io/credential": "true"});
        lab.secret_in(
            &other,
            "partner",
            labels,
            &[("client-id", CLIENT), ("client-secret", &lab.secret)],
        )
        .await;
        for n in 1..=2 {
            lab.emulator
                .consented(&guid(n), CLIENT, &["Alert.Read.All"])
                .await;
        }
        lab.tenant("contoso", json!({"tenantId": guid(1)})).await;
        lab.tenant_in(&other, "fabrikam", json!({"tenantId": guid(2)}))
            .await;
        // It may tell, too.
        lab.tenant("nobody", json!({"tenantId": guid(3)})).await;
        lab.reason("contoso", "True", "TokenPublished").await;
        let there = lab.tenants_in(&other);
        lab.eventually("the other namespace is served", async || {
            let tenant = there.get("fabrikam").await.ok()?;
            crate::support::condition(&tenant, "Ready")
                .is_some_and(|c| c.status == "True")
                .then_some(())
        })
        .await;
        lab.reason("nobody", "False", "TenantNotFound").await;
        lab.eventually("an Event", async || lab.events("nobody").await.pop())
            .await;
        lab.finish().await;
    });
}
