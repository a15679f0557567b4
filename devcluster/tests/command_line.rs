//! `devcluster` as a person or a script uses it.

#![allow(clippy::unwrap_used, reason = "a test may end so")]

mod common;

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use common::{assert_contains, devcluster, text_of};

/// The folder of the programs; they are built unless they are there.
fn programs() -> PathBuf {
    let found = devcluster(&["path"]).output().unwrap();
    if found.status.success() {
        return PathBuf::from(text_of(&found));
    }
    PathBuf::from(text_of(&devcluster(&["build"]).output().unwrap()))
}

/// The folder of a program of this machine.
fn folder_of(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&path)
        .find(|folder| folder.join(program).is_file())
        .unwrap()
}

fn linked(folder: &Path, names: &[&str], from: &Path) {
    for name in names {
        symlink(from.join(name), folder.join(name)).unwrap();
    }
}

#[test]
fn the_command_gets_the_cluster_and_its_exit_code_is_passed_on() {
    let script = r#"[ -f "$KUBECONFIG" ] && kubectl get --raw /readyz && command -v kubectl && cat && exit 42"#;
    let mut command = devcluster(&["run", "--", "sh", "-c", script]);
    let input = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(input.path(), "from stdin").unwrap();
    let output = command.stdin(input.reopen().unwrap()).output().unwrap();
    let expected = format!("ok{}\nfrom stdin", programs().join("kubectl").display());
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        expected,
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(output.status.code(), Some(42));
}

#[test]
fn a_command_that_is_not_there_is_127() {
    let output = devcluster(&["run", "--", "no-such-command"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(127));
    assert_contains(
        &String::from_utf8_lossy(&output.stderr),
        "no-such-command: ",
    );
}

#[test]
fn a_run_without_a_command_says_so() {
    let output = devcluster(&["run"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_contains(&String::from_utf8_lossy(&output.stderr), "<CMD>");
}

#[test]
fn nothing_is_built_where_kubebuilder_assets_is_set_nor_written_to_the_home_folder() {
    let folder = tempfile::tempdir().unwrap();
    let [assets, home] = ["assets", "home"].map(|name| folder.path().join(name));
    std::fs::create_dir(&assets).unwrap();
    std::fs::create_dir(&home).unwrap();
    let all = [
        "etcd",
        "kube-apiserver",
        "kubectl",
        "kube-controller-manager",
    ];
    linked(&assets, &all, &programs());
    let output = devcluster(&[
        "run",
        "--",
        "sh",
        "-c",
        "kubectl get nodes && command -v kubectl",
    ])
    .env("KUBEBUILDER_ASSETS", &assets)
    .env("HOME", &home)
    .env_remove("XDG_CACHE_HOME")
    .env_remove("DEVCLUSTER_CACHE")
    .output()
    .unwrap();
    assert_eq!(PathBuf::from(text_of(&output)), assets.join("kubectl"));
    assert_eq!(std::fs::read_dir(&home).unwrap().count(), 0);
}

#[test]
fn the_controller_manager_that_kubebuilder_assets_lacks_comes_from_the_cache() {
    let assets = tempfile::tempdir().unwrap();
    linked(
        assets.path(),
        &["etcd", "kube-apiserver", "kubectl"],
        &programs(),
    );
    let output = devcluster(&[
        "run",
        "--",
        "kubectl",
        "get",
        "serviceaccount",
        "default",
        "-o",
        "name",
    ])
    .env("KUBEBUILDER_ASSETS", assets.path())
    .output()
    .unwrap();
    assert_eq!(text_of(&output), "serviceaccount/default");
}

#[test]
fn an_incomplete_kubebuilder_assets_says_what_is_missing() {
    let assets = tempfile::tempdir().unwrap();
    let output = devcluster(&["run", "--", "true"])
        .env("KUBEBUILDER_ASSETS", assets.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(125));
    assert_contains(&String::from_utf8_lossy(&output.stderr), "has no etcd");
}

#[test]
fn without_go_the_way_around_is_said_and_nothing_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let (tools, cache) = (folder.path().join("tools"), folder.path().join("cache"));
    std::fs::create_dir(&tools).unwrap();
    for tool in ["setsid", "sh", "grep", "sleep", "rm"] {
        linked(&tools, &[tool], &folder_of(tool));
    }
    let output = devcluster(&["build"])
        .env_remove("KUBEBUILDER_ASSETS")
        .env("PATH", &tools)
        .env("DEVCLUSTER_CACHE", &cache)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8_lossy(&output.stderr);
    assert_contains(&message, "install Go 1.");
    assert_contains(&message, "KUBEBUILDER_ASSETS");
    assert!(!message.contains("9 minutes"), "{message}");
    let left: Vec<_> = std::fs::read_dir(&cache)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["lock"]);
}

#[test]
fn a_folder_that_can_not_be_written_is_told_with_the_variable_that_chooses_another() {
    let folder = tempfile::tempdir().unwrap();
    // Not even root can make a folder in a file.
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let no_cache = devcluster(&["build"])
        .env("DEVCLUSTER_CACHE", file.join("cache"))
        .output()
        .unwrap();
    assert_eq!(no_cache.status.code(), Some(1));
    assert_contains(
        &String::from_utf8_lossy(&no_cache.stderr),
        "set DEVCLUSTER_CACHE to a folder that can be written",
    );
    let no_temp = devcluster(&["run", "--", "true"])
        .env("KUBEBUILDER_ASSETS", programs())
        .env("TMPDIR", file.join("temp"))
        .output()
        .unwrap();
    assert_eq!(no_temp.status.code(), Some(125));
    assert_contains(
        &String::from_utf8_lossy(&no_temp.stderr),
        "set TMPDIR to a folder that can be written",
    );
}

#[test]
fn the_path_of_what_is_not_built_is_an_error_that_says_how() {
    let cache = tempfile::tempdir().unwrap();
    let output = devcluster(&["path"])
        .env_remove("KUBEBUILDER_ASSETS")
        .env("DEVCLUSTER_CACHE", cache.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_contains(
        &String::from_utf8_lossy(&output.stderr),
        "devcluster build --kubernetes",
    );
}
