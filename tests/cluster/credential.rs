//! Mistakes in the credential Secret: each has its reason and its text, and is noticed within seconds when mended.

use defender_tenant_operator::api::DefenderTenant;
use serde_json::{Value, json};

use crate::support::{CLIENT, Lab, Patience, Setup, condition, guid, run};

/// A mended Secret is noticed by a watch: seconds are plenty.
const SOON: Patience = Patience::seconds(10);

/// Keys of a Secret and their values.
type Keys<'a> = Vec<(&'a str, &'a str)>;

fn labelled() -> Value {
    json!({"defendertenant.io/credential": "true"})
}

fn message(tenant: &DefenderTenant, type_: &str) -> String {
    condition(tenant, type_)
        .map(|c| c.message.clone())
        .unwrap_or_default()
}

async fn tenant(lab: &Lab, name: &str, n: u64) {
    lab.emulator
        .consented(&guid(n), CLIENT, &["Alert.Read.All"])
        .await;
    lab.tenant(
        name,
        json!({"tenantId": guid(n), "secretRef": {"name": name}}),
    )
    .await;
}

async fn ready_soon(lab: &Lab, name: &str) -> DefenderTenant {
    lab.until(name, "TokenPublished", SOON, |tenant| {
        condition(tenant, "Ready")
            .is_some_and(|c| c.status == "True" && c.reason == "TokenPublished")
    })
    .await
}

/// No mint is made with a credential that can't be one.
async fn nothing_was_asked(lab: &Lab) {
    let (journal, _) = lab.settled().await;
    assert!(journal.is_empty(), "{journal:?}");
}

#[test]
fn a_missing_secret_is_waited_for_and_picked_up() {
    run(async {
        let lab = Lab::new("missing").await;
        tenant(&lab, "late", 1).await;
        let seen = lab
            .reason("late", "False", "CredentialSecretNotFound")
            .await;
        assert_eq!(
            message(&seen, "CredentialReady"),
            "The credential's Secret doesn't exist: secretRef names one of this namespace, an application those of the operator's namespace."
        );
        assert_eq!(
            condition(&seen, "CredentialReady").map(|c| c.status.as_str()),
            Some("False")
        );
        // It may be on its way: nobody need act for the first two minutes.
        assert!(condition(&seen, "Reconciling").is_some() && condition(&seen, "Stalled").is_none());
        nothing_was_asked(&lab).await;
        lab.credential("late", &lab.secret).await;
        ready_soon(&lab, "late").await;
        lab.finish().await;
    });
}

#[test]
fn a_secret_without_the_label_is_no_credential_and_its_owner_is_told_how_to_label_it() {
    run(async {
        let lab = Lab::new("unlabelled").await;
        let keys = [
            ("client-id", CLIENT),
            ("client-secret", lab.secret.as_str()),
        ];
        lab.secret_in(&lab.ns, "plain", json!({}), &keys).await;
        tenant(&lab, "plain", 1).await;
        let seen = lab
            .reason("plain", "False", "CredentialSecretNotLabelled")
            .await;
        assert_eq!(
            message(&seen, "Ready"),
            "The credential's Secret isn't marked as one: kubectl label secret NAME defendertenant.io/credential=true (an application's is in the operator's namespace)"
        );
        assert!(condition(&seen, "Stalled").is_some());
        nothing_was_asked(&lab).await;
        lab.secret_in(&lab.ns, "plain", labelled(), &keys).await;
        ready_soon(&lab, "plain").await;
        lab.finish().await;
    });
}

#[test]
fn each_malformed_secret_says_its_mistake_and_is_picked_up_when_mended() {
    run(async {
        let lab = Lab::new("malformed").await;
        let id = guid(0xabc);
        let secret = lab.secret.clone();
        let client = ("client-id", CLIENT);
        let cases: [(&str, Keys<'_>, &str); 8] = [
            (
                "empty",
                vec![],
                "it has no data: set the keys client-id and client-secret",
            ),
            (
                "no-client",
                vec![("client-secret", &secret)],
                "the key client-id is missing or empty",
            ),
            (
                "no-secret",
                vec![client],
                "the key client-secret is missing or empty",
            ),
            (
                "name-as-client",
                vec![("client-id", "contoso"), ("client-secret", &secret)],
                "the key client-id isn't an application id: a GUID in lower case is expected",
            ),
            (
                "guid",
                vec![client, ("client-secret", &id)],
                "the key client-secret holds a GUID, which is the secret's id: set it to the secret's value",
            ),
            (
                "two-kinds",
                vec![
                    client,
                    ("client-secret", &secret),
                    ("tls.crt", "x"),
                    ("tls.key", "y"),
                ],
                "it has two kinds of credential, client-secret and tls.crt/tls.key: remove one",
            ),
            (
                "no-certificate",
                vec![client, ("tls.crt", "x"), ("tls.key", "y")],
                "the key tls.key holds no PEM private key",
            ),
            (
                "inner-space",
                vec![client, ("client-secret", "two words")],
                "the key client-secret has white space or control characters inside",
            ),
        ];
        for (n, (name, keys, _)) in (1..).zip(&cases) {
            lab.labelled(name, keys).await;
            tenant(&lab, name, n).await;
        }
        for (name, _, text) in &cases {
            let seen = lab.reason(name, "False", "CredentialMalformed").await;
            let credential = message(&seen, "CredentialReady");
            assert!(credential.contains(text), "{name}: {credential}");
            assert_eq!(message(&seen, "Ready"), credential, "{name}");
            assert!(condition(&seen, "Stalled").is_some(), "{name}");
        }
        nothing_was_asked(&lab).await;
        for (name, ..) in &cases {
            lab.labelled(name, &[client, ("client-secret", &secret)])
                .await;
        }
        for (name, ..) in &cases {
            ready_soon(&lab, name).await;
        }
        lab.finish().await;
    });
}

#[test]
fn a_trailing_newline_is_trimmed_and_said() {
    run(async {
        let lab = Lab::new("newline").await;
        let with_newline = format!("{}\n", lab.secret);
        lab.labelled(
            "echoed",
            &[("client-id", CLIENT), ("client-secret", &with_newline)],
        )
        .await;
        tenant(&lab, "echoed", 1).await;
        let seen = lab.reason("echoed", "True", "TokenPublished").await;
        assert_eq!(
            message(&seen, "CredentialReady"),
            "White space around a key of the credential Secret was ignored: remove it."
        );
        lab.credential("echoed", &lab.secret).await;
        lab.until("echoed", "no note any more", SOON, |tenant| {
            message(tenant, "CredentialReady").is_empty()
        })
        .await;
        assert_eq!(
            lab.emulator.token_requests(&guid(1)).await.len(),
            1,
            "the same credential: nothing to mint"
        );
        lab.finish().await;
    });
}

#[test]
fn no_credential_is_taken_from_the_operators_own_namespace() {
    run(async {
        // Its name is known only when the lab is there, so the operator is started again with it.
        let mut lab = Lab::with(
            "own-ns",
            Setup {
                no_operator: true,
                ..Setup::default()
            },
        )
        .await;
        let ns = lab.ns.clone();
        lab.flag("--operator-namespace", &ns);
        lab.start().await;
        lab.emulator
            .consented(&guid(1), CLIENT, &["Alert.Read.All"])
            .await;
        lab.tenant("contoso", json!({"tenantId": guid(1)})).await;
        let seen = lab.reason("contoso", "False", "SecretRefDenied").await;
        assert_eq!(
            message(&seen, "CredentialReady"),
            "secretRef isn't allowed in this namespace. [this is the operator's own namespace]"
        );
        assert!(condition(&seen, "Stalled").is_some());
        nothing_was_asked(&lab).await;
        lab.finish().await;
    });
}

#[test]
fn a_credential_with_tenant_ids_is_used_for_no_other_tenant() {
    run(async {
        let lab = Lab::new("tenant-ids").await;
        let ids = format!("# ours\n{}\n", guid(1));
        let keys = [
            ("client-id", CLIENT),
            ("client-secret", lab.secret.as_str()),
            ("tenant-ids", ids.as_str()),
        ];
        lab.labelled("partner", &keys).await;
        for n in 1..=2 {
            lab.emulator
                .consented(&guid(n), CLIENT, &["Alert.Read.All"])
                .await;
            lab.tenant(&format!("t{n}"), json!({"tenantId": guid(n)}))
                .await;
        }
        lab.reason("t1", "True", "TokenPublished").await;
        let seen = lab.reason("t2", "False", "NotGranted").await;
        assert_eq!(
            message(&seen, "CredentialReady"),
            "This tenant isn't granted here. [the credential's key tenant-ids doesn't list it]"
        );
        let (journal, _) = lab.settled().await;
        assert_eq!(journal.len(), 1, "{journal:?}");
        lab.finish().await;
    });
}

#[test]
fn a_token_is_tried_once_although_its_credential_has_gone() {
    run(async {
        let lab = Lab::new("probegone").await;
        lab.emulator
            .consented(&guid(1), CLIENT, &["Alert.Read.All"])
            .await;
        lab.tenant("contoso", json!({"tenantId": guid(1), "probe": "OnChange"}))
            .await;
        lab.ready("contoso").await;
        lab.secrets()
            .delete("partner", &kube::api::DeleteParams::default())
            .await
            .expect("deleted");
        lab.reason("contoso", "True", "CredentialSecretNotFound")
            .await;
        let calls = async || {
            let journal = lab.emulator.journal().await;
            journal.iter().filter(|entry| entry.kind == "api").count()
        };
        let before = calls().await;
        // A changed spec is tried again.
        lab.change("contoso", json!({"region": "eu"})).await;
        lab.eventually("the token is tried", async || {
            (calls().await > before).then_some(())
        })
        .await;
        lab.reason("contoso", "True", "CredentialSecretNotFound")
            .await;
        lab.settled().await;
        assert_eq!(calls().await, before + 1);
        assert!(
            lab.operator
                .lines("a reconcile came to no end; it is tried again")
                .is_empty()
        );
        lab.finish().await;
    });
}
