//! A certificate as the partner's credential: it is read from the Secret, replaced there, and expires there.

use defender_tenant_operator::api::DefenderTenant;
use jiff::Timestamp;
use serde_json::json;

use crate::support::{CLIENT, Identity, Lab, Patience, Setup, condition, guid, run};

/// What a watch or a wake-up tells is there within seconds.
const SOON: Patience = Patience::seconds(10);

impl Lab {
    /// Applies a labelled Secret with this certificate. Its key must be found nowhere else.
    async fn certificate(&self, name: &str, identity: &Identity) {
        let key = identity.key();
        for line in key.lines().filter(|line| line.len() == 64) {
            self.guard(line);
        }
        let keys = [
            ("client-id", CLIENT),
            ("tls.crt", identity.crt.as_str()),
            ("tls.key", key.as_str()),
        ];
        self.labelled(name, &keys).await;
    }

    /// The application has these certificates and no secret.
    async fn registered(&self, identities: &[&Identity]) {
        let certificates: Vec<_> = identities.iter().map(|identity| &identity.crt).collect();
        let path = format!("applications/{CLIENT}");
        self.emulator
            .put(&path, &json!({"certificates": certificates}))
            .await;
    }

    /// A customer who consented, served with the Secret `cert`.
    async fn customer(&self, name: &str, n: u64) {
        self.emulator
            .consented(&guid(n), CLIENT, &["Alert.Read.All"])
            .await;
        self.tenant(
            name,
            json!({"tenantId": guid(n), "secretRef": {"name": "cert"}}),
        )
        .await;
    }
}

/// Status, reason and message of CredentialReady.
fn credential(tenant: &DefenderTenant) -> (&str, &str, &str) {
    condition(tenant, "CredentialReady").map_or(("", "", ""), |c| {
        (c.status.as_str(), c.reason.as_str(), c.message.as_str())
    })
}

#[test]
fn a_replaced_certificate_is_proven_once_and_used_from_then_on_without_a_restart() {
    run(async {
        let lab = Lab::new("cert").await;
        let (old, new) = (Identity::new(0), Identity::new(1));
        lab.registered(&[&old]).await;
        lab.certificate("cert", &old).await;
        let names = ["one", "two", "three"];
        let mut before = Vec::new();
        for (n, name) in (1..).zip(names) {
            lab.customer(name, n).await;
            lab.ready(name).await;
            before.push(lab.token(name).await);
        }
        assert_eq!(lab.settled().await.0.len(), 3);

        lab.registered(&[&old, &new]).await;
        lab.certificate("cert", &new).await;
        let mints = || async {
            let mints = lab.emulator.all_token_requests().await;
            (mints.len() >= 4).then_some(mints)
        };
        let mints_now = lab.eventually("one mint proves it", mints).await;
        assert!(mints_now.iter().all(|mint| mint.outcome == "ok"));
        let (journal, _) = lab.settled().await;
        assert_eq!(journal.len(), 4, "valid tokens follow when they are due");
        let mut kept = 0;
        for (name, before) in names.iter().zip(&before) {
            kept += usize::from(lab.token(name).await == *before);
        }
        assert_eq!(kept, 2);

        // The old one is good for nothing any more.
        lab.registered(&[&new]).await;
        for (name, before) in names.iter().zip(&before) {
            lab.force(name, "now").await;
            let seen = lab
                .until(name, "the forced mint", Patience::seconds(30), |tenant| {
                    tenant.status.as_ref().is_some_and(|status| {
                        status.handled_refresh_request.as_deref() == Some("now")
                    })
                })
                .await;
            assert_eq!(credential(&seen).0, "True", "{name}");
            assert_ne!(lab.token(name).await, *before, "{name}");
        }
        let requests = lab.emulator.all_token_requests().await;
        assert!(
            requests.iter().all(|request| request.outcome == "ok"),
            "{requests:?}"
        );
        lab.finish().await;
    });
}

#[test]
fn a_certificate_that_microsoft_does_not_know_is_named_by_its_thumbprint() {
    run(async {
        let mut lab = Lab::with(
            "thumbprint",
            Setup {
                no_operator: true,
                ..Setup::default()
            },
        )
        .await;
        // There before the operator: nobody saw it change, so that it isn't a fresh one.
        let identity = Identity::new(0);
        lab.registered(&[&Identity::new(1)]).await;
        lab.certificate("cert", &identity).await;
        lab.start().await;
        lab.customer("contoso", 1).await;
        let seen = lab.reason("contoso", "False", "CredentialRejected").await;
        let (status, _, message) = credential(&seen);
        assert_eq!(status, "False");
        let thumbprint = message
            .split_once("[thumbprint ")
            .map(|(_, rest)| &rest[..40]);
        assert_eq!(thumbprint, Some(&*identity.thumbprint()), "{message}");
        lab.finish().await;
    });
}

#[test]
fn a_certificate_expires_without_anybody_telling_and_its_token_stays() {
    run(async {
        let lab = Lab::new("expiry").await;
        let end = u64::try_from(Timestamp::now().as_second()).expect("today") + 8;
        let short = Identity::until(0, end);
        lab.registered(&[&short]).await;
        lab.certificate("cert", &short).await;
        lab.customer("contoso", 1).await;
        let seen = lab.ready("contoso").await;
        assert_eq!(credential(&seen).0, "True");
        let token = lab.token("contoso").await;

        let seen = lab.reason("contoso", "True", "CredentialExpired").await;
        let expired_at = Timestamp::from_second(i64::try_from(end).expect("a time")).expect("one");
        assert_eq!(
            credential(&seen),
            (
                "False",
                "CredentialExpired",
                &*format!(
                    "The partner's credential has expired: create a new one and put it into the credential Secret. [the certificate expired at {expired_at}]"
                )
            )
        );
        assert!(Timestamp::now() >= expired_at);
        // Nobody is asked with it, also when somebody wants to.
        lab.force("contoso", "now").await;
        let (journal, _) = lab.settled().await;
        assert_eq!(journal.len(), 1, "{journal:?}");
        assert_eq!(lab.token("contoso").await, token);

        let renewed = Identity::new(0);
        lab.registered(&[&renewed]).await;
        lab.certificate("cert", &renewed).await;
        lab.until("contoso", "the renewed one works", SOON, |tenant| {
            condition(tenant, "Ready").is_some_and(|c| c.reason == "TokenPublished")
                && credential(tenant).0 == "True"
        })
        .await;
        lab.finish().await;
    });
}
