use std::path::PathBuf;

use entra_emulator::{Emulator, Options};
use tokio::net::TcpListener;

use super::*;
use crate::entra::http::{Settings, build};

const HOST: &str = "login.microsoftonline.com";

async fn emulator(folder: &tempfile::TempDir, name: &str) -> Emulator {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let options = Options::on_free_ports(folder.path().join(name));
    entra_emulator::start(options).await.unwrap()
}

async fn seen(proxy: ProxyChoice, ca: PathBuf, host: &'static str) -> Seen {
    let settings = Settings {
        proxy,
        ca_bundle: Some(ca),
        total_timeout: Duration::from_secs(3),
        ..Settings::default()
    };
    let client = build(&settings).unwrap();
    look(&client, &settings.proxy, host, "login".into()).await
}

fn through(url: String) -> ProxyChoice {
    ProxyChoice::Through {
        url: url.into(),
        except: None,
    }
}

/// A proxy that says the first to whoever connects, each next one to what it hears then, and closes.
async fn stubborn<const N: usize>(answers: [&'static str; N]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut asked = [0; 1024];
                for answer in answers {
                    if stream.read(&mut asked).await.is_ok_and(|count| count > 0) {
                        let _ = stream.write_all(answer.as_bytes()).await;
                    }
                }
            });
        }
    });
    format!("http://name:canary@{address}")
}

#[tokio::test]
async fn a_host_is_reached_through_the_proxy_and_its_clock_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = emulator(&folder, "ca.crt").await;
    let proxy = emulator.proxy().to_string();
    let seen = seen(
        through(format!("http://name:canary@{proxy}")),
        folder.path().join("ca.crt"),
        HOST,
    )
    .await;
    assert_eq!(seen.look.result, Ok(200), "its own document");
    assert_eq!(seen.look.proxy, Some(proxy));
    let (theirs, here) = seen.clock.unwrap();
    let off = theirs.duration_since(here).abs();
    assert!(off <= jiff::SignedDuration::from_secs(2), "{off}");
}

#[tokio::test]
async fn the_step_that_fails_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let good = emulator(&folder, "ca.crt").await;
    let _other = emulator(&folder, "other.crt").await;
    let ca = || folder.path().join("ca.crt");
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let proxy = || through(format!("http://{}", good.proxy()));
    for (proxy, ca, host, expected) in [
        (
            proxy(),
            folder.path().join("other.crt"),
            HOST,
            Trouble::UnknownIssuer,
        ),
        // The emulator's proxy knows Microsoft's hosts alone.
        (
            proxy(),
            ca(),
            "elsewhere.example",
            Trouble::ProxyRefused(Some(403)),
        ),
        (
            through(stubborn(["HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"]).await),
            ca(),
            HOST,
            Trouble::ProxyRefused(Some(407)),
        ),
        (
            through(stubborn(["HTTP/1.1 502 Bad Gateway\r\n\r\n"]).await),
            ca(),
            HOST,
            Trouble::ProxyRefused(Some(502)),
        ),
        (
            through(stubborn(["SSH-2.0-OpenSSH_9.9\r\n"]).await),
            ca(),
            HOST,
            Trouble::ProxyRefused(None),
        ),
        (
            through(stubborn(["HTTP/1.1 200 OK\r\n\r\n", "not TLS at all, by no means"]).await),
            ca(),
            HOST,
            Trouble::NoTls,
        ),
        (
            through(stubborn(["HTTP/1.1 200 OK\r\n\r\n"]).await),
            ca(),
            HOST,
            Trouble::NoAnswer,
        ),
        (
            through(format!("http://{closed}")),
            ca(),
            HOST,
            Trouble::NoConnection("refused"),
        ),
        (
            through("http://no-such-host.invalid:3128".into()),
            ca(),
            HOST,
            Trouble::NoAddress,
        ),
        (
            ProxyChoice::Direct,
            ca(),
            "no-such-host.invalid",
            Trouble::NoAddress,
        ),
    ] {
        let seen = seen(proxy, ca, host).await;
        assert_eq!(seen.look.result, Err(expected), "{:?}", seen.look);
        assert!(!format!("{:?}", seen.look).contains("canary"));
        assert_eq!(seen.clock, None);
    }
}

#[test]
fn each_complaint_about_a_certificate_is_told_apart() {
    use rustls::Error as E;
    for (error, expected) in [
        (CertificateError::UnknownIssuer, Trouble::UnknownIssuer),
        (CertificateError::BadSignature, Trouble::UnknownIssuer),
        (CertificateError::Expired, Trouble::Expired),
        (CertificateError::NotValidYet, Trouble::NotYetValid),
        (CertificateError::NotValidForName, Trouble::OtherName),
        (CertificateError::Revoked, Trouble::BadCertificate),
    ] {
        assert_eq!(tls_trouble(&E::InvalidCertificate(error)), expected);
    }
    assert_eq!(tls_trouble(&E::DecryptError), Trouble::NoTls);
}

#[test]
fn a_status_is_read_from_a_refusal_alone() {
    for (line, expected) in [
        ("HTTP/1.1 407", Some(407)),
        ("HTTP/1.0 502", Some(502)),
        ("HTTP/1.1 200", None),
        ("SSH-2.0-Open", None),
        ("HTTP/1.1 abc", None),
    ] {
        assert_eq!(status_of(line.as_bytes()), expected);
    }
}
