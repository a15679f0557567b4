//! Where the programs come from: `KUBEBUILDER_ASSETS`, the cache, or a build that fills it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::assets::{ETCD, Module, Program, kubernetes};
use crate::build;
use crate::cache::Cache;
use crate::error::Error;
use crate::minor::Minor;
use crate::progress::say;

/// The ecosystem's convention (setup-envtest) for a folder of ready programs.
const ASSETS_VARIABLE: &str = "KUBEBUILDER_ASSETS";

/// The programs of one cluster.
#[derive(Debug, Clone)]
pub(crate) struct Binaries {
    /// Holds etcd, kube-apiserver and kubectl.
    pub(crate) dir: PathBuf,
    controller_manager: PathBuf,
}

impl Binaries {
    pub(crate) fn etcd(&self) -> PathBuf {
        self.dir.join(Program::Etcd.file())
    }

    pub(crate) fn api_server(&self) -> PathBuf {
        self.dir.join(Program::ApiServer.file())
    }

    pub(crate) fn controller_manager(&self) -> &Path {
        &self.controller_manager
    }
}

/// Finds the programs, and builds what is lacking.
pub(crate) async fn ensure(minor: Minor) -> Result<Binaries, Error> {
    match given() {
        Some(dir) => with_assets(dir, minor).await,
        None => built(&Cache::of_user()?, minor).await,
    }
}

/// Fills the cache, whatever `KUBEBUILDER_ASSETS` says, and returns the folder with all programs of this version.
pub async fn build_cache(minor: Minor) -> Result<PathBuf, Error> {
    Ok(built(&Cache::of_user()?, minor).await?.dir)
}

/// The folder with the programs of this version; an error if they would have to be built.
pub fn find_binaries(minor: Minor) -> Result<PathBuf, Error> {
    if let Some(dir) = given() {
        return complete(&dir).map(|()| dir);
    }
    let cache = Cache::of_user()?;
    let module = kubernetes(minor);
    if is_built(&cache, &module) {
        Ok(cache.dir(&module))
    } else {
        Err(Error::NotBuilt(minor))
    }
}

fn given() -> Option<PathBuf> {
    let dir = std::env::var_os(ASSETS_VARIABLE).filter(|value| !value.is_empty())?;
    std::path::absolute(dir).ok()
}

fn is_built(cache: &Cache, module: &Module) -> bool {
    cache.has(module, Program::Etcd)
        && Program::KUBERNETES
            .iter()
            .all(|program| cache.has(module, *program))
}

async fn built(cache: &Cache, minor: Minor) -> Result<Binaries, Error> {
    let module = kubernetes(minor);
    if !is_built(cache, &module) {
        let _lock = cache.lock().await?;
        // Unless the process that held the lock has built it.
        if !is_built(cache, &module) {
            build::check(cache, &module).await?;
            announce(cache, &module, "the control plane", 9);
            build::fill(cache, &ETCD, &[Program::Etcd]).await?;
            build::fill(cache, &module, &Program::KUBERNETES).await?;
            cache.link(&ETCD, Program::Etcd, &module)?;
        }
    }
    let dir = cache.dir(&module);
    Ok(Binaries {
        controller_manager: dir.join(Program::ControllerManager.file()),
        dir,
    })
}

/// How long it takes is for two cores.
pub(crate) fn announce(cache: &Cache, module: &Module, what: &str, minutes: u32) {
    say(&format!(
        "building {what} of Kubernetes {} from its Go modules, once, into {}. This takes about {minutes} minutes on two cores{}",
        module.version(),
        cache.root().display(),
        if what == NODE {
            ""
        } else {
            "; KUBEBUILDER_ASSETS=<folder with etcd, kube-apiserver, kubectl, kube-controller-manager> saves it"
        }
    ));
}

/// What no folder of ready programs has.
pub(crate) const NODE: &str = "the node";

/// The version that a node must have: no newer than the API server, which `KUBEBUILDER_ASSETS` may bring along.
pub(crate) fn node_minor(minor: Minor) -> Minor {
    given()
        .and_then(|dir| version_of(&dir.join(Program::ApiServer.file())))
        .map_or(minor, |version| controller_manager_for(&version))
}

fn complete(dir: &Path) -> Result<(), Error> {
    match [Program::Etcd, Program::ApiServer, Program::Kubectl]
        .iter()
        .find(|program| !dir.join(program.file()).is_file())
    {
        None => Ok(()),
        Some(program) => Err(Error::AssetsIncomplete {
            dir: dir.to_owned(),
            missing: program.file(),
        }),
    }
}

async fn with_assets(dir: PathBuf, minor: Minor) -> Result<Binaries, Error> {
    complete(&dir)?;
    let version = version_of(&dir.join(Program::ApiServer.file()));
    if !version
        .as_deref()
        .is_some_and(|version| version.starts_with(&format!("v{minor}.")))
    {
        let version = version.as_deref().unwrap_or("an unknown version");
        say(&format!(
            "{ASSETS_VARIABLE} has Kubernetes {version}, not {minor}; it is used as it is"
        ));
    }
    let given = dir.join(Program::ControllerManager.file());
    if given.is_file() {
        return Ok(Binaries {
            dir,
            controller_manager: given,
        });
    }
    // setup-envtest's archives lack it; it is what collects garbage and makes the default service accounts.
    let module = kubernetes(version.as_deref().map_or(minor, controller_manager_for));
    let cache = Cache::of_user()?;
    if !cache.has(&module, Program::ControllerManager) {
        let _lock = cache.lock().await?;
        if !cache.has(&module, Program::ControllerManager) {
            build::check(&cache, &module).await?;
            announce(
                &cache,
                &module,
                &format!("kube-controller-manager (which {} lacks)", dir.display()),
                9,
            );
            build::fill(&cache, &module, &[Program::ControllerManager]).await?;
        }
    }
    let controller_manager = cache.dir(&module).join(Program::ControllerManager.file());
    Ok(Binaries {
        dir,
        controller_manager,
    })
}

/// `v1.37.2`, from `Kubernetes v1.37.2`.
fn version_of(api_server: &Path) -> Option<String> {
    let output = Command::new(api_server).arg("--version").output().ok()?;
    Some(
        String::from_utf8(output.stdout)
            .ok()?
            .trim()
            .strip_prefix("Kubernetes ")?
            .to_owned(),
    )
}

/// The newest one that is not newer than the API server, which Kubernetes' skew policy asks for.
fn controller_manager_for(version: &str) -> Minor {
    let number = |text: &str| {
        text.split('.')
            .nth(1)
            .and_then(|minor| minor.parse::<u32>().ok())
    };
    let served = number(version);
    Minor::ALL
        .into_iter()
        .find(|minor| number(minor.as_str()) <= served)
        .unwrap_or(Minor::V1_34)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_controller_manager_is_never_newer_than_the_api_server() {
        assert_eq!(controller_manager_for("v1.38.0"), Minor::V1_37);
        assert_eq!(controller_manager_for("v1.37.2"), Minor::V1_37);
        assert_eq!(controller_manager_for("v1.36.0-rc.1"), Minor::V1_34);
        assert_eq!(controller_manager_for("v1.34.4"), Minor::V1_34);
    }

    #[test]
    fn an_incomplete_folder_says_what_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("etcd"), "").unwrap();
        let Err(Error::AssetsIncomplete { missing, .. }) = complete(folder.path()) else {
            panic!("it is incomplete")
        };
        assert_eq!(missing, "kube-apiserver");
    }

    #[test]
    fn an_interrupted_or_partial_build_is_not_taken_for_a_finished_one() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path());
        let module = kubernetes(Minor::default());
        std::fs::create_dir(cache.dir(&module)).unwrap();
        for program in [
            Program::Etcd,
            Program::ApiServer,
            Program::ControllerManager,
        ] {
            std::fs::write(cache.dir(&module).join(program.file()), "").unwrap();
            assert!(!is_built(&cache, &module));
        }
        std::fs::write(cache.dir(&module).join(Program::Kubectl.file()), "").unwrap();
        assert!(is_built(&cache, &module));
    }
}
