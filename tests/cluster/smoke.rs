//! First light.

use serde_json::json;

use crate::support::{CLIENT, Lab, guid, run};

#[test]
fn a_tenant_gets_its_token() {
    run(async {
        let lab = Lab::new("smoke").await;
        lab.emulator
            .consented(&guid(1), CLIENT, &["Alert.Read.All"])
            .await;
        lab.tenant("contoso", json!({"tenantId": guid(1)})).await;
        lab.reason("contoso", "True", "TokenPublished").await;
        assert!(lab.token("contoso").await.is_some());
        lab.finish().await;
    });
}
