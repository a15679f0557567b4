//! Somebody else writes to a target Secret.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::support::{
    Lab, Patience, condition, count, eventually, guid, instant, key, run, token, version,
};

const TARGET: &str = "contoso-defender-token";

async fn ready(name: &str) -> (Lab, Secret) {
    let lab = Lab::new(name).await;
    lab.consented("contoso", &guid(1), json!({})).await;
    lab.ready("contoso").await;
    let _ = lab.settled().await;
    let secret = lab.target("contoso").await.expect("a Secret");
    (lab, secret)
}

/// Waits until the target is so.
async fn until(lab: &Lab, what: &str, is: impl Fn(&Secret) -> bool) -> Secret {
    lab.eventually(what, async || {
        lab.target("contoso").await.filter(|secret| is(secret))
    })
    .await
}

#[test]
fn a_deleted_secret_is_back_within_seconds_with_one_mint() {
    run(async {
        let (lab, before) = ready("deleted").await;
        lab.take_away(TARGET).await;
        // The same question within 10 s isn't asked, so it may take that long.
        let patience = Patience::seconds(20);
        let after = eventually("a new Secret", patience, async || {
            lab.target("contoso").await
        })
        .await;
        assert_ne!(token(&after), token(&before));
        lab.ready("contoso").await;
        let (_, requests) = lab.settled().await;
        assert_eq!(lab.mints(&guid(1)).await, 2);
        assert_eq!(count(&requests)["create secrets"], 2);
        lab.finish().await;
    });
}

/// Each edit is undone, with the token that is there. Five repairs in ten minutes would be a fight.
async fn undone(name: &str, edits: [Value; 4]) {
    let (lab, before) = ready(name).await;
    for edit in edits {
        let edited = lab.meddle(TARGET, edit.clone()).await;
        let after = until(&lab, &format!("{edit} is undone"), |secret| {
            version(secret) != version(&edited)
        })
        .await;
        for name in ["token", "authorization", "header", "tenant-id", "api-url"] {
            assert_eq!(key(&after, name), key(&before, name), "{name} after {edit}");
        }
        assert_eq!(after.metadata.labels, before.metadata.labels, "{edit}");
        assert_eq!(instant(&after, "issued-at"), instant(&before, "issued-at"));
        for name in ["expires-at", "refresh-at"] {
            let at = |secret: &Secret| instant(secret, name).expect("an instant");
            // From the token alone, which keeps whole seconds.
            let later = at(&after).duration_since(at(&before)).as_secs();
            assert!((-2..=2).contains(&later), "{name} {later} s later: {edit}");
        }
        let expires_on = key(&after, "expires-on").expect("a key");
        assert_eq!(expires_on.parse().ok(), instant(&after, "expires-at"));
    }
    let tenant = lab.ready("contoso").await;
    assert!(condition(&tenant, "Stalled").is_none());
    assert_eq!(lab.mints(&guid(1)).await, 1, "the token was there");
    lab.finish().await;
}

#[test]
fn an_edited_key_is_put_right_from_the_token_that_is_there() {
    run(undone(
        "keys",
        [
            json!({"data": {"api-url": STANDARD.encode("https://theirs.example")}}),
            json!({"data": {"authorization": null}}),
            json!({"data": {"header": STANDARD.encode("x")}}),
            json!({"data": {"expires-on": STANDARD.encode("2099-01-01T00:00:00Z")}}),
        ],
    ));
}

#[test]
fn an_edited_annotation_is_put_right_and_never_makes_a_token_live_longer() {
    let annotation = |name: &str, value: Value| {
        let name = format!("defendertenant.io/{name}");
        json!({"metadata": {"annotations": {name: value}}})
    };
    let far = json!("2099-01-01T00:00:00Z");
    run(undone(
        "annotations",
        [
            annotation("expires-at", far.clone()),
            annotation("refresh-at", far),
            annotation("owner-uid", json!("theirs")),
            json!({"metadata": {"labels": {"defendertenant.io/bucket": "zz"}}}),
        ],
    ));
}

#[test]
fn annotations_that_are_gone_come_back_from_the_token() {
    run(async {
        let (lab, before) = ready("bare").await;
        lab.meddle(TARGET, json!({"metadata": {"annotations": null}}))
            .await;
        let after = until(&lab, "annotations", |secret| {
            secret.metadata.annotations.is_some()
        })
        .await;
        assert_eq!(token(&after), token(&before));
        let expires = |secret: &Secret| instant(secret, "expires-at").expect("an instant");
        let later = expires(&after).duration_since(expires(&before));
        assert!(later.as_secs() <= 2, "{later} later");
        lab.ready("contoso").await;
        assert_eq!(lab.mints(&guid(1)).await, 1, "the token was there");
        lab.finish().await;
    });
}

#[test]
fn a_token_that_somebody_changed_is_replaced_by_one_mint() {
    run(async {
        let (lab, before) = ready("changed").await;
        let forged = STANDARD.encode(format!("{}x", token(&before)));
        lab.meddle(TARGET, json!({"data": {"token": forged}})).await;
        let patience = Patience::seconds(20);
        let after = eventually("another token", patience, async || {
            let secret = lab.target("contoso").await?;
            (instant(&secret, "issued-at") > instant(&before, "issued-at")).then_some(secret)
        })
        .await;
        assert_ne!(token(&after), token(&before));
        lab.ready("contoso").await;
        let _ = lab.settled().await;
        assert_eq!(lab.mints(&guid(1)).await, 2);
        lab.finish().await;
    });
}

#[test]
fn a_foreign_key_stays_and_costs_no_write_to_the_secret() {
    run(async {
        let (lab, _) = ready("foreign").await;
        let writes = lab.own_writes().len();
        let theirs = json!({
            "data": {"theirs": STANDARD.encode("x")},
            "metadata": {"labels": {"team": "soc"}, "annotations": {"example.com/note": "hands off"}},
        });
        let meddled = lab.meddle(TARGET, theirs).await;
        // It was looked at: the status names the version that was found in order.
        lab.until(
            "contoso",
            "its status names the new version",
            Patience::default(),
            |t| {
                let target = t.status.as_ref().and_then(|status| status.target.as_ref());
                target.and_then(|target| target.resource_version.as_deref())
                    == Some(version(&meddled))
            },
        )
        .await;
        let _ = lab.settled().await;
        assert_eq!(lab.target("contoso").await.as_ref(), Some(&meddled));
        let more = &lab.own_writes()[writes..];
        assert!(more.len() <= 1, "one status at the most: {more:?}");

        // A refresh leaves it, too.
        lab.force("contoso", "1").await;
        let after = until(&lab, "a refresh", |secret| token(secret) != token(&meddled)).await;
        assert_eq!(key(&after, "theirs").as_deref(), Some("x"));
        assert_eq!(after.metadata.labels, meddled.metadata.labels);
        let note = "example.com/note";
        assert_eq!(
            after.metadata.annotations.expect("annotations")[note],
            "hands off"
        );
        lab.finish().await;
    });
}

#[test]
fn an_immutable_secret_is_replaced_when_it_must_change() {
    run(async {
        let (lab, _) = ready("frozen").await;
        let frozen = lab.meddle(TARGET, json!({"immutable": true})).await;
        lab.force("contoso", "1").await;
        let after = until(&lab, "another token", |secret| {
            token(secret) != token(&frozen)
        })
        .await;
        assert_ne!(after.metadata.uid, frozen.metadata.uid);
        assert_ne!(after.immutable, Some(true));
        lab.ready("contoso").await;
        let _ = lab.settled().await;
        assert_eq!(lab.mints(&guid(1)).await, 2, "the forced one alone");
        lab.finish().await;
    });
}

#[test]
fn a_secret_whose_owner_reference_was_taken_is_nobodys_to_touch() {
    run(async {
        let (lab, _) = ready("disowned").await;
        let disowned = lab
            .meddle(TARGET, json!({"metadata": {"ownerReferences": null}}))
            .await;
        lab.reason("contoso", "False", "TargetConflict").await;
        lab.force("contoso", "1").await;
        let _ = lab.settled().await;
        assert_eq!(lab.target("contoso").await, Some(disowned));
        assert_eq!(lab.mints(&guid(1)).await, 1);
        // Taken out of the way, it is replaced, and not only in five minutes: any change of the tenant makes it look.
        lab.take_away(TARGET).await;
        lab.force("contoso", "2").await;
        lab.ready("contoso").await;
        assert!(lab.mints(&guid(1)).await <= 2);
        lab.finish().await;
    });
}

/// What another controller does.
#[derive(Clone)]
enum Undo {
    Patch(Value),
    Delete,
}

/// Another controller that does the same again and again, as soon as it sees it put right, until it is told off.
async fn fight(lab: &Lab, undo: Undo) {
    let secrets = lab.secrets();
    let other = tokio::spawn(async move {
        let mut last = String::new();
        loop {
            if let Ok(Some(secret)) = secrets.get_opt(TARGET).await
                && version(&secret) != last
            {
                last = match &undo {
                    Undo::Patch(patch) => {
                        let (params, patch) = (PatchParams::default(), Patch::Merge(patch));
                        let patched = secrets.patch(TARGET, &params, &patch).await;
                        patched.map_or_else(|_| String::new(), |secret| version(&secret).to_owned())
                    }
                    Undo::Delete => {
                        let _ = secrets.delete(TARGET, &DeleteParams::default()).await;
                        version(&secret).to_owned()
                    }
                };
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let tenant = lab
        .until(
            "contoso",
            "TargetContested",
            Patience::seconds(120),
            |tenant| condition(tenant, "Ready").is_some_and(|c| c.reason == "TargetContested"),
        )
        .await;
    assert!(condition(&tenant, "Stalled").is_some(), "a person must act");
    other.abort();
}

#[test]
fn a_fight_over_a_key_ends_after_five_repairs_without_a_mint() {
    run(async {
        let (lab, _) = ready("fight").await;
        let theirs = json!({"data": {"api-url": STANDARD.encode("https://theirs.example")}});
        fight(&lab, Undo::Patch(theirs.clone())).await;
        // The other one goes on, and is left alone.
        for n in 0..10 {
            let mut theirs = theirs.clone();
            theirs["metadata"] = json!({"annotations": {"example.com/n": n.to_string()}});
            lab.meddle(TARGET, theirs).await;
        }
        let (_, requests) = lab.settled().await;
        let count = count(&requests);
        assert!(count["patch secrets"] <= 5, "{count:?}");
        assert!(count["update defendertenants/status"] <= 20, "{count:?}");
        assert_eq!(count["create secrets"], 1);
        assert_eq!(lab.mints(&guid(1)).await, 1, "the token was there");
        lab.finish().await;
    });
}

#[test]
fn a_fight_over_the_token_ends_after_five_mints() {
    run(async {
        let (lab, _) = ready("spoilt").await;
        let theirs = json!({"data": {"token": STANDARD.encode("theirs")}});
        fight(&lab, Undo::Patch(theirs)).await;
        // What is thought of again isn't minted again.
        for n in 0..10 {
            lab.poke("contoso", n).await;
        }
        let (_, requests) = lab.settled().await;
        let mints = lab.mints(&guid(1)).await;
        assert!(mints <= 1 + 5, "{mints}");
        let count = count(&requests);
        let of = |what: &str| count.get(what).copied().unwrap_or_default();
        assert!(of("create secrets") + of("patch secrets") <= 6, "{count:?}");
        assert!(of("delete secrets") <= 6, "{count:?}");
        lab.finish().await;
    });
}

#[test]
fn a_secret_that_is_deleted_again_and_again_costs_five_mints() {
    run(async {
        let (lab, _) = ready("taken").await;
        fight(&lab, Undo::Delete).await;
        for n in 0..10 {
            lab.poke("contoso", n).await;
        }
        let (_, requests) = lab.settled().await;
        let mints = lab.mints(&guid(1)).await;
        assert!(mints <= 1 + 5, "{mints}");
        assert!(count(&requests)["create secrets"] <= 6);
        lab.finish().await;
    });
}
