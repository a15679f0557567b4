//! Each broken thing in the cluster is found by its name.

use jiff::Timestamp;
use k8s_openapi::api::rbac::v1::Role;
use kube::Api;
use kube::api::PostParams;
use serde_json::json;

use super::LEASE;
use crate::support::{Arena, CLIENT, Identity, Lab, Setup, application_crd, crd, guid, rbac, run};

#[test]
fn a_permission_that_is_missing_is_named_with_its_rule() {
    run(async {
        let lab = Lab::examined("ill-rbac", true).await;
        let (ns, admin) = (&lab.ns, &lab.arena.admin);
        let roles: Api<Role> = Api::namespaced(admin.clone(), ns);
        let mut role = roles.get(rbac::ACCOUNT).await.expect("the role");
        for rule in role.rules.iter_mut().flatten() {
            let secrets = rule
                .resources
                .iter()
                .flatten()
                .any(|name| name == "secrets");
            let tenants = rule
                .resources
                .iter()
                .flatten()
                .any(|name| name == "defendertenants");
            let events = rule.resources.iter().flatten().any(|name| name == "events");
            rule.verbs
                .retain(|verb| !(secrets && verb == "delete" || tenants && verb == "list"));
            if events {
                rule.verbs = vec!["get".to_owned()];
            }
        }
        let params = PostParams::default();
        roles
            .replace(rbac::ACCOUNT, &params, &role)
            .await
            .expect("less");
        rbac::allowed(admin, &lab.home(), Some(ns), "delete", "secrets", false).await;
        rbac::allowed(
            admin,
            &lab.home(),
            Some(ns),
            "list",
            "defendertenants",
            false,
        )
        .await;
        let told = lab.doctor(&LEASE).await;
        assert_eq!(told.code, Some(1), "{:#}", told.report);
        assert_eq!(told.with("problem"), ["permissions", "tenants"]);
        told.says(
            "permissions",
            "problem",
            &[
                &format!("secrets in namespace {ns} | may not delete"),
                "apiGroups: [\"\"], resources: [secrets], verbs: [delete]",
            ],
        );
        told.says(
            "permissions",
            "warning",
            &[
                &format!("events.events.k8s.io in namespace {ns} | may not create, patch"),
                "apiGroups: [events.k8s.io], resources: [events], verbs: [create, patch]",
            ],
        );
        told.says(
            "tenants",
            "problem",
            &[
                &format!("defendertenants.defendertenant.io in namespace {ns} | may not list"),
                "apiGroups: [defendertenant.io], resources: [defendertenants], verbs: [list]",
            ],
        );
        lab.finish().await;
    });
}

#[test]
fn crds_that_are_missing_old_new_or_of_another_version_are_told_apart() {
    run(async {
        let arena = Arena::own().await;
        let setup = Setup {
            no_operator: true,
            cluster_wide: true,
            home: Some("home"),
            more_namespaces: vec!["home"],
            ..Setup::default()
        };
        let lab = Lab::on(arena.clone(), "ill-crd", setup).await;
        let told = lab.doctor(&[]).await;
        assert_eq!(told.code, Some(1), "{:#}", told.report);
        told.says(
            "crds",
            "problem",
            &["it isn't installed", "kubectl apply --server-side -f crds/"],
        );
        told.says("tenants", "skipped", &["the CRD isn't installed"]);
        // This much is known without.
        told.says("hosts", "ok", &["login.microsoftonline.com"]);
        told.says("leader", "warning", &["there is none yet"]);

        let mut older = crd();
        let spec = older
            .pointer_mut("/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties")
            .expect("a schema");
        spec.as_object_mut().expect("fields").remove("probe");
        arena.apply_crd(&older).await;
        let mut newer = application_crd();
        newer["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
            ["tomorrow"] = json!({"type": "string"});
        arena.apply_crd(&newer).await;
        let told = lab
            .eventually("both are published", async || {
                let told = lab.doctor(&[]).await;
                (told.lines("crds").len() == 2 && !told.with("warning").is_empty()).then_some(told)
            })
            .await;
        told.says(
            "crds",
            "problem",
            &["DefenderTenant", "it lacks spec.probe"],
        );
        told.says(
            "crds",
            "warning",
            &["DefenderApplication", "it also has spec.tomorrow"],
        );

        // The same fields, and what an API server checks of them is missing.
        let mut lax = crd();
        let spec = lax
            .pointer_mut("/spec/versions/0/schema/openAPIV3Schema/properties/spec")
            .expect("a schema");
        let rules = spec["x-kubernetes-validations"].as_array_mut();
        let rule = rules.and_then(Vec::pop).expect("a rule")["rule"].clone();
        let rule: Vec<_> = rule.as_str().expect("a text").split_whitespace().collect();
        let rule: String = rule.join(" ").chars().take(40).collect();
        arena.apply_crd(&lax).await;
        let told = lab
            .eventually("it is published", async || {
                let told = lab.doctor(&[]).await;
                let probed = |(_, text): &(String, String)| text.contains("spec.probe");
                (!told.lines("crds").iter().any(probed)).then_some(told)
            })
            .await;
        told.says(
            "crds",
            "problem",
            &["DefenderTenant", &format!("it lacks spec: rule {rule}")],
        );

        let mut other = crd();
        other["spec"]["versions"][0]["name"] = json!("v9");
        let other_arena = Arena::own().await;
        other_arena.apply_crd_version(&other, "v9").await;
        let setup = Setup {
            no_operator: true,
            cluster_wide: true,
            ..Setup::default()
        };
        let there = Lab::on(other_arena, "ill-v9", setup).await;
        let told = there.doctor(&[]).await;
        told.says("crds", "problem", &["it serves v9, not v1alpha1"]);
        // Nobody said where the Lease would be.
        told.says("leader", "warning", &["namespace isn't known"]);
    });
}

#[test]
fn credentials_that_expired_or_lack_the_label_or_make_none_are_told_apart() {
    run(async {
        let lab = Lab::examined("ill-cred", true).await;
        let now = u64::try_from(Timestamp::now().as_second()).expect("after 1970");
        for (n, name, until) in [
            (1, "over", now - 60),
            (2, "soon", now + 86_400),
            (3, "fine", now + 86_400 * 90),
        ] {
            let identity = Identity::until(0, until);
            let key = identity.key();
            for line in key.lines().filter(|line| line.len() == 64) {
                lab.guard(line);
            }
            lab.labelled(
                name,
                &[
                    ("client-id", CLIENT),
                    ("tls.crt", &identity.crt),
                    ("tls.key", &key),
                ],
            )
            .await;
            lab.tenant(
                name,
                json!({"tenantId": guid(n), "secretRef": {"name": name}}),
            )
            .await;
        }
        lab.guard("canary~unlabelled");
        let keys = [
            ("client-id", CLIENT),
            ("client-secret", "canary~unlabelled"),
        ];
        lab.secret_in(&lab.ns, "bare", json!({}), &keys).await;
        lab.guard("canary two words");
        lab.labelled(
            "broken",
            &[("client-id", CLIENT), ("client-secret", "canary two words")],
        )
        .await;
        for (n, name) in [(4, "bare"), (5, "broken"), (6, "nowhere")] {
            lab.tenant(
                name,
                json!({"tenantId": guid(n), "secretRef": {"name": name}}),
            )
            .await;
        }
        // Nobody needs this one's.
        lab.tenant(
            "idle",
            json!({"tenantId": guid(7), "secretRef": {"name": "gone"}, "suspend": true}),
        )
        .await;
        let told = lab.doctor(&LEASE).await;
        assert_eq!(told.code, Some(1), "{:#}", told.report);
        assert_eq!(told.with("problem"), ["credentials"]);
        let ns = &lab.ns;
        let lines = told.lines("credentials");
        assert_eq!(lines.len(), 6, "{lines:#?}");
        for (name, result, found) in [
            ("over", "problem", "certificate, expired at"),
            ("soon", "warning", "certificate, readable, expires at"),
            ("fine", "ok", "certificate, readable, expires at"),
            ("bare", "problem", "it lacks the label"),
            (
                "broken",
                "problem",
                "white space or control characters inside",
            ),
            ("nowhere", "problem", "there is no such Secret"),
        ] {
            told.says(
                "credentials",
                result,
                &[&format!("secretRef: Secret {ns}/{name} |"), found],
            );
        }
        // Nobody serves them.
        told.says("tenants", "warning", &["0 of 7 Ready; no status yet: 7"]);
        lab.finish().await;
    });
}

#[test]
fn a_lease_that_is_missing_stale_or_nobodys_is_told_whatever_its_clock_says() {
    run(async {
        let lab = Lab::examined("ill-lease", true).await;
        let home = lab.home();
        let absent = ["--lease-name", "elsewhere"];
        let told = lab.doctor(&absent).await;
        assert_eq!(told.code, Some(0), "{:#}", told.report);
        let none = format!("{home}/elsewhere-0 | there is none yet");
        told.says("leader", "warning", &[&none]);
        let told = lab
            .doctor(&[&absent[..], &["--expect-leader"]].concat())
            .await;
        assert_eq!(told.code, Some(1), "{:#}", told.report);
        told.says("leader", "problem", &[&none]);
        // Nobody renews these, whatever the time in them.
        for (name, age) in [("past", 60), ("present", 0), ("future", -3_600)] {
            lab.lease(&home, name, "pod-a", age).await;
            let told = lab.doctor(&["--lease-name", name]).await;
            assert_eq!(told.code, Some(1), "{:#}", told.report);
            assert_eq!(told.with("problem"), ["leader"]);
            told.says(
                "leader",
                "problem",
                &[
                    "held by pod-a, and not renewed in 5 s",
                    "nobody has taken over",
                ],
            );
        }
        lab.lease(&home, "free", "", 0).await;
        let told = lab.doctor(&["--lease-name", "free"]).await;
        told.says("leader", "problem", &["nobody holds it"]);
        // This one's clock is behind.
        lab.renewed_lease(&home, "slow", "pod-b", 30).await;
        let told = lab
            .doctor(&["--lease-name", "slow", "--expect-leader=true"])
            .await;
        assert_eq!(told.code, Some(0), "{:#}", told.report);
        told.says("leader", "ok", &["held by pod-b, who renews it"]);
        lab.finish().await;
    });
}

#[test]
fn an_api_server_that_is_away_is_one_problem_and_no_hang() {
    run(async {
        let (lab, proxy) = Lab::behind_proxy(
            "ill-away",
            Setup {
                no_operator: true,
                ..Setup::default()
            },
        )
        .await;
        proxy.refuse();
        let told = lab.doctor(&[]).await;
        assert_eq!(told.code, Some(1), "{:#}", told.report);
        assert_eq!(told.with("problem"), ["api-server"]);
        told.says("tenants", "skipped", &["it can't be reached"]);
        told.says("hosts", "ok", &["login.microsoftonline.com"]);
        proxy.restore();
        lab.finish().await;
    });
}
