use std::sync::Mutex;

use futures::FutureExt as _;
use http::{Method, Request, Response, StatusCode};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tower_test::mock::{self, Handle, SendResponse};

use super::*;

/// A clock that a test sets.
#[derive(Default)]
struct Hand(Mutex<Duration>);

impl Hand {
    fn forward(&self, seconds: u64) {
        *self.0.lock().unwrap() += Duration::from_secs(seconds);
    }
}

impl Hand {
    /// Goes by itself, in no hurry.
    async fn run(&self) {
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            *self.0.lock().unwrap() += Duration::from_millis(20);
        }
    }
}

impl BootClock for Hand {
    fn now(&self) -> BootTime {
        BootTime(*self.0.lock().unwrap())
    }
}

/// The API server, as the test plays it.
struct Server(UnboundedReceiver<(Request<Body>, SendResponse<Response<Body>>)>);

impl Server {
    /// There is one shard, and so no object that says how many there are: each test would have to say so.
    fn start(mut handle: Handle<Request<Body>, Response<Body>>) -> Self {
        let (pass, requests) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some((request, answer)) = handle.next_request().await {
                if request.uri().path().ends_with("/l-shards") {
                    assert_eq!(*request.method(), Method::GET);
                    answer.send_response(response(404, &failure(404)));
                } else {
                    let _ = pass.send((request, answer));
                }
            }
        });
        Self(requests)
    }

    async fn next(&mut self, method: Method) -> (Value, SendResponse<Response<Body>>) {
        let (request, answer) = self.0.recv().await.expect("a request");
        assert_eq!(*request.method(), method, "{}", request.uri());
        let body = request.into_body().collect_bytes().await.expect("a body");
        (serde_json::from_slice(&body).unwrap_or_default(), answer)
    }

    async fn says(&mut self, method: Method, code: u16, body: &Value) -> Value {
        let (asked, answer) = self.next(method).await;
        answer.send_response(response(code, body));
        asked
    }
}

fn response(code: u16, body: &Value) -> Response<Body> {
    Response::builder()
        .status(StatusCode::from_u16(code).expect("a status"))
        .body(Body::from(serde_json::to_vec(body).expect("JSON")))
        .expect("a response")
}

fn failure(code: u16) -> Value {
    let reason = match code {
        404 => "NotFound",
        409 => "Conflict",
        _ => "Forbidden",
    };
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": reason, "message": "m", "code": code})
}

fn lease(holder: Option<&str>, version: &str) -> Value {
    json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": "l-0", "namespace": "home", "resourceVersion": version, "labels": {"team": "soc"}},
        "spec": {"holderIdentity": holder, "leaseDurationSeconds": 15, "leaseTransitions": 3, "strategy": "OldestEmulationVersion"},
    })
}

fn begin() -> (Election, Server, Arc<Hand>) {
    let (service, handle) = mock::pair();
    let leases = Leases {
        client: Client::new(service, "home"),
        namespace: "home".to_owned(),
        name: "l".to_owned(),
    };
    let clock = Arc::new(Hand::default());
    let election = Election::begin(leases, 1, "me".to_owned(), clock.clone(), Metrics::new());
    (election, Server::start(handle), clock)
}

fn won(heir: bool) -> News {
    News::Won { shard: 0, heir }
}

/// One that leads.
async fn leading() -> (Election, Server, Arc<Hand>) {
    let (mut election, mut server, clock) = begin();
    election.ready();
    server.says(Method::GET, 200, &lease(None, "5")).await;
    server.says(Method::PUT, 200, &lease(Some("me"), "6")).await;
    assert_eq!(election.news().await, won(false));
    (election, server, clock)
}

#[test]
fn leadership_ends_by_the_clock_that_also_runs_in_sleep() {
    let clock = Arc::new(Hand::default());
    let leadership = Leadership::to_be_won(clock.clone());
    assert!(!leadership.holds());
    assert_eq!(leadership.required().now_or_never(), None);
    leadership.set(Some(BootTime(Duration::from_secs(10))));
    assert_eq!(leadership.required().now_or_never(), Some(()));
    clock.forward(9);
    assert!(leadership.holds());
    clock.forward(1);
    assert!(!leadership.holds());
    assert_eq!(leadership.required().now_or_never(), None);
    assert!(Leadership::for_good().holds());
}

#[tokio::test]
async fn who_is_ready_claims_a_free_lease_leads_and_gives_it_back() {
    let (mut election, mut server, _) = begin();
    election.ready();
    server.says(Method::GET, 200, &lease(None, "5")).await;
    let mut leading = lease(Some("me"), "6");
    let claim = server.says(Method::PUT, 200, &leading).await;
    assert_eq!(claim["metadata"]["resourceVersion"], "5");
    assert_eq!(
        claim["metadata"]["labels"]["team"], "soc",
        "others' words stay"
    );
    assert_eq!(claim["spec"]["strategy"], "OldestEmulationVersion");
    assert_eq!(claim["spec"]["holderIdentity"], "me");
    assert_eq!(claim["spec"]["leaseTransitions"], 4);
    assert_eq!(election.news().await, won(false));
    let leadership = election.leadership();
    assert!(leadership.holds());
    let released = tokio::spawn(election.release());
    leading["metadata"]["resourceVersion"] = json!("7");
    let release = server.says(Method::PUT, 200, &leading).await;
    assert_eq!(release["spec"]["holderIdentity"], Value::Null);
    assert_eq!(release["metadata"]["resourceVersion"], "6");
    released.await.expect("it ends");
    assert!(!leadership.holds());
}

/// The process stands still while its first claim is answered: it never led, and must not stand by for ever.
#[tokio::test]
async fn who_loses_before_it_ever_led_says_so() {
    let (mut election, mut server, clock) = begin();
    election.ready();
    server.says(Method::GET, 404, &failure(404)).await;
    let (_, answer) = server.next(Method::POST).await;
    clock.forward(60);
    answer.send_response(response(201, &lease(Some("me"), "1")));
    assert!(matches!(
        election.news().await,
        News::Lost(LeaseLost::NotRenewed(_))
    ));
    assert!(!election.leadership().holds());
}

#[tokio::test]
async fn who_took_the_lease_is_named() {
    let (mut election, mut server, clock) = leading().await;
    clock.forward(2);
    server.says(Method::PUT, 409, &failure(409)).await;
    // It pauses before it looks who was faster.
    let other = lease(Some("other"), "8");
    tokio::select! {
        _ = server.says(Method::GET, 200, &other) => {}
        () = clock.run() => {}
    }
    assert_eq!(election.lost().await, LeaseLost::Taken("other".to_owned()));
}

#[tokio::test]
async fn who_cannot_renew_ends_and_says_why() {
    let (mut election, mut server, clock) = leading().await;
    clock.forward(2);
    server.says(Method::PUT, 403, &failure(403)).await;
    clock.forward(8);
    let loss = election.lost().await;
    assert_eq!(loss, LeaseLost::NotRenewed("not permitted"));
    assert!(loss.to_string().contains("Role for leases"));
}

/// A standby whose requests are swallowed is told to stop: no answer will ever come.
#[tokio::test]
async fn who_stands_by_ends_when_it_is_told_to_though_nobody_answers() {
    let (election, mut server, _) = begin();
    election.ready();
    let (_, _unanswered) = server.next(Method::GET).await;
    let patience = Terms::default().patience * 3;
    let released = tokio::time::timeout(patience, election.release()).await;
    assert!(released.is_ok(), "it hangs");
}

/// Who is asked for a Lease keeps it while it has no other; the request is answered by the next renewal.
#[tokio::test]
async fn who_has_one_shard_keeps_it_whoever_asks() {
    let (mut election, mut server, clock) = leading().await;
    clock.forward(2);
    server.says(Method::PUT, 409, &failure(409)).await;
    let mut asked = lease(Some("me"), "7");
    asked["metadata"]["annotations"] = json!({"defendertenant.io/wanted-by": "b", "team": "soc"});
    tokio::select! {
        _ = server.says(Method::GET, 200, &asked) => {}
        () = clock.run() => {}
    }
    let renewal = server.says(Method::PUT, 200, &lease(Some("me"), "8")).await;
    assert_eq!(renewal["metadata"]["annotations"], json!({"team": "soc"}));
    assert!(election.leadership().holds());
    assert_eq!(election.news().now_or_never(), None);
}
