//! Several processes of one operator, each with a way of its own to the API server, and a token that tells it apart there.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::Value;

use super::lab::Lab;
use super::operator::Operator;
use super::proxy::Proxy;
use super::rbac;

/// One of them.
pub struct Member {
    /// The process.
    pub operator: Operator,
    /// Its way to the API server.
    pub proxy: Proxy,
    /// What the audit log calls its token.
    pub credential: String,
}

/// A finished request of a member.
#[derive(Debug, Clone)]
pub struct Attributed {
    /// When the API server got it.
    pub at: Timestamp,
    /// Whose.
    pub credential: String,
    /// Verb.
    pub verb: String,
    /// Resource.
    pub resource: String,
    /// Name; empty where one is created.
    pub name: String,
    /// The answer's status code.
    pub code: u64,
    /// It is about a Lease.
    pub is_lease: bool,
}

impl Member {
    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let id = self.operator.id().to_string();
        let status = Command::new("sh")
            .args(["-c", "kill -\"$0\" \"$1\"", name, &id])
            .status()
            .expect("sh");
        assert!(status.success(), "{name}");
    }

    /// How many shards it says that it serves.
    pub async fn shards(&self) -> usize {
        let held = self.operator.metric("defender_tenant_shards_held").await;
        format!("{held:.0}").parse().expect("a number")
    }

    /// Whether it says of itself that it leads.
    pub async fn leads(&self) -> bool {
        self.operator.metric("defender_tenant_leader").await > 0.5
    }
}

impl Lab {
    /// Starts another process of this lab's operator.
    pub async fn member(&mut self) -> Member {
        let home = self.home();
        let token = rbac::token(&self.arena.admin, &home).await;
        self.canary.lock().expect("the canary").token(&token);
        let proxy = Proxy::start(&self.arena).await;
        let text = self
            .arena
            .cluster
            .lock()
            .await
            .kubeconfig_for_token(&proxy.url(), &token);
        let kubeconfig = self
            .folder
            .path()
            .join(format!("member-{}.kubeconfig", self.starts));
        std::fs::write(&kubeconfig, text).expect("a kubeconfig");
        self.flag("--kubeconfig", &kubeconfig.to_string_lossy());
        let log = self
            .folder
            .path()
            .join(format!("operator-{}.log", self.starts));
        self.starts += 1;
        self.logs.push(log.clone());
        let operator = Operator::spawn(&self.arena, &self.invocation, log).await;
        Member {
            operator,
            proxy,
            credential: credential_of(&token),
        }
    }

    /// What its members asked of the API server, reading and watching apart.
    pub fn attributed(&self) -> Vec<Attributed> {
        let mut file = std::fs::File::open(self.arena.audit_log()).expect("the audit log");
        file.seek(SeekFrom::Start(self.audit_from))
            .expect("a position");
        let mut text = String::new();
        file.read_to_string(&mut text).expect("the audit log");
        text.lines()
            .filter(|line| line.contains(&self.user))
            .filter_map(|line| serde_json::from_str(line).ok())
            .filter_map(|line| attribute(&line))
            .collect()
    }
}

fn attribute(line: &Value) -> Option<Attributed> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let verb = text(&line["verb"]);
    let object = &line["objectRef"];
    let resource = text(&object["resource"]);
    let reads = matches!(verb.as_str(), "watch" | "list") || resource.starts_with("selfsubject");
    // Requests that ask for no resource: discovery.
    if reads || resource.is_empty() {
        return None;
    }
    Some(Attributed {
        at: line["requestReceivedTimestamp"].as_str()?.parse().ok()?,
        credential: text(&line["user"]["extra"]["authentication.kubernetes.io/credential-id"][0]),
        is_lease: resource == "leases",
        name: text(&object["name"]),
        verb,
        resource,
        code: line["responseStatus"]["code"].as_u64().unwrap_or_default(),
    })
}

fn credential_of(token: &str) -> String {
    let claims = token.split('.').nth(1).expect("a JWT");
    let claims = URL_SAFE_NO_PAD.decode(claims).expect("base64url");
    let claims: Value = serde_json::from_slice(&claims).expect("JSON");
    format!("JTI={}", claims["jti"].as_str().expect("an id"))
}
