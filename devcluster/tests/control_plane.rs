//! What a cluster does, through the library.

#![allow(clippy::unwrap_used, reason = "a test may end so")]

mod common;

use std::path::Path;

use common::{
    assert_contains, eventually, kubectl, kubectl_ok, nothing_is_left_of, options, start,
};
use devcluster::{DevCluster, Error, Minor};
use serde_json::{Value, json};

fn apply(cluster: &DevCluster, object: &Value) {
    let file = cluster.dir().join(format!(
        "{}.json",
        object["metadata"]["name"].as_str().unwrap()
    ));
    std::fs::write(&file, object.to_string()).unwrap();
    kubectl_ok(cluster, &["apply", "-f", file.to_str().unwrap()]);
}

/// An owner and a dependent of it; deletes the owner and waits for the dependent's end.
async fn garbage_is_collected(cluster: &DevCluster, owner_type: &str, owner: &Value) {
    apply(cluster, owner);
    let (kind, name) = (
        owner["kind"].as_str().unwrap(),
        owner["metadata"]["name"].as_str().unwrap(),
    );
    let uid = kubectl_ok(
        cluster,
        &["get", owner_type, name, "-o", "jsonpath={.metadata.uid}"],
    );
    let dependent = format!("dependent-of-{name}");
    apply(
        cluster,
        &json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": dependent, "ownerReferences": [
                {"apiVersion": owner["apiVersion"], "kind": kind, "name": name, "uid": uid, "controller": true},
            ]},
        }),
    );
    kubectl_ok(cluster, &["delete", owner_type, name]);
    eventually("the dependent goes with its owner", || {
        let output = kubectl(cluster, &["get", "configmap", &dependent]);
        String::from_utf8_lossy(&output.stderr)
            .contains("NotFound")
            .then_some(())
    })
    .await;
}

fn config_map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})
}

#[tokio::test]
async fn the_version_is_the_one_asked_for_and_the_administrator_may_do_everything() {
    let cluster = start().await;
    let versions: Value =
        serde_json::from_str(&kubectl_ok(&cluster, &["version", "-o", "json"])).unwrap();
    let expected = format!("v{}.", Minor::from_env().unwrap());
    for side in ["clientVersion", "serverVersion"] {
        let version = versions[side]["gitVersion"].as_str().unwrap();
        assert!(version.starts_with(&expected), "{side} {version}");
    }
    assert_eq!(
        kubectl_ok(&cluster, &["auth", "can-i", "*", "*", "--all-namespaces"]),
        "yes"
    );
    let dir = cluster.dir().to_owned();
    cluster.stop().await.unwrap();
    nothing_is_left_of(&dir).await;
}

#[tokio::test]
async fn an_api_server_that_was_killed_comes_back_with_its_data_and_garbage_is_still_collected() {
    let mut cluster = start().await;
    garbage_is_collected(&cluster, "configmap", &config_map("before")).await;
    apply(&cluster, &config_map("kept"));
    let url = cluster.server_url().to_owned();

    cluster.kill_apiserver().await.unwrap();
    assert!(
        !kubectl(&cluster, &["get", "--raw", "/readyz"])
            .status
            .success()
    );
    cluster
        .check()
        .expect("an outage that was asked for is no failure");
    cluster.start_apiserver().await.unwrap();

    assert_eq!(cluster.server_url(), url);
    kubectl_ok(&cluster, &["get", "configmap", "kept"]);
    garbage_is_collected(&cluster, "configmap", &config_map("after")).await;
}

#[tokio::test]
async fn garbage_of_a_new_custom_resource_is_collected_by_a_restarted_controller_manager() {
    let mut cluster = start().await;
    apply(
        &cluster,
        &json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "things.example.org"},
            "spec": {
                "group": "example.org", "scope": "Namespaced", "names": {"kind": "Thing", "plural": "things"},
                "versions": [{"name": "v1", "served": true, "storage": true,
                    "schema": {"openAPIV3Schema": {"type": "object"}}}],
            },
        }),
    );
    kubectl_ok(
        &cluster,
        &[
            "wait",
            "--for=condition=Established",
            "crd/things.example.org",
        ],
    );
    cluster.restart_controller_manager().await.unwrap();
    let thing =
        json!({"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"name": "thing"}});
    garbage_is_collected(&cluster, "things.example.org", &thing).await;
}

#[tokio::test]
async fn a_token_of_a_service_account_makes_a_kubeconfig_that_rbac_limits() {
    let cluster = start().await;
    let token = kubectl_ok(&cluster, &["create", "token", "default"]);
    let file = cluster.dir().join("token.kubeconfig");
    std::fs::write(
        &file,
        cluster.kubeconfig_for_token(cluster.server_url(), &token),
    )
    .unwrap();
    let with_token = |args: &[&str]| {
        kubectl(
            &cluster,
            &[&["--kubeconfig", file.to_str().unwrap()], args].concat(),
        )
    };
    let whoami = with_token(&[
        "auth",
        "whoami",
        "-o",
        "jsonpath={.status.userInfo.username}",
    ]);
    assert_eq!(
        common::text_of(&whoami),
        "system:serviceaccount:default:default"
    );
    let refused = with_token(&["get", "secrets"]);
    assert_contains(&String::from_utf8_lossy(&refused.stderr), "Forbidden");
}

#[tokio::test]
async fn the_audit_log_has_a_line_for_each_finished_request() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit.jsonl");
    std::fs::write(&log, "of an earlier run\n").unwrap();
    let cluster = DevCluster::start(options().audit_log(&log)).await.unwrap();
    assert_eq!(cluster.audit_log(), Some(log.as_path()));
    apply(&cluster, &config_map("counted"));
    let line = eventually("the request is in the log", || creation_in(&log)).await;
    assert_eq!(line["user"]["username"], "kubernetes-admin");
    assert_eq!(line["responseStatus"]["code"], 201);
    assert_contains(line["userAgent"].as_str().unwrap(), "kubectl");
    drop(cluster);
    for line in std::fs::read_to_string(&log).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["stage"], "ResponseComplete", "{line}");
    }
}

fn creation_in(log: &Path) -> Option<Value> {
    let text = std::fs::read_to_string(log).unwrap();
    text.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find(|line| {
            line["verb"] == "create"
                && line["objectRef"]["resource"] == "configmaps"
                && line["objectRef"]["name"] == "counted"
        })
}

#[tokio::test]
async fn a_component_that_ends_at_its_start_shows_its_log() {
    let Err(error) = DevCluster::start(options().api_server_flag("--no-such-flag")).await else {
        panic!("the flag is unknown")
    };
    assert!(
        matches!(
            error,
            Error::ComponentEnded {
                component: "kube-apiserver",
                ..
            }
        ),
        "{error}"
    );
    assert_contains(&error.to_string(), "unknown flag: --no-such-flag");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_is_tried_again() {
    let mut cluster = start().await;
    cluster.kill_apiserver().await.unwrap();
    let address = cluster
        .server_url()
        .trim_start_matches("https://")
        .to_owned();
    let thief = std::net::TcpListener::bind(&address).unwrap();
    let log = cluster.dir().join("kube-apiserver.log");
    let released = tokio::spawn(async move {
        eventually("the API server finds its port taken", || {
            let text = std::fs::read_to_string(&log).unwrap();
            text.contains("address already in use").then_some(())
        })
        .await;
        drop(thief);
    });
    cluster.start_apiserver().await.unwrap();
    released.await.unwrap();
    kubectl_ok(&cluster, &["get", "namespaces"]);
}

#[tokio::test]
async fn clusters_live_side_by_side() {
    let (one, other) = tokio::join!(start(), start());
    assert_ne!(one.server_url(), other.server_url());
    apply(&one, &config_map("here"));
    assert_contains(
        &String::from_utf8_lossy(&kubectl(&other, &["get", "configmap", "here"]).stderr),
        "NotFound",
    );
    one.stop().await.unwrap();
    kubectl_ok(&other, &["get", "namespaces"]);
}
