//! Every cloud, API and region: what there is gets its token and opens its host, what there isn't is refused.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::published::{claims, keys, set};
use crate::support::{Arena, CLIENT, Lab, Setup, condition, crd, guid, key, run};

const CLOUDS: [&str; 4] = ["Commercial", "GCC", "GCCHigh", "DoD"];
const APIS: [&str; 3] = ["Endpoint", "XDR", "Graph"];
const REGIONS: [&str; 8] = ["global", "us", "eu", "uk", "au", "swa", "ina", "aea"];

/// Login host, audience and global front door of an API in a cloud, as Microsoft's pages list them.
fn microsoft(cloud: &str, api: &str) -> (&'static str, &'static str, &'static str) {
    let login = match cloud {
        "Commercial" | "GCC" => "login.microsoftonline.com",
        _ => "login.microsoftonline.us",
    };
    let (audience, url) = match (cloud, api) {
        ("Commercial", "Endpoint") => (
            "https://api.securitycenter.microsoft.com",
            "https://api.security.microsoft.com",
        ),
        ("Commercial", "XDR") => both("https://api.security.microsoft.com"),
        ("Commercial" | "GCC", "Graph") => both("https://graph.microsoft.com"),
        ("GCC", "Endpoint") => both("https://api-gcc.securitycenter.microsoft.us"),
        ("GCC", "XDR") => both("https://api-gcc.security.microsoft.us"),
        (_, "Endpoint") => both("https://api-gov.securitycenter.microsoft.us"),
        (_, "XDR") => both("https://api-gov.security.microsoft.us"),
        ("GCCHigh", _) => both("https://graph.microsoft.us"),
        _ => both("https://dod-graph.microsoft.us"),
    };
    (login, audience, url)
}

const fn both(url: &'static str) -> (&'static str, &'static str) {
    (url, url)
}

/// The front door in a region; `None` where there is none.
fn front_door(cloud: &str, api: &str, region: &str) -> Option<String> {
    match (cloud, api, region) {
        (_, _, "global") => Some(microsoft(cloud, api).2.to_owned()),
        ("Commercial", "Endpoint" | "XDR", _) => {
            Some(format!("https://{region}.api.security.microsoft.com"))
        }
        _ => None,
    }
}

/// A role of an API, and what it lets a program read.
fn reads(api: &str) -> (&'static str, &'static str) {
    match api {
        "Endpoint" => ("Alert.Read.All", "/api/alerts"),
        "XDR" => ("Incident.Read.All", "/api/incidents"),
        _ => ("SecurityIncident.Read.All", "/v1.0/security/incidents"),
    }
}

/// All 96, with a number for each.
fn combinations() -> impl Iterator<Item = (u64, &'static str, &'static str, &'static str)> {
    let pairs = CLOUDS.into_iter().flat_map(|c| APIS.map(|a| (c, a)));
    let all = pairs.flat_map(|(c, a)| REGIONS.map(|r| (c, a, r)));
    (1..).zip(all).map(|(n, (c, a, r))| (n, c, a, r))
}

fn named(cloud: &str, api: &str, region: &str) -> String {
    format!("{cloud}-{api}-{region}").to_lowercase()
}

#[test]
fn each_front_door_gets_a_token_that_opens_it_and_each_missing_one_is_refused_with_those_that_there_are()
 {
    run(async {
        let lab = Lab::new("matrix").await;
        let mut served = 0;
        for (n, cloud, api, region) in combinations() {
            let (role, _) = reads(api);
            let spec = json!({"tenantId": guid(n), "cloud": cloud, "api": api, "region": region, "requiredRoles": [role], "probe": "OnChange"});
            if front_door(cloud, api, region).is_some() {
                let body = json!({"cloud": cloud, "consents": {CLIENT: [role]}});
                lab.emulator.tenant(&guid(n), &body).await;
                lab.tenant(&named(cloud, api, region), spec).await;
                served += 1;
            } else {
                let refused = lab.try_tenant(&named(cloud, api, region), spec).await;
                let message = refused.expect_err("there is no such front door");
                let expected = format!(
                    "api {api} in cloud {cloud} has no front door in region {region}: set region to global"
                );
                assert!(message.contains(&expected), "{message}");
            }
        }
        assert_eq!(served, 26);
        for (n, cloud, api, region) in combinations() {
            if let Some(url) = front_door(cloud, api, region) {
                opens(&lab, n, (cloud, api, region), &url).await;
            }
        }
        let (journal, _) = lab.settled().await;
        for (n, cloud, api, region) in combinations() {
            let Some(url) = front_door(cloud, api, region) else {
                continue;
            };
            let of = |kind: &str| -> BTreeSet<String> {
                let of_tenant = journal.iter().filter(|entry| {
                    entry.kind == kind && entry.tenant.as_deref() == Some(&*guid(n))
                });
                of_tenant.map(|entry| entry.host.clone()).collect()
            };
            let what = named(cloud, api, region);
            assert_eq!(of("token"), set(&[microsoft(cloud, api).0]), "{what}");
            // The operator's probe, and the call above.
            let host = url.trim_start_matches("https://");
            assert_eq!(of("api"), set(&[host]), "{what}");
        }
        lab.finish().await;
    });
}

/// The Secret is what the spec asks for, and its token works where it says.
async fn opens(lab: &Lab, n: u64, (cloud, api, region): (&str, &str, &str), url: &str) {
    let what = named(cloud, api, region);
    let (_, audience, _) = microsoft(cloud, api);
    let (role, path) = reads(api);
    let tenant = lab.reason(&what, "True", "TokenPublished").await;
    let secret = lab.target(&what).await.expect("the Secret");
    assert_eq!(
        keys(&secret),
        set(&[
            "token",
            "authorization",
            "expires-on",
            "tenant-id",
            "api-url"
        ]),
        "{what}"
    );
    let token = key(&secret, "token").expect("a token");
    let authorization = key(&secret, "authorization");
    assert_eq!(authorization, Some(format!("Bearer {token}")), "{what}");
    assert_eq!(key(&secret, "tenant-id"), Some(guid(n)), "{what}");
    assert_eq!(key(&secret, "api-url").as_deref(), Some(url), "{what}");
    let claims = claims(&secret);
    assert_eq!(claims["aud"], json!(audience), "{what}");
    assert_eq!(claims["tid"], json!(guid(n)), "{what}");
    assert_eq!(claims["appid"], json!(CLIENT), "{what}");
    let expires: jiff::Timestamp = key(&secret, "expires-on")
        .expect("a date")
        .parse()
        .expect("RFC 3339");
    let off = claims["exp"].as_i64().expect("exp") - expires.as_second();
    assert!(off.abs() <= 2, "{what}");
    let status = tenant.status.expect("a status");
    assert!(status.probed_at.is_some(), "{what}");
    let shown = status.token.expect("a token");
    assert_eq!(shown.expires_at.0, expires, "{what}");
    assert_eq!(shown.roles, [role], "{what}");
    assert_eq!(shown.audience, audience, "{what}");
    assert_eq!(shown.application_id, CLIENT, "{what}");
    // The token opens the API at its own front door, and no other API.
    let called = lab.call(&format!("{url}{path}"), &token).await;
    assert_eq!(called, 200, "{what}");
}

#[test]
fn another_api_is_another_token_at_another_host_and_nothing_between_is_called_ready() {
    run(async {
        let lab = Lab::new("api").await;
        let body = json!({"resources": ["Endpoint", "Graph"], "consents": {CLIENT: {"roles": {"Endpoint": ["Alert.Read.All"]}}}});
        lab.emulator.tenant(&guid(1), &body).await;
        let spec =
            json!({"tenantId": guid(1), "region": "eu", "requiredRoles": ["Alert.Read.All"]});
        lab.tenant("contoso", spec).await;
        lab.reason("contoso", "True", "TokenPublished").await;
        let before = lab.target("contoso").await.expect("the Secret");

        // Without consent for the other API: audience and host still fit together.
        lab.change(
            "contoso",
            json!({"api": "Graph", "region": "global", "requiredRoles": ["SecurityIncident.Read.All"]}),
        )
        .await;
        lab.reason("contoso", "False", "NoRoles").await;
        let between = lab.target("contoso").await.expect("the Secret");
        for name in ["token", "api-url"] {
            assert_eq!(key(&between, name), key(&before, name), "{name}");
        }

        let body =
            json!({"consents": {CLIENT: {"roles": {"Graph": ["SecurityIncident.Read.All"]}}}});
        lab.emulator.tenant(&guid(1), &body).await;
        lab.force("contoso", "consented").await;
        lab.reason("contoso", "True", "TokenPublished").await;
        let after = lab.target("contoso").await.expect("the Secret");
        assert_eq!(claims(&after)["aud"], json!("https://graph.microsoft.com"));
        assert_eq!(
            key(&after, "api-url").as_deref(),
            Some("https://graph.microsoft.com")
        );
        lab.finish().await;
    });
}

#[test]
fn the_end_of_advanced_hunting_is_said_in_the_condition_and_once_a_generation_in_an_event() {
    run(async {
        let mut lab = Lab::new("hunting").await;
        lab.emulator
            .consented(&guid(1), CLIENT, &["AdvancedHunting.Read.All"])
            .await;
        let spec = json!({"tenantId": guid(1), "api": "XDR", "requiredRoles": ["AdvancedHunting.Read.All"]});
        lab.tenant("contoso", spec).await;
        let tenant = lab.reason("contoso", "True", "TokenPublished").await;
        let said = &condition(&tenant, "RolesGranted")
            .expect("RolesGranted")
            .message;
        for part in [
            "2027-01-31",
            "MC1220762",
            "api Graph",
            "ThreatHunting.Read.All",
            "/v1.0/security/runHuntingQuery",
        ] {
            assert!(said.contains(part), "{said}");
        }
        let warned = async |lab: &Lab| {
            let events = lab.events("contoso").await;
            let of = events
                .iter()
                .filter(|(r, _)| r == "AdvancedHuntingRetiring");
            of.count()
        };
        lab.eventually("the Event", async || {
            (warned(&lab).await == 1).then_some(())
        })
        .await;
        // Neither a restart nor another token says it again.
        lab.operator.stop().await;
        lab.start().await;
        lab.force("contoso", "again").await;
        lab.until(
            "contoso",
            "another token",
            crate::support::Patience::default(),
            |tenant| {
                let status = tenant.status.as_ref();
                status.and_then(|s| s.handled_refresh_request.as_deref()) == Some("again")
            },
        )
        .await;
        lab.settled().await;
        assert_eq!(warned(&lab).await, 1);
        lab.finish().await;
    });
}

#[test]
fn a_region_that_an_older_crd_let_in_is_told_with_those_that_there_are_and_nothing_is_minted() {
    run(async {
        // A schema without the rules between fields.
        let arena = Arena::own().await;
        let mut older = crd();
        let schema = &mut older["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        let spec = &mut schema["properties"]["spec"];
        spec.as_object_mut()
            .expect("a schema")
            .remove("x-kubernetes-validations");
        arena.apply_crd(&older).await;
        let lab = Lab::on(arena, "older", Setup::default()).await;
        lab.emulator
            .tenant(&guid(1), &gcc(&["Alert.Read.All"]))
            .await;
        let spec = json!({"tenantId": guid(1), "cloud": "GCC", "region": "eu"});
        lab.tenant("contoso", spec).await;
        let tenant = lab.reason("contoso", "False", "RegionUnavailable").await;
        let message = &condition(&tenant, "Ready").expect("Ready").message;
        assert!(
            message.contains("[api Endpoint in cloud GCC has: global]"),
            "{message}"
        );
        assert!(lab.target("contoso").await.is_none());
        let (journal, _) = lab.settled().await;
        assert!(journal.is_empty(), "{journal:?}");
        // Mended, it is served.
        lab.change("contoso", json!({"region": "global"})).await;
        lab.reason("contoso", "True", "TokenPublished").await;
        lab.finish().await;
    });
}

fn gcc(roles: &[&str]) -> Value {
    json!({"cloud": "GCC", "consents": {CLIENT: roles}})
}
