//! The command lines of the components.

use std::ffi::OsString;
use std::path::Path;

use crate::pki::Pki;

/// The addresses of services; its first one is in the API server's certificate.
const SERVICE_ADDRESSES: &str = "10.96.0.0/16";
/// In megabytes: 1 TB, because 0 means 100 MB, after which the log would be rotated away from under its reader.
const AUDIT_LOG_SIZE: &str = "1048576";

pub(crate) struct Ports {
    pub(crate) etcd: u16,
    pub(crate) etcd_peer: u16,
    pub(crate) api_server: u16,
}

impl Ports {
    pub(crate) fn server_url(&self) -> String {
        format!("https://127.0.0.1:{}", self.api_server)
    }

    fn etcd_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.etcd)
    }
}

/// A list of flags: `--name=value`.
#[derive(Default)]
struct Flags(Vec<OsString>);

impl Flags {
    fn set(mut self, name: &str, value: impl Into<OsString>) -> Flags {
        let mut flag = OsString::from(format!("--{name}="));
        flag.push(value.into());
        self.0.push(flag);
        self
    }
}

pub(crate) fn etcd(dir: &Path, ports: &Ports) -> Vec<OsString> {
    let (client, peer) = (
        ports.etcd_url(),
        format!("http://127.0.0.1:{}", ports.etcd_peer),
    );
    Flags::default()
        .set("name", "devcluster")
        .set("data-dir", dir.join("etcd"))
        .set("listen-client-urls", &client)
        .set("advertise-client-urls", &client)
        .set("listen-peer-urls", &peer)
        .set("initial-advertise-peer-urls", &peer)
        .set("initial-cluster", format!("devcluster={peer}"))
        // The data lives no longer than the processes, so nothing is gained by waiting for the disk.
        .set("unsafe-no-fsync", "true")
        .set("log-level", "warn")
        .0
}

/// The audit log, if any: its policy's file and its own.
pub(crate) struct Audit<'a> {
    pub(crate) policy: &'a Path,
    pub(crate) log: &'a Path,
}

pub(crate) fn api_server(
    pki: &Pki,
    ports: &Ports,
    audit: Option<&Audit<'_>>,
    extra: &[String],
) -> Vec<OsString> {
    let mut flags = Flags::default()
        .set("etcd-servers", ports.etcd_url())
        .set("bind-address", "127.0.0.1")
        .set("secure-port", ports.api_server.to_string())
        // A loopback address can't be an endpoint of the service `kubernetes`.
        .set("endpoint-reconciler-type", "none")
        .set("advertise-address", "127.0.0.1")
        .set("tls-cert-file", pki.server_certificate())
        .set("tls-private-key-file", pki.server_key())
        .set("client-ca-file", pki.ca_file())
        .set("authorization-mode", "Node,RBAC")
        .set("enable-admission-plugins", "NodeRestriction")
        .set("allow-privileged", "true")
        .set("service-cluster-ip-range", SERVICE_ADDRESSES)
        .set(
            "service-account-issuer",
            "https://kubernetes.default.svc.cluster.local",
        )
        .set("service-account-key-file", pki.service_account_public_key())
        .set(
            "service-account-signing-key-file",
            pki.service_account_key(),
        );
    if let Some(audit) = audit {
        flags = flags
            .set("audit-policy-file", audit.policy)
            .set("audit-log-path", audit.log)
            .set("audit-log-format", "json")
            .set("audit-log-maxsize", AUDIT_LOG_SIZE);
    }
    // Last, so that they win.
    flags.0.extend(extra.iter().map(OsString::from));
    flags.0
}

pub(crate) fn controller_manager(pki: &Pki, kubeconfig: &Path) -> Vec<OsString> {
    Flags::default()
        .set("kubeconfig", kubeconfig)
        .set("use-service-account-credentials", "true")
        .set(
            "service-account-private-key-file",
            pki.service_account_key(),
        )
        .set("root-ca-file", pki.ca_file())
        .set("cluster-signing-cert-file", pki.ca_file())
        .set("cluster-signing-key-file", pki.ca_key())
        .set("service-cluster-ip-range", SERVICE_ADDRESSES)
        // It has no rival, and must outlive an outage of the API server, which would cost it the lease.
        .set("leader-elect", "false")
        // Nobody asks it anything, and each port is one more that may be taken.
        .set("secure-port", "0")
        // The defaults (20 and 30 a second) would make a fleet's garbage wait.
        .set("kube-api-qps", "500")
        .set("kube-api-burst", "1000")
        .set("concurrent-gc-syncs", "20")
        .0
}
