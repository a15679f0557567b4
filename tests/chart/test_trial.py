"""The emulator, and what `helm test` runs."""

import json
from base64 import b64decode

import pytest

from conftest import CHART, run
from modes import MODES


def data(secret):
    return {key: b64decode(value).decode() for key, value in secret["data"].items()}


def test_the_operator_is_pointed_at_the_emulator_and_says_that_it_is_a_trial(render):
    objects = render(MODES["trial"])
    env = objects.env()
    assert env["DTO_TRIAL"] == "true"
    assert env["DTO_HTTPS_PROXY"] == "http://dto-defender-tenant-operator-emulator.home.svc:8080"
    assert env["DTO_CA_BUNDLE"] == "/etc/defender-tenant-operator/ca/ca.crt"
    service = objects.one("Service", "dto-defender-tenant-operator-emulator")
    assert service["spec"]["ports"] == [{"name": "proxy", "port": 8080, "targetPort": "proxy", "protocol": "TCP"}]
    # The CA's certificate, and never its key.
    (ca,) = [v for v in objects.pod()["volumes"] if v["name"] == "ca-bundle"]
    assert ca["secret"]["items"] == [{"key": "tls.crt", "path": "ca.crt"}]


def test_one_secret_is_at_both_ends(render):
    objects = render(MODES["trial"])
    emulator = data(objects.one("Secret", "dto-defender-tenant-operator-emulator"))
    credential = objects.one("Secret", "dto-defender-tenant-operator-trial-credential")
    assert credential["metadata"]["namespace"] == "home"
    assert credential["metadata"]["labels"]["defendertenant.io/credential"] == "true"
    client, secret = data(credential)["client-id"], data(credential)["client-secret"]
    assert len(secret) == 40
    config = json.loads(emulator["config.json"])
    assert config["applications"][client]["secrets"] == [secret]
    ((tenant, body),) = config["tenants"].items()
    assert body["consents"] == {client: ["Alert.Read.All", "Machine.Read.All"]}
    assert emulator["tls.crt"].startswith("-----BEGIN CERTIFICATE-----")
    assert "PRIVATE KEY-----" in emulator["tls.key"]
    # It is in no object but those two.
    assert secret not in json.dumps([o for o in objects if o["kind"] != "Secret"])


def test_the_emulators_configuration_is_laid_over(render):
    more = {"tokens": {"lifetimeSeconds": 600}, "tenants": {"11111111-2222-4333-8444-555555555555": {"plan": "Plan1"}}}
    objects = render({"emulator": {"enabled": True, "config": more}})
    config = json.loads(data(objects.one("Secret", "dto-defender-tenant-operator-emulator"))["config.json"])
    assert config["tokens"] == {"lifetimeSeconds": 600}
    assert len(config["tenants"]) == 2


def test_existing_secrets_are_used_and_none_is_made(render):
    objects = render({"emulator": {"enabled": True, "existingSecret": "mine", "existingCredentialSecret": "theirs"}})
    assert objects.of("Secret") == []
    (files,) = [v["secret"] for d in objects.of("Deployment", "dto-defender-tenant-operator-emulator")
                for v in d["spec"]["template"]["spec"]["volumes"] if v["name"] == "files"]
    assert files["secretName"] == "mine"
    assert "--application-secret=theirs" in objects.test_pod()["containers"][0]["args"]
    assert objects == render({"emulator": {"enabled": True, "existingSecret": "mine", "existingCredentialSecret": "theirs"}})


def test_only_the_proxy_port_is_reached_from_outside_of_the_emulators_pod(render):
    objects = render(MODES["trial"])
    (container,) = objects.one("Deployment", "dto-defender-tenant-operator-emulator")["spec"]["template"]["spec"]["containers"]
    listening = dict(arg.removeprefix("--").split("=", 1) for arg in container["args"])
    assert listening["control"].startswith("127.0.0.1:")
    assert listening["listen"].startswith("127.0.0.1:")
    assert listening["proxy"] == "0.0.0.0:8080"
    assert [p["containerPort"] for p in container["ports"]] == [8080]


def smoke(objects):
    pod = objects.test_pod()
    return pod["serviceAccountName"], pod["containers"][0]["args"]


def test_helm_test_in_cluster_mode_goes_by_an_application(render):
    objects = render(MODES["trial"])
    name = "dto-defender-tenant-operator-smoke-test"
    assert smoke(objects) == (name, [
        "smoke-test", "--namespace=home", "--tenant-id=6b1f0f3e-5c0a-4d9b-9a43-0d5f5a1c7e10",
        "--application-secret=dto-defender-tenant-operator-trial-credential",
        "--client-id=0c4f3a52-9d1b-4c3e-8f57-2a6b9e1d4f88", "--timeout=120"])
    role = objects.one("Role", name)
    assert role["metadata"]["namespace"] == "home"
    assert role["rules"] == [
        {"apiGroups": ["defendertenant.io"], "resources": ["defendertenants"], "verbs": ["get", "list", "create", "delete"]},
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]
    assert objects.one("ClusterRole", name)["rules"] == [
        {"apiGroups": ["defendertenant.io"], "resources": ["defenderapplications"], "verbs": ["get", "list", "create", "delete"]}]


def test_helm_test_in_namespace_mode_goes_by_a_credential_of_the_first_namespace(render):
    objects = render(MODES["trial-namespaced"])
    name = "dto-defender-tenant-operator-smoke-test"
    assert smoke(objects) == (name, [
        "smoke-test", "--namespace=soc", "--tenant-id=6b1f0f3e-5c0a-4d9b-9a43-0d5f5a1c7e10",
        "--secret-ref=dto-defender-tenant-operator-trial-credential", "--timeout=120"])
    assert objects.one("Role", name)["metadata"]["namespace"] == "soc"
    assert objects.one("RoleBinding", name)["metadata"]["namespace"] == "soc"
    assert objects.one("ServiceAccount", name)["metadata"]["namespace"] == "home"
    assert objects.one("Secret", "dto-defender-tenant-operator-trial-credential")["metadata"]["namespace"] == "soc"


def test_without_the_emulator_helm_test_is_doctor_with_the_operators_own_account(render):
    objects = render()
    assert smoke(objects) == ("dto-defender-tenant-operator", ["doctor", "--expect-leader"])
    assert [o["kind"] for o in objects if o["metadata"].get("annotations", {}).get("helm.sh/hook")] == ["Pod"]


def notes(values):
    # Helm 4, whose dry run needs no cluster.
    text = run("helm-4", "install", "dto", CHART, "-n", "home", "--dry-run=client", *values)
    return text.split("NOTES:\n", 1)[1]


@pytest.mark.parametrize("values, told, untold", [
    ((), ["serves all namespaces", "create secret generic soc-reader", "kind: DefenderApplication", "helm -n home test dto"], ["TRIAL"]),
    (("--set", "tests.enabled=false"), ["rollout status"], ["helm -n home test", "be looked at"]),
    (("--set", "watchNamespaces={soc,noc}"), ["serves soc, noc", "An administrator applies them", "secretRef: {name: partner}",
      "helm template crds CHART --kube-version 1.34.0 --show-only templates/crds.yaml | kubectl apply -f -"],
     ["TRIAL", "DefenderApplication"]),
    (("--set", "emulator.enabled=true"),
     ["*** THIS IS A TRIAL, NOT A PRODUCTION", "every DefenderTenant of all namespaces: make none for a real customer", "defender_tenant_trial", "helm -n home test dto",
      "clientSecret: {secretRef: {name: \"dto-defender-tenant-operator-trial-credential\"}}"], ["YOUR-CLIENT-ID"]),
    (("--set", "shards=3,replicas=3"), ["3 shards need 4 replicas", "When one fails"], []),
    (("--set", "shards=3,replicas=2"), ["3 shards need 4 replicas", "A shard without a replica"], []),
    (("--set", "shards=3,replicas=4"), [], ["shards need"]),
])
def test_notes_say_what_comes_next(values, told, untold):
    text = notes(values)
    assert [part for part in told if part not in text] == [], text
    assert [part for part in untold if part in text] == [], text


def test_the_notes_have_a_chart_that_makes_the_crds(helm):
    # As an administrator gives the command, with the chart's own folder for CHART.
    crds = run(helm, "template", "crds", CHART, "--kube-version", "1.34.0", "--show-only", "templates/crds.yaml")
    assert crds.count("kind: CustomResourceDefinition") == 2


@pytest.mark.parametrize("values", [(), ("--set", "watchNamespaces={soc}"), ("--set", "emulator.enabled=true"),
                                    ("--set", "emulator.enabled=true,watchNamespaces={soc}")])
def test_a_here_document_of_the_notes_ends_where_bash_looks_for_it(values):
    lines = notes(values).splitlines()
    assert lines.count("END") == 1
    assert [line for line in lines if line.lstrip().startswith(("kubectl", "helm")) and line != line.lstrip()] == []
