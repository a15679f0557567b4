//! Kubeconfig texts. JSON is YAML, so no YAML library is needed, and every value is quoted rightly.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::pki::Identity;

const NAME: &str = "devcluster";

/// For a client certificate.
pub(crate) fn for_identity(server: &str, ca: &str, identity: &Identity) -> String {
    let user = json!({
        "client-certificate-data": STANDARD.encode(&identity.certificate),
        "client-key-data": STANDARD.encode(&identity.key),
    });
    text(server, ca, &user)
}

/// For a bearer token.
pub(crate) fn for_token(server: &str, ca: &str, token: &str) -> String {
    text(server, ca, &json!({ "token": token }))
}

fn text(server: &str, ca: &str, user: &Value) -> String {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": NAME, "cluster": {"server": server, "certificate-authority-data": STANDARD.encode(ca)}}],
        "users": [{"name": NAME, "user": user}],
        "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": NAME}}],
        "current-context": NAME,
    });
    format!("{config:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_kubeconfig_carries_the_token_and_no_certificate_of_a_client() {
        let config: Value =
            serde_json::from_str(&for_token("https://127.0.0.1:1", "CA", "a.b.c")).unwrap();
        assert_eq!(
            config["users"],
            json!([{"name": "devcluster", "user": {"token": "a.b.c"}}])
        );
        assert_eq!(
            config["clusters"][0]["cluster"],
            json!({"server": "https://127.0.0.1:1", "certificate-authority-data": "Q0E="})
        );
    }
}
