//! A temporary folder and the processes that belong to it; both end with their owner, also when that gets SIGKILL.
//!
//! There is one way to clean up: closing the pipe to the watchdog, a small shell script in a session of its own. The
//! kernel closes that pipe too when this process dies, so the ordinary end and the violent one run the same code.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::error::Error;

const SCRIPT: &str = include_str!("watchdog.sh");
/// In the folder of each sandbox; the watchdog removes no folder without it.
const MARKER: &str = ".devcluster";
/// Lists files outside of the folder that go with it.
const OUTSIDE: &str = ".outside";
/// In the environment of the components: the folder.
const COMPONENT: &str = "DEVCLUSTER_COMPONENT";
/// In the environment of a node's first process (set by `node/init.sh`): the folder.
const NODE: &str = "DEVCLUSTER_NODE";
/// In the environment of what runs inside (`devcluster run -- CMD` and its children): the folder.
const GUEST: &str = "DEVCLUSTER_DIR";

#[derive(Debug)]
pub(crate) struct Sandbox {
    dir: PathBuf,
    /// For what is started from now on.
    no_proxy: Option<String>,
    watchdog: Child,
}

impl Sandbox {
    /// Makes a folder in `parent` (mode 0700), which `variable` chooses, and starts its watchdog.
    pub(crate) fn new_in(parent: &Path, variable: &'static str) -> Result<Sandbox, Error> {
        // The watchdog works from `/` and compares text, so the path must be absolute and without links.
        let parent = parent
            .canonicalize()
            .map_err(Error::folder(variable, "find", parent))?;
        let folder = tempfile::Builder::new()
            .prefix("devcluster-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(&parent)
            .map_err(Error::folder(variable, "make a folder in", &parent))?;
        let marker = folder.path().join(MARKER);
        File::create(&marker).map_err(Error::io("make", &marker))?;
        let watchdog = watch(folder.path())?;
        Ok(Sandbox {
            dir: folder.keep(),
            no_proxy: None,
            watchdog,
        })
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// What is started from now on reaches these without a proxy (the value of `NO_PROXY`).
    pub(crate) fn set_no_proxy(&mut self, value: String) {
        self.no_proxy = Some(value);
    }

    fn with_no_proxy(&self, command: &mut Command) {
        if let Some(value) = &self.no_proxy {
            command.env("NO_PROXY", value).env("no_proxy", value);
        }
    }

    /// A command for a component, in a process group of its own: Ctrl-C in a terminal must reach this process only.
    pub(crate) fn component(&self, program: &OsStr) -> Command {
        let mut command = Command::new(program);
        command
            .env_remove(GUEST)
            .env_remove(NODE)
            .env(COMPONENT, &self.dir)
            .stdin(Stdio::null())
            .process_group(0);
        self.with_no_proxy(&mut command);
        command
    }

    /// A command that uses what the components offer, and ends with them.
    pub(crate) fn guest(&self, program: &OsStr) -> Command {
        let mut command = Command::new(program);
        command
            .env_remove(COMPONENT)
            .env_remove(NODE)
            .env(GUEST, &self.dir);
        self.with_no_proxy(&mut command);
        command
    }

    /// Writes a new file outside of the folder, which goes with it.
    pub(crate) fn write_outside(&self, file: &Path, text: &str) -> Result<(), Error> {
        let file = std::path::absolute(file).map_err(Error::io("find", file))?;
        let list = self.dir.join(OUTSIDE);
        let mut out = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&file)
            .map_err(|source| match source.kind() {
                std::io::ErrorKind::AlreadyExists => Error::KubeconfigExists(file.clone()),
                _ => Error::io("make", &file)(source),
            })?;
        let line = [file.as_os_str().as_encoded_bytes(), b"\n"].concat();
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&list)
            .and_then(|mut list| list.write_all(&line))
            .map_err(Error::io("write", &list))?;
        out.write_all(text.as_bytes())
            .map_err(Error::io("write", &file))
    }

    /// Ends all processes and removes the folder; waits until that is done. Safe to call again.
    pub(crate) fn close(&mut self) {
        drop(self.watchdog.stdin.take());
        // Was it killed from outside, then the folder is still there: another one finds its pipe closed already.
        if self.watchdog.wait().is_err() || self.dir.exists() {
            if let Ok(mut again) = watch(&self.dir) {
                drop(again.stdin.take());
                let _ = again.wait();
            }
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.close();
    }
}

/// `setsid` (util-linux) keeps signals of the terminal and of the owner's process group away from the watchdog.
fn watch(dir: &Path) -> Result<Child, Error> {
    Command::new("setsid")
        .args(["sh", "-c", SCRIPT, "devcluster-watchdog"])
        .arg(dir)
        .env_remove(COMPONENT)
        .env_remove(GUEST)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|source| Error::Spawn {
            program: "setsid (of util-linux)".to_owned(),
            source,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper(mut command: Command) -> Child {
        command.arg("1000").stdin(Stdio::null()).spawn().unwrap()
    }

    #[test]
    fn closing_ends_components_and_guests_and_removes_the_folder() {
        let parent = tempfile::tempdir().unwrap();
        let mut sandbox = Sandbox::new_in(parent.path(), "TMPDIR").unwrap();
        let mut component = sleeper(sandbox.component("sleep".as_ref()));
        let mut guest = sleeper(sandbox.guest("sleep".as_ref()));
        sandbox.close();
        assert!(!component.wait().unwrap().success());
        assert!(!guest.wait().unwrap().success());
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn one_sandbox_leaves_the_processes_of_another_alone() {
        let parent = tempfile::tempdir().unwrap();
        let one = Sandbox::new_in(parent.path(), "TMPDIR").unwrap();
        let mut other = Sandbox::new_in(parent.path(), "TMPDIR").unwrap();
        let mut component = sleeper(other.component("sleep".as_ref()));
        drop(one);
        assert!(component.try_wait().unwrap().is_none());
        assert!(other.dir().exists());
        other.close();
        component.wait().unwrap();
    }

    #[test]
    fn a_file_outside_goes_with_the_sandbox_and_an_older_one_is_never_touched() {
        let parent = tempfile::tempdir().unwrap();
        let sandbox = Sandbox::new_in(parent.path(), "TMPDIR").unwrap();
        let (ours, theirs) = (
            parent.path().join("our config"),
            parent.path().join("theirs"),
        );
        fs::write(&theirs, "precious").unwrap();
        sandbox.write_outside(&ours, "ours").unwrap();
        assert!(matches!(
            sandbox.write_outside(&theirs, "ours"),
            Err(Error::KubeconfigExists(_))
        ));
        drop(sandbox);
        assert!(!ours.exists());
        assert_eq!(fs::read_to_string(&theirs).unwrap(), "precious");
    }

    #[test]
    fn a_folder_without_the_marker_is_not_removed() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("devcluster-abcdef");
        fs::create_dir(&dir).unwrap();
        let mut watchdog = watch(&dir).unwrap();
        drop(watchdog.stdin.take());
        assert!(!watchdog.wait().unwrap().success());
        assert!(dir.exists());
    }
}
