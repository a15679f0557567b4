//! Objects that nobody expects.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::PostParams;
use serde_json::json;

use crate::support::{Arena, CLIENT, Lab, Setup, crd, guid, run};

#[test]
fn a_huge_and_a_binary_secret_are_malformed_credentials_and_nothing_else() {
    run(async {
        let lab = Lab::new("huge").await;
        let secrets: Api<Secret> = lab.secrets();
        // 1 MiB is the most that a Secret holds.
        let junk: Vec<u8> = (0..1_048_000_u32)
            .map(|n| u8::try_from(n * 7 % 251).unwrap_or_default())
            .collect();
        let text = "canary-of-a-megabyte ".repeat(49_000);
        lab.guard("canary-of-a-megabyte");
        for (name, data) in [
            (
                "huge",
                json!({"client-secret": STANDARD.encode(&text), "client-id": STANDARD.encode(CLIENT)}),
            ),
            (
                "binary",
                json!({"client-secret": STANDARD.encode(&junk[..1000]), "client-id": STANDARD.encode([0xff, 0xfe])}),
            ),
            ("foreign", json!({"blob": STANDARD.encode(&junk)})),
        ] {
            let body = json!({
                "apiVersion": "v1", "kind": "Secret",
                "metadata": {"name": name, "labels": {"defendertenant.io/credential": "true"}}, "data": data,
            });
            let secret = serde_json::from_value(body).expect("a Secret");
            secrets
                .create(&PostParams::default(), &secret)
                .await
                .expect("accepted");
        }
        for (n, name, text) in [
            (1, "huge", "too long to be a client secret"),
            (2, "binary", "a key isn't UTF-8 text"),
            (3, "foreign", "the key client-id is missing or empty"),
        ] {
            lab.tenant(
                name,
                json!({"tenantId": guid(n), "secretRef": {"name": name}}),
            )
            .await;
            let seen = lab.reason(name, "False", "CredentialMalformed").await;
            let message = crate::support::condition(&seen, "Ready")
                .expect("Ready")
                .message
                .clone();
            assert!(message.contains(text), "{name}: {message}");
        }
        lab.emulator
            .consented(&guid(4), CLIENT, &["Alert.Read.All"])
            .await;
        lab.tenant("contoso", json!({"tenantId": guid(4)})).await;
        lab.reason("contoso", "True", "TokenPublished").await;
        lab.finish().await;
    });
}

#[test]
fn a_tenant_of_another_shape_is_counted_and_logged_without_its_content_and_the_others_go_on() {
    run(async {
        // A schema that lets anything in: another version's, say.
        let arena = Arena::own().await;
        let mut loose = crd();
        let version = &mut loose["spec"]["versions"][0];
        version["selectableFields"] = json!([]);
        version["schema"]["openAPIV3Schema"] = json!({"type": "object", "properties": {
            "spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
        }});
        arena.apply_crd(&loose).await;
        let lab = Lab::on(arena, "loose", Setup::default()).await;
        lab.guard("canary-of-a-spec");
        let strange = [
            json!({"tenantId": 7, "secretRef": "canary-of-a-spec"}),
            json!({"tenantId": "canary-of-a-spec", "secretRef": {"name": ["canary-of-a-spec"]}}),
            json!({"tenantId": guid(1), "cloud": {"canary-of-a-spec": 1}, "requiredRoles": "canary-of-a-spec"}),
        ];
        for (n, spec) in strange.iter().enumerate() {
            lab.tenant(&format!("strange{n}"), spec.clone()).await;
        }
        lab.emulator
            .consented(&guid(9), CLIENT, &["Alert.Read.All"])
            .await;
        lab.tenant("contoso", json!({"tenantId": guid(9)})).await;
        lab.eventually("the sound one has its token", async || {
            lab.token("contoso").await
        })
        .await;
        lab.eventually("the others are counted", async || {
            (lab.operator
                .metric("defender_tenant_undecodable_objects")
                .await
                > 2.5)
                .then_some(())
        })
        .await;
        let told = "a DefenderTenant can't be decoded: its spec isn't of this version's shape; the others go on";
        assert_eq!(lab.operator.lines(told).len(), 3);
        // Mended, it is served.
        lab.emulator
            .consented(&guid(1), CLIENT, &["Alert.Read.All"])
            .await;
        let spec = json!({"tenantId": guid(1), "secretRef": {"name": "partner"}, "cloud": "Commercial", "requiredRoles": []});
        lab.tenant("strange2", spec).await;
        lab.eventually("the mended one has its token", async || {
            lab.token("strange2").await
        })
        .await;
        for name in ["strange0", "strange1"] {
            lab.delete(name).await;
        }
        lab.eventually("a deleted one isn't counted", async || {
            (lab.operator
                .metric("defender_tenant_undecodable_objects")
                .await
                < 0.5)
                .then_some(())
        })
        .await;
        lab.finish().await;
    });
}
