//! A process that no longer leads begins no request.

use std::sync::Arc;

use defender_tenant_operator::api::cloud::{Cloud, DefenderApi, Region};
use defender_tenant_operator::defender::hosts;
use defender_tenant_operator::defender::probe::{Prober, check_for};
use defender_tenant_operator::entra::client::TokenClient;
use defender_tenant_operator::entra::clouds;
use defender_tenant_operator::entra::discovery::DiscoveryClient;
use defender_tenant_operator::lease::{KernelClock, Leadership};

use super::lab::{Lab, TENANT, request};

#[tokio::test]
async fn without_leadership_microsoft_is_asked_nothing() {
    let lab = Lab::new().await;
    let token = lab.mint(&request()).await.unwrap().answer.token;
    let standby = Leadership::to_be_won(Arc::new(KernelClock));
    let request = request();
    let user_agent = http::HeaderValue::from_static("test");
    let tokens = TokenClient::new(lab.http()).led_by(standby.clone());
    let discovery = DiscoveryClient::new(lab.http()).led_by(standby.clone());
    let prober = Prober::new(lab.http(), user_agent).led_by(standby);
    let door = hosts::front_door(Cloud::Commercial, DefenderApi::Endpoint, Region::Global).unwrap();
    let check = check_for(DefenderApi::Endpoint, &["Machine.Read.All"]).unwrap();
    let login = clouds::login_host(Cloud::Commercial);
    // As long as somebody who leads needs for ten tokens, one after the other.
    let leader = async {
        for _ in 0..10 {
            lab.mint(&request).await.unwrap();
        }
    };
    tokio::select! {
        biased;
        _ = tokens.mint(&request) => panic!("a token was asked for"),
        _ = discovery.ask(login, TENANT.parse().unwrap()) => panic!("a tenant was looked for"),
        _ = prober.probe(door.url, check, &token) => panic!("a token was tried"),
        () = leader => {}
    }
    let journal = lab.journal().await;
    assert_eq!(journal.len(), 11, "{journal:?}");
    assert!(journal.iter().all(|entry| entry["kind"] == "token"));
}
