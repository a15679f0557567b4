//! Image archives (`docker save`'s format), made of a folder: for images of one static program no builder is needed.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::error::Error;

const LAYER: &str = "layer.tar";
const CONFIG: &str = "config.json";
const MANIFEST: &str = "manifest.json";

/// Writes an image of one layer, the content of the folder `root`, to the new file `archive`.
///
/// `user` is `uid:gid`; PSS `restricted` wants one that is not 0.
pub fn archive(
    root: &Path,
    tag: &str,
    entrypoint: &[&str],
    user: &str,
    archive: &Path,
) -> Result<(), Error> {
    let folder = tempfile::tempdir().map_err(Error::folder(
        "TMPDIR",
        "make a folder in",
        &std::env::temp_dir(),
    ))?;
    let layer = folder.path().join(LAYER);
    tar(&layer, root, &["."])?;
    let bytes = fs::read(&layer).map_err(Error::io("read", &layer))?;
    let digest = hex(&Sha256::digest(&bytes));
    let config = json!({
        "architecture": architecture(),
        "os": "linux",
        "config": {
            "Entrypoint": entrypoint,
            "User": user,
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
        },
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{digest}")]},
    });
    let manifest = json!([{"Config": CONFIG, "RepoTags": [tag], "Layers": [LAYER]}]);
    for (name, value) in [(CONFIG, config), (MANIFEST, manifest)] {
        let file = folder.path().join(name);
        fs::write(&file, value.to_string()).map_err(Error::io("write", &file))?;
    }
    tar(archive, folder.path(), &[MANIFEST, CONFIG, LAYER])
}

/// The same bytes for the same files, whoever made them and when.
fn tar(archive: &Path, folder: &Path, names: &[&str]) -> Result<(), Error> {
    let output = Command::new("tar")
        .args([
            "--sort=name",
            "--mtime=@0",
            "--owner=0",
            "--group=0",
            "--numeric-owner",
            "-cf",
        ])
        .arg(archive)
        .arg("-C")
        .arg(folder)
        .args(names)
        .output()
        .map_err(|source| Error::Spawn {
            program: "tar".to_owned(),
            source,
        })?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::Image {
        file: archive.to_owned(),
        said: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// As Go names it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_names_its_layer_by_its_content_and_is_the_same_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir(&root).unwrap();
        fs::write(root.join("program"), "bytes").unwrap();
        let [one, two] = ["one.tar", "two.tar"].map(|name| folder.path().join(name));
        for file in [&one, &two] {
            archive(&root, "localhost/a:1", &["/program"], "1:1", file).unwrap();
        }
        assert_eq!(fs::read(&one).unwrap(), fs::read(&two).unwrap());
        let unpacked = folder.path().join("unpacked");
        fs::create_dir(&unpacked).unwrap();
        let status = Command::new("tar")
            .arg("-xf")
            .arg(&one)
            .arg("-C")
            .arg(&unpacked)
            .status();
        assert!(status.unwrap().success());
        let config: serde_json::Value =
            serde_json::from_slice(&fs::read(unpacked.join(CONFIG)).unwrap()).unwrap();
        let digest = hex(&Sha256::digest(fs::read(unpacked.join(LAYER)).unwrap()));
        assert_eq!(config["rootfs"]["diff_ids"][0], format!("sha256:{digest}"));
    }
}
