//! Proxy, TLS and HTTP.

use std::time::Duration;

use entra_emulator::{Config, Options};
use reqwest::{Client, Proxy, Version};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::bed::{Bed, CLIENT, LOGIN, TENANT, answer, client, form, token_url};

#[tokio::test]
async fn http_1_and_http_2_are_both_spoken() {
    let bed = Bed::new().await;
    for (client, version) in [
        (client(&bed.emulator, false), Version::HTTP_2),
        (client(&bed.emulator, true), Version::HTTP_11),
    ] {
        for _ in 0..2 {
            let response = client
                .post(token_url(LOGIN, TENANT))
                .form(&form(&[]))
                .send()
                .await
                .unwrap();
            assert_eq!(
                (response.status().as_u16(), response.version()),
                (200, version)
            );
            assert!(response.headers().contains_key("content-length"));
        }
    }
}

/// Whether the peer reset the connection, rather than closed it.
fn is_reset(error: &reqwest::Error) -> bool {
    let mut source: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<std::io::Error>()
            && error.kind() == std::io::ErrorKind::ConnectionReset
        {
            return true;
        }
        source = error.source();
    }
    false
}

#[tokio::test]
async fn a_reset_is_one_in_both_versions_and_through_the_proxy() {
    let bed = Bed::new().await;
    for client in [client(&bed.emulator, false), client(&bed.emulator, true)] {
        bed.fault_once(json!({"reset": true})).await;
        let asked = client.post(token_url(LOGIN, TENANT)).form(&form(&[]));
        let error = asked.send().await.unwrap_err();
        assert!(is_reset(&error), "{error:?}");
    }
}

async fn connect(bed: &Bed, request: &str) -> String {
    let mut stream = TcpStream::connect(bed.emulator.proxy()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    let reading = stream.read_to_string(&mut text);
    tokio::time::timeout(Duration::from_secs(5), reading)
        .await
        .unwrap()
        .unwrap();
    text
}

#[tokio::test]
async fn the_proxy_reaches_microsofts_hosts_only() {
    let bed = Bed::new().await;
    for target in [
        "example.com:443",
        "login.microsoftonline.com:80",
        "127.0.0.1:443",
    ] {
        let text = connect(
            &bed,
            &format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n"),
        )
        .await;
        assert!(
            text.starts_with("HTTP/1.1 403 Forbidden\r\n") && text.contains(target),
            "{text}"
        );
    }
    let text = connect(
        &bed,
        "GET http://login.microsoftonline.com/ HTTP/1.1\r\n\r\n",
    )
    .await;
    assert!(text.starts_with("HTTP/1.1 405 "), "{text}");
    assert!(bed.journal().await.is_empty());
}

#[tokio::test]
async fn an_unbounded_proxy_head_is_dropped() {
    let bed = Bed::new().await;
    let mut stream = TcpStream::connect(bed.emulator.proxy()).await.unwrap();
    let _ = stream.write_all(&vec![b'A'; 64 * 1024]).await;
    let mut text = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut text))
        .await
        .unwrap();
    assert!(text.is_empty());
}

#[tokio::test]
async fn another_host_on_the_tls_port_is_refused() {
    let bed = Bed::new().await;
    let request = bed
        .client
        .get(format!("{LOGIN}/"))
        .version(Version::HTTP_2)
        .header("host", "example.com");
    let (status, body) = answer(request.send().await.unwrap()).await;
    // Over HTTP/2 the name in the URL stands; over HTTP/1.1 the header does.
    assert_eq!(status, 404, "{body}");
    let http1 = client(&bed.emulator, true)
        .get(format!("{LOGIN}/"))
        .header("host", "example.com");
    assert_eq!(answer(http1.send().await.unwrap()).await.0, 421);
}

#[tokio::test]
async fn a_large_body_is_refused() {
    let bed = Bed::new().await;
    let body = vec![b'a'; 1024 * 1024 + 1];
    let response = bed
        .client
        .post(token_url(LOGIN, TENANT))
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 413);
}

#[tokio::test]
async fn strangers_certificates_are_not_trusted() {
    let bed = Bed::new().await;
    let client = Client::builder()
        .proxy(Proxy::https(format!("http://{}", bed.emulator.proxy())).unwrap())
        .tls_certs_only([])
        .build()
        .unwrap();
    assert!(
        client
            .get(format!("{LOGIN}/"))
            .send()
            .await
            .unwrap_err()
            .is_connect()
    );
}

#[tokio::test]
async fn an_existing_ca_is_used_and_its_file_written_again() {
    let directory = tempfile::tempdir().unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, "a CA of my own");
    let ca = params.self_signed(&key).unwrap();
    let (cert_file, key_file) = (
        directory.path().join("own.crt"),
        directory.path().join("own.key"),
    );
    std::fs::write(&cert_file, ca.pem()).unwrap();
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    let options = Options {
        ca: Some((cert_file, key_file)),
        config: Some(Config::from_json(
            json!({"tenants": {TENANT: {}}}).to_string(),
        )),
        ..Options::on_free_ports(directory.path().join("ca.crt"))
    };
    let emulator = entra_emulator::start(options).await.unwrap();
    assert!(emulator.ca_file().is_absolute());
    assert_eq!(
        std::fs::read_to_string(emulator.ca_file()).unwrap(),
        ca.pem()
    );
    let url = format!("{LOGIN}/{TENANT}/v2.0/.well-known/openid-configuration");
    assert_eq!(
        client(&emulator, false)
            .get(url)
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    emulator.shutdown().await;
}

#[tokio::test]
async fn a_bad_configuration_keeps_it_from_starting() {
    let directory = tempfile::tempdir().unwrap();
    for (config, place) in [
        (json!({"oops": 1}), "oops"),
        (
            json!({"tenants": {TENANT: {"consents": {"x": []}}}}),
            TENANT,
        ),
        (
            json!({"applications": {"x": {}}}),
            "applications: client id",
        ),
        (json!({"applications": {CLIENT: {"secrets": [""]}}}), CLIENT),
    ] {
        let options = Options {
            config: Some(Config::from_json(config.to_string())),
            ..Options::on_free_ports(directory.path().join("ca.crt"))
        };
        let error = entra_emulator::start(options)
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("configuration: ") && error.contains(place),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_shut_down_emulator_has_closed_its_ports() {
    let bed = Bed::new().await;
    bed.ask().await;
    let ports = [
        bed.emulator.listen(),
        bed.emulator.proxy(),
        bed.emulator.control(),
    ];
    bed.emulator.shutdown().await;
    for port in ports {
        assert!(TcpStream::connect(port).await.is_err(), "{port}");
    }
}

#[tokio::test]
async fn an_answer_that_was_begun_goes_out() {
    let bed = Bed::new().await;
    bed.fault_once(json!({"latencyMs": 300})).await;
    let request = bed.client.post(token_url(LOGIN, TENANT)).form(&form(&[]));
    let asking = tokio::spawn(request.send());
    while bed.journal().await.is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    bed.emulator.shutdown().await;
    assert_eq!(asking.await.unwrap().unwrap().status(), 200);
}
