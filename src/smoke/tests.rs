//! Against an API server that is played: which requests are made, and how long they are waited for.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use ::http::{Method, Request, Response};
use clap::Parser as _;
use jiff::Timestamp;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tower::service_fn;

use super::*;
use crate::cli::{Cli, Command};

/// Method, path and body of each request.
type Asked = Arc<Mutex<Vec<(Method, String, Value)>>>;

fn args() -> SmokeTest {
    let line = [
        "defender-tenant-operator",
        "smoke-test",
        "--namespace=soc",
        "--tenant-id=6b1f0f3e-5c0a-4d9b-9a43-0d5f5a1c7e10",
        "--application-secret=partner",
        "--client-id=0c4f3a52-9d1b-4c3e-8f57-2a6b9e1d4f88",
    ];
    match Cli::try_parse_from(line).unwrap().command {
        Command::SmokeTest(args) => *args,
        _ => unreachable!("it is smoke-test"),
    }
}

/// An API server that answers so; `None` is no answer at all.
fn server(
    answer: impl Fn(&Method, &str, &Value) -> Option<(u16, Value)> + Send + Sync + 'static,
) -> (Client, Asked) {
    let asked = Asked::default();
    let (answer, journal) = (Arc::new(answer), asked.clone());
    let service = service_fn(move |request: Request<Body>| {
        let (answer, journal) = (answer.clone(), journal.clone());
        async move {
            let (parts, body) = request.into_parts();
            let bytes = body.collect_bytes().await.expect("a body");
            let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
            let path = parts.uri.path().to_owned();
            let answered = answer(&parts.method, &path, &body);
            journal.lock().unwrap().push((parts.method, path, body));
            let Some((status, body)) = answered else {
                return std::future::pending().await;
            };
            let response = Response::builder().status(status);
            let response = response.body(Body::from(body.to_string().into_bytes()));
            Ok::<_, Infallible>(response.expect("a response"))
        }
    });
    (Client::new(service, "soc"), asked)
}

fn refused(code: u16) -> (u16, Value) {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code, "reason": "x",
        "message": "no",
    });
    (code, status)
}

/// What was sent, as made: with a UID and a time.
fn made_of(body: &Value) -> Option<(u16, Value)> {
    let mut object = body.clone();
    object["metadata"]["uid"] = json!(format!("uid-of-{}", body["kind"].as_str()?));
    object["metadata"]["resourceVersion"] = json!("1");
    object["metadata"]["creationTimestamp"] = json!("2026-09-21T14:13:20Z");
    Some((201, object))
}

fn deletions(asked: &Asked) -> Vec<(String, Value)> {
    let asked = asked.lock().unwrap();
    let deletions = asked.iter().filter(|(method, ..)| method == Method::DELETE);
    deletions
        .map(|(_, path, body)| (path.clone(), body["preconditions"].clone()))
        .collect()
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

fn run(test: impl Future<Output = ()>) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap().block_on(test);
}

/// Everything up to the wait for Ready; what it comes to.
async fn make(made: &Made<'_>) -> Result<(), String> {
    attempt::make(made).await.map(drop)
}

#[test]
fn what_was_refused_is_somebody_elses_and_stays() {
    run(async {
        for code in [409, 403, 422] {
            let (client, asked) = server(move |method, _, _| match *method {
                Method::POST => Some(refused(code)),
                _ => Some((200, json!({"metadata": {"uid": "a-strangers"}}))),
            });
            let args = args();
            let made = Made::new(&args, client);
            assert!(make(&made).await.is_err());
            assert_eq!(made.remove(soon()).await, Ok(()));
            assert_eq!(asked.lock().unwrap().len(), 1, "one POST: {code}");
        }
    });
}

#[test]
fn what_was_made_is_deleted_by_its_uid() {
    run(async {
        let (client, asked) = server(|method, _, body| match *method {
            Method::POST => made_of(body),
            Method::DELETE => Some((200, json!({"kind": "Status", "status": "Success"}))),
            _ => Some(refused(404)),
        });
        let args = args();
        let made = Made::new(&args, client);
        assert_eq!(make(&made).await, Ok(()));
        assert_eq!(made.remove(soon()).await, Ok(()));
        let mut deletions = deletions(&asked);
        deletions.sort_by(|a, b| a.0.cmp(&b.0));
        let path = |path: &str| format!("/apis/defendertenant.io/v1alpha1/{path}");
        let name = &made.tenant.name;
        let expected = [
            (
                path(&format!("defenderapplications/{name}")),
                json!({"uid": "uid-of-DefenderApplication"}),
            ),
            (
                path(&format!("namespaces/soc/defendertenants/{name}")),
                json!({"uid": "uid-of-DefenderTenant"}),
            ),
        ];
        assert_eq!(deletions, expected);
    });
}

#[test]
fn anothers_object_of_the_same_name_is_left_and_not_waited_for() {
    run(async {
        let (client, _) = server(|method, _, body| match *method {
            Method::POST => made_of(body),
            Method::DELETE => Some(refused(409)),
            // A stranger's tenant, and a stranger's Secret.
            _ => Some((200, json!({"metadata": {"uid": "a-strangers"}}))),
        });
        let args = args();
        let made = Made::new(&args, client);
        assert_eq!(make(&made).await, Ok(()));
        assert_eq!(made.remove(soon()).await, Ok(()));
    });
}

#[test]
fn what_a_lost_answer_made_is_found_by_its_run() {
    run(async {
        for (ours, expected) in [(true, Some(json!({"uid": "u-1"}))), (false, None)] {
            let run = Arc::new(Mutex::new(String::new()));
            let stored = run.clone();
            let (client, asked) = server(move |method, path, _| match *method {
                Method::POST => Some(refused(504)),
                Method::DELETE => Some((200, json!({"kind": "Status", "status": "Success"}))),
                // Once it is deleted, the tenant stays away; its target never was.
                _ if path.contains("/secrets/") => Some(refused(404)),
                _ => {
                    let run = stored.lock().unwrap().clone();
                    let metadata = json!({"uid": "u-1", "annotations": {objects::RUN: run}});
                    Some((200, json!({"metadata": metadata})))
                }
            });
            let args = args();
            let made = Made::new(&args, client);
            let whose = if ours {
                made.run.clone()
            } else {
                "another run".to_owned()
            };
            *run.lock().unwrap() = whose;
            assert!(make(&made).await.is_err());
            assert_eq!(made.remove(soon()).await, Ok(()));
            let found: Vec<_> = deletions(&asked)
                .into_iter()
                .map(|(_, seen)| seen)
                .collect();
            assert_eq!(found, Vec::from_iter(expected));
        }
    });
}

#[test]
fn what_is_left_behind_is_deleted_as_it_was_listed() {
    run(async {
        let labels = json!({objects::LABEL: "true"});
        let old = |name: &str| {
            json!({"metadata": {
                "name": name, "uid": format!("u-{name}"), "resourceVersion": "7", "labels": labels,
                "creationTimestamp": "2026-09-21T13:00:00Z",
            }})
        };
        let list = json!({"metadata": {}, "items": [old("smoke-test-abcde"), old("contoso")]});
        let (client, asked) = server(move |method, path, _| match *method {
            Method::GET if path.ends_with("/defendertenants") => Some((200, list.clone())),
            Method::GET => Some(refused(403)),
            _ => Some(refused(409)),
        });
        let args = args();
        let made = Made::new(&args, client);
        leftovers::remove(&made, "2026-09-21T14:13:20Z".parse::<Timestamp>().unwrap()).await;
        let expected = json!({"uid": "u-smoke-test-abcde", "resourceVersion": "7"});
        let found: Vec<_> = deletions(&asked)
            .into_iter()
            .map(|(_, seen)| seen)
            .collect();
        assert_eq!(found, [expected]);
    });
}

#[test]
fn an_api_server_that_never_answers_is_waited_for_until_the_deadline() {
    run(async {
        let deadline = || Instant::now() + Duration::from_millis(50);
        let args = args();
        let (client, _) = server(|_, _, _| None);
        let made = Made::new(&args, client.clone());
        let credential = objects::Credential::Secret("partner");
        let object = objects::tenant(&made.tenant, args.tenant_id, credential, &made.run).unwrap();
        let api = kube::Api::namespaced(client, "soc");
        let created = made.tenant_trace.create(&api, &object, deadline()).await;
        assert_eq!(created, Err(objects::SILENT.to_owned()));
        let left = made.remove(deadline()).await.unwrap_err();
        assert!(
            left.contains("couldn't be removed (the API server doesn't answer)"),
            "{left}"
        );

        // Made and deleted, and then it falls silent.
        let (client, _) = server(|method, _, body| match *method {
            Method::POST => made_of(body),
            Method::DELETE => Some((200, json!({"kind": "Status", "status": "Success"}))),
            _ => None,
        });
        let made = Made::new(&args, client);
        assert_eq!(make(&made).await, Ok(()));
        let begun = Instant::now();
        let left = made.remove(deadline()).await.unwrap_err();
        assert!(left.contains("is still there"), "{left}");
        // A request's own time-out is longer.
        assert!(begun.elapsed() < Duration::from_secs(10), "{begun:?}");
    });
}
