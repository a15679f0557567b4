//! Certificates of an application: in either algorithm, one after the other, and a new one in the first place.

use serde_json::{Value, json};

use crate::support::{CLIENT, Identity, Lab, Setup, guid, run};

/// A certificate Secret in the operator's namespace. Its key must be found nowhere else.
async fn certificate(lab: &Lab, name: &str, identity: &Identity) {
    let key = identity.key();
    for line in key.lines().filter(|line| line.len() == 64) {
        lab.guard(line);
    }
    let labels = json!({"defendertenant.io/credential": "true"});
    let keys = [("tls.crt", &*identity.crt), ("tls.key", &*key)];
    lab.secret_in(&lab.home(), name, labels, &keys).await;
}

/// The application has these certificates and no secret.
async fn registered(lab: &Lab, identities: &[&Identity]) {
    let certificates: Vec<_> = identities.iter().map(|identity| &identity.crt).collect();
    let path = format!("applications/{CLIENT}");
    let body = json!({"certificates": certificates});
    lab.emulator.put(&path, &body).await;
}

/// An application with these certificates, by the names of their Secrets, in this order.
async fn application(lab: &Lab, names: [&str; 2], algorithm: Option<&str>) {
    let credentials = names.map(|name| {
        let mut certificate = json!({"secretRef": {"name": name}});
        if let Some(algorithm) = algorithm {
            certificate["algorithm"] = json!(algorithm);
        }
        json!({"name": name, "certificate": certificate})
    });
    let grants: Value = json!([{"namespaces": {"names": [lab.ns]}, "allTenants": true}]);
    let spec = json!({"credentials": credentials, "grants": grants});
    lab.application("soc-reader", spec).await;
}

async fn in_use(lab: &Lab, name: &str) {
    lab.eventually(&format!("{name} is in use"), async || {
        let application = lab.applications().get("soc-reader").await.ok()?;
        (application.status?.credential_in_use? == name).then_some(())
    })
    .await;
}

async fn outcomes(lab: &Lab) -> Vec<String> {
    let requests = lab.emulator.all_token_requests().await;
    requests.into_iter().map(|one| one.outcome).collect()
}

/// The first is refused, the second steps in, and a new one before it takes over.
async fn succession(name: &str, algorithm: Option<&str>) {
    let setup = Setup {
        no_operator: true,
        ..Setup::default()
    };
    let mut lab = Lab::of_applications(name, setup).await;
    let (current, next) = (Identity::new(0), Identity::new(1));
    registered(&lab, &[&next]).await;
    certificate(&lab, "current", &current).await;
    certificate(&lab, "next", &next).await;
    application(&lab, ["current", "next"], algorithm).await;
    lab.emulator
        .consented(&guid(1), CLIENT, &["Alert.Read.All"])
        .await;
    let spec = json!({"tenantId": guid(1)});
    lab.granted(&lab.ns, "contoso", "soc-reader", spec).await;
    // All of it was there before the operator: nothing is fresh.
    lab.start().await;
    lab.reason("contoso", "True", "TokenPublished").await;
    in_use(&lab, "next").await;
    let said = lab
        .application_says("soc-reader", "CredentialReady", "True", "Usable")
        .await;
    assert!(said.contains("current: Microsoft refused"), "{said}");
    assert_eq!(outcomes(&lab).await, ["AADSTS700027", "ok"]);
    assert!(lab.events("contoso").await.is_empty(), "nothing to notice");

    // In the year 3000: its bytes are others.
    let newest = Identity::until(0, 32_503_680_000);
    registered(&lab, &[&newest, &next]).await;
    certificate(&lab, "newest", &newest).await;
    application(&lab, ["newest", "next"], algorithm).await;
    in_use(&lab, "newest").await;
    lab.eventually("one request proves it", async || {
        (outcomes(&lab).await.len() == 3).then_some(())
    })
    .await;
    // The one before is good for nothing any more.
    registered(&lab, &[&newest]).await;
    lab.force("contoso", "now").await;
    lab.eventually("the forced mint", async || {
        let status = lab.tenants().get("contoso").await.ok()?.status?;
        (status.handled_refresh_request? == "now").then_some(())
    })
    .await;
    lab.reason("contoso", "True", "TokenPublished").await;
    let (journal, _) = lab.settled().await;
    let last: Vec<_> = journal.iter().map(|entry| &*entry.outcome).collect();
    assert!(last[2..].iter().all(|outcome| *outcome == "ok"), "{last:?}");
    lab.finish().await;
}

#[test]
fn an_application_s_next_certificate_steps_in_and_a_new_one_takes_over() {
    run(succession("certps", None));
}

#[test]
fn the_same_goes_for_registrations_that_take_rs256() {
    run(succession("certrs", Some("RS256")));
}
