"""The modes in which the chart is checked, as values: rendered, scored, validated, and sent to a real API server.

modes.py FOLDER writes each as a file of values, for Helm's --values.
"""

import json
import sys
from pathlib import Path

MODES = {
    # Everything left as it is.
    "cluster": {},
    "namespaced": {"watchNamespaces": ["soc", "noc"]},
    "trial": {"emulator": {"enabled": True}},
    "trial-namespaced": {"emulator": {"enabled": True}, "watchNamespaces": ["soc"]},
    # Every switch on, and every setting made.
    "all-on": {
        "global": {"imageRegistry": "registry.example", "imagePullSecrets": [{"name": "shared"}]},
        "commonLabels": {"team": "soc"},
        "commonAnnotations": {"example.com/owner": "soc"},
        "image": {"digest": "sha256:" + "0" * 64, "pullPolicy": "Always", "pullSecrets": ["own"]},
        "crds": {"annotations": {"example.com/note": "kept"}},
        "allowNamespaceSelectors": True,
        "operatorNamespace": "home",
        "config": {
            "concurrency": 64,
            "entraRate": 10000,
            "logFormat": "text",
            "logLevel": "info,kube=debug",
            "refreshMargin": 0,
            "secretRef": "deny",
            "targetMetadataAllow": ["team", "example.com/owner"],
            "tenantMetrics": False,
            "userAgent": "MdePartner-Example-SOC/1.0",
        },
        "httpsProxy": {"existingSecret": "proxy"},
        "caBundle": {"configMap": "ca"},
        "workloadIdentity": {"enabled": True},
        "replicas": 3,
        "shards": 2,
        "serverSideShards": True,
        "serviceAccount": {"annotations": {"example.com/id": "1"}},
        "rbac": {"userRoles": {"aggregateToEdit": True}},
        "service": {"annotations": {"example.com/scrape": "true"}},
        "monitor": {
            "enabled": True, "renderMode": "alwaysRender", "interval": "30s", "scrapeTimeout": "10s",
            "labels": {"release": "prometheus"}, "relabelings": [{"action": "labeldrop", "regex": "pod"}],
            "metricRelabelings": [{"action": "drop", "sourceLabels": ["name"], "regex": "x"}],
            "rules": {"enabled": True},
        },
        "networkPolicy": {
            "enabled": True, "ingressFrom": [{"namespaceSelector": {}}], "microsoftPorts": [3128],
            "extraEgress": [{"ports": [{"port": 9000}]}],
        },
        "podLabels": {"azure.workload.identity/use": "true"},
        "podAnnotations": {"example.com/a": "b"},
        "tolerations": [{"key": "dedicated", "operator": "Exists"}],
        "podAntiAffinity": "required",
        "topologySpreadConstraints": [{"topologyKey": "topology.kubernetes.io/zone"}],
        "priorityClassName": "system-cluster-critical",
        "schedulerName": "default-scheduler",
        "dnsPolicy": "ClusterFirst",
        "dnsConfig": {"options": [{"name": "ndots", "value": "1"}]},
        "hostAliases": [{"ip": "192.0.2.1", "hostnames": ["proxy.example"]}],
        "extraEnv": [{"name": "RUST_BACKTRACE", "value": "1"}],
        "extraEnvFrom": [{"configMapRef": {"name": "more", "optional": True}}],
        "extraArgs": ["--log-level=debug"],
        "extraVolumes": [{"name": "extra", "emptyDir": {"sizeLimit": "1Mi"}}],
        "extraVolumeMounts": [{"name": "extra", "mountPath": "/extra"}],
        "extraObjects": [
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-map", "namespace": "home"}},
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '{{ .Release.Name }}-text', namespace: home}\n",
        ],
    },
    # In this cluster, for another one.
    "elsewhere": {
        "kubeconfig": {"existingSecret": "elsewhere"},
        "crds": {"enabled": False},
        "rbac": {"create": False, "userRoles": {"create": False}},
    },
    # Every switch off.
    "all-off": {
        "crds": {"enabled": False},
        "replicas": 1,
        "livenessProbe": None,
        "readinessProbe": None,
        "serviceAccount": {"create": False, "name": "theirs"},
        "rbac": {"create": False, "userRoles": {"create": False}},
        "service": {"enabled": False},
        "podDisruptionBudget": {"enabled": False},
        "podAntiAffinity": "none",
        "nodeSelector": None,
        "tests": {"enabled": False},
    },
}

if __name__ == "__main__":
    for mode, values in MODES.items():
        Path(sys.argv[1], f"{mode}.yaml").write_text(json.dumps(values))
