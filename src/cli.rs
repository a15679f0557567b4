//! The command line. Each flag is also an environment variable, `DTO_<FLAG>`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use secrecy::SecretString;

use crate::core::gathered::SecretRefPolicy;
use crate::core::shards::SHARDS_MAX;
use crate::telemetry::LogFormat;

mod doctor;
mod smoke;

pub use doctor::{Doctor, Output};
pub use smoke::SmokeTest;

/// Keeps a live Microsoft Defender API token per customer tenant in a Kubernetes Secret.
#[derive(Debug, Parser)]
#[command(name = "defender-tenant-operator", version, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the operator.
    Run(Box<Run>),
    /// Check from inside the cluster what the operator needs, and say what to do; ends with 1 if something is wrong.
    Doctor(Box<Doctor>),
    /// Make a tenant, wait for its token, call the API with it, and remove everything; ends with 1 if that doesn't work.
    SmokeTest(Box<SmokeTest>),
    /// Print the CustomResourceDefinitions.
    Crds,
    /// Print the version.
    Version,
}

/// Settings of the operator.
#[derive(Debug, Clone, Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Run {
    /// Kubeconfig to use; by default KUBECONFIG, ~/.kube/config, or the pod's service account.
    #[arg(long, env = "DTO_KUBECONFIG", value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,

    /// Where health and metrics are served; port 0 takes any free one and names it in the first log line.
    #[arg(
        long,
        env = "DTO_LISTEN",
        default_value = "0.0.0.0:8080",
        value_name = "ADDRESS:PORT"
    )]
    pub listen: SocketAddr,

    /// How log lines look.
    #[arg(
        long,
        env = "DTO_LOG_FORMAT",
        default_value = "json",
        value_name = "FORMAT"
    )]
    pub log_format: LogFormat,

    /// Least severe lines that are logged: error, warn, info, debug, trace, or directives (info,kube=debug).
    #[arg(
        long,
        env = "DTO_LOG_LEVEL",
        default_value = "info",
        value_name = "LEVEL"
    )]
    pub log_level: String,

    /// How many tenants are served at once; a quarter more slots are kept for namespaces that have nobody being served.
    #[arg(long, env = "DTO_CONCURRENCY", default_value = "32", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub concurrency: u16,

    /// Namespaces to watch, comma-separated; all by default. With this, Roles in those namespaces are enough.
    #[arg(long, env = "DTO_WATCH_NAMESPACES", value_delimiter = ',', value_name = "NAMESPACE,…", value_parser = namespace)]
    pub watch_namespaces: Vec<String>,

    /// The operator's own namespace, which holds the credentials of applications and where secretRef is refused; by default the pod's (POD_NAMESPACE).
    #[arg(long, env = "DTO_OPERATOR_NAMESPACE", value_name = "NAMESPACE", value_parser = namespace)]
    pub operator_namespace: Option<String>,

    /// Name of the Leases in the operator's namespace that decide which of its processes acts (with the shard's number at
    /// its end, and one with -shards). Operators of one namespace that serve other namespaces each need a name of their own.
    #[arg(long, env = "DTO_LEASE_NAME", default_value = "defender-tenant-operator", value_name = "NAME", value_parser = lease_name)]
    pub lease_name: String,

    /// How many processes share the tenants: each serves those of one shard, and one more process than shards stands by.
    /// Another number is put in force as soon as no process of the old one is left.
    #[arg(long, env = "DTO_SHARDS", default_value = "1", value_name = "N", value_parser = shards())]
    pub shards: u32,

    /// Ask the API server to leave out the tenants of other shards (Kubernetes' shardSelector; its feature gate
    /// ShardedListAndWatch must be on). Without it, or where the API server doesn't know it, each process receives all and
    /// drops the others'.
    #[arg(long, env = "DTO_SERVER_SIDE_SHARDS", default_value = "false", value_name = "true|false", num_args = 0..=1, default_missing_value = "true", require_equals = true, action = clap::ArgAction::Set)]
    pub server_side_shards: bool,

    /// Whether tenants may bring a credential of their own namespace (secretRef), or use applications only.
    #[arg(
        long,
        env = "DTO_SECRET_REF",
        default_value = "allow",
        value_name = "allow|deny"
    )]
    pub secret_ref: SecretRef,

    /// Let a DefenderApplication grant namespaces by label. Whoever may label a namespace may then grant it.
    #[arg(long, env = "DTO_ALLOW_NAMESPACE_SELECTORS", default_value = "false", value_name = "true|false", num_args = 0..=1, default_missing_value = "true", require_equals = true, action = clap::ArgAction::Set)]
    pub allow_namespace_selectors: bool,

    /// Label and annotation keys that spec.target may set on the Secret, comma-separated; none by default.
    #[arg(long, env = "DTO_TARGET_METADATA_ALLOW", value_delimiter = ',', value_name = "KEY,…", value_parser = metadata_key)]
    pub target_metadata_allow: Vec<String>,

    /// Seconds that a token is renewed earlier than minRemainingSeconds asks, to pay for the mint itself.
    #[arg(long, env = "DTO_REFRESH_MARGIN", default_value = "120", value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(0..=3600))]
    pub refresh_margin: u32,

    /// Token requests a second that one credential may make.
    #[arg(long, env = "DTO_ENTRA_RATE", default_value = "500", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub entra_rate: u32,

    /// CONNECT proxy for Microsoft's hosts (never for the API server); by default HTTPS_PROXY, with NO_PROXY.
    #[arg(long, env = "DTO_HTTPS_PROXY", value_name = "URL", hide_env_values = true, value_parser = secret)]
    pub https_proxy: Option<SecretString>,

    /// PEM file with certificate authorities to trust for Microsoft's hosts, beside the system's.
    #[arg(long, env = "DTO_CA_BUNDLE", value_name = "FILE")]
    pub ca_bundle: Option<PathBuf>,

    /// File with the operator's own service account token, for applications with workload identity; by default
    /// AZURE_FEDERATED_TOKEN_FILE, which Azure Workload Identity's webhook sets.
    #[arg(long, env = "DTO_FEDERATED_TOKEN_FILE", value_name = "FILE")]
    pub federated_token_file: Option<PathBuf>,

    /// User-Agent of probes; Microsoft asks partners for MdePartner-{Company}-{Product}/{Version}.
    #[arg(long, env = "DTO_USER_AGENT", default_value = concat!("MdePartner-Unnamed-DefenderTenantOperator/", env!("CARGO_PKG_VERSION")), value_name = "TEXT")]
    pub user_agent: String,

    /// Say loudly, in the log and by the metric defender_tenant_trial, that tokens aren't Microsoft's.
    #[arg(long, env = "DTO_TRIAL", default_value = "false", value_name = "true|false", num_args = 0..=1, default_missing_value = "true", require_equals = true, action = clap::ArgAction::Set)]
    pub trial: bool,

    /// Whether metrics have series for each tenant.
    #[arg(long, env = "DTO_TENANT_METRICS", default_value = "true", value_name = "true|false", action = clap::ArgAction::Set)]
    pub tenant_metrics: bool,
}

/// Whether tenants may use secretRef.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum SecretRef {
    /// They may.
    Allow,
    /// They may not: applications only.
    Deny,
}

impl From<SecretRef> for SecretRefPolicy {
    fn from(flag: SecretRef) -> Self {
        match flag {
            SecretRef::Allow => Self::Allow,
            SecretRef::Deny => Self::Deny,
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "clap's signature")]
fn secret(text: &str) -> Result<SecretString, std::convert::Infallible> {
    Ok(SecretString::from(text))
}

fn namespace(text: &str) -> Result<String, &'static str> {
    let ok = !text.is_empty()
        && text.len() <= 63
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-');
    if ok {
        Ok(text.to_owned())
    } else {
        Err("a namespace has lower-case letters, digits and '-', 63 at most")
    }
}

fn shards() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=i64::from(SHARDS_MAX))
}

/// A shard's number comes after it.
const LEASE_NAME_MAX: usize = 200;

fn lease_name(text: &str) -> Result<String, &'static str> {
    let alnum = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let ok = text.len() <= LEASE_NAME_MAX
        && alnum(text.chars().next())
        && alnum(text.chars().last())
        && text.chars().all(|c| alnum(Some(c)) || c == '-' || c == '.')
        && !text.contains("..");
    if ok {
        Ok(text.to_owned())
    } else {
        Err("a Lease's name has lower-case letters, digits, '-' and '.', 200 at most")
    }
}

/// Groups that other controllers, or this one, give a meaning to.
const RESERVED: [&str; 4] = [
    "kubernetes.io",
    "k8s.io",
    "defendertenant.io",
    "reloader.stakater.com",
];

fn metadata_key(text: &str) -> Result<String, &'static str> {
    let (prefix, name) = text.rsplit_once('/').unwrap_or(("", text));
    let alnum = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let name_ok = name.len() <= 63
        && alnum(name.chars().next())
        && alnum(name.chars().last())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    let prefix_ok = prefix.len() <= 253
        && prefix
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c));
    if !name_ok || !prefix_ok {
        return Err("a key is a name such as team, or example.com/team");
    }
    let reserved = RESERVED
        .iter()
        .any(|group| prefix == *group || prefix.ends_with(&format!(".{group}")));
    if reserved {
        return Err(
            "keys of kubernetes.io, k8s.io, defendertenant.io and reloader.stakater.com are reserved",
        );
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    fn parse(args: &[&str]) -> Result<Cli, clap::Error> {
        Cli::try_parse_from([&["defender-tenant-operator"], args].concat())
    }

    #[test]
    fn the_definition_holds() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_flag_has_its_environment_variable() {
        let cli = Cli::command();
        let mut seen = 0;
        for command in cli.get_subcommands() {
            for arg in command
                .get_arguments()
                .filter(|arg| !matches!(arg.get_id().as_str(), "help" | "version"))
            {
                let flag = arg.get_long().unwrap();
                let env = arg.get_env().unwrap().to_str().unwrap();
                // `run` has a flag of this name that means something else.
                let suffix = match (command.get_name(), flag) {
                    ("smoke-test", "secret-ref") => "_NAME",
                    _ => "",
                };
                assert_eq!(
                    env,
                    format!("DTO_{}{suffix}", flag.to_uppercase().replace('-', "_"))
                );
                seen += 1;
            }
        }
        assert!(seen > 30, "{seen}");
    }

    /// They are set once, for the operator's pod.
    #[test]
    fn a_flag_that_doctor_shares_with_run_is_the_same() {
        let cli = Cli::command();
        let run = cli.find_subcommand("run").unwrap();
        let doctor = cli.find_subcommand("doctor").unwrap();
        let mut shared = 0;
        for arg in doctor.get_arguments() {
            let same = |other: &&clap::Arg| other.get_long() == arg.get_long();
            let Some(other) = run.get_arguments().find(same) else {
                continue;
            };
            assert_eq!(arg.get_default_values(), other.get_default_values());
            assert_eq!(arg.get_value_delimiter(), other.get_value_delimiter());
            assert_eq!(arg.get_num_args(), other.get_num_args());
            shared += 1;
        }
        assert!(shared >= 8, "{shared}");
    }

    #[test]
    fn a_smoke_test_takes_one_of_two_credentials() {
        let id = "6b1f0f3e-5c0a-4d9b-9a43-0d5f5a1c7e10";
        let usual = ["smoke-test", "--namespace", "soc", "--tenant-id", id];
        let with = |more: &[&str]| parse(&[&usual[..], more].concat());
        assert!(with(&["--secret-ref", "partner"]).is_ok());
        assert!(with(&["--application-secret", "a", "--client-id", id]).is_ok());
        for bad in [
            &[][..],
            &["--application-secret", "a"],
            &["--client-id", id],
            &["--secret-ref", "a", "--client-id", id],
            &[
                "--secret-ref",
                "a",
                "--application-secret",
                "a",
                "--client-id",
                id,
            ],
            &["--secret-ref", "a", "--timeout", "0"],
        ] {
            assert_eq!(with(bad).unwrap_err().exit_code(), 2, "{bad:?}");
        }
        let common = ["smoke-test", "--namespace", "soc", "--tenant-id", "common"];
        assert!(parse(&[&common[..], &["--secret-ref", "a"]].concat()).is_err());
    }

    #[test]
    fn bad_values_are_told_and_end_with_2() {
        for args in [
            &["run", "--concurrency", "0"][..],
            &["run", "--listen", "nowhere"],
            &["run", "--watch-namespaces", "A,b"],
            &["run", "--target-metadata-allow", "kubernetes.io/x"],
            &["run", "--target-metadata-allow", "team.defendertenant.io/x"],
            &["run", "--log-format", "xml"],
            &["run", "--lease-name", "Other"],
            &["run", "--lease-name", "-x"],
            &["run", "--shards", "0"],
            &["run", "--shards", "65"],
            &["run", "--no-such-flag"],
        ] {
            assert_eq!(parse(args).unwrap_err().exit_code(), 2, "{args:?}");
        }
    }

    #[test]
    fn a_proxy_password_is_not_shown() {
        for command in ["run", "doctor"] {
            let cli = parse(&[command, "--https-proxy", "http://user:canary@proxy:3128"]).unwrap();
            assert!(!format!("{cli:?}").contains("canary"));
        }
    }
}
