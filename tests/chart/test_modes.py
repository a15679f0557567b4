"""What holds in every mode, and what makes the modes differ."""

import textwrap

import pytest
import yaml

from conftest import CHART, ROOT, component, rendered
from modes import MODES

CLUSTER_SCOPED = {"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "Namespace"}
RESTRICTED = {"runAsNonRoot": True, "runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532,
              "seccompProfile": {"type": "RuntimeDefault"}}
LOCKED = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


@pytest.fixture(params=MODES)
def mode(request):
    return request.param


def pods(objects):
    found = [o["spec"] for o in objects.of("Pod")]
    return found + [o["spec"]["template"]["spec"] for o in objects.of("Deployment")]


def test_both_helms_render_the_same(mode):
    three, four = (rendered(helm, MODES[mode]) for helm in ("helm-3", "helm-4"))
    for objects in (three, four):
        for o in objects:
            # A trial without a cluster makes a new CA and secret each time.
            if component_of(o) == "emulator" and o["kind"] == "Secret":
                o["data"] = sorted(o["data"])
            o.get("spec", {}).get("template", {}).get("metadata", {}).get("annotations", {}).pop("checksum/emulator", None)
    key = lambda o: (o["kind"], o["metadata"].get("namespace", ""), o["metadata"]["name"])
    assert sorted(three, key=key) == sorted(four, key=key)


def component_of(o):
    return o["metadata"].get("labels", {}).get("app.kubernetes.io/component")


def test_pods_hold_to_the_restricted_standard(render, mode):
    for pod in pods(render(MODES[mode])):
        assert pod["securityContext"] == RESTRICTED
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
        for container in pod["containers"]:
            assert container["securityContext"] == LOCKED
            assert container["resources"]["limits"]["memory"]
        assert all(v.keys() & {"projected", "secret", "configMap", "emptyDir"} for v in pod["volumes"])


def test_a_token_is_mounted_where_clients_look_and_nowhere_else(render, mode):
    for pod in pods(render(MODES[mode])):
        tokens = [v for v in pod["volumes"] if v["name"] == "kube-api-access"]
        mounts = [m["mountPath"] for c in pod["containers"] for m in c["volumeMounts"] if m["name"] == "kube-api-access"]
        if pod["containers"][0]["name"] == "emulator":
            assert (tokens, mounts) == ([], [])
            continue
        assert mounts == ["/var/run/secrets/kubernetes.io/serviceaccount"]
        (token,) = tokens
        # Readable by the group, which fsGroup makes that of user 65532.
        assert token["projected"]["defaultMode"] == 0o440
        sources = {k: v for source in token["projected"]["sources"] for k, v in source.items()}
        assert sources["serviceAccountToken"] == {"path": "token", "expirationSeconds": 3600}
        assert sources["configMap"] == {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}
        assert [i["path"] for i in sources["downwardAPI"]["items"]] == ["namespace"]


def test_nothing_but_the_test_is_a_hook(render, mode):
    hooks = {component(o): o["metadata"]["annotations"] for o in render(MODES[mode])
             if any(k.startswith("helm.sh/hook") for k in o["metadata"].get("annotations", {}))}
    assert hooks.keys() <= {"test"}
    for annotations in hooks.values():
        assert annotations["helm.sh/hook"] == "test"
        assert annotations["helm.sh/hook-delete-policy"] == "before-hook-creation,hook-succeeded"


def test_helm_prints_what_the_test_says_before_it_deletes_it(render):
    for mode in ("cluster", "trial"):
        annotations = render(MODES[mode]).one("Pod")["metadata"]["annotations"]
        assert annotations["helm.sh/hook-output-log-policy"] == "hook-succeeded,hook-failed"


def test_no_custom_resource_of_ours_is_in_the_release(render, mode):
    assert not [o for o in render(MODES[mode]) if o["apiVersion"].startswith("defendertenant.io/")]


def test_every_object_says_whose_it_is(render, mode):
    for o in render(MODES[mode]):
        if "extraObjects" in MODES[mode] and o["kind"] == "ConfigMap":
            continue
        labels = o["metadata"]["labels"]
        assert labels["app.kubernetes.io/managed-by"] == "Helm"
        assert labels["app.kubernetes.io/instance"] == "dto"
        assert o["kind"] in CLUSTER_SCOPED or o["metadata"]["namespace"]
        if mode == "all-on":
            assert labels["team"] == "soc"
            assert o["metadata"]["annotations"]["example.com/owner"] == "soc"


def test_a_selector_finds_the_pods_of_its_component_and_no_others(render):
    objects = render(MODES["trial"])
    templates = {component(d): d["spec"]["template"]["metadata"]["labels"] for d in objects.of("Deployment")}
    for o in objects.of("Deployment") + objects.of("Service") + objects.of("PodDisruptionBudget"):
        selector = o["spec"]["selector"]
        selector = selector.get("matchLabels", selector)
        assert [c for c, labels in templates.items() if selector.items() <= labels.items()] == [component(o)]


def test_namespace_mode_has_no_object_of_the_cluster(render):
    for mode in ("namespaced", "trial-namespaced"):
        objects = render(MODES[mode])
        assert not CLUSTER_SCOPED & set(objects.kinds())
        assert {o["metadata"]["namespace"] for o in objects} == {"home", *MODES[mode]["watchNamespaces"]}


def rules_of(o):
    return sorted(
        (group, resource, verb, *rule.get("resourceNames", []))
        for rule in o["rules"] for group in rule["apiGroups"] for resource in rule["resources"] for verb in rule["verbs"]
    )


TENANT_RULES = sorted(
    [("defendertenant.io", "defendertenants", verb) for verb in ("get", "list", "watch")]
    + [("defendertenant.io", "defendertenants/status", "update")]
    + [("", "secrets", verb) for verb in ("get", "list", "watch", "create", "patch", "delete")]
    + [("events.k8s.io", "events", verb) for verb in ("create", "patch")]
)
APPLICATION_RULES = [("defendertenant.io", "defenderapplications", verb) for verb in ("get", "list", "watch")] + [
    ("defendertenant.io", "defenderapplications/status", "update")]
# Of every number of shards: in a roll-out from more of them to fewer, the old pods go on renewing theirs.
LEASES = [f"defender-tenant-operator-{n}" for n in [*range(64), "shards"]]
LEADER_RULES = sorted([("coordination.k8s.io", "leases", "create")]
                      + [("coordination.k8s.io", "leases", verb, *LEASES) for verb in ("get", "update")])


def operator_rules(objects):
    """Each role that is bound to the operator's account: (namespace or "", rules)."""
    found = []
    for binding in objects.of("ClusterRoleBinding") + objects.of("RoleBinding"):
        if binding["subjects"] != [{"kind": "ServiceAccount", "name": "dto-defender-tenant-operator", "namespace": "home"}]:
            continue
        namespace = binding["metadata"].get("namespace", "")
        (role,) = [r for r in objects.of(binding["roleRef"]["kind"], binding["roleRef"]["name"])
                   if r["metadata"].get("namespace", "") == namespace]
        found.append((namespace, rules_of(role)))
    return sorted(found)


def test_the_operator_may_exactly_what_it_does(render):
    leader = ("home", LEADER_RULES)
    cluster = ("", sorted(TENANT_RULES + APPLICATION_RULES))
    selectors = ("", [("", "namespaces", verb) for verb in ("get", "list", "watch")])
    assert operator_rules(render()) == [cluster, leader]
    assert operator_rules(render({"allowNamespaceSelectors": True})) == sorted([selectors, cluster, leader])
    assert operator_rules(render(MODES["namespaced"])) == sorted([leader, ("soc", TENANT_RULES), ("noc", TENANT_RULES)])
    assert operator_rules(render({"rbac": {"create": False}})) == []


def test_the_lease_is_in_the_operators_namespace_under_a_name_that_no_release_changes(render):
    for release in ("dto", "other"):
        objects = render({"operatorNamespace": "soc-system"}, release=release)
        (leader,) = [r for r in objects.of("Role") if r["metadata"]["name"].endswith("-leader")]
        assert leader["metadata"]["namespace"] == "soc-system"
        assert rules_of(leader) == LEADER_RULES
        assert objects.env()["DTO_LEASE_NAME"] == "defender-tenant-operator"
        assert objects.env()["DTO_OPERATOR_NAMESPACE"] == "soc-system"


def test_people_may_view_by_aggregation_and_edit_only_if_asked_and_never_read_secrets(render):
    def user_roles(objects):
        return {r["metadata"]["name"].rsplit("-", 1)[1]: r for r in objects.of("ClusterRole") + objects.of("Role")
                if component(r) == "user-role"}

    def aggregated(role):
        return [k.removeprefix("rbac.authorization.k8s.io/") for k in role["metadata"]["labels"] if "aggregate" in k]

    roles = user_roles(render())
    assert {name: aggregated(role) for name, role in roles.items()} == {"view": ["aggregate-to-view"], "edit": []}
    assert {resource for role in roles.values() for _, resource, *_ in rules_of(role)} == {
        "defendertenants", "defenderapplications"}
    assert {verb for _, _, verb in rules_of(roles["view"])} == {"get", "list", "watch"}
    assert {verb for _, resource, verb in rules_of(roles["edit"]) if resource == "defenderapplications"} == set()
    assert aggregated(user_roles(render(MODES["all-on"]))["edit"]) == ["aggregate-to-edit"]
    namespaced = user_roles(render(MODES["namespaced"]))
    assert {role["kind"] for role in namespaced.values()} == {"Role"}
    assert {tuple(aggregated(role)) for role in namespaced.values()} == {()}


def test_crds_are_those_of_the_operator_and_are_kept(render):
    crds = {path.name: yaml.safe_load(path.read_text()) for path in (ROOT / "crds").glob("*.yaml")}
    found = render().of("CustomResourceDefinition")
    assert sorted((c["metadata"]["name"] for c in found)) == sorted(c["metadata"]["name"] for c in crds.values())
    for crd in found:
        assert crd["spec"] in [c["spec"] for c in crds.values()]
        assert crd["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert "annotations" not in render({"crds": {"keep": False}}).of("CustomResourceDefinition")[0]["metadata"]
    assert render({"crds": {"enabled": False}}).of("CustomResourceDefinition") == []


def test_all_off_is_the_deployment_alone(render):
    objects = render(MODES["all-off"])
    assert objects.kinds() == ["Deployment"]
    assert not {"livenessProbe", "readinessProbe"} & objects.container().keys()
    assert not {"affinity", "nodeSelector", "imagePullSecrets"} & objects.pod().keys()
    assert objects.pod()["serviceAccountName"] == "theirs"


def test_the_chart_has_the_operators_version():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    cargo = (ROOT / "Cargo.toml").read_text()
    versions = {chart["version"], chart["appVersion"]}
    assert len(versions) == 1
    assert f'\nversion = "{versions.pop()}"\n' in cargo
    crds = {yaml.safe_load(path.read_text())["metadata"]["name"] for path in (ROOT / "crds").glob("*.yaml")}
    assert {c["name"] for c in yaml.safe_load(chart["annotations"]["artifacthub.io/crds"])} == crds


def test_the_alerts_are_those_of_the_documents(render):
    told = []
    for page in ["application", "high-availability"]:
        text = textwrap.dedent((ROOT / f"docs/{page}.md").read_text().split("groups:\n", 1)[1].split("```", 1)[0])
        told += yaml.safe_load("groups:\n" + text)["groups"]
    rule = render(MODES["all-on"]).one("PrometheusRule")
    assert rule["spec"]["groups"] == told
