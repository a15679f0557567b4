//! The command lines of the components.

use std::ffi::OsString;
use std::path::Path;

use crate::node::Network;
use crate::pki::Pki;

/// The addresses of services; its first one is in the API server's certificate.
const SERVICE_ADDRESSES: &str = "10.96.0.0/16";
/// In megabytes: 1 TB, because 0 means 100 MB, after which the log would be rotated away from under its reader.
const AUDIT_LOG_SIZE: &str = "1048576";

/// In the cluster's folder, which is where the components run. Sockets there need no ports, and are out of reach for
/// other users, whereas whoever may connect to etcd reads all Secrets. Relative, because etcd takes no other paths.
const ETCD: &str = "unix://etcd.sock";
const ETCD_PEER: &str = "unix://etcd-peer.sock";
/// The only member is told where its peers would find it; there are none, so nothing listens there.
const ETCD_ADVERTISED: &str = "http://localhost:2380";

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

pub(crate) fn etcd() -> Vec<OsString> {
    Flags::default()
        .set("name", "devcluster")
        .set("data-dir", "etcd")
        .set("listen-client-urls", ETCD)
        .set("advertise-client-urls", ETCD)
        .set("listen-peer-urls", ETCD_PEER)
        .set("initial-advertise-peer-urls", ETCD_ADVERTISED)
        .set("initial-cluster", format!("devcluster={ETCD_ADVERTISED}"))
        // The data lives no longer than the processes, so nothing is gained by waiting for the disk.
        .set("unsafe-no-fsync", "true")
        .set("log-level", "warn")
        .0
}

/// Where the API server is and what else has addresses.
pub(crate) struct Place {
    /// On which it listens.
    pub(crate) address: String,
    pub(crate) port: u16,
    /// The range of services.
    pub(crate) services: String,
    /// Whether there is a node.
    pub(crate) has_node: bool,
}

impl Place {
    pub(crate) fn of(network: Option<&Network>, port: u16) -> Place {
        Place {
            address: network.map_or_else(|| "127.0.0.1".to_owned(), Network::host),
            services: network.map_or_else(|| SERVICE_ADDRESSES.to_owned(), Network::services),
            has_node: network.is_some(),
            port,
        }
    }
}

/// The audit log, if any: its policy's file and its own.
pub(crate) struct Audit<'a> {
    pub(crate) policy: &'a Path,
    pub(crate) log: &'a Path,
}

pub(crate) fn api_server(
    pki: &Pki,
    place: &Place,
    audit: Option<&Audit<'_>>,
    extra: &[String],
) -> Vec<OsString> {
    let mut flags = Flags::default()
        .set("etcd-servers", ETCD)
        .set("bind-address", &place.address)
        .set("secure-port", place.port.to_string())
        .set("advertise-address", &place.address)
        .set("tls-cert-file", pki.server_certificate())
        .set("tls-private-key-file", pki.server_key())
        .set("client-ca-file", pki.ca_file())
        .set("authorization-mode", "Node,RBAC")
        .set("enable-admission-plugins", "NodeRestriction")
        .set("allow-privileged", "true")
        .set("service-cluster-ip-range", &place.services)
        .set(
            "service-account-issuer",
            "https://kubernetes.default.svc.cluster.local",
        )
        .set("service-account-key-file", pki.service_account_public_key())
        .set(
            "service-account-signing-key-file",
            pki.service_account_key(),
        );
    flags = if place.has_node {
        flags
            .set("kubelet-preferred-address-types", "InternalIP")
            .set("kubelet-certificate-authority", pki.ca_file())
            .set(
                "kubelet-client-certificate",
                pki.kubelet_client_certificate(),
            )
            .set("kubelet-client-key", pki.kubelet_client_key())
    } else {
        // A loopback address can't be an endpoint of the service `kubernetes`.
        flags.set("endpoint-reconciler-type", "none")
    };
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

pub(crate) fn controller_manager(pki: &Pki, kubeconfig: &Path, place: &Place) -> Vec<OsString> {
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
        .set("service-cluster-ip-range", &place.services)
        // By default it makes a folder in /usr/libexec.
        .set("flex-volume-plugin-dir", "volume-plugins")
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
