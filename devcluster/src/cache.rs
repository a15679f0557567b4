//! The folder of built programs, shared by all processes of a user.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::assets::{Module, Program};
use crate::error::Error;
use crate::progress::{HEARTBEAT, say};

/// How often a lock that another process holds is tried.
const RETRY: Duration = Duration::from_millis(200);

/// Chooses the folder.
pub(crate) const VARIABLE: &str = "DEVCLUSTER_CACHE";

#[derive(Debug, Clone)]
pub(crate) struct Cache {
    root: PathBuf,
}

impl Cache {
    /// Of this user.
    pub(crate) fn of_user() -> Result<Cache, Error> {
        root(|name| std::env::var_os(name)).map(|root| Cache { root })
    }

    #[cfg(test)]
    pub(crate) fn at(root: &Path) -> Cache {
        Cache {
            root: root.to_owned(),
        }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where the programs of a module are, built or not.
    pub(crate) fn dir(&self, module: &Module) -> PathBuf {
        self.root.join(module.cache_key())
    }

    pub(crate) fn has(&self, module: &Module, program: Program) -> bool {
        self.has_file(module, program.file())
    }

    pub(crate) fn has_file(&self, module: &Module, file: &str) -> bool {
        self.dir(module).join(file).is_file()
    }

    /// Moves a finished program in: it is there whole or not at all.
    pub(crate) fn take(
        &self,
        module: &Module,
        program: Program,
        built: &Path,
    ) -> Result<(), Error> {
        self.take_file(module, program.file(), built)
    }

    pub(crate) fn take_file(&self, module: &Module, file: &str, built: &Path) -> Result<(), Error> {
        let dir = self.dir(module);
        fs::create_dir_all(&dir).map_err(Error::folder(VARIABLE, "make", &dir))?;
        let place = dir.join(file);
        fs::rename(built, &place).map_err(Error::io("move a program to", &place))
    }

    /// Offers a program of one module beside those of another, so that a single folder has them all.
    pub(crate) fn link(&self, from: &Module, program: Program, to: &Module) -> Result<(), Error> {
        let (source, place) = (
            self.dir(from).join(program.file()),
            self.dir(to).join(program.file()),
        );
        match fs::hard_link(&source, &place) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                Err(Error::io("link", &place)(error))
            }
            _ => Ok(()),
        }
    }

    /// Waits until no other process builds. The lock ends with the returned file, and with this process.
    pub(crate) async fn lock(&self) -> Result<File, Error> {
        fs::create_dir_all(&self.root).map_err(Error::folder(VARIABLE, "make", &self.root))?;
        let path = self.root.join("lock");
        let file = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(Error::folder(VARIABLE, "open", &path))?;
        let mut said: Option<Instant> = None;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::Error(source)) => return Err(Error::io("lock", &path)(source)),
                Err(TryLockError::WouldBlock) => {}
            }
            if said.is_none_or(|at| at.elapsed() >= HEARTBEAT) {
                say("another devcluster is building; waiting for it");
                said = Some(Instant::now());
            }
            // Polled, not a blocking lock: an interrupted wait must end.
            tokio::time::sleep(RETRY).await;
        }
    }
}

fn root(variable: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, Error> {
    let set = |name: &str| {
        variable(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let root = set(VARIABLE)
        .or_else(|| Some(set("XDG_CACHE_HOME")?.join("devcluster")))
        .or_else(|| Some(set("HOME")?.join(".cache/devcluster")))
        .ok_or(Error::NoCacheFolder)?;
    // The programs are started from other folders.
    std::path::absolute(&root).map_err(Error::io("find", &root))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assets::{ETCD, kubernetes};
    use crate::minor::Minor;

    fn root_with(variables: &[(&str, &str)]) -> Result<PathBuf, Error> {
        root(|name| {
            variables
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn the_folder_is_chosen_by_the_most_special_variable_that_is_not_empty() {
        let all = [
            ("DEVCLUSTER_CACHE", "/a"),
            ("XDG_CACHE_HOME", "/b"),
            ("HOME", "/c"),
        ];
        assert_eq!(root_with(&all).unwrap(), Path::new("/a"));
        assert_eq!(root_with(&all[1..]).unwrap(), Path::new("/b/devcluster"));
        assert_eq!(
            root_with(&[("XDG_CACHE_HOME", ""), ("HOME", "/c")]).unwrap(),
            Path::new("/c/.cache/devcluster")
        );
        assert!(matches!(root_with(&[]), Err(Error::NoCacheFolder)));
    }

    #[test]
    fn a_program_is_moved_in_and_offered_beside_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(&folder.path().join("cache"));
        let (built, other) = (folder.path().join("a"), folder.path().join("b"));
        fs::write(&built, "etcd").unwrap();
        fs::write(&other, "kubectl").unwrap();
        let kubernetes = kubernetes(Minor::default());
        cache.take(&ETCD, Program::Etcd, &built).unwrap();
        cache.take(&kubernetes, Program::Kubectl, &other).unwrap();
        for _ in 0..2 {
            cache.link(&ETCD, Program::Etcd, &kubernetes).unwrap();
        }
        assert!(
            cache.has(&kubernetes, Program::Etcd)
                && cache.has(&ETCD, Program::Etcd)
                && !built.exists()
        );
    }

    #[tokio::test]
    async fn the_second_waits_for_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path());
        let first = cache.lock().await.unwrap();
        let second = tokio::spawn({
            let cache = cache.clone();
            async move { cache.lock().await.map(drop) }
        });
        // It gets as far as its first try, and no further.
        tokio::task::yield_now().await;
        assert!(!second.is_finished());
        drop(first);
        second.await.unwrap().unwrap();
    }
}
