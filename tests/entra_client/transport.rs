use defender_tenant_operator::core::errors::{Failure, Transport, transport};
use defender_tenant_operator::entra::client::TokenClient;
use defender_tenant_operator::entra::http::{self, HttpError, ProxyChoice, Settings};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::lab::{IMPATIENT, Lab, refused, request};

async fn failure_with(settings: &Settings) -> Failure {
    let client = TokenClient::new(http::build(settings).unwrap());
    refused(client.mint(&request()).await)
}

fn through(url: String) -> ProxyChoice {
    ProxyChoice::Through {
        url: url.into(),
        except: None,
    }
}

fn assert_is(failure: &Failure, expected: Transport) {
    assert_eq!(failure.verdict, transport(expected));
    assert!(failure.correlation_id.is_some());
    assert!(!format!("{failure:?}").contains("canary"));
}

#[tokio::test]
async fn a_slow_answer_ends_with_the_time_that_it_has() {
    let lab = Lab::new().await;
    let impatient = Settings {
        total_timeout: IMPATIENT,
        ..lab.settings()
    };
    for fault in [json!({"latencyMs": 60_000}), json!({"body": "slow"})] {
        lab.fault("token", fault).await;
        assert_is(&failure_with(&impatient).await, Transport::Timeout);
    }
}

#[tokio::test]
async fn a_broken_connection_is_asked_once_more_and_then_by_nobody() {
    let lab = Lab::new().await;
    lab.fault("token", json!({"reset": true})).await;
    assert!(lab.mint(&request()).await.is_ok());
    assert_eq!(lab.outcomes().await, ["reset", "ok"]);
    for _ in 0..2 {
        lab.fault("token", json!({"reset": true})).await;
    }
    assert_is(&failure_with(&lab.settings()).await, Transport::Reset);
    assert_eq!(lab.outcomes().await, ["reset", "ok", "reset", "reset"]);
}

#[tokio::test]
async fn an_answer_that_had_begun_is_not_asked_for_again() {
    let lab = Lab::new().await;
    for body in ["truncated", "huge", "empty", "html"] {
        let before = lab.journal().await.len();
        lab.fault("token", json!({"body": body})).await;
        assert!(lab.mint(&request()).await.is_err());
        assert_eq!(lab.journal().await.len(), before + 1, "{body}");
    }
}

#[tokio::test]
async fn a_stranger_with_a_certificate_is_no_microsoft() {
    let lab = Lab::new().await;
    let other = Lab::new().await;
    let settings = Settings {
        ca_bundle: Some(other.ca()),
        ..lab.settings()
    };
    assert_is(&failure_with(&settings).await, Transport::Tls);
    assert!(lab.journal().await.is_empty());
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_no_connection() {
    let lab = Lab::new().await;
    let free = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let settings = Settings {
        proxy: through(format!("http://canary:canary@{free}")),
        ..lab.settings()
    };
    assert_is(&failure_with(&settings).await, Transport::Connect);
}

#[tokio::test]
async fn a_proxy_that_refuses_is_named() {
    let lab = Lab::new().await;
    for answer in [
        "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
        "",
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let proxy = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(head).unwrap()
        });
        let url = format!("http://canary:canary@{address}");
        let settings = Settings {
            proxy: through(url),
            ..lab.settings()
        };
        assert_is(&failure_with(&settings).await, Transport::Proxy);
        let head = proxy.await.unwrap();
        assert!(
            head.starts_with("CONNECT login.microsoftonline.com:443 "),
            "{head}"
        );
        assert!(
            head.to_lowercase().contains("proxy-authorization: basic "),
            "{head}"
        );
    }
}

#[tokio::test]
async fn hosts_that_no_proxy_names_are_reached_directly() {
    let lab = Lab::new().await;
    let tunnelled = async |except: Option<&str>| {
        let url = format!("http://{}", lab.emulator.proxy()).into();
        let proxy = ProxyChoice::Through {
            url,
            except: except.map(str::to_owned),
        };
        let http = http::build(&Settings {
            proxy,
            ..lab.settings()
        })
        .unwrap();
        // Nobody has this name: the proxy refuses it, and without the proxy it isn't found.
        let error = http
            .get("https://nobody.invalid/")
            .send()
            .await
            .unwrap_err();
        format!("{error:?}").contains("Tunnel")
    };
    assert!(tunnelled(None).await);
    assert!(tunnelled(Some("other.invalid")).await);
    assert!(!tunnelled(Some("a.invalid,.nobody.invalid,nobody.invalid")).await);
}

#[tokio::test]
async fn http_2_is_agreed_on_and_redirects_are_not_followed() {
    let lab = Lab::new().await;
    let url = "https://login.microsoftonline.com/common/v2.0/.well-known/openid-configuration";
    let http = lab.http();
    assert_eq!(
        http.get(url).send().await.unwrap().version(),
        reqwest::Version::HTTP_2
    );
    let plain = http.get(url.replace("https", "http")).send().await;
    assert!(plain.unwrap_err().is_builder());
    lab.fault("discovery", json!({"status": 302, "text": "x"}))
        .await;
    assert_eq!(http.get(url).send().await.unwrap().status(), 302);
}

#[tokio::test]
async fn the_proxys_password_shows_in_no_debug_text() {
    let lab = Lab::new().await;
    let shown = format!("{:?} {:?}", lab.settings(), TokenClient::new(lab.http()));
    // The second is `name:canary` in base64, as the header has it.
    assert!(
        !shown.contains("canary") && !shown.contains("bmFtZTpjYW5hcnk"),
        "{shown}"
    );
}

#[tokio::test]
async fn a_client_that_cannot_be_is_refused_at_the_start() {
    let lab = Lab::new().await;
    let settings = Settings {
        ca_bundle: Some("/nowhere/ca.crt".into()),
        ..lab.settings()
    };
    assert!(matches!(
        http::build(&settings),
        Err(HttpError::BundleUnreadable { .. })
    ));
    let settings = Settings {
        proxy: through("socks5://canary@h".into()),
        ..lab.settings()
    };
    assert!(matches!(http::build(&settings), Err(HttpError::ProxyUrl)));
}
