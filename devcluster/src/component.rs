//! A process of the control plane and its log.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};

use crate::error::Error;
use crate::sandbox::Sandbox;

/// How much of a log an error shows.
const TAIL_LINES: usize = 15;
/// How much of a log is read for that.
const TAIL_BYTES: u64 = 16 * 1024;

#[derive(Debug)]
pub(crate) struct Component {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Component {
    /// Starts `program`; its output is appended to `<folder>/<name>.log`.
    pub(crate) fn start(
        sandbox: &Sandbox,
        name: &'static str,
        program: &Path,
        args: Vec<OsString>,
    ) -> Result<Component, Error> {
        let log = sandbox.dir().join(format!("{name}.log"));
        let out = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .map_err(Error::io("write", &log))?;
        let err = out.try_clone().map_err(Error::io("write", &log))?;
        let mut command = sandbox.component(program.as_os_str());
        for (key, _) in std::env::vars_os() {
            // etcd takes flags from ETCD_*, the others have variables too: only what is said here counts.
            if is_flag(&key.to_string_lossy()) {
                command.env_remove(key);
            }
        }
        let child = command
            .args(args)
            .current_dir(sandbox.dir())
            .stdout(out)
            .stderr(err)
            .spawn()
            .map_err(|source| Error::Spawn {
                program: program.display().to_string(),
                source,
            })?;
        Ok(Component { name, child, log })
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Fails if the process has ended.
    pub(crate) fn check(&mut self) -> Result<(), Error> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(self.ended(status)),
            Err(source) => Err(Error::io("watch the process of", &self.log)(source)),
        }
    }

    /// SIGKILL unless it has ended, and waits until it is gone.
    pub(crate) fn kill(&mut self) -> Result<(), Error> {
        self.child
            .kill()
            .and_then(|()| self.child.wait())
            .map(|_| ())
            .map_err(Error::io("kill the process of", &self.log))
    }

    pub(crate) fn tail(&self) -> String {
        tail(&self.log).unwrap_or_else(|error| format!("({}: {error})", self.log.display()))
    }

    fn ended(&self, status: ExitStatus) -> Error {
        Error::ComponentEnded {
            component: self.name,
            status,
            tail: self.tail(),
        }
    }
}

fn is_flag(variable: &str) -> bool {
    ["ETCD_", "KUBE_", "KUBERNETES_", "KUBECONFIG"]
        .iter()
        .any(|prefix| variable.starts_with(prefix))
}

fn tail(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    Ok(lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_that_ends_is_reported_with_the_end_of_its_log() {
        let parent = tempfile::tempdir().unwrap();
        let sandbox = Sandbox::new_in(parent.path(), "TMPDIR").unwrap();
        let script = "for i in $(seq 20); do echo line $i; done; exit 3";
        let mut component = Component::start(
            &sandbox,
            "etcd",
            Path::new("/bin/sh"),
            vec!["-c".into(), script.into()],
        )
        .unwrap();
        component.child.wait().unwrap();
        let Err(Error::ComponentEnded {
            component,
            status,
            tail,
        }) = component.check()
        else {
            panic!("it has ended")
        };
        assert_eq!((component, status.code()), ("etcd", Some(3)));
        assert_eq!(tail.lines().next(), Some("line 6"));
        assert_eq!(tail.lines().last(), Some("line 20"));
    }

    #[test]
    fn variables_that_are_flags_are_kept_away_from_components() {
        for variable in [
            "ETCD_DATA_DIR",
            "KUBECONFIG",
            "KUBE_CACHE_MUTATION_DETECTOR",
        ] {
            assert!(is_flag(variable));
        }
        assert!(!is_flag("PATH"));
    }
}
