//! What the tests share. They wait for conditions; the limits are there for a machine that hangs.
#![allow(dead_code, reason = "each test binary uses a part of it")]

pub mod traces;

use std::fmt::Debug;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use devcluster::{DevCluster, Minor, Options};
use rustix::process::Pid;

const HANGS_AFTER: Duration = Duration::from_mins(1);

/// Waits until `condition` gives a value.
pub async fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(
            started.elapsed() < HANGS_AFTER,
            "{what}: not within {HANGS_AFTER:?}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub fn options() -> Options {
    Options::new(Minor::from_env().unwrap())
}

pub async fn start() -> DevCluster {
    DevCluster::start(options()).await.unwrap()
}

/// The `devcluster` of this build.
pub fn devcluster(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_devcluster"));
    command.args(args).stdin(Stdio::null());
    command
}

pub fn kubectl(cluster: &DevCluster, args: &[&str]) -> Output {
    cluster
        .command("kubectl")
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// The standard output of a kubectl that must succeed.
pub fn kubectl_ok(cluster: &DevCluster, args: &[&str]) -> String {
    text_of(&kubectl(cluster, args))
}

pub fn text_of(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout.clone())
        .unwrap()
        .trim_end()
        .to_owned()
}

/// Processes that name the folder in their arguments or environment.
pub fn processes_of(folder: &Path) -> Vec<String> {
    let needle = folder.as_os_str().as_encoded_bytes();
    let mentions = |bytes: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let read = |file: &str| std::fs::read(entry.path().join(file)).unwrap_or_default();
        let arguments = read("cmdline");
        if mentions(&arguments) || mentions(&read("environ")) {
            found.push(String::from_utf8_lossy(&arguments).replace('\0', " "));
        }
    }
    found
}

/// Processes that have all of these among their arguments.
pub fn processes_with_arguments(wanted: &[&[u8]]) -> Vec<Pid> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let arguments = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let arguments: Vec<&[u8]> = arguments.split(|byte| *byte == 0).collect();
        if wanted.iter().all(|one| arguments.contains(one)) {
            let number = entry.file_name().to_string_lossy().parse().ok();
            found.extend(number.and_then(Pid::from_raw));
        }
    }
    found
}

/// Waits until neither the folder nor a process of it is there.
pub async fn nothing_is_left_of(folder: &Path) {
    assert!(folder.is_absolute());
    let mut left = Vec::new();
    let started = Instant::now();
    while started.elapsed() < HANGS_AFTER {
        left = processes_of(folder);
        if left.is_empty() && !folder.exists() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!(
        "left of {} (there: {}): {left:?}",
        folder.display(),
        folder.exists()
    );
}

pub fn assert_contains(text: &str, part: impl AsRef<str> + Debug) {
    assert!(text.contains(part.as_ref()), "no {part:?} in:\n{text}");
}
