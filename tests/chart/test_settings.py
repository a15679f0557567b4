"""What a value does."""

import re

import pytest

from conftest import ROOT
from modes import MODES

RUN = (ROOT / "docs/reference/flags.md").read_text().split("\n## run\n", 1)[1].split("\n## ", 1)[0]
FLAGS = set(re.findall(r"\| `(DTO_\w+)` \|", RUN))


def test_every_flag_of_the_operator_has_a_value(render):
    variables = set()
    for mode in ("all-on", "namespaced", "trial"):
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
        "DTO_TARGET_METADATA_ALLOW": "team,example.com/owner",
        "DTO_USER_AGENT": "MdePartner-Example-SOC/1.0",
        "DTO_HTTPS_PROXY": {"secretKeyRef": {"name": "proxy", "key": "url"}},
        "DTO_CA_BUNDLE": "/etc/defender-tenant-operator/ca/ca.crt",
        "DTO_FEDERATED_TOKEN_FILE": "/var/run/secrets/defender-tenant-operator/federated/token",
        "DTO_KUBECONFIG": "/etc/defender-tenant-operator/kubeconfig/kubeconfig",
        "RUST_BACKTRACE": "1",
    }
    assert objects.container()["args"] == ["run", "--log-level=debug"]
    volumes = {v["name"]: v for v in objects.pod()["volumes"]}
    mounts = {m["name"]: m["mountPath"] for m in objects.container()["volumeMounts"]}
    assert mounts.keys() == volumes.keys()
    assert volumes["ca-bundle"]["configMap"]["name"] == "ca"
    (federated,) = volumes["federated-token"]["projected"]["sources"]
    assert federated["serviceAccountToken"]["audience"] == "api://AzureADTokenExchange"
    assert volumes["kubeconfig"]["secret"]["secretName"] == "elsewhere"
    # `helm test` looks at the same.
    assert objects.test_pod()["containers"][0]["env"] == objects.container()["env"]
    assert objects.test_pod()["volumes"] == objects.pod()["volumes"]


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


def test_another_port(render):
    objects = render({"listen": {"address": "::", "port": 9090}})
    assert objects.env()["DTO_LISTEN"] == "[::]:9090"
    assert objects.container()["ports"][0]["containerPort"] == 9090
    assert objects.one("Service")["spec"]["ports"][0]["targetPort"] == "http"


def test_where_replicas_go(render):
    own = {"app.kubernetes.io/name": "defender-tenant-operator", "app.kubernetes.io/instance": "dto",
           "app.kubernetes.io/component": "operator"}
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": own}}
    preferred = {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm": term}]}
    assert render().pod()["affinity"] == {"podAntiAffinity": preferred}
    pod = render(MODES["all-on"]).pod()
    assert pod["affinity"] == {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    assert pod["topologySpreadConstraints"] == [{
        "topologyKey": "topology.kubernetes.io/zone", "labelSelector": {"matchLabels": own}, "maxSkew": 1,
        "whenUnsatisfiable": "ScheduleAnyway"}]
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
    ({"httpsProxy": {"url": "http://[2001:db8::1]:8118/"}}, 8118),
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
