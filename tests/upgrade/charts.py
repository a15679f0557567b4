"""Charts, CRDs and Secrets, as one release leaves them to another."""

import json
import shutil

import yaml
from cluster import Failure, Helm, equal, kubectl, objects
from pod_process import get

# A field that no release has yet. Most releases change no CRD; the test must know what happens if one does.
FIELD = "unknownToOlderReleases"
HASHES = ("digest", "mint-inputs", "credential-fingerprint")


def newer(chart, place):
    """The current chart, with one field more in a CRD."""
    shutil.copytree(chart, place)
    path = place / "files/crds/defendertenants.yaml"
    crd = yaml.safe_load(path.read_text())
    for version in crd["spec"]["versions"]:
        spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
        spec["properties"][FIELD] = {"type": "string", "maxLength": 63}
    path.write_text(yaml.safe_dump(crd))
    return place


def are_those_of(chart):
    """The CRDs are this chart's, and served."""
    for path in (chart / "files/crds").glob("*.yaml"):
        wanted = yaml.safe_load(path.read_text())
        name = wanted["metadata"]["name"]
        kubectl("wait", "--for=condition=Established", f"crd/{name}", "--timeout=30s")
        found = json.loads(kubectl("get", "crd", name, "--output", "json"))
        for version, served in zip(wanted["spec"]["versions"], found["spec"]["versions"], strict=True):
            if version["schema"] != served["schema"]:
                raise Failure(f"{name} {version['name']} isn't that of {chart}")


def hashes(namespace, secret):
    """Which versions of the hashes stand on it."""
    annotations = get("secret", secret, namespace)["metadata"]["annotations"]
    return {name: annotations[f"defendertenant.io/{name}"].split(":")[0] for name in HASHES}


def another_version(version, namespace, secret, tenant=None):
    """Leaves a customer as a release would that computes the hashes differently."""
    annotations = get("secret", secret, namespace)["metadata"]["annotations"]
    names = [f"defendertenant.io/{name}" for name in HASHES]
    hashes = {name: f"{version}:{annotations[name].split(':')[1]}" for name in names}
    kubectl("--namespace", namespace, "patch", "secret", secret, "--type", "merge", "--patch",
            json.dumps({"metadata": {"annotations": hashes}}))
    if not tenant:
        return
    # Its own writes are known to it.
    known = {"status": {"target": {"resourceVersion": get("secret", secret, namespace)["metadata"]["resourceVersion"]}}}
    kubectl("--namespace", namespace, "patch", "defendertenant", tenant, "--subresource", "status", "--type", "merge",
            "--patch", json.dumps(known))


def of_release(release):
    kinds = "deploy,sa,role,rolebinding,service,pdb,networkpolicy,secret,clusterrole,clusterrolebinding"
    return kubectl("get", kinds, "--all-namespaces", "--output", "name", "--selector", f"app.kubernetes.io/instance={release}").split()


def without_processes(old, new, installer, upgrader):
    """Only what Helm does, where the two differ: CRDs among the templates."""
    home = "home-objects"
    kubectl("create", "namespace", home)
    first, helm = Helm(installer, home), Helm(upgrader, home)
    first("install", "dto", old)
    are_those_of(old)
    kept = {name: crd["metadata"]["uid"] for name, crd in objects("customresourcedefinitions").items()}
    helm("upgrade", "dto", new, "--reset-then-reuse-values")
    are_those_of(new)
    helm("rollback", "dto", "1")
    are_those_of(old)
    helm("upgrade", "dto", new, "--reset-then-reuse-values")
    are_those_of(new)
    helm("uninstall", "dto")
    equal("what is left of the release", of_release("dto"), [])
    equal("CRDs", {name: crd["metadata"]["uid"] for name, crd in objects("customresourcedefinitions").items()}, kept)
    refused = helm.refusal("install", "other", new)
    if "cannot be imported" not in refused:
        raise Failure(f"another name is refused for another reason: {refused}")
    helm("install", "other", new, "--take-ownership")
    are_those_of(new)
    helm("uninstall", "other")
    kubectl("delete", "crd", *kept)
    kubectl("delete", "namespace", home)
    versions = [h("version", "--template", "{{.Version}}") for h in (first, helm)]
    print(f"upgrade: {' and '.join(dict.fromkeys(versions))}: install, upgrade, rollback, upgrade, uninstall, another name")
