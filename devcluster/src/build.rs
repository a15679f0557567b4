//! Builds programs from the pinned modules with the Go toolchain.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command as AsyncCommand;

use crate::assets::{Module, Program, needed_go};
use crate::cache::{Cache, VARIABLE};
use crate::error::Error;
use crate::progress::{HEARTBEAT, duration, say};
use crate::sandbox::Sandbox;

/// How much of Go's output an error shows.
const SAID_LINES: usize = 20;

/// Builds what the cache lacks of `wanted`; the caller holds the lock. Every finished program is kept at once, so that
/// an interrupted build goes on where it was.
pub(crate) async fn fill(cache: &Cache, module: &Module, wanted: &[Program]) -> Result<(), Error> {
    let missing: Vec<Program> = wanted
        .iter()
        .copied()
        .filter(|program| !cache.has(module, *program))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let sandbox = workshop(cache, module)?;
    check_go(&sandbox).await?;
    for program in missing {
        let built = sandbox.dir().join(program.file());
        build(&sandbox, module, program, &built).await?;
        cache.take(module, program, &built)?;
    }
    Ok(())
}

/// The folder with the sources of a module that `module` requires, and the workshop in which it was found.
pub(crate) async fn sources(
    cache: &Cache,
    module: &Module,
    wanted: &str,
) -> Result<(Sandbox, PathBuf), Error> {
    let sandbox = workshop(cache, module)?;
    // It may have been built by another user's Go, or long ago: downloaded unless it is there.
    let download = run(&sandbox, &["mod", "download", wanted]).await?;
    let found = if download.status.success() {
        run(&sandbox, &["list", "-m", "-f", "{{.Dir}}", wanted]).await?
    } else {
        download
    };
    if !found.status.success() {
        return Err(Error::GoBuild {
            package: "the sources of Kubernetes",
            status: found.status,
            said: String::from_utf8_lossy(&found.stderr).trim_end().to_owned(),
        });
    }
    let dir = String::from_utf8_lossy(&found.stdout).trim().into();
    Ok((sandbox, dir))
}

/// Whether a build of the module can begin; asked before anybody is told to wait for one.
pub(crate) async fn check(cache: &Cache, module: &Module) -> Result<(), Error> {
    check_go(&workshop(cache, module)?).await
}

/// A folder with the module's files. In the cache, because the last step is a rename, which can't cross file systems.
fn workshop(cache: &Cache, module: &Module) -> Result<Sandbox, Error> {
    let sandbox = Sandbox::new_in(cache.root(), VARIABLE)?;
    for (file, text) in [("go.mod", module.go_mod), ("go.sum", module.go_sum)] {
        let path = sandbox.dir().join(file);
        fs::write(&path, text).map_err(Error::io("write", &path))?;
    }
    Ok(sandbox)
}

/// What the user has set for Go counts (proxy, caches, toolchain choice), but nothing that changes the result.
fn go(sandbox: &Sandbox) -> Command {
    let mut command = sandbox.component("go".as_ref());
    command
        .current_dir(sandbox.dir())
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "-mod=readonly")
        .env("GOWORK", "off")
        .env("GO111MODULE", "on")
        // Its half-done work goes with the sandbox.
        .env("GOTMPDIR", sandbox.dir());
    for variable in ["GOOS", "GOARCH", "GOEXPERIMENT", "GODEBUG"] {
        command.env_remove(variable);
    }
    command
}

/// Before minutes are spent: is there a Go, and does it take the module?
async fn check_go(sandbox: &Sandbox) -> Result<(), Error> {
    let output = run(sandbox, &["list", "-m"]).await?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::UnfitGo {
        needed: needed_go(),
        said: String::from_utf8_lossy(&output.stderr)
            .trim_end()
            .to_owned(),
    })
}

async fn run(sandbox: &Sandbox, args: &[&str]) -> Result<Output, Error> {
    let mut command = go(sandbox);
    command.args(args);
    AsyncCommand::from(command)
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => Error::NoGo {
                needed: needed_go(),
            },
            _ => Error::Spawn {
                program: "go".to_owned(),
                source,
            },
        })
}

async fn build(
    sandbox: &Sandbox,
    module: &Module,
    program: Program,
    built: &Path,
) -> Result<(), Error> {
    let mut command = go(sandbox);
    command
        .args(["build", "-v"])
        .args(module.flags())
        .arg("-o")
        .arg(built)
        .arg(program.package());
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let started = Instant::now();
    say(&format!("building {} {}", program.file(), module.version()));
    let mut child = AsyncCommand::from(command)
        .kill_on_drop(true)
        .spawn()
        .map_err(|source| Error::Spawn {
            program: "go".to_owned(),
            source,
        })?;
    let mut said = Said::default();
    if let Some(stderr) = child.stderr.take() {
        let mut lines = BufReader::new(stderr).lines();
        let mut heartbeat = tokio::time::interval(HEARTBEAT);
        heartbeat.tick().await;
        loop {
            tokio::select! {
                line = lines.next_line() => match line {
                    Ok(Some(line)) => said.hear(line),
                    Ok(None) => break,
                    Err(source) => return Err(Error::io("read Go's output in", sandbox.dir())(source)),
                },
                _ = heartbeat.tick() => say(&format!(
                    "  {}: {} ({})", program.file(), duration(started.elapsed()), said.summary()
                )),
            }
        }
    }
    let status = child
        .wait()
        .await
        .map_err(Error::io("wait for Go in", sandbox.dir()))?;
    if status.success() {
        say(&format!(
            "built {} in {}",
            program.file(),
            duration(started.elapsed())
        ));
        return Ok(());
    }
    Err(Error::GoBuild {
        package: program.package(),
        status,
        said: said.last.make_contiguous().join("\n"),
    })
}

/// What `go build -v` has said so far.
#[derive(Default)]
struct Said {
    downloads: usize,
    packages: usize,
    last: VecDeque<String>,
}

impl Said {
    fn hear(&mut self, line: String) {
        if line.starts_with("go: downloading ") {
            self.downloads += 1;
        } else if !line.contains(char::is_whitespace) {
            // A line that is only an import path: that package is being compiled.
            self.packages += 1;
        } else {
            self.last.push_back(line);
            self.last
                .drain(..self.last.len().saturating_sub(SAID_LINES));
        }
    }

    fn summary(&self) -> String {
        match (self.downloads, self.packages) {
            (downloads, 0) if downloads > 0 => format!("{downloads} modules downloaded"),
            (_, packages) => format!("{packages} packages compiled"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn downloads_packages_and_messages_are_told_apart() {
        let mut said = Said::default();
        for line in [
            "go: downloading k8s.io/api v0.37.2",
            "k8s.io/api/core/v1",
            "internal/abi",
            "x.go:1:2: no such thing",
        ] {
            said.hear(line.to_owned());
        }
        assert_eq!((said.downloads, said.packages), (1, 2));
        assert_eq!(said.last, ["x.go:1:2: no such thing"]);
        assert_eq!(said.summary(), "2 packages compiled");
    }

    #[test]
    fn only_the_last_messages_are_kept() {
        let mut said = Said::default();
        for n in 0..100 {
            said.hear(format!("message {n}"));
        }
        assert_eq!(said.last.len(), SAID_LINES);
        assert_eq!(said.last.back().map(String::as_str), Some("message 99"));
    }
}
