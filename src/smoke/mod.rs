//! `defender-tenant-operator smoke-test`: a customer from its resource to an answer of the API, and everything removed
//! again, whatever happens.

mod attempt;
mod leftovers;
mod objects;

use std::time::Duration;

use kube::Client;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use crate::cli::SmokeTest;
use crate::connect::{self, NoCluster};
use crate::controller::kubeapi::{ApiError, KubeApi};
use crate::core::tenant::Key;
use crate::doctor::plain;
use crate::entra::http::{self, HttpError};
use crate::lease::Leadership;
use crate::metrics::Metrics;
use crate::telemetry::{self, LogFormat};

/// Removing takes the garbage collector's time.
const REMOVAL: Duration = Duration::from_mins(1);
/// A pod has 30 s from SIGTERM on.
const HURRIED_REMOVAL: Duration = Duration::from_secs(25);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Why it failed.
#[derive(Debug, thiserror::Error)]
pub enum SmokeError {
    /// Proxy or CA bundle.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The kubeconfig.
    #[error(transparent)]
    Kubeconfig(#[from] NoCluster),
    /// Logs can't be set up.
    #[error(transparent)]
    Logs(#[from] telemetry::BadLevel),
    /// Signals can't be heard.
    #[error("signals can't be heard: {0}")]
    Signal(#[from] std::io::Error),
    /// What was tried didn't work; the text says what to do.
    #[error("{0}")]
    Failed(String),
}

impl SmokeError {
    /// 2 for bad configuration, 1 for what was tried.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Http(_) | Self::Kubeconfig(_) | Self::Logs(_) => 2,
            Self::Signal(_) | Self::Failed(_) => 1,
        }
    }
}

/// What was made, or is about to be: all of it has the same name.
struct Made<'a> {
    args: &'a SmokeTest,
    client: Client,
    kube: KubeApi,
    tenant: Key,
    target: Key,
}

/// A line of the story.
fn say(text: &str) {
    println!("{}", plain(text));
}

/// Tries it.
pub async fn run(args: &SmokeTest) -> Result<(), SmokeError> {
    telemetry::install(LogFormat::Text, "error")?;
    let settings = connect::microsoft(args.https_proxy.clone(), args.ca_bundle.clone());
    let microsoft = http::build(&settings)?;
    let client = connect::kube_client(args.kubeconfig.as_deref()).await?;
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    let name = objects::name(uuid::Uuid::new_v4());
    let made = Made {
        args,
        kube: KubeApi::new(client.clone(), Metrics::new(), Leadership::for_good()),
        client,
        tenant: Key::new(&args.namespace, &name),
        target: Key::new(
            &args.namespace,
            &format!("{name}{}", crate::api::TARGET_NAME_SUFFIX),
        ),
    };
    let (outcome, patience) = tokio::select! {
        outcome = attempt::attempt(&made, &microsoft) => (outcome, REMOVAL),
        _ = term.recv() => (Err("stopped by SIGTERM".to_owned()), HURRIED_REMOVAL),
        _ = int.recv() => (Err("stopped by SIGINT".to_owned()), HURRIED_REMOVAL),
    };
    if let Err(why) = &outcome {
        say(&format!("FAILED  {why}"));
    }
    let removed = made.remove(Instant::now() + patience).await;
    match (outcome, removed) {
        (Ok(()), Ok(())) => {
            say("ok      all of it works");
            Ok(())
        }
        (Err(why), Ok(())) | (Ok(()), Err(why)) => Err(SmokeError::Failed(why)),
        (Err(why), Err(left)) => Err(SmokeError::Failed(format!("{why}; and {left}"))),
    }
}

impl Made<'_> {
    /// Removes everything. What a request that was cut short may have made is among it.
    async fn remove(&self, deadline: Instant) -> Result<(), String> {
        let mut left = Vec::new();
        let tenant = &self.tenant;
        match objects::delete_tenant(&self.client, tenant).await {
            Ok(()) => {
                let gone = self.until_gone(deadline).await;
                match gone {
                    Ok(()) => say(&format!(
                        "ok      DefenderTenant {tenant} and Secret {} are gone",
                        self.target
                    )),
                    Err(why) => left.push(why),
                }
            }
            Err(error) => left.push(format!(
                "DefenderTenant {tenant} couldn't be removed ({error}): kubectl -n {} delete dt {}",
                tenant.namespace, tenant.name
            )),
        }
        if self.args.application_secret.is_some() {
            let name = &*tenant.name;
            match objects::delete_application(&self.client, name).await {
                Ok(()) => say(&format!("ok      DefenderApplication {name} is gone")),
                Err(error) => left.push(format!(
                    "DefenderApplication {name} couldn't be removed ({error}): kubectl delete dapp {name}"
                )),
            }
        }
        if left.is_empty() {
            Ok(())
        } else {
            Err(left.join("; "))
        }
    }

    /// Waits until the tenant and its Secret are gone.
    async fn until_gone(&self, deadline: Instant) -> Result<(), String> {
        let mut tenant_gone = false;
        loop {
            if !tenant_gone {
                tenant_gone =
                    self.kube.tenant(&self.tenant).await.err() == Some(ApiError::NotFound);
            }
            if tenant_gone {
                match self.kube.look(&self.target).await {
                    Err(ApiError::NotFound) => return Ok(()),
                    Err(ApiError::Forbidden) => {
                        return Err(objects::lacks(
                            "get",
                            "",
                            "secrets",
                            Some(&self.target.namespace),
                        ));
                    }
                    _ => {}
                }
            }
            if Instant::now() + LOOK_EVERY > deadline {
                return Err(if tenant_gone {
                    format!(
                        "Secret {} is still there: does the controller manager's garbage collector run? kubectl -n {} delete secret {}",
                        self.target, self.target.namespace, self.target.name
                    )
                } else {
                    format!(
                        "DefenderTenant {} is still there: has it a finalizer of somebody's?",
                        self.tenant
                    )
                });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}
