//! Permissions that are taken away while the operator runs.

use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::support::{Lab, Patience, Setup, condition, count, eventually, guid, rbac, run};

/// The verbs that the operator has on Secrets.
const VERBS: [&str; 6] = ["get", "list", "watch", "create", "patch", "delete"];

/// Leaves the operator these verbs on Secrets, and waits until the API server acts so.
async fn verbs(lab: &Lab, left: &[&str]) {
    let roles: Api<Role> = Api::namespaced(lab.arena.admin.clone(), &lab.ns);
    let mut role = roles.get(rbac::ACCOUNT).await.expect("the Role");
    for rule in role.rules.iter_mut().flatten() {
        if rule
            .resources
            .iter()
            .flatten()
            .any(|resource| resource == "secrets")
        {
            rule.verbs = left.iter().map(|verb| (*verb).to_owned()).collect();
        }
    }
    let patch: Value = json!({"rules": role.rules});
    roles
        .patch(
            rbac::ACCOUNT,
            &PatchParams::default(),
            &Patch::Merge(&patch),
        )
        .await
        .expect("200");
}

#[test]
fn a_write_that_is_denied_is_said_and_costs_one_mint() {
    run(async {
        let lab = Lab::new("denied").await;
        lab.consented("before", &guid(1), json!({})).await;
        lab.ready("before").await;
        verbs(&lab, &["get", "list", "watch", "patch", "delete"]).await;
        // The authorizer learns of it within moments; who is served before that isn't denied.
        for n in 0.. {
            let name = format!("probe{n}");
            lab.consented(&name, &guid(100 + n), json!({})).await;
            let tenant = lab
                .until(&name, "served or denied", Patience::default(), |tenant| {
                    condition(tenant, "Ready").is_some_and(|c| c.reason != "Pending")
                })
                .await;
            if condition(&tenant, "Ready").is_some_and(|c| c.status == "False") {
                break;
            }
        }
        lab.consented("contoso", &guid(2), json!({})).await;
        let tenant = lab.reason("contoso", "False", "NotPermitted").await;
        assert!(condition(&tenant, "Stalled").is_some());
        for n in 0..5 {
            lab.poke("contoso", n).await;
        }
        let (_, requests) = lab.settled().await;
        assert_eq!(lab.mints(&guid(2)).await, 1);
        let denied = requests
            .iter()
            .filter(|r| r.code == 403 && r.resource == "secrets");
        let denied = count(denied);
        assert!(denied["create secrets"] <= 2, "one a tenant: {denied:?}");
        // Who has a Secret goes on.
        lab.force("before", "1").await;
        lab.eventually("a refresh", async || {
            (lab.mints(&guid(1)).await == 2).then_some(())
        })
        .await;
        lab.ready("before").await;

        verbs(&lab, &VERBS).await;
        // By itself within five minutes; who has mended it says so.
        for value in 1..20 {
            lab.force("contoso", &value.to_string()).await;
            let tenant = lab
                .until(
                    "contoso",
                    "the request was served",
                    Patience::default(),
                    |tenant| {
                        let handled = tenant
                            .status
                            .as_ref()
                            .and_then(|s| s.handled_refresh_request.clone());
                        handled == Some(value.to_string())
                    },
                )
                .await;
            if condition(&tenant, "Ready").is_some_and(|c| c.status == "True") {
                break;
            }
        }
        lab.reason("contoso", "True", "TokenPublished").await;
        lab.finish().await;
    });
}

#[test]
fn a_watch_that_is_denied_ends_the_process_and_names_what_is_missing() {
    run(async {
        let (mut lab, proxy) = Lab::behind_proxy("unwatched", Setup::default()).await;
        lab.consented("contoso", &guid(1), json!({})).await;
        lab.ready("contoso").await;
        let bindings: Api<RoleBinding> = Api::namespaced(lab.arena.admin.clone(), &lab.ns);
        let params = DeleteParams::default();
        bindings.delete(rbac::ACCOUNT, &params).await.expect("200");
        // A watch that is open stays so until its time is over; this is that time.
        let operator = &mut lab.operator;
        eventually("its end", Patience::default(), async || {
            proxy.cut_watches();
            (!operator.is_running()).then_some(())
        })
        .await;
        let status = lab.operator.ended(Patience::seconds(1)).await;
        assert_eq!(status.code(), Some(1));
        let log = lab.operator.log();
        let said = log
            .lines()
            .rfind(|line| line.starts_with("error: "))
            .expect("why");
        for missing in [
            "watch secrets",
            "list secrets",
            "watch defendertenants.defendertenant.io",
        ] {
            let missing = format!("{missing} in namespace {}", lab.ns);
            assert!(said.contains(&missing), "{missing}: {said}");
        }
        assert_eq!(lab.mints(&guid(1)).await, 1);
        lab.finish().await;
    });
}
