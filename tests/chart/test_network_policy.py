"""Who reaches whom with the chart's NetworkPolicies, connection by connection."""

import pytest

from modes import MODES
from policies import Outside, Pod, wrong

API_SERVER, MICROSOFT, KUBELET = Outside("192.0.2.1"), Outside("203.0.113.1"), Outside("10.0.0.1")
DNS = Pod("kube-system", {"k8s-app": "kube-dns"})
STRANGER = Pod("noc", {"app": "stranger"})
PROMETHEUS = Pod("monitoring", {"app.kubernetes.io/name": "prometheus"})


def pod_of(objects, kind, component):
    (found,) = [o for o in objects.of(kind) if o["metadata"]["labels"]["app.kubernetes.io/component"] == component]
    template = found["spec"]["template"] if kind == "Deployment" else found
    ports = {p["name"]: p["containerPort"] for c in template["spec"]["containers"] for p in c.get("ports", [])}
    return Pod("home", template["metadata"]["labels"], ports)


def rows_for(operator, test, api_server=6443, microsoft=443):
    return [
        (operator, API_SERVER, "TCP", 443, True), (operator, API_SERVER, "TCP", api_server, True), (test, API_SERVER, "TCP", api_server, True),
        (operator, DNS, "UDP", 53, True), (operator, DNS, "TCP", 53, True), (test, DNS, "UDP", 53, True),
        (operator, MICROSOFT, "TCP", microsoft, True), (test, MICROSOFT, "TCP", microsoft, True),
        (operator, MICROSOFT, "TCP", 25, False), (operator, MICROSOFT, "UDP", microsoft, False), (operator, API_SERVER, "TCP", 10250, False),
        (operator, STRANGER, "TCP", 9000, False), (operator, DNS, "TCP", 9153, False), (test, STRANGER, "TCP", 9000, False),
        # Metrics and probes, and nothing else.
        (PROMETHEUS, operator, "TCP", 8080, True), (KUBELET, operator, "TCP", 8080, True),
        (PROMETHEUS, operator, "TCP", 8081, False), (PROMETHEUS, operator, "UDP", 8080, False), (STRANGER, operator, "TCP", 22, False),
        (STRANGER, test, "TCP", 22, False),
        # Nobody else is concerned.
        (STRANGER, MICROSOFT, "TCP", 25, True), (STRANGER, DNS, "UDP", 53, True), (Pod("home", {"app": "other"}), STRANGER, "TCP", 9000, True),
    ]


@pytest.mark.parametrize("values, ports", [
    ({}, {}),
    ({"httpsProxy": {"url": "http://proxy.example:3128"}}, {"microsoft": 3128}),
    ({"networkPolicy": {"apiServerPorts": [443, 26443]}}, {"api_server": 26443}),
    ({"watchNamespaces": ["soc"]}, {}),
    ({"listen": {"port": 8080}, "nameOverride": "other"}, {}),
])
def test_the_operator_reaches_what_it_needs_and_is_reached_for_its_metrics(render, values, ports):
    objects = render({**values, "networkPolicy": {**values.get("networkPolicy", {}), "enabled": True}})
    rows = rows_for(pod_of(objects, "Deployment", "operator"), pod_of(objects, "Pod", "test"), **ports)
    assert wrong(objects.of("NetworkPolicy"), rows) == []


def test_metrics_for_prometheus_alone(render):
    of_prometheus = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    objects = render({"networkPolicy": {"enabled": True, "ingressFrom": [of_prometheus]}})
    operator = pod_of(objects, "Deployment", "operator")
    rows = [(PROMETHEUS, operator, "TCP", 8080, True), (STRANGER, operator, "TCP", 8080, False), (operator, operator, "TCP", 8080, False)]
    assert wrong(objects.of("NetworkPolicy"), rows) == []


@pytest.mark.parametrize("mode", ["trial", "trial-namespaced"])
def test_the_emulators_proxy_is_for_everybody_and_leads_nowhere(render, mode):
    objects = render({**MODES[mode], "networkPolicy": {"enabled": True}})
    operator, test = pod_of(objects, "Deployment", "operator"), pod_of(objects, "Pod", "test")
    emulator = pod_of(objects, "Deployment", "emulator")
    rows = [(end, emulator, "TCP", 8080, True) for end in (operator, test, STRANGER)]
    rows += [(end, emulator, "TCP", port, False) for end in (operator, STRANGER) for port in (8443, 8444)]
    rows += [(emulator, MICROSOFT, "TCP", 443, False), (emulator, DNS, "UDP", 53, False), (emulator, API_SERVER, "TCP", 6443, False),
             (emulator, operator, "TCP", 8080, False),
             # Its port is let out to, for this pod alone.
             (operator, STRANGER, "TCP", 8080, False), (operator, API_SERVER, "TCP", 6443, True), (operator, DNS, "UDP", 53, True)]
    assert wrong(objects.of("NetworkPolicy"), rows) == []


def test_without_policies_everything_passes_so_each_refusal_above_is_a_policys(render):
    objects = render()
    rows = rows_for(pod_of(objects, "Deployment", "operator"), pod_of(objects, "Pod", "test"))
    refused = [row for row in rows if not row[4]]
    assert wrong(objects.of("NetworkPolicy"), rows) == refused
