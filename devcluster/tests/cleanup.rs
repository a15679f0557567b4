//! However a cluster's owner ends: no process, no folder.

#![allow(clippy::unwrap_used, reason = "a test may end so")]

mod common;

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use common::{devcluster, eventually, nothing_is_left_of, processes_of, start, text_of};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

/// Starts a process and reads the cluster's folder from the line of its output that is one.
fn owner(command: &mut Command) -> (Child, PathBuf) {
    // Not in the foreground of the terminal that the tests may run in: signals go to its group.
    let mut child = command
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let folder = lines.map(Result::unwrap).find_map(|line| {
        let folder = PathBuf::from(line.trim());
        (folder.is_absolute() && folder.is_dir()).then_some(folder)
    });
    let folder = folder.expect("the cluster's folder");
    assert!(
        processes_of(&folder).len() >= 3,
        "{:?}",
        processes_of(&folder)
    );
    (child, folder)
}

fn send(signal: Signal, child: &Child) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

const PATIENT: &str = "echo $DEVCLUSTER_DIR; sleep 1000; true";

#[tokio::test]
async fn sigkill_of_run_takes_everything_along_the_command_included() {
    let (mut child, folder) = owner(&mut devcluster(&["run", "--", "sh", "-c", PATIENT]));
    child.kill().unwrap();
    child.wait().unwrap();
    nothing_is_left_of(&folder).await;
}

/// A shell is the parent, as it is for `make`'s recipes and in CI; nobody tells devcluster that it was killed.
#[tokio::test]
async fn with_parent_a_killed_parent_takes_everything_along() {
    let outside = tempfile::tempdir().unwrap();
    let file = outside.path().join("pid");
    let mut shell = Command::new("sh");
    shell
        .args(["-c", r#""$0" run --with-parent -- sh -c "$1" "$2"; true"#])
        .arg(env!("CARGO_BIN_EXE_devcluster"))
        .arg(format!(r#"echo $PPID >"$0"; {PATIENT}"#))
        .arg(&file);
    let (mut parent, folder) = owner(shell.stdin(Stdio::null()));
    let pid: i32 = std::fs::read_to_string(&file)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    let pid = Pid::from_raw(pid).unwrap();
    test_kill_process(pid).unwrap();
    parent.kill().unwrap();
    parent.wait().unwrap();
    nothing_is_left_of(&folder).await;
    eventually("the end of devcluster", || test_kill_process(pid).err()).await;
}

#[tokio::test]
async fn sigint_and_sigterm_end_the_command_and_then_the_cluster() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let (mut child, folder) = owner(&mut devcluster(&["run", "--", "sh", "-c", PATIENT]));
        send(signal, &child);
        assert_eq!(child.wait().unwrap().code(), Some(code));
        // Nothing to wait for: it is gone when devcluster is.
        assert_eq!((processes_of(&folder), folder.exists()), (vec![], false));
    }
}

#[tokio::test]
async fn sigkill_of_a_process_that_uses_the_library_leaves_nothing() {
    let mut this = Command::new(std::env::current_exe().unwrap());
    let (mut child, folder) =
        owner(this.args(["--exact", "hold_a_cluster", "--ignored", "--nocapture"]));
    child.kill().unwrap();
    child.wait().unwrap();
    nothing_is_left_of(&folder).await;
}

#[tokio::test]
#[ignore = "is the process that another test kills"]
async fn hold_a_cluster() {
    let cluster = start().await;
    println!("\n{}", cluster.dir().display());
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn what_the_command_leaves_running_ends_with_the_cluster() {
    let output = devcluster(&[
        "run",
        "--",
        "sh",
        "-c",
        "sleep 1000 >/dev/null 2>&1 & echo $DEVCLUSTER_DIR",
    ])
    .output()
    .unwrap();
    let folder = PathBuf::from(text_of(&output));
    assert_eq!((processes_of(&folder), folder.exists()), (vec![], false));
}

#[tokio::test]
async fn a_cluster_that_is_dropped_is_gone_at_once() {
    let cluster = start().await;
    let folder = cluster.dir().to_owned();
    drop(cluster);
    assert_eq!((processes_of(&folder), folder.exists()), (vec![], false));
}

#[tokio::test]
async fn the_kubeconfig_that_up_wrote_goes_with_it_and_an_older_file_is_refused() {
    let outside = tempfile::tempdir().unwrap();
    let file = outside.path().join("kubeconfig");
    let mut up = devcluster(&["up", "--kubeconfig", file.to_str().unwrap()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(up.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    assert_eq!(lines.next().as_deref(), file.to_str());
    assert_eq!(
        lines.next(),
        Some(format!("export KUBECONFIG='{}'", file.display()))
    );
    assert_server_answers(&file);
    let refused = devcluster(&["up", "--kubeconfig", file.to_str().unwrap()])
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(1));
    common::assert_contains(&String::from_utf8_lossy(&refused.stderr), "exists already");
    send(Signal::INT, &up);
    assert_eq!(up.wait().unwrap().code(), Some(0));
    assert!(!file.exists());
}

fn assert_server_answers(kubeconfig: &Path) {
    let kubectl = PathBuf::from(text_of(&devcluster(&["path"]).output().unwrap())).join("kubectl");
    let output = Command::new(kubectl)
        .args(["get", "--raw", "/readyz"])
        .env("KUBECONFIG", kubeconfig)
        .output()
        .unwrap();
    assert_eq!(text_of(&output), "ok");
}
