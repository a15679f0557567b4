//! What the parts of a node are told. JSON where YAML is asked for, because JSON is YAML and quotes every value rightly.

use std::path::Path;

use serde_json::{Value, json};

use crate::pki::Pki;
use crate::sandbox::Sandbox;

use super::host::Host;
use super::network::Network;

/// No registry has it: `localhost` keeps containerd from looking for one.
pub(crate) const PAUSE_IMAGE: &str = "localhost/devcluster/pause:1";
/// CoreDNS on the machine's end of the cable; 53 may be in use by a resolver that listens everywhere.
const DNS_PORT: u16 = 1053;
const DNS_READY_PORT: u16 = 8181;
const DOMAIN: &str = "cluster.local";

/// Version 2 is read by containerd 1.6 and by all later ones.
pub(crate) fn containerd(host: &Host, plugins: &Path) -> String {
    let quoted = |path: &Path| Value::from(path.display().to_string());
    let folder = |name: &str| quoted(&host.folder.join(name));
    format!(
        r#"version = 2
root = {root}
state = {state}
[grpc]
address = {socket}
[ttrpc]
address = {ttrpc}
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE_IMAGE}"
# Below zero needs CAP_SYS_RESOURCE, which root has not everywhere; without this no pod starts there.
restrict_oom_score_adj = true
tolerate_missing_hugetlb_controller = true
# Profiles would be loaded into the machine's kernel, and stay.
disable_apparmor = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = {plugins}
conf_dir = {cni}
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "{snapshotter}"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
"#,
        root = folder("containerd"),
        state = folder("state"),
        socket = quoted(&host.socket()),
        ttrpc = folder("ttrpc.sock"),
        plugins = quoted(plugins),
        cni = folder("cni"),
        snapshotter = host.snapshotter,
    )
}

/// A cable for each pod and a route to it. No bridge: traffic between pods passes the packet filter of the node like
/// any other, without a kernel module for that (`br_netfilter`). No masquerade: the machine has a route back.
pub(crate) fn cni(network: &Network) -> String {
    let config = json!({
        "cniVersion": "0.4.0",
        "name": "devcluster",
        "plugins": [{
            "type": "ptp",
            "ipMasq": false,
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": network.pods()}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        }],
    });
    format!("{config:#}\n")
}

pub(crate) fn kubelet(host: &Host, sandbox: &Sandbox, pki: &Pki) -> String {
    let folder = |name: &str| host.folder.join(name).display().to_string();
    let config = json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": host.network.node(),
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            "x509": {"clientCAFile": pki.ca_file()},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": pki.kubelet_certificate(),
        "tlsPrivateKeyFile": pki.kubelet_key(),
        "containerRuntimeEndpoint": format!("unix://{}", host.socket().display()),
        "clusterDNS": [host.network.dns()],
        "clusterDomain": DOMAIN,
        "resolvConf": folder("resolv.conf"),
        // How soon a changed Secret is in the mount.
        "syncFrequency": "5s",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": host.cgroup,
        "failCgroupV1": false,
        "failSwapOn": false,
        // The node has the whole machine, and doesn't defend it.
        "enforceNodeAllocatable": [],
        "oomScoreAdj": 0,
        "evictionHard": {
            "memory.available": "0%", "nodefs.available": "0%", "nodefs.inodesFree": "0%",
            "imagefs.available": "0%", "imagefs.inodesFree": "0%",
        },
        // Images that were imported can't be pulled again.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "makeIPTablesUtilChains": false,
        "podLogsDir": sandbox.dir().join("pod-logs"),
        "volumePluginDir": folder("volume-plugins"),
    });
    format!("{config:#}\n")
}

pub(crate) fn kube_proxy(host: &Host) -> String {
    let config = json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clusterCIDR": host.network.pods(),
        "hostnameOverride": super::NAME,
        "clientConnection": {"kubeconfig": host.folder.join("kube-proxy.kubeconfig")},
        "oomScoreAdj": 0,
        // The machine's, not the node's to set.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        // Rules come at once: there are few, and a test waits for them.
        "nftables": {"minSyncPeriod": "100ms", "syncPeriod": "30s"},
        "metricsBindAddress": "127.0.0.1:10249",
    });
    format!("{config:#}\n")
}

/// `resolver` is the machine's own resolv.conf; without a name server in it, only the cluster's names are known.
pub(crate) fn coredns(network: &Network, kubeconfig: &Path, resolver: &str) -> String {
    let address = network.host();
    let upstream = resolver
        .lines()
        .any(|line| line.trim_start().starts_with("nameserver"));
    let forward = if upstream {
        "    forward . /etc/resolv.conf\n"
    } else {
        ""
    };
    format!(
        ".:{DNS_PORT} {{\n    bind {address}\n    errors\n    ready {address}:{DNS_READY_PORT}\n\
         \x20   kubernetes {DOMAIN} in-addr.arpa ip6.arpa {{\n        kubeconfig {}\n        pods insecure\n\
         \x20       fallthrough in-addr.arpa ip6.arpa\n        ttl 5\n    }}\n{forward}}}\n",
        kubeconfig.display()
    )
}

/// The service of the cluster's DNS, which is no pod, and what CoreDNS and the API server may do.
pub(crate) fn objects(network: &Network) -> Value {
    let port = |name: &str, protocol: &str, port: u16| json!({"name": name, "protocol": protocol, "port": port});
    let role = |name: &str, role: &str, user: &str| {
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
        })
    };
    let reads = |group: &str, resources: &[&str]| json!({"apiGroups": [group], "resources": resources, "verbs": ["list", "watch"]});
    json!({"apiVersion": "v1", "kind": "List", "items": [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "kube-dns", "namespace": "kube-system", "labels": {"k8s-app": "kube-dns"}},
            "spec": {
                "clusterIP": network.dns(),
                "ports": [port("dns", "UDP", 53), port("dns-tcp", "TCP", 53)],
            },
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": "kube-dns",
                "namespace": "kube-system",
                "labels": {"kubernetes.io/service-name": "kube-dns"},
            },
            "addressType": "IPv4",
            "endpoints": [{"addresses": [network.host()]}],
            "ports": [port("dns", "UDP", DNS_PORT), port("dns-tcp", "TCP", DNS_PORT)],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "system:coredns"},
            "rules": [
                reads("", &["services", "pods", "namespaces"]),
                reads("discovery.k8s.io", &["endpointslices"]),
            ],
        },
        role("system:coredns", "system:coredns", crate::pki::COREDNS),
        role("system:kube-apiserver-kubelet", "system:kubelet-api-admin", crate::pki::KUBELET_CLIENT),
    ]})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_names_are_asked_of_the_machines_resolver_if_it_has_one() {
        let network = Network::of_slot(2);
        let config = |resolver| coredns(&network, Path::new("/k"), resolver);
        let with = config("search example.com\nnameserver 192.0.2.53\n");
        assert!(with.contains("forward . /etc/resolv.conf") && with.contains("bind 10.200.2.1"));
        assert!(!config("# nameserver\noptions edns0\n").contains("forward"));
    }

    #[test]
    fn the_service_of_the_dns_leads_to_where_it_listens() {
        let network = Network::of_slot(0);
        let objects = objects(&network);
        let slice = &objects["items"][1];
        assert_eq!(slice["endpoints"][0]["addresses"][0], network.host());
        let port = slice["ports"][0]["port"].to_string();
        assert!(coredns(&network, Path::new("/k"), "").starts_with(&format!(".:{port} ")));
    }
}
