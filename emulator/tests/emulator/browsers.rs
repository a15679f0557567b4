//! The control port and what web pages send to it.

use reqwest::Method;

use crate::bed::{Bed, TENANT, answer};

#[tokio::test]
async fn what_a_web_page_sends_is_refused() {
    let bed = Bed::new().await;
    let tenant = format!("/v1/tenants/{TENANT}");
    for (method, path, header, value) in [
        (
            Method::POST,
            "/v1/faults",
            "origin",
            "https://page.example".to_owned(),
        ),
        (Method::PUT, &tenant, "origin", "null".to_owned()),
        (
            Method::GET,
            "/healthz",
            "origin",
            format!("http://{}", bed.emulator.control()),
        ),
        (Method::PUT, &tenant, "host", "page.example".to_owned()),
        (
            Method::GET,
            "/v1/journal",
            "host",
            "localhost.page.example:8444".to_owned(),
        ),
    ] {
        let request = bed
            .control_request(method, path)
            .header(header, &value)
            .body(r#"{"fault":{"reset":true}}"#);
        let (status, body) = answer(request.send().await.unwrap()).await;
        assert_eq!(status, 403, "{header}: {value}: {body}");
        let error = body["error"].as_str().unwrap().to_lowercase();
        assert!(error.contains(&format!("{header} header")), "{error}");
    }
    assert_eq!(bed.ask().await.0, 200);
}

#[tokio::test]
async fn every_name_of_this_machine_is_taken() {
    let bed = Bed::empty().await;
    for host in ["localhost:1", "LOCALHOST", "127.0.0.1", "[::1]:8444"] {
        let request = bed.control_request(Method::GET, "/healthz");
        let (status, body) = answer(request.header("host", host).send().await.unwrap()).await;
        assert_eq!(status, 200, "{host}: {body}");
    }
}

#[tokio::test]
async fn a_port_that_others_reach_has_whatever_name_they_call_it() {
    let directory = tempfile::tempdir().unwrap();
    let options = entra_emulator::Options {
        control: ([0, 0, 0, 0], 0).into(),
        ..entra_emulator::Options::on_free_ports(directory.path().join("ca.crt"))
    };
    let emulator = entra_emulator::start(options).await.unwrap();
    let url = format!("http://127.0.0.1:{}/healthz", emulator.control().port());
    for (header, value, expected) in [
        ("host", "emulator.test:8444", 200),
        ("origin", "http://emulator.test:8444", 403),
    ] {
        let request = crate::bed::control_client().get(&url);
        let response = request.header(header, value).send().await.unwrap();
        assert_eq!(response.status(), expected, "{header}");
    }
}
