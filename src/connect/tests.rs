use super::*;

const CANARY: &str = "canary-in-the-wrong-place";

fn kubeconfig(server: &str, user: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{{name: c, context: {{cluster: c, user: u}}}}]\nclusters: [{{name: c, cluster: {{server: {server}}}}}]\nusers: [{{name: u, user: {user}}}]\n"
    )
}

async fn client_of(text: &str) -> Result<Client, NoCluster> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kubeconfig");
    std::fs::write(&path, text).unwrap();
    kube_client(Some(&path)).await
}

#[tokio::test]
async fn a_kubeconfig_that_is_none_isnt_quoted() {
    let of = kubeconfig;
    for (text, expected) in [
        (
            of("https://a", &format!("{{token: [{CANARY}]}}")),
            "the kubeconfig isn't one: it is no YAML, or a value has the wrong type (line 6)",
        ),
        (
            of("https://a", &format!("{{exec: {CANARY}}}")),
            "the kubeconfig isn't one: it is no YAML, or a value has the wrong type (line 6)",
        ),
        (
            of(&format!("\"{CANARY} {CANARY}\""), "{}"),
            "the kubeconfig's server isn't a URL",
        ),
        (
            of("https://a", "{}")
                .replace("current-context: c", &format!("current-context: {CANARY}")),
            "the kubeconfig has no such context as its current-context",
        ),
        (
            of(
                "https://a",
                "{client-certificate-data: \"~\", client-key-data: \"~\"}",
            ),
            "isn't base64",
        ),
    ] {
        let error = client_of(&text).await.err().map(|error| error.to_string());
        let error = error.expect("it is wrong");
        assert!(!error.contains(CANARY), "{error}");
        assert!(error.starts_with("no way to reach a cluster: "), "{error}");
        assert!(error.ends_with(expected), "{error}");
    }
}

#[tokio::test]
async fn what_a_login_program_writes_isnt_repeated() {
    let exec = |command: &str| {
        format!(
            "{{exec: {{apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: sh, args: [-c, \"{command}\"]}}}}"
        )
    };
    for (command, expected) in [
        (
            format!("echo {CANARY}; exit 1"),
            "the kubeconfig's login program failed",
        ),
        (
            format!("echo {CANARY}"),
            "the kubeconfig's login program gives no credential",
        ),
    ] {
        let text = kubeconfig("https://127.0.0.1:1", &exec(&command));
        let found = match client_of(&text).await {
            Err(error) => error.to_string(),
            Ok(client) => failure(&client.apiserver_version().await.unwrap_err()),
        };
        assert!(found.ends_with(expected), "{found}");
    }
    let client = client_of(&kubeconfig("https://127.0.0.1:1", "{}"))
        .await
        .ok()
        .unwrap();
    let found = failure(&client.apiserver_version().await.unwrap_err());
    assert_eq!(found, "no connection: connection refused");
}
