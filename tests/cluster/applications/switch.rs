//! The kill switch, the other Entra cloud, and a role that nobody has.

use serde_json::json;

use crate::support::{CLIENT, Lab, Patience, Setup, condition, eventually, guid, run};

const ROLES: &[&str] = &["Alert.Read.All"];

async fn lab(name: &str, customers: u64) -> Lab {
    let lab = Lab::of_applications(name, Setup::default()).await;
    lab.home_credential("partner", &lab.secret).await;
    lab.application("soc-reader", switch(&lab, json!({}))).await;
    for n in 1..=customers {
        lab.emulator.consented(&guid(n), CLIENT, ROLES).await;
        lab.granted(
            &lab.ns,
            &format!("t{n}"),
            "soc-reader",
            json!({"tenantId": guid(n)}),
        )
        .await;
    }
    lab
}

fn switch(lab: &Lab, more: serde_json::Value) -> serde_json::Value {
    let spec = json!({"grants": [{"namespaces": {"names": [lab.ns]}, "allTenants": true}]});
    crate::support::overlay(spec, more)
}

#[test]
fn a_suspended_application_mints_nothing_and_its_tokens_live_on() {
    run(async {
        let lab = lab("suspend", 1).await;
        lab.ready("t1").await;
        let before = lab.target("t1").await.expect("a Secret");
        lab.application("soc-reader", switch(&lab, json!({"suspend": true})))
            .await;
        lab.application_says("soc-reader", "Ready", "False", "ApplicationSuspended")
            .await;
        lab.reason("t1", "True", "ApplicationSuspended").await;
        lab.force("t1", "now").await;
        lab.emulator.consented(&guid(2), CLIENT, ROLES).await;
        lab.granted(&lab.ns, "t2", "soc-reader", json!({"tenantId": guid(2)}))
            .await;
        lab.reason("t2", "False", "ApplicationSuspended").await;
        let (journal, _) = lab.settled().await;
        assert_eq!(journal.iter().filter(|e| e.kind == "token").count(), 1);
        let after = lab.target("t1").await.expect("the Secret stays");
        assert_eq!(
            before.metadata.resource_version,
            after.metadata.resource_version
        );
        lab.application("soc-reader", switch(&lab, json!({"suspend": false})))
            .await;
        lab.ready("t2").await;
        lab.finish().await;
    });
}

#[test]
fn in_an_incident_every_secret_goes_at_once() {
    run(async {
        let lab = lab("incident", 3).await;
        for n in 1..=3 {
            lab.ready(&format!("t{n}")).await;
        }
        let stop = json!({"suspend": true, "suspendedSecrets": "Delete"});
        lab.application("soc-reader", switch(&lab, stop)).await;
        for n in 1..=3 {
            let name = format!("t{n}");
            lab.reason(&name, "False", "ApplicationSuspended").await;
            eventually("the Secret is gone", Patience::default(), async || {
                lab.target(&name).await.is_none().then_some(())
            })
            .await;
        }
        lab.application("soc-reader", switch(&lab, json!({"suspend": false})))
            .await;
        for n in 1..=3 {
            lab.ready(&format!("t{n}")).await;
        }
        lab.finish().await;
    });
}

#[test]
fn an_application_of_the_other_entra_cloud_is_not_asked_for_this_customer() {
    run(async {
        let lab = lab("othercloud", 0).await;
        lab.granted(
            &lab.ns,
            "agency",
            "soc-reader",
            json!({"tenantId": guid(1), "cloud": "GCCHigh"}),
        )
        .await;
        let tenant = lab.reason("agency", "False", "AppMisconfigured").await;
        let said = &condition(&tenant, "Ready").expect("Ready").message;
        assert!(said.contains("USGovernment"), "{said}");
        assert_eq!(lab.emulator.all_token_requests().await.len(), 0);
        lab.finish().await;
    });
}

#[test]
fn a_role_that_no_customer_has_is_the_partners_to_mend_and_said_once_on_the_application() {
    run(async {
        let lab = lab("everywhere", 2).await;
        let roles = json!({"requiredRoles": ["Alert.Read.All", "Machine.Read.All"]});
        lab.application("soc-reader", switch(&lab, roles)).await;
        for n in 1..=2 {
            let name = format!("t{n}");
            let tenant = lab.reason(&name, "True", "RolesMissing").await;
            let missing = tenant
                .status
                .expect("a status")
                .token
                .expect("a token")
                .missing_roles;
            assert_eq!(
                missing,
                ["Machine.Read.All"],
                "the application's roles are its tenants'"
            );
        }
        let said = lab
            .application_says(
                "soc-reader",
                "RolesConfigured",
                "False",
                "RolesMissingEverywhere",
            )
            .await;
        assert!(
            said.contains("Machine.Read.All") && !said.contains("Alert.Read.All"),
            "{said}"
        );
        // One customer has it: then it isn't the registration.
        lab.emulator
            .consented(&guid(1), CLIENT, &["Alert.Read.All", "Machine.Read.All"])
            .await;
        lab.force("t1", "again").await;
        lab.application_says("soc-reader", "RolesConfigured", "True", "RolesConfigured")
            .await;
        lab.finish().await;
    });
}
