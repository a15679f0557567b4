//! `defender-tenant-operator smoke-test`: a customer from its resource to an answer of the API, and everything removed
//! again, whatever happens.

mod attempt;
mod leftovers;
mod objects;
mod removal;
mod trace;

use std::time::Duration;

use kube::Client;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;
use uuid::Uuid;

use crate::api::{APPLICATION_PLURAL, PLURAL};
use crate::cli::SmokeTest;
use crate::connect::{self, NoCluster};
use crate::controller::kubeapi::KubeApi;
use crate::core::tenant::Key;
use crate::doctor::plain;
use crate::entra::http::{self, HttpError};
use crate::lease::Leadership;
use crate::metrics::Metrics;
use crate::telemetry::{self, LogFormat};
use trace::Trace;

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
    run: String,
    tenant_trace: Trace,
    application_trace: Trace,
}

impl<'a> Made<'a> {
    /// Nothing is made yet.
    fn new(args: &'a SmokeTest, client: Client) -> Self {
        let name = objects::name(Uuid::new_v4());
        let run = Uuid::new_v4().to_string();
        let namespace = Some(args.namespace.clone());
        Self {
            args,
            kube: KubeApi::new(client.clone(), Metrics::new(), Leadership::for_good()),
            client,
            tenant: Key::new(&args.namespace, &name),
            target: Key::new(
                &args.namespace,
                &format!("{name}{}", crate::api::TARGET_NAME_SUFFIX),
            ),
            tenant_trace: Trace::new(PLURAL, namespace, name.clone(), run.clone()),
            application_trace: Trace::new(APPLICATION_PLURAL, None, name, run.clone()),
            run,
        }
    }
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
    let made = Made::new(args, client);
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

#[cfg(test)]
mod tests;
