"""What a value does."""

import re

import pytest

from conftest import ROOT, component
from modes import MODES

RUN = (ROOT / "docs/reference/flags.md").read_text().split("\n## run\n", 1)[1].split("\n## ", 1)[0]
FLAGS = set(re.findall(r"\| `(DTO_\w+)` \|", RUN))


def test_every_flag_of_the_operator_has_a_value(render):
    variables = set()
    for mode in ("all-on", "namespaced", "trial", "elsewhere"):
        variables |= {name for name in render(MODES[mode]).env() if name.startswith("DTO_")}
    assert FLAGS > {"DTO_LISTEN", "DTO_CA_BUNDLE"}
    assert FLAGS - variables == set()
    # And none that the operator doesn't know.
    assert variables - FLAGS == set()


def test_what_is_not_set_is_left_to_the_operator(render):
    env = render().env()
    assert env == {
        "POD_NAME": {"fieldRef": {"fieldPath": "metadata.name"}},
        "POD_NAMESPACE": {"fieldRef": {"fieldPath": "metadata.namespace"}},
        "DTO_LISTEN": "0.0.0.0:8080",
        "DTO_LEASE_NAME": "defender-tenant-operator",
    }


def test_each_setting_arrives(render):
    objects = render(MODES["all-on"])
    env = objects.env()
    assert {name: value for name, value in env.items() if name not in ("POD_NAME", "POD_NAMESPACE")} == {
        "DTO_LISTEN": "0.0.0.0:8080",
        "DTO_LEASE_NAME": "defender-tenant-operator",
        "DTO_OPERATOR_NAMESPACE": "home",
        "DTO_ALLOW_NAMESPACE_SELECTORS": "true",
        "DTO_CONCURRENCY": "64",
        "DTO_ENTRA_RATE": "10000",
        "DTO_LOG_FORMAT": "text",
        "DTO_LOG_LEVEL": "info,kube=debug",
        # 0 and false are settings too.
        "DTO_REFRESH_MARGIN": "0",
        "DTO_TENANT_METRICS": "false",
        "DTO_SECRET_REF": "deny",
        "DTO_SHARDS": "2",
        "DTO_SERVER_SIDE_SHARDS": "true",
        "DTO_TARGET_METADATA_ALLOW": "team,example.com/owner",
        "DTO_USER_AGENT": "MdePartner-Example-SOC/1.0",
        "DTO_HTTPS_PROXY": {"secretKeyRef": {"name": "proxy", "key": "url"}},
        "DTO_CA_BUNDLE": "/etc/defender-tenant-operator/ca/ca.crt",
        "DTO_FEDERATED_TOKEN_FILE": "/var/run/secrets/defender-tenant-operator/federated/token",
        "RUST_BACKTRACE": "1",
    }
    assert objects.container()["args"] == ["run", "--log-level=debug"]
    volumes = {v["name"]: v for v in objects.pod()["volumes"]}
    mounts = {m["name"]: m["mountPath"] for m in objects.container()["volumeMounts"]}
    assert mounts.keys() == volumes.keys()
    assert volumes["ca-bundle"]["configMap"]["name"] == "ca"
    (federated,) = volumes["federated-token"]["projected"]["sources"]
    assert federated["serviceAccountToken"]["audience"] == "api://AzureADTokenExchange"
    # `helm test` looks at the same.
    assert objects.test_pod()["containers"][0]["env"] == objects.container()["env"]
    assert objects.test_pod()["volumes"] == objects.pod()["volumes"]


def test_another_clusters_operator_has_its_kubeconfig_and_nothing_of_this_cluster(render):
    objects = render(MODES["elsewhere"])
    assert objects.env()["DTO_KUBECONFIG"] == "/etc/defender-tenant-operator/kubeconfig/kubeconfig"
    (volume,) = [v for v in objects.pod()["volumes"] if v["name"] == "kubeconfig"]
    assert volume["secret"]["secretName"] == "elsewhere"
    assert objects.kinds() == ["Deployment", "Pod", "PodDisruptionBudget", "Service", "ServiceAccount"]


def test_extra_variables_replace_the_charts(render):
    extra = [{"name": "DTO_LISTEN", "value": "0.0.0.0:9"}, {"name": "POD_NAME", "value": "me"}, {"name": "MORE", "value": "1"}]
    objects = render({"extraEnv": extra})
    names = [entry["name"] for entry in objects.container()["env"]]
    assert sorted(names) == sorted({"POD_NAME", "POD_NAMESPACE", "DTO_LISTEN", "DTO_LEASE_NAME", "MORE"})
    assert objects.env()["DTO_LISTEN"] == "0.0.0.0:9"
    assert objects.env()["POD_NAME"] == "me"
    assert objects.test_pod()["containers"][0]["env"] == objects.container()["env"]


def test_the_pods_labels_and_annotations_are_the_tests_too(render):
    # The webhook of Azure's workload identity looks for them.
    objects = render({"podLabels": {"azure.workload.identity/use": "true"}, "podAnnotations": {"example.com/a": "b"}})
    template = objects.one("Deployment")["spec"]["template"]["metadata"]
    for metadata in (template, objects.one("Pod")["metadata"]):
        assert metadata["labels"]["azure.workload.identity/use"] == "true"
        assert metadata["annotations"]["example.com/a"] == "b"
    assert template["annotations"]["kubectl.kubernetes.io/default-container"] == "operator"


# Each chart label, set to something else wherever labels can be set.
OVERLAPPING = {f"app.kubernetes.io/{key}": "theirs" for key in ("name", "instance", "component", "version", "part-of", "managed-by")}


def test_labels_of_the_values_never_stand_twice_and_never_move_a_selector(render):
    objects = render({
        "commonLabels": OVERLAPPING, "podLabels": OVERLAPPING, "emulator": {"enabled": True}, "networkPolicy": {"enabled": True},
        "podAnnotations": {"kubectl.kubernetes.io/default-container": "other"},
        "monitor": {"enabled": True, "renderMode": "alwaysRender", "labels": OVERLAPPING, "rules": {"enabled": True, "labels": OVERLAPPING}}})
    for o in objects:
        labels = o["metadata"]["labels"]
        assert labels["app.kubernetes.io/name"] == "defender-tenant-operator"
        assert labels["app.kubernetes.io/instance"] == "dto"
        assert labels["app.kubernetes.io/component"] != "theirs"
        assert labels["app.kubernetes.io/managed-by"] == "Helm"
        assert labels["app.kubernetes.io/part-of"] == "theirs"
    for o in objects.of("Deployment"):
        assert o["spec"]["selector"]["matchLabels"].items() <= o["spec"]["template"]["metadata"]["labels"].items()
    template = [o for o in objects.of("Deployment") if component(o) == "operator"][0]["spec"]["template"]["metadata"]
    assert template["annotations"]["kubectl.kubernetes.io/default-container"] == "other"


# As YAML each of these is a number, a truth or nothing, unless it is quoted. (A name can begin with a digit.)
NUMERIC = {
    "watchNamespaces": ["111", "222"], "operatorNamespace": "333", "nameOverride": "12", "fullnameOverride": "123",
    "image": {"registry": "1", "repository": "2", "tag": "3", "pullSecrets": ["123", "1e3"]},
    "leaderElection": {"leaseName": "7"},
    "config": {"logLevel": "1", "userAgent": "2", "targetMetadataAllow": ["1", "2"]},
    "httpsProxy": {"existingSecret": "8", "key": "9"}, "caBundle": {"configMap": "10", "key": "11"},
    "workloadIdentity": {"enabled": True, "audience": "12"},
    "serviceAccount": {"name": "13", "annotations": {"1": "2"}}, "commonLabels": {"14": "15"}, "commonAnnotations": {"16": "true"},
    "priorityClassName": "1e3", "runtimeClassName": "0x10", "schedulerName": "null", "nodeSelector": {"17": "18"},
    "podLabels": {"19": "20"}, "podAnnotations": {"21": "1_000"}, "extraArgs": ["1"], "extraEnv": [{"name": "A", "value": "1"}],
    "monitor": {"enabled": True, "renderMode": "alwaysRender", "interval": "", "labels": {"1": "2"}, "rules": {"enabled": True}},
    "networkPolicy": {"enabled": True, "microsoftPorts": [3128]}, "allowNamespaceSelectors": False,
}
NUMERIC_CLUSTER = {key: value for key, value in NUMERIC.items() if key not in ("watchNamespaces", "httpsProxy", "caBundle")} | {
    "allowNamespaceSelectors": True, "caBundle": {"secret": "22", "key": "1"}, "kubeconfig": {"existingSecret": ""}}
NUMERIC_ELSEWHERE = MODES["elsewhere"] | {"kubeconfig": {"existingSecret": "23", "key": "24"}}
NUMERIC_TRIAL = {key: value for key, value in NUMERIC.items() if key not in ("httpsProxy", "caBundle")} | {
    "emulator": {"enabled": True, "existingSecret": "25", "existingCredentialSecret": "26",
                 "image": {"repository": "4", "tag": "5"}}}

# The only fields that are numbers, truths or nothing.
NUMBERS = {"replicas", "revisionHistoryLimit", "maxUnavailable", "maxSurge", "port", "containerPort", "defaultMode",
           "expirationSeconds", "terminationGracePeriodSeconds", "runAsUser", "runAsGroup", "fsGroup", "periodSeconds", "timeoutSeconds",
           "failureThreshold", "weight", "runAsNonRoot", "allowPrivilegeEscalation", "readOnlyRootFilesystem", "readOnly",
           "automountServiceAccountToken", "enableServiceLinks", "honorLabels"}


def not_strings(node, path=()):
    if isinstance(node, dict):
        for key, value in node.items():
            if not isinstance(key, str):
                yield (*path, key)
            yield from not_strings(value, (*path, key))
    elif isinstance(node, list):
        for item in node:
            yield from not_strings(item, path)
    elif not isinstance(node, str) and path[-1] not in NUMBERS:
        yield (*path, node)


@pytest.mark.parametrize("values", [NUMERIC, NUMERIC_CLUSTER, NUMERIC_ELSEWHERE, NUMERIC_TRIAL, {}, MODES["trial"]],
                         ids=["namespaced", "cluster", "elsewhere", "existing", "default", "trial"])
def test_names_that_look_like_numbers_stay_strings(render, values):
    objects = render(values, release="123", namespace="456")
    found = {(o["kind"], *path) for o in objects if o["kind"] != "CustomResourceDefinition" for path in not_strings(o)}
    assert found == set()


def test_names_that_look_like_numbers_arrive(render):
    pod = render(NUMERIC, release="123", namespace="456").pod()
    assert pod["imagePullSecrets"] == [{"name": "123"}, {"name": "1e3"}]
    assert (pod["priorityClassName"], pod["runtimeClassName"], pod["schedulerName"]) == ("1e3", "0x10", "null")
    assert pod["serviceAccountName"] == "13"


@pytest.mark.parametrize("values, reference", [
    ({}, "defender-tenant-operator:0.1.0"),
    ({"image": {"tag": "1.2.3"}}, "defender-tenant-operator:1.2.3"),
    ({"image": {"registry": "registry.example:5000"}}, "registry.example:5000/defender-tenant-operator:0.1.0"),
    ({"image": {"registry": "a.example"}, "global": {"imageRegistry": "b.example/mirror/"}},
     "b.example/mirror/defender-tenant-operator:0.1.0"),
    ({"image": {"tag": "1.2.3", "digest": "sha256:" + "a" * 64}}, "defender-tenant-operator@sha256:" + "a" * 64),
    ({"image": {"repository": "soc/dto"}}, "soc/dto:0.1.0"),
])
def test_the_images_reference(render, values, reference):
    objects = render(values)
    assert objects.container()["image"] == reference
    assert objects.test_pod()["containers"][0]["image"] == reference


def test_pull_secrets_of_parent_and_chart(render):
    objects = render({"global": {"imagePullSecrets": ["a", {"name": "b"}]}, "image": {"pullSecrets": ["b", "c"]}})
    assert objects.pod()["imagePullSecrets"] == [{"name": "a"}, {"name": "b"}, {"name": "c"}]


def test_names_have_63_characters_at_most(render):
    objects = render({**MODES["trial"], "allowNamespaceSelectors": True}, release="r" * 53)
    names = {o["metadata"]["name"] for o in objects if o["kind"] != "CustomResourceDefinition"}
    assert max(map(len, names)) == 63
    assert not [name for name in names if name.endswith("-")]
    # Cut names stay apart.
    assert len({(o["kind"], o["metadata"]["name"]) for o in objects}) == len(objects)
    for o in objects:
        assert all(len(value) <= 63 for value in o["metadata"]["labels"].values())


@pytest.mark.parametrize("release, values, name", [
    ("dto", {}, "dto-defender-tenant-operator"),
    ("defender-tenant-operator", {}, "defender-tenant-operator"),
    ("dto", {"nameOverride": "tokens"}, "dto-tokens"),
    ("dto", {"fullnameOverride": "tokens"}, "tokens"),
])
def test_the_name(render, release, values, name):
    assert render(values, release=release).one("Deployment")["metadata"]["name"] == name


def test_shards_are_the_operators_and_doctors(render):
    assert not [name for name in render().env() if "SHARDS" in name]
    objects = render({"shards": 3, "replicas": 4, "serverSideShards": True})
    assert objects.env()["DTO_SHARDS"] == "3"
    assert objects.env()["DTO_SERVER_SIDE_SHARDS"] == "true"
    assert objects.test_pod()["containers"][0]["env"] == objects.container()["env"]
    assert objects.of("PodDisruptionBudget")


@pytest.mark.parametrize("replicas, budgets", [(0, 0), (1, 0), (2, 1), (3, 1)])
def test_a_disruption_budget_needs_a_second_replica(render, replicas, budgets):
    objects = render({"replicas": replicas})
    assert len(objects.of("PodDisruptionBudget")) == budgets
    assert ("affinity" in objects.pod()) == (replicas > 1)


def test_no_roll_out_is_without_somebody_to_take_over(render):
    spec = render().one("Deployment")["spec"]
    assert spec["replicas"] == 2
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}


def test_probes(render):
    container = render({"livenessProbe": {"periodSeconds": 30}}).container()
    assert container["livenessProbe"] == {
        "httpGet": {"path": "/livez", "port": "http"}, "periodSeconds": 30, "timeoutSeconds": 5, "failureThreshold": 6}
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["ports"] == [{"name": "http", "containerPort": 8080, "protocol": "TCP"}]


@pytest.mark.parametrize("how", [{"tcpSocket": {"port": "http"}}, {"exec": {"command": ["x"]}}, {"grpc": {"port": 1}}])
def test_a_probe_of_another_kind_is_theirs_alone(render, how):
    container = render({"livenessProbe": how, "readinessProbe": how}).container()
    for probe in ("livenessProbe", "readinessProbe"):
        assert container[probe].keys() - {"periodSeconds", "timeoutSeconds", "failureThreshold"} == how.keys()


def test_another_port(render):
    objects = render({"listen": {"address": "::", "port": 9090}})
    assert objects.env()["DTO_LISTEN"] == "[::]:9090"
    assert objects.container()["ports"][0]["containerPort"] == 9090
    assert objects.one("Service")["spec"]["ports"][0]["targetPort"] == "http"


def test_where_replicas_go(render):
    own = {"app.kubernetes.io/name": "defender-tenant-operator", "app.kubernetes.io/instance": "dto",
           "app.kubernetes.io/component": "operator"}
    # Of one version: a roll-out isn't stuck where there are as many nodes as replicas.
    version = ["pod-template-hash"]
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": own}, "matchLabelKeys": version}
    preferred = {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm": term}]}
    assert render().pod()["affinity"] == {"podAntiAffinity": preferred}
    pod = render(MODES["all-on"]).pod()
    assert pod["affinity"] == {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    assert pod["topologySpreadConstraints"] == [{
        "topologyKey": "topology.kubernetes.io/zone", "labelSelector": {"matchLabels": own}, "matchLabelKeys": version,
        "maxSkew": 1, "whenUnsatisfiable": "ScheduleAnyway"}]
    theirs = {"topologyKey": "zone", "labelSelector": {"matchLabels": {"team": "soc"}}, "maxSkew": 2, "whenUnsatisfiable": "DoNotSchedule"}
    assert render({"topologySpreadConstraints": [theirs]}).pod()["topologySpreadConstraints"] == [theirs]
    mine = {"nodeAffinity": {}}
    assert render({"affinity": mine}).pod()["affinity"] == mine
    assert "affinity" not in render({"podAntiAffinity": "none"}).pod()


KNOWN = ("--api-versions", "monitoring.coreos.com/v1/PodMonitor")


@pytest.mark.parametrize("mode, args, count", [
    ("skipIfMissing", (), 0), ("skipIfMissing", KNOWN, 1), ("failIfMissing", KNOWN, 1), ("alwaysRender", (), 1),
])
def test_a_monitor_by_render_mode(render, mode, args, count):
    objects = render({"monitor": {"enabled": True, "renderMode": mode}}, *args)
    assert len(objects.of("PodMonitor")) == count


@pytest.mark.parametrize("kind, endpoints", [("PodMonitor", "podMetricsEndpoints"), ("ServiceMonitor", "endpoints")])
def test_a_monitor_scrapes_the_operator(render, kind, endpoints):
    objects = render({"monitor": {"enabled": True, "kind": kind, "renderMode": "alwaysRender", "interval": "30s"}})
    monitor = objects.one(kind)
    assert monitor["spec"][endpoints] == [{"port": "http", "path": "/metrics", "honorLabels": True, "interval": "30s"}]
    target = objects.one("Service")["metadata"]["labels"] if kind == "ServiceMonitor" else (
        objects.one("Deployment")["spec"]["template"]["metadata"]["labels"])
    assert monitor["spec"]["selector"]["matchLabels"].items() <= target.items()


@pytest.mark.parametrize("values, port", [
    ({}, 443),
    ({"httpsProxy": {"url": "http://proxy.example:3128"}}, 3128),
    ({"httpsProxy": {"url": "http://proxy.example"}}, 80),
    ({"httpsProxy": {"url": "https://proxy.example/"}}, 443),
    ({"httpsProxy": {"url": "https://proxy.example:8443/"}}, 8443),
    ({"httpsProxy": {"url": "http://proxy1"}}, 80),
    ({"httpsProxy": {"url": "https://10.0.0.1"}}, 443),
    ({"httpsProxy": {"url": "http://10.0.0.1:3128"}}, 3128),
    ({"httpsProxy": {"url": "http://[2001:db8::1]:8118/"}}, 8118),
    ({"httpsProxy": {"url": "http://[2001:db8::8118]"}}, 80),
    ({"httpsProxy": {"url": "https://[::1]/"}}, 443),
    ({"networkPolicy": {"microsoftPorts": [8443]}, "httpsProxy": {"existingSecret": "proxy"}}, 8443),
])
def test_a_network_policy_lets_out_to_what_is_needed(render, values, port):
    values = {**values, "networkPolicy": {**values.get("networkPolicy", {}), "enabled": True}}
    spec = render(values).one("NetworkPolicy")["spec"]
    out = [(p["port"], p["protocol"]) for rule in spec["egress"] for p in rule["ports"]]
    assert out == [(53, "UDP"), (53, "TCP"), (443, "TCP"), (6443, "TCP"), (port, "TCP")]
    assert spec["ingress"] == [{"ports": [{"port": "http", "protocol": "TCP"}]}]
    assert spec["policyTypes"] == ["Ingress", "Egress"]


def test_extra_objects_are_templates(render):
    names = {o["metadata"]["name"] for o in render(MODES["all-on"]).of("ConfigMap")}
    assert names == {"dto-map", "dto-text"}
