use std::fs;
use std::path::{Path, PathBuf};

/// What a room that only decides has no use for. Types of `k8s_openapi` are data.
const FOREIGN: [&str; 19] = [
    "tokio",
    "reqwest",
    "kube::",
    "axum",
    "hyper",
    "std::time::Instant",
    "std::time::SystemTime",
    "time::{Instant",
    "time::{SystemTime",
    "Instant::now",
    "SystemTime::now",
    "Timestamp::now",
    "Zoned::now",
    "crate::controller",
    "crate::entra",
    "crate::defender",
    "crate::metrics",
    "crate::server",
    "crate::telemetry",
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            found.push(path);
        }
    }
    found
}

fn foreign_in(source: &str) -> Vec<&str> {
    source
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .filter(|line| {
            FOREIGN
                .iter()
                .chain(&["crate::cli", "crate::lease"])
                .any(|name| line.contains(name))
        })
        .collect()
}

#[test]
fn this_room_knows_no_client_no_clock_and_no_runtime() {
    let room = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/core");
    let sources = sources(&room);
    assert!(sources.len() > 20, "{}", sources.len());
    for path in sources {
        // This very file names them all.
        if path == room.join("tests.rs") {
            continue;
        }
        let source = fs::read_to_string(&path).unwrap();
        assert_eq!(
            foreign_in(&source),
            Vec::<&str>::new(),
            "{}",
            path.display()
        );
    }
}

#[test]
fn a_foreign_import_is_noticed() {
    for line in [
        "use tokio::sync::mpsc;",
        "    let now = Timestamp::now();",
        "use std::time::{Instant, Duration};",
        "use crate::entra::client::Client;",
        "fn f() -> kube::Result<()> {",
    ] {
        assert_eq!(foreign_in(line), [line]);
    }
    for line in [
        "//! no client, no clock, no tokio",
        "use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;",
        "use std::time::Duration;",
    ] {
        assert!(foreign_in(line).is_empty(), "{line}");
    }
}
