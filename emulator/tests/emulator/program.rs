//! The program itself.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};

use crate::bed::{
    API, CLIENT, LOGIN, SECRET, TENANT, answer, client_of, control_client, form, token_url,
};

/// Ends the program also when a test fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
    }
}

fn program(directory: &std::path::Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_entra-emulator"));
    let ports = ["--listen", "--proxy", "--control"]
        .into_iter()
        .flat_map(|flag| [flag, "127.0.0.1:0"]);
    command
        .args(ports)
        .args(["--ca-file", "ca.crt"])
        .current_dir(directory);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[tokio::test]
async fn it_tells_its_ports_serves_and_ends_on_a_signal() {
    for signal in ["TERM", "INT"] {
        let directory = tempfile::tempdir().unwrap();
        let config = json!({
            "applications": {CLIENT: {"secrets": [SECRET]}},
            "tenants": {TENANT: {"consents": {CLIENT: []}}},
            "tokens": {"lifetimeSeconds": 600},
        });
        std::fs::write(directory.path().join("config.json"), config.to_string()).unwrap();
        let mut command = program(directory.path());
        let mut running = Running(command.args(["--config", "config.json"]).spawn().unwrap());
        let mut stdout = BufReader::new(running.0.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let ports: Value = serde_json::from_str(&line).unwrap();
        let keys: Vec<&str> = line.split('"').skip(1).step_by(4).collect();
        assert_eq!(keys, ["listen", "proxy", "control", "ca"], "{line}");
        let ca = directory.path().canonicalize().unwrap().join("ca.crt");
        assert_eq!(ports["ca"], ca.to_str().unwrap());
        assert!(
            std::fs::read_to_string(ca)
                .unwrap()
                .starts_with("-----BEGIN CERTIFICATE-----")
        );
        let url = format!("http://{}/v1/counters", ports["control"].as_str().unwrap());
        let control = control_client();
        assert_eq!(control.get(url).send().await.unwrap().status(), 200);

        let id = running.0.id().to_string();
        assert!(
            Command::new("kill")
                .args([format!("-{signal}"), id])
                .status()
                .unwrap()
                .success()
        );
        let deadline = Instant::now() + Duration::from_secs(10);
        let status = loop {
            if let Some(status) = running.0.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "it goes on after SIG{signal}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        assert!(status.success(), "{status}");
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "", "logs belong on stderr");
    }
}

/// Not even at the level at which libraries tell everything.
#[tokio::test]
async fn its_log_never_carries_a_credential() {
    let directory = tempfile::tempdir().unwrap();
    let log = std::fs::File::create(directory.path().join("log")).unwrap();
    let mut command = program(directory.path());
    let mut running = Running(
        command
            .env("RUST_LOG", "trace")
            .stderr(log)
            .spawn()
            .unwrap(),
    );
    let mut line = String::new();
    BufReader::new(running.0.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let ports: Value = serde_json::from_str(&line).unwrap();
    let port = |name: &str| ports[name].as_str().unwrap().to_owned();

    let control = control_client();
    let url = format!("http://{}/v1", port("control"));
    let application = json!({"secrets": [SECRET]});
    control
        .put(format!("{url}/applications/{CLIENT}"))
        .json(&application)
        .send()
        .await
        .unwrap();
    let tenant = json!({"consents": {CLIENT: []}});
    control
        .put(format!("{url}/tenants/{TENANT}"))
        .json(&tenant)
        .send()
        .await
        .unwrap();
    for (path, body) in malformed() {
        let method = if path == "faults" {
            Method::POST
        } else {
            Method::PUT
        };
        let request = control.request(method, format!("{url}/{path}"));
        let (status, answer) = answer(request.body(body.clone()).send().await.unwrap()).await;
        assert_eq!(status, 400, "{body}");
        assert!(!answer.to_string().contains("canary"), "{answer}");
    }
    let mut tokens = Vec::new();
    for http1 in [true, false] {
        let client = client_of(
            &port("proxy"),
            ports["ca"].as_str().unwrap().as_ref(),
            http1,
        );
        let asked = client
            .post(token_url(LOGIN, TENANT))
            .form(&form(&[]))
            .send()
            .await
            .unwrap();
        tokens.push(
            answer(asked).await.1["access_token"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
        let token = tokens.last().unwrap();
        client
            .get(format!("{API}/api/alerts"))
            .bearer_auth(token)
            .send()
            .await
            .unwrap();
        client
            .post(token_url(LOGIN, TENANT))
            .basic_auth(CLIENT, Some(SECRET))
            .send()
            .await
            .unwrap();
    }
    drop(running);
    let log = std::fs::read_to_string(directory.path().join("log")).unwrap();
    assert!(log.contains("TRACE"), "{log}");
    assert!(!log.contains("canary"));
    let basic = STANDARD.encode(format!("{CLIENT}:{SECRET}"));
    assert!(!log.contains(&basic));
    assert!(!log.contains(&STANDARD.encode(SECRET)));
    for token in tokens {
        for part in token.split('.') {
            assert!(!log.contains(&part[part.len() - 40..]), "{log}");
        }
    }
}

/// Bodies with the secret in a place where none belongs, or with a mistake beside it.
fn malformed() -> Vec<(String, String)> {
    let application = format!("applications/{CLIENT}");
    let tenant = format!("tenants/{TENANT}");
    [
        (application.as_str(), json!({"secrets": SECRET})),
        (&application, json!({"secrets": {SECRET: 1}})),
        (&application, json!({"secrets": [{SECRET: 1}]})),
        (&application, json!({"secrets": [{"value": {"a": SECRET}}]})),
        (
            &application,
            json!({"secrets": [{"value": "a", "expires": SECRET}]}),
        ),
        (&application, json!({"certificates": SECRET})),
        (&application, json!({"requiredRoles": SECRET})),
        (&application, json!(SECRET)),
        (&tenant, json!({"cloud": SECRET})),
        (&tenant, json!({"consents": {SECRET: []}})),
        ("tenants", json!([{"tenantId": SECRET}])),
        ("tenants", json!([{"tenantId": TENANT, "plan": SECRET}])),
        ("tokens", json!({"lifetimeSeconds": SECRET})),
        ("faults", json!({"fault": {"body": SECRET}})),
    ]
    .map(|(path, body)| (path.to_owned(), body.to_string()))
    .into_iter()
    .chain([(
        application.clone(),
        format!("{{\"secrets\":[\"{SECRET}\" 1]}}"),
    )])
    .collect()
}

#[test]
fn what_is_wrong_with_the_configuration_is_told_without_a_credential() {
    let directory = tempfile::tempdir().unwrap();
    for (config, reason) in [
        (
            json!({"applications": {CLIENT: {"secrets": SECRET}}}),
            "expected a sequence",
        ),
        (
            json!({"applications": {SECRET: {"secrets": []}}}),
            "applications: client id (of 19 characters) is not a GUID",
        ),
        (
            json!({"applications": {CLIENT: {"secrets": [{"value": "", "expires": null}, SECRET]}}}),
            "must not be empty",
        ),
    ] {
        std::fs::write(directory.path().join("config.json"), config.to_string()).unwrap();
        let output = program(directory.path())
            .args(["--config", "config.json"])
            .env("RUST_LOG", "trace")
            .output()
            .unwrap();
        assert!(!output.status.success());
        let log = String::from_utf8(output.stderr).unwrap();
        assert!(log.contains(reason), "{log}");
        assert!(!log.contains("canary"), "{log}");
    }
}

#[test]
fn it_says_why_it_does_not_start() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("config.json"), "{\"oops\":1}").unwrap();
    let output = program(directory.path())
        .args(["--config", "config.json"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.contains("oops"), "{log}");
    assert!(output.stdout.is_empty());
}
