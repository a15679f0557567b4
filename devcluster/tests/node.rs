//! A node: pods, their network and names, and that nothing of it is left. Needs root and what `node-packages.sh` installs.

#![allow(clippy::unwrap_used, reason = "a test may end so")]

mod common;

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use common::traces::Traces;
use common::{
    assert_contains, devcluster, eventually, kubectl, kubectl_ok, nothing_is_left_of, options,
    processes_of,
};
use devcluster::{DevCluster, Minor, NodeOptions, image};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// What the tests' pods run.
const IMAGE: &str = "localhost/devcluster/tools:test";

/// An image with a shell, a web server and a client for it: busybox, and kubectl, whose resolver needs no library.
async fn tools() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    std::fs::create_dir_all(root.join("bin")).unwrap();
    std::fs::copy("/bin/busybox", root.join("bin/busybox"))
        .expect("busybox-static: run devcluster/node-packages.sh");
    for name in ["sh", "cat", "httpd", "nslookup", "sleep"] {
        symlink("busybox", root.join("bin").join(name)).unwrap();
    }
    let programs = devcluster::build_cache(Minor::from_env().unwrap())
        .await
        .unwrap();
    std::fs::copy(programs.join("kubectl"), root.join("bin/kubectl")).unwrap();
    let archive = folder.path().join("tools.tar");
    image::archive(&root, IMAGE, &["/bin/sh", "-c"], "65532:65532", &archive).unwrap();
    (folder, archive)
}

fn apply(cluster: &DevCluster, objects: &str) {
    let mut child = cluster
        .command("kubectl")
        .args(["apply", "-f", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(objects.as_bytes())
        .unwrap();
    assert!(child.wait().unwrap().success());
}

fn wait_for_pods(cluster: &DevCluster, namespace: &str) {
    let wait = [
        "-n",
        namespace,
        "wait",
        "pods",
        "--all",
        "--for=condition=Ready",
        "--timeout=60s",
    ];
    let output = kubectl(cluster, &wait);
    if !output.status.success() {
        let why = kubectl_ok(cluster, &["-n", namespace, "describe", "pods"]);
        panic!("{}\n{why}", String::from_utf8_lossy(&output.stderr));
    }
}

#[tokio::test]
async fn restricted_pods_read_a_secret_and_its_update_and_reach_each_other_by_name() {
    let (_folder, archive) = tools().await;
    let cluster = DevCluster::start(options().node(NodeOptions {
        images: vec![archive],
    }))
    .await
    .unwrap();
    let traces = Traces::of(cluster.dir());
    apply(
        &cluster,
        &std::fs::read_to_string("tests/node-pods.yaml")
            .unwrap()
            .replace("IMAGE", IMAGE),
    );
    wait_for_pods(&cluster, "trial");
    let exec = |command: &str| {
        kubectl(
            &cluster,
            &["-n", "trial", "exec", "client", "--", "sh", "-c", command],
        )
    };
    let exec_ok = |command: &str| common::text_of(&exec(command));

    assert_eq!(exec_ok("cat /secret/token"), "first");
    // Through DNS, kube-proxy and the other pod's web server, which serves its own mount of the Secret.
    let get = |host: &str| format!("kubectl --server=http://{host}:8080 get --raw /token");
    assert_eq!(exec_ok(&get("server")), "first");
    assert_eq!(exec_ok(&get("server.trial.svc.cluster.local")), "first");
    let address = kubectl_ok(
        &cluster,
        &[
            "-n",
            "trial",
            "get",
            "service",
            "server",
            "-o",
            "jsonpath={.spec.clusterIP}",
        ],
    );
    assert_eq!(exec_ok(&get(&address)), "first");
    // A pod that reaches itself by its service, which needs the node's masquerading.
    let itself = [
        "-n",
        "trial",
        "exec",
        "server",
        "--",
        "sh",
        "-c",
        &get("server"),
    ];
    assert_eq!(kubectl_ok(&cluster, &itself), "first");
    assert_contains(
        &exec_ok("nslookup kubernetes.default.svc.cluster.local"),
        "Address",
    );
    assert!(
        !exec("nslookup no-such-name.trial.svc.cluster.local")
            .status
            .success()
    );
    // The API server as pods see it, by its certificate and the pod's own service account.
    let mount = "/var/run/secrets/kubernetes.io/serviceaccount";
    let whoami = format!(
        "kubectl --server=https://kubernetes.default.svc --certificate-authority={mount}/ca.crt \
         --token=$(cat {mount}/token) auth whoami"
    );
    assert_contains(&exec_ok(&whoami), "system:serviceaccount:trial:default");
    assert_eq!(
        kubectl_ok(&cluster, &["-n", "trial", "logs", "client"]),
        "the client runs"
    );
    // From outside of the node, as the API server reaches a webhook.
    let server = format!("--server=http://{address}:8080");
    assert_eq!(
        kubectl_ok(&cluster, &[&server, "get", "--raw", "/token"]),
        "first"
    );

    let patch = r#"{"stringData": {"token": "second"}}"#;
    kubectl_ok(
        &cluster,
        &["-n", "trial", "patch", "secret", "token", "-p", patch],
    );
    eventually("the update in the mount", || {
        (common::text_of(&exec("cat /secret/token")) == "second").then_some(())
    })
    .await;

    cluster.stop().await.unwrap();
    traces.assert_nothing_left();
}

/// Runs a command beside a node with a pod, and returns when that pod runs.
async fn run_with_pod() -> (TempDir, Child, PathBuf) {
    let (folder, archive) = tools().await;
    let script = format!(
        "kubectl create deployment sleeper --image={IMAGE} -- sleep 1000 >&2 \
         && kubectl wait deployment sleeper --for=condition=Available --timeout=60s >&2 \
         && ctr images ls -q | grep -q {IMAGE} && echo $DEVCLUSTER_DIR && sleep 1000; true"
    );
    let mut child = devcluster(&[
        "run",
        "--node",
        "--image",
        archive.to_str().unwrap(),
        "--",
        "sh",
        "-c",
        &script,
    ])
    .stdout(Stdio::piped())
    .process_group(0)
    .spawn()
    .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let cluster = PathBuf::from(lines.next().expect("the cluster's folder").unwrap());
    (folder, child, cluster)
}

#[tokio::test]
async fn sigkill_leaves_nothing_of_a_node() {
    let (_folder, mut child, cluster) = run_with_pod().await;
    let traces = Traces::of(&cluster);
    child.kill().unwrap();
    child.wait().unwrap();
    nothing_is_left_of(&cluster).await;
    traces.assert_nothing_left();
}

/// Then the owner starts another.
#[tokio::test]
async fn a_watchdog_that_was_killed_is_no_loss() {
    let cluster = DevCluster::start(options().node(NodeOptions::default()))
        .await
        .unwrap();
    let (folder, traces) = (cluster.dir().to_owned(), Traces::of(cluster.dir()));
    let name = b"devcluster-watchdog".as_slice();
    let watchdogs =
        common::processes_with_arguments(&[name, folder.as_os_str().as_encoded_bytes()]);
    assert_eq!(watchdogs.len(), 1);
    kill_process(watchdogs[0], Signal::KILL).unwrap();
    cluster.stop().await.unwrap();
    assert_eq!((processes_of(&folder), folder.exists()), (vec![], false));
    traces.assert_nothing_left();
}

#[tokio::test]
async fn sigint_leaves_nothing_of_a_node() {
    let (_folder, mut child, cluster) = run_with_pod().await;
    let traces = Traces::of(&cluster);
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!((processes_of(&cluster), cluster.exists()), (vec![], false));
    traces.assert_nothing_left();
}

#[tokio::test]
async fn two_nodes_side_by_side_have_their_own_addresses() {
    let start = || DevCluster::start(options().node(NodeOptions::default()));
    let (one, two) = tokio::join!(start(), start());
    let (one, two) = (one.unwrap(), two.unwrap());
    let address = |cluster: &DevCluster| {
        kubectl_ok(
            cluster,
            &[
                "get",
                "node",
                "-o",
                "jsonpath={.items[*].status.addresses[0].address}",
            ],
        )
    };
    assert_ne!(address(&one), address(&two));
    let [first, second] = [one.dir(), two.dir()].map(Traces::of);
    one.stop().await.unwrap();
    first.assert_nothing_left();
    assert_eq!(
        kubectl_ok(
            &two,
            &["get", "--raw", "/api/v1/nodes/devcluster/proxy/healthz"]
        ),
        "ok"
    );
    two.stop().await.unwrap();
    second.assert_nothing_left();
}

#[tokio::test]
async fn a_start_that_fails_leaves_nothing() {
    let temp = tempfile::Builder::new()
        .prefix("t")
        .tempdir_in("/tmp")
        .unwrap();
    let broken = temp.path().join("broken.tar");
    std::fs::write(&broken, "not an archive").unwrap();
    let folder = temp.path().join("clusters");
    std::fs::create_dir(&folder).unwrap();
    let mut child = devcluster(&[
        "run",
        "--node",
        "--image",
        broken.to_str().unwrap(),
        "--",
        "true",
    ])
    .env("TMPDIR", &folder)
    .stderr(Stdio::piped())
    .spawn()
    .unwrap();
    let cluster = eventually("the node's namespaces", || cluster_in(&folder)).await;
    let traces = Traces::of(&cluster);
    let output = tokio::task::spawn_blocking(move || {
        let mut said = String::new();
        std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut said).unwrap();
        (child.wait().unwrap(), said)
    });
    let (status, said) = output.await.unwrap();
    assert_eq!(status.code(), Some(125));
    assert_contains(&said, "broken.tar: the image archive can't be used");
    traces.assert_nothing_left();
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
}

fn cluster_in(folder: &Path) -> Option<PathBuf> {
    let cluster = std::fs::read_dir(folder).unwrap().next()?.unwrap().path();
    cluster.join("node/link").exists().then_some(cluster)
}

#[test]
fn a_machine_that_lacks_a_part_is_told_which_and_nothing_is_started() {
    let tools = tempfile::tempdir().unwrap();
    let path = std::env::var_os("PATH").unwrap();
    for folder in std::env::split_paths(&path) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_name() != "runc" {
                let _ = symlink(entry.path(), tools.path().join(entry.file_name()));
            }
        }
    }
    let temp = tempfile::tempdir().unwrap();
    let output = devcluster(&["run", "--node", "--", "true"])
        .env("PATH", tools.path())
        .env("TMPDIR", temp.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(125));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_contains(&said, "no program `runc` on the PATH");
    assert_contains(&said, "node-packages.sh");
    assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 0);
}
