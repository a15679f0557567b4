//! Behind a corporate proxy.

use serde_json::json;

use crate::support::{CLIENT, Lab, Setup, guid, run};

#[test]
fn https_proxy_in_the_environment_is_for_microsoft_and_never_for_the_api_server() {
    run(async {
        // The emulator's proxy refuses all hosts but Microsoft's, the API server's among them.
        let lab = Lab::with(
            "proxy",
            Setup {
                proxy_by_environment: true,
                ..Setup::default()
            },
        )
        .await;
        lab.emulator
            .consented(&guid(1), CLIENT, &["Alert.Read.All"])
            .await;
        lab.tenant("contoso", json!({"tenantId": guid(1)})).await;
        lab.reason("contoso", "True", "TokenPublished").await;
        let (journal, _) = lab.settled().await;
        let hosts: Vec<_> = journal.iter().map(|entry| entry.host.as_str()).collect();
        assert_eq!(hosts, ["login.microsoftonline.com"]);
        lab.finish().await;
    });
}
