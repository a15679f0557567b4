//! A changed target: another name, other keys, another region, other labels.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};

use crate::support::{Act, Call, Lab, Rule, Setup, count, guid, key, run, token};

async fn ready(name: &str, setup: Setup) -> (Lab, Secret) {
    let lab = Lab::with(name, setup).await;
    lab.consented("contoso", &guid(1), json!({})).await;
    lab.ready("contoso").await;
    let secret = lab.target("contoso").await.expect("a Secret");
    (lab, secret)
}

/// Waits until the target is so, and the tenant is ready.
async fn until(lab: &Lab, what: &str, is: impl Fn(&Secret) -> bool) -> Secret {
    let secret = lab
        .eventually(what, async || {
            lab.target("contoso").await.filter(|secret| is(secret))
        })
        .await;
    lab.ready("contoso").await;
    secret
}

#[test]
fn a_renamed_target_has_the_same_token_before_the_old_one_goes_and_costs_no_mint() {
    run(async {
        let (lab, before) = ready("renamed", Setup::default()).await;
        lab.change("contoso", json!({"target": {"name": "elsewhere"}}))
            .await;
        let after = lab
            .eventually("the new one alone", async || {
                let gone = lab.target("contoso").await.is_none();
                let new = lab.secrets().get_opt("elsewhere").await.ok()??;
                gone.then_some(new)
            })
            .await;
        assert_eq!(after.data, before.data);
        lab.ready("contoso").await;
        let (_, requests) = lab.settled().await;
        assert_eq!(lab.mints(&guid(1)).await, 1);
        let of = |verb: &str, name: &str| {
            requests.iter().position(|request| {
                request.verb == verb && request.resource == "secrets" && request.name == name
            })
        };
        // The audit log names what a create makes.
        let created = of("create", "elsewhere").expect("a create");
        let deleted = of("delete", "contoso-defender-token").expect("a delete");
        assert!(
            created < deleted,
            "first the new one, then the old one goes"
        );
        assert_eq!(count(&requests)["create secrets"], 2);
        lab.finish().await;
    });
}

#[test]
fn a_name_that_is_taken_leaves_the_old_target_where_it_is() {
    run(async {
        let (lab, before) = ready("taken", Setup::default()).await;
        lab.secret_in(&lab.ns, "taken", json!({}), &[("theirs", "x")])
            .await;
        lab.change("contoso", json!({"target": {"name": "taken"}}))
            .await;
        lab.reason("contoso", "False", "TargetConflict").await;
        let _ = lab.settled().await;
        let taken = lab.secrets().get("taken").await.expect("a Secret");
        assert_eq!(key(&taken, "theirs").as_deref(), Some("x"));
        assert_eq!(key(&taken, "token"), None);
        assert_eq!(
            lab.target("contoso").await,
            Some(before),
            "its readers go on"
        );
        lab.change("contoso", json!({"target": {"name": "free"}}))
            .await;
        lab.ready("contoso").await;
        assert!(lab.mints(&guid(1)).await <= 2);
        lab.finish().await;
    });
}

#[test]
fn other_formats_and_another_region_come_from_the_token_that_is_there() {
    run(async {
        let (lab, before) = ready("formats", Setup::default()).await;
        let formats = json!({"target": {"formats": ["Header", "Json", "Env"]}});
        lab.change("contoso", formats).await;
        let all = until(&lab, "all formats", |secret| key(secret, "env").is_some()).await;
        let old = token(&before);
        assert_eq!(token(&all), old);
        assert_eq!(
            key(&all, "header"),
            Some(format!("Authorization: Bearer {old}"))
        );
        let json: Value = serde_json::from_str(&key(&all, "json").expect("a key")).expect("JSON");
        assert_eq!(json["access_token"], old);
        assert!(
            key(&all, "env")
                .expect("a key")
                .starts_with(&format!("DEFENDER_TOKEN={old}\n"))
        );

        lab.change(
            "contoso",
            json!({"region": "eu", "target": {"formats": ["Json"]}}),
        )
        .await;
        let fewer = until(&lab, "another region", |secret| {
            key(secret, "api-url").is_some_and(|url| url.contains("//eu."))
        })
        .await;
        assert_eq!(token(&fewer), old);
        let names: Vec<&str> = fewer
            .data
            .iter()
            .flatten()
            .map(|(name, _)| name.as_str())
            .collect();
        let wanted = [
            "api-url",
            "authorization",
            "expires-on",
            "json",
            "tenant-id",
            "token",
        ];
        assert_eq!(names, wanted, "what is no longer wanted is gone");

        let (_, requests) = lab.settled().await;
        assert_eq!(lab.mints(&guid(1)).await, 1);
        assert_eq!(count(&requests)["patch secrets"], 2, "a write a change");
        lab.finish().await;
    });
}

#[test]
fn labels_and_annotations_follow_the_spec_as_far_as_the_operator_allows() {
    run(async {
        let setup = Setup {
            args: ["--target-metadata-allow", "team,example.com/note"]
                .map(str::to_owned)
                .into(),
            ..Setup::default()
        };
        let (lab, _) = ready("metadata", setup).await;
        let theirs = json!({"metadata": {"labels": {"theirs": "x"}}});
        lab.meddle("contoso-defender-token", theirs).await;
        let target = json!({"target": {
            "labels": {"team": "soc", "denied": "x"},
            "annotations": {"example.com/note": "hello", "example.com/denied": "x"},
        }});
        lab.change("contoso", target).await;
        let own = |map: &Option<BTreeMap<String, String>>| -> Vec<String> {
            let names = map.iter().flatten().map(|(name, _)| name.clone());
            names
                .filter(|name| !name.starts_with("defendertenant.io/"))
                .collect()
        };
        let labelled = |secret: &Secret| own(&secret.metadata.labels);
        let after = until(&lab, "labels", |s| labelled(s) == ["team", "theirs"]).await;
        let annotations = ["example.com/note", "reloader.stakater.com/ignore"];
        assert_eq!(own(&after.metadata.annotations), annotations);

        let nothing = json!({"target": {"labels": null, "annotations": null}});
        lab.change("contoso", nothing).await;
        let after = until(&lab, "none of them", |s| labelled(s) == ["theirs"]).await;
        assert_eq!(own(&after.metadata.annotations), annotations[1..]);
        assert_eq!(lab.mints(&guid(1)).await, 1);
        lab.finish().await;
    });
}

#[test]
fn a_spec_that_changes_while_a_status_is_written_is_seen_to_all_the_same() {
    run(async {
        let (lab, proxy) = Lab::behind_proxy("outrun", Setup::default()).await;
        lab.consented("contoso", &guid(1), json!({})).await;
        lab.ready("contoso").await;
        for region in ["eu", "uk", "us"] {
            let held = proxy.rule(Rule::once(Act::HoldBefore, Call::puts_status));
            lab.force("contoso", region).await;
            held.hit().await;
            // The status that is on its way is of another spec than this.
            lab.change("contoso", json!({"region": region})).await;
            held.lift();
            until(&lab, "the new region", |secret| {
                key(secret, "api-url").is_some_and(|url| url.contains(&format!("//{region}.")))
            })
            .await;
        }
        assert_eq!(
            lab.mints(&guid(1)).await,
            4,
            "the first and the three that were asked for"
        );
        lab.finish().await;
    });
}
