//! `defender-tenant-operator doctor`: looks from inside the cluster at all that the operator needs, and changes nothing.
//!
//! What a finding says is decided by pure functions, one module a check; what there is to judge is read by [`cluster`]
//! and [`reach`].

mod access;
mod cluster;
mod crds;
mod credentials;
mod hosts;
mod leader;
mod reach;
mod report;
mod server;
mod tenants;
mod visit;

use std::time::Duration;

use futures::StreamExt as _;
use jiff::Timestamp;
use tokio::time::Instant;

pub use report::{Check, Finding, Outcome, Report, plain};

use crate::api::{APPLICATION_KIND, APPLICATION_PLURAL, GROUP, KIND, PLURAL, application_crd, crd};
use crate::cli::{Doctor, SecretRef};
use crate::connect::{self, NoCluster};
use crate::controller::kubeapi::ApiError;
use crate::controller::preflight::{Leases, Scope};
use crate::core::application::Application;
use crate::core::tenant::Key;
use crate::entra::federated::TokenFile;
use crate::entra::http::{self, HttpError, Settings};
use crate::lease::lease_of_shard;
use crate::telemetry::{self, LogFormat};
use cluster::Cluster;
use tenants::Survey;
use visit::Secrets;

/// The whole report, whatever hangs: somebody waits for it.
const PATIENCE: Duration = Duration::from_secs(50);
/// One host, from its name to its answer.
const HOST: Duration = Duration::from_secs(10);
/// So many hosts at once: all that there are.
const HOSTS_AT_ONCE: usize = 32;

/// Why nothing could be looked at.
#[derive(Debug, thiserror::Error)]
pub enum DoctorError {
    /// Proxy or CA bundle: the operator wouldn't start with it either.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The kubeconfig.
    #[error(transparent)]
    Kubeconfig(#[from] NoCluster),
    /// Logs can't be set up.
    #[error(transparent)]
    Logs(#[from] telemetry::BadLevel),
}

/// Looks at everything.
pub async fn run(args: &Doctor) -> Result<Report, DoctorError> {
    // Nothing is logged but what the libraries call an error; a panic tells its place alone.
    telemetry::install(LogFormat::Text, "error")?;
    let settings = Settings {
        total_timeout: HOST,
        ..connect::microsoft(args.https_proxy.clone(), args.ca_bundle.clone())
    };
    let microsoft = http::build(&settings)?;
    let client = connect::kube_client(args.kubeconfig.as_deref()).await?;
    let home = args
        .operator_namespace
        .clone()
        .or_else(|| std::env::var("POD_NAMESPACE").ok())
        .filter(|home| !home.is_empty());
    let scope = Scope {
        leases: home
            .clone()
            .map(|home| Leases::of(home, &args.lease_name, args.shards)),
        namespaces: args.watch_namespaces.clone(),
        selectors: args.allow_namespace_selectors,
    };
    let examination = Examination {
        cluster: Cluster::new(client, scope),
        args,
        home,
        settings,
        microsoft,
        deadline: Instant::now() + PATIENCE,
    };
    Ok(Report::new(examination.all().await))
}

struct Examination<'a> {
    cluster: Cluster,
    args: &'a Doctor,
    home: Option<String>,
    settings: Settings,
    microsoft: reqwest::Client,
    deadline: Instant,
}

/// What couldn't be looked at in time.
fn late(check: Check) -> Finding {
    Finding::problem(
        check,
        "time",
        "not everything was looked at: the answers took too long",
        "see which lines above are slow or fail, and run this again",
    )
}

fn forbidden(check: Check, resource: &str, verb: &str, place: &str) -> Finding {
    let (name, group) = resource.split_once('.').unwrap_or((resource, "\"\""));
    Finding::problem(
        check,
        &format!("{resource} {place}"),
        &format!("may not {verb} them"),
        &format!(
            "add to the role of the operator's service account: apiGroups: [{group}], resources: [{name}], verbs: [{verb}]"
        ),
    )
}

impl Examination<'_> {
    async fn all(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut survey = Survey::default();
        match self.cluster.version().await {
            Err(why) => {
                findings.push(server::unreachable(&why));
                findings.push(server::no_clock("API server"));
                let others = [
                    Check::Permissions,
                    Check::Crds,
                    Check::Credentials,
                    Check::Leader,
                    Check::Tenants,
                ];
                findings.extend(
                    others
                        .map(|check| Finding::skipped(check, "API server", "it can't be reached")),
                );
                survey.or_usual_hosts();
                findings.extend(self.hosts(&survey).await);
            }
            Ok((version, clock)) => {
                findings.push(server::version(&version));
                findings.push(match clock {
                    Some((theirs, here)) => server::clock("API server", theirs, here),
                    None => server::no_clock("API server"),
                });
                findings.extend(self.within(Check::Permissions, self.permissions()).await);
                findings.extend(self.within(Check::Crds, self.crds()).await);
                findings.extend(self.objects(&mut survey).await);
            }
        }
        findings
    }

    async fn within(&self, check: Check, look: impl Future<Output = Vec<Finding>>) -> Vec<Finding> {
        match tokio::time::timeout_at(self.deadline, look).await {
            Ok(found) => found,
            Err(_) => vec![late(check)],
        }
    }

    async fn permissions(&self) -> Vec<Finding> {
        match self.cluster.reviews().await {
            Ok(reviews) => access::permissions(&reviews),
            Err(error) => vec![Finding::problem(
                Check::Permissions,
                "SelfSubjectAccessReview",
                &error.to_string(),
                "let every account ask for its own permissions (ClusterRole system:basic-user), as clusters do by themselves",
            )],
        }
    }

    async fn crds(&self) -> Vec<Finding> {
        if let Err(error) = self.cluster.versions().await {
            return vec![crds::absent(&error)];
        }
        let published = match self.cluster.schemas().await {
            Ok(published) => published,
            Err(error) => return vec![crds::absent(&error)],
        };
        let mut own = vec![(KIND, crd())];
        if self.serves_cluster() {
            own.push((APPLICATION_KIND, application_crd()));
        }
        let schema = |crd| {
            let document = serde_json::to_value(crd).unwrap_or_default();
            let schema = document.pointer("/spec/versions/0/schema/openAPIV3Schema");
            schema.cloned().unwrap_or_default()
        };
        own.into_iter()
            .map(|(kind, crd)| crds::compare(kind, &published, &schema(crd)))
            .collect()
    }

    fn serves_cluster(&self) -> bool {
        self.args.watch_namespaces.is_empty()
    }

    /// Everything that depends on the objects that are there.
    async fn objects(&self, survey: &mut Survey) -> Vec<Finding> {
        let mut findings = self.tenants(survey).await;
        let applications = match self.applications().await {
            Ok(applications) => applications,
            Err(finding) => {
                findings.push(finding);
                Vec::new()
            }
        };
        for (name, application) in &applications {
            match application {
                Some(application) => survey
                    .hosts
                    .login_of_application(application.spec.entra_cloud),
                None => findings.push(Finding::warning(
                    Check::Credentials,
                    name,
                    "it can't be read: it has another version's shape",
                    "install the operator's version that belongs to the CRD, or apply it anew",
                )),
            }
        }
        survey.or_usual_hosts();
        let known: Vec<_> = applications
            .into_iter()
            .filter_map(|(_, application)| application)
            .collect();
        let (hosts, credentials, federated, leader) = tokio::join!(
            self.hosts(survey),
            self.credentials(survey, &known),
            self.federated(&known),
            self.within(Check::Leader, self.leader()),
        );
        for found in [hosts, credentials, federated, leader] {
            findings.extend(found);
        }
        findings
    }

    /// Where the operator looks: `None` is everywhere.
    fn places(&self) -> Vec<Option<&str>> {
        if self.serves_cluster() {
            return vec![None];
        }
        let names = self.args.watch_namespaces.iter();
        names.map(|name| Some(name.as_str())).collect()
    }

    async fn tenants(&self, survey: &mut Survey) -> Vec<Finding> {
        let mut findings = Vec::new();
        for place in self.places() {
            let shown = place.map_or_else(
                || "in all namespaces".to_owned(),
                |name| format!("in namespace {name}"),
            );
            let listed = self.cluster.survey(place, survey);
            match tokio::time::timeout_at(self.deadline, listed).await {
                Err(_) => return vec![late(Check::Tenants)],
                Ok(Ok(())) => {}
                Ok(Err(ApiError::Forbidden)) => {
                    let resource = format!("{PLURAL}.{GROUP}");
                    findings.push(forbidden(Check::Tenants, &resource, "list", &shown));
                }
                Ok(Err(ApiError::NotFound)) => {
                    return vec![Finding::skipped(
                        Check::Tenants,
                        &shown,
                        "the CRD isn't installed",
                    )];
                }
                Ok(Err(error)) => findings.push(Finding::problem(
                    Check::Tenants,
                    &shown,
                    &format!("they can't be listed: {error}"),
                    "look at the API server, and run this again",
                )),
            }
        }
        if findings.is_empty() {
            let shown = match self.args.watch_namespaces.as_slice() {
                [] => "in all namespaces".to_owned(),
                names => format!("in {}", names.join(", ")),
            };
            findings = tenants::tenants(&shown, survey);
        }
        findings
    }

    async fn applications(&self) -> Result<Vec<(String, Option<Application>)>, Finding> {
        // Namespaces alone have no use for what belongs to the cluster.
        if !self.serves_cluster() {
            return Ok(Vec::new());
        }
        let subject = "DefenderApplications";
        match tokio::time::timeout_at(self.deadline, self.cluster.applications()).await {
            Err(_) => Err(late(Check::Credentials)),
            Ok(Ok(applications)) => Ok(applications),
            Ok(Err(ApiError::Forbidden)) => {
                let resource = format!("{APPLICATION_PLURAL}.{GROUP}");
                Err(forbidden(
                    Check::Credentials,
                    &resource,
                    "list",
                    "in all namespaces",
                ))
            }
            Ok(Err(ApiError::NotFound)) => Err(Finding::skipped(
                Check::Credentials,
                subject,
                "the CRD isn't installed",
            )),
            Ok(Err(error)) => Err(Finding::problem(
                Check::Credentials,
                subject,
                &format!("they can't be listed: {error}"),
                "look at the API server, and run this again",
            )),
        }
    }

    async fn hosts(&self, survey: &Survey) -> Vec<Finding> {
        let looks = survey
            .hosts
            .iter()
            .map(|(host, uses)| reach::look(&self.microsoft, &self.settings.proxy, host, uses));
        let mut seen = futures::stream::iter(looks).buffered(HOSTS_AT_ONCE);
        let mut findings = Vec::new();
        loop {
            let seen = match tokio::time::timeout_at(self.deadline, seen.next()).await {
                Ok(Some(seen)) => seen,
                Ok(None) => return findings,
                Err(_) => {
                    findings.push(late(Check::Hosts));
                    return findings;
                }
            };
            findings.push(hosts::host(&seen.look));
            findings.push(match seen.clock {
                Some((theirs, here)) => server::clock(&seen.look.host, theirs, here),
                None => server::no_clock(&seen.look.host),
            });
        }
    }

    async fn credentials(&self, survey: &Survey, applications: &[Application]) -> Vec<Finding> {
        let policy = matches!(self.args.secret_ref, SecretRef::Allow);
        let mut secrets = Secrets::of(applications, self.home.as_deref());
        secrets.of_tenants(&survey.secrets, self.home.as_deref(), policy);
        secrets
            .look(&self.cluster, &self.places(), self.deadline)
            .await
    }

    async fn federated(&self, applications: &[Application]) -> Vec<Finding> {
        let mut all = applications.iter().flat_map(|app| &app.spec.credentials);
        if !all.any(|credential| credential.workload_identity.is_some()) {
            return vec![credentials::no_federated()];
        }
        let file = TokenFile::new(
            self.args.federated_token_file.clone(),
            std::env::var_os("AZURE_FEDERATED_TOKEN_FILE").map(Into::into),
        );
        let now = Timestamp::now();
        vec![credentials::federated(&*file.look(now).await, now)]
    }

    async fn leader(&self) -> Vec<Finding> {
        let Some(home) = &self.home else {
            return vec![leader::no_home()];
        };
        let (mut findings, shards) = match self.cluster.shards(home, &self.args.lease_name).await {
            Ok(in_force) => leader::shards(in_force, self.args.shards),
            Err(found) => (vec![self.unread(home, "shards", found)], self.args.shards),
        };
        let each = (0..shards).map(|shard| self.leader_of(home, shard));
        findings.extend(futures::future::join_all(each).await);
        findings
    }

    async fn leader_of(&self, home: &str, shard: u32) -> Finding {
        let name = lease_of_shard(&self.args.lease_name, shard);
        let lease = Key::new(home, &name).to_string();
        let expected = self.args.expect_leader;
        match self.cluster.watched_lease(home, &name, expected).await {
            Ok((first, last)) => leader::leader(&lease, &first, &last, expected),
            Err(error) => self.unread(home, &shard.to_string(), error),
        }
    }

    fn unread(&self, home: &str, end: &str, error: ApiError) -> Finding {
        let lease = Key::new(home, &format!("{}-{end}", self.args.lease_name));
        match error {
            ApiError::Forbidden => forbidden(
                Check::Leader,
                "leases.coordination.k8s.io",
                "get",
                &format!("in namespace {home}"),
            ),
            error => Finding::problem(
                Check::Leader,
                &format!("Lease {lease}"),
                &format!("it can't be read: {error}"),
                "look at the API server, and run this again",
            ),
        }
    }
}
