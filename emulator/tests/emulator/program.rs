//! The program itself.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bed::{CLIENT, SECRET, TENANT};

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
        let control = reqwest::Client::builder().no_proxy().build().unwrap();
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
