//! What is wrong on the way to Microsoft, or with the customers, is found by its name.

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::LEASE;
use crate::support::{Emulator, Lab, guid, run};

/// A proxy that answers so to everybody; its URL has a name and a password.
async fn proxy(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut asked = [0; 1024];
                if stream.read(&mut asked).await.is_ok_and(|count| count > 0) {
                    let _ = stream.write_all(answer.as_bytes()).await;
                }
            });
        }
    });
    format!("http://name:canary~proxy@{address}")
}

#[test]
fn a_proxy_that_refuses_and_a_ca_that_nobody_trusts_are_told_apart() {
    run(async {
        let lab = Lab::examined("ill-way", true).await;
        lab.guard("canary~proxy");
        let folder = tempfile::tempdir().expect("a folder");
        let stranger = Emulator::start(folder.path().join("ca.crt")).await;
        let stranger = stranger.ca_file().to_string_lossy().into_owned();
        let asks = proxy("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await;
        let fails = proxy("HTTP/1.1 502 Bad Gateway\r\n\r\n").await;
        for (flag, value, texts) in [
            (
                "--https-proxy",
                asks.as_str(),
                [
                    "asks for a name and a password (407)",
                    "http://NAME:PASSWORD@HOST:PORT",
                ],
            ),
            (
                "--https-proxy",
                &fails,
                [
                    "refuses CONNECT login.microsoftonline.com:443 with status 502",
                    "why the proxy doesn't reach it",
                ],
            ),
            (
                "--https-proxy",
                "http://no-such-proxy.invalid:3128",
                [
                    "DNS has no address for the proxy no-such-proxy.invalid:3128",
                    "--https-proxy",
                ],
            ),
            (
                "--ca-bundle",
                &stranger,
                [
                    "its certificate comes from an unknown issuer",
                    "--ca-bundle",
                ],
            ),
        ] {
            let told = lab.doctor(&[&LEASE[..], &[flag, value]].concat()).await;
            assert_eq!(told.code, Some(1), "{:#}", told.report);
            assert_eq!(told.with("problem"), ["hosts"], "{:#}", told.report);
            told.says(
                "hosts",
                "problem",
                &[&["login.microsoftonline.com (login)"], &texts[..]].concat(),
            );
            told.says(
                "hosts",
                "problem",
                &["api.security.microsoft.com (API Endpoint Commercial)"],
            );
            told.says("clock", "skipped", &["login.microsoftonline.com"]);
        }
        let ended = lab.doctor_says(&["--ca-bundle", "/no/such/file"]).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
        assert!(
            ended.stderr.contains("/no/such/file can't be read"),
            "{}",
            ended.stderr
        );
        lab.finish().await;
    });
}

#[test]
fn a_clock_that_is_off_is_told_in_both_sizes() {
    run(async {
        let lab = Lab::examined("ill-clock", true).await;
        for (skew, code, result, text) in [
            (60, 0, "warning", "behind it"),
            (-600, 1, "problem", "ahead of it"),
        ] {
            lab.emulator
                .fault(json!({}), None, json!({"clockSkewSeconds": skew}))
                .await;
            let told = lab.doctor(&LEASE).await;
            assert_eq!(told.code, Some(code), "{:#}", told.report);
            assert_eq!(told.with(result), ["clock"], "{:#}", told.report);
            told.says(
                "clock",
                result,
                &[
                    "login.microsoftonline.com | this machine's clock is",
                    text,
                    "NTP",
                ],
            );
            told.says("clock", "ok", &["API server | agrees"]);
            lab.emulator.clear_faults().await;
        }
        lab.finish().await;
    });
}

#[test]
fn tenants_that_are_not_ready_are_counted_by_reason() {
    run(async {
        let lab = Lab::examined("ill-dt", false).await;
        lab.consented("contoso", &guid(1), json!({})).await;
        for (n, name) in [(2, "fabrikam"), (3, "litware")] {
            lab.emulator.tenant(&guid(n), &json!({})).await;
            lab.tenant(name, json!({"tenantId": guid(n)})).await;
        }
        lab.ready("contoso").await;
        for name in ["fabrikam", "litware"] {
            lab.reason(name, "False", "ConsentRequired").await;
        }
        let told = lab.doctor(&LEASE).await;
        assert_eq!(told.code, Some(0), "{:#}", told.report);
        assert_eq!(told.report["result"], "warning");
        assert_eq!(told.with("warning"), ["tenants"]);
        told.says(
            "tenants",
            "warning",
            &["1 of 3 Ready; ConsentRequired: 2", "docs/runbook.md"],
        );
        lab.finish().await;
    });
}
