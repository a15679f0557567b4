"""Values that can't be: what they are told."""

import json

import pytest

from conftest import CHART, Refused, rendered
from modes import MODES

TRIAL = {"enabled": True}


@pytest.mark.parametrize("values, told", [
    # A typing mistake is told by its name and place.
    ({"replica": 3}, ["additional properties 'replica' not allowed"]),
    ({"image": {"regsitry": "x"}}, ["'/image'", "additional properties 'regsitry' not allowed"]),
    ({"config": {"logFormat": "xml"}}, ["'/config/logFormat'", "value must be one of '', 'json', 'text'"]),
    ({"config": {"concurrency": "many"}}, ["'/config/concurrency'", "want null or integer"]),
    ({"config": {"entraRate": 0}}, ["'/config/entraRate'", "minimum: got 0, want 1"]),
    ({"watchNamespaces": "soc"}, ["'/watchNamespaces'", "got string, want array"]),
    ({"watchNamespaces": ["SOC"]}, ["'/watchNamespaces/0'", "does not match pattern"]),
    ({"image": {"digest": "abc"}}, ["'/image/digest'", "does not match pattern"]),
    ({"resources": {"request": {}}}, ["'/resources'", "additional properties 'request' not allowed"]),
    ({"commonLabels": {"a": 1}}, ["'/commonLabels/a'", "got number, want string"]),
    ({"emulator": {"tenantId": "contoso.com"}}, ["'/emulator/tenantId'", "does not match pattern"]),
    # A password belongs into a Secret.
    ({"httpsProxy": {"url": "http://user:canary@proxy:3128"}}, ["'/httpsProxy/url'", "does not match pattern"]),
    # No URL with a host and a port.
    ({"httpsProxy": {"url": "http://2001:db8::1"}}, ["'/httpsProxy/url'"]),
    ({"httpsProxy": {"url": "http://proxy:"}}, ["'/httpsProxy/url'"]),
    ({"httpsProxy": {"url": "http://proxy/path:1"}}, ["'/httpsProxy/url'"]),
    ({"extraEnv": [{"name": "A", "value": 1}]}, ["'/extraEnv/0/value'", "got number, want string"]),
    # Helm takes null for "without", and nothing is left.
    ({"config": None}, ["missing property 'config'"]),
    ({"emulator": None}, ["missing property 'emulator'"]),
    ({"image": {"pullSecrets": None}}, ["'/image'", "missing property 'pullSecrets'"]),
    ({"watchNamespaces": None}, ["missing property 'watchNamespaces'"]),
    ({"replicas": None}, ["missing property 'replicas'"]),
    ({"leaderElection": {"leaseName": None}}, ["'/leaderElection'", "missing property 'leaseName'"]),
    # What contradicts itself is told with the way out.
    ({"watchNamespaces": ["soc"], "allowNamespaceSelectors": True}, ["allowNamespaceSelectors is of no use with watchNamespaces"]),
    ({"watchNamespaces": ["soc"], "config": {"secretRef": "deny"}}, ["config.secretRef=deny leaves nothing with watchNamespaces"]),
    ({"shards": 65}, ["'/shards'", "maximum"]),
    ({"shards": 0}, ["'/shards'", "minimum"]),
    ({"serverSideShards": True}, ["serverSideShards is of no use with a single shard"]),
    ({"watchNamespaces": ["soc", "home"]}, ['watchNamespaces has "home"', "install the release into a namespace of its own"]),
    ({"httpsProxy": {"url": "http://a", "existingSecret": "b"}}, ["httpsProxy.url and httpsProxy.existingSecret are both set"]),
    ({"caBundle": {"configMap": "a", "secret": "b"}}, ["caBundle.configMap and caBundle.secret are both set"]),
    ({"workloadIdentity": {"enabled": True, "tokenFile": "/t"}}, ["workloadIdentity.enabled and workloadIdentity.tokenFile"]),
    ({"serviceAccount": {"create": False}}, ["serviceAccount.create=false needs serviceAccount.name"]),
    ({"monitor": {"enabled": True, "kind": "ServiceMonitor"}, "service": {"enabled": False}}, ["set service.enabled=true"]),
    ({"monitor": {"enabled": True, "renderMode": "failIfMissing"}}, ["the cluster knows no PodMonitor", "CRDs first"]),
    ({"emulator": TRIAL, "httpsProxy": {"url": "http://a"}}, ["httpsProxy and caBundle can't be set beside it"]),
    ({"emulator": TRIAL, "kubeconfig": {"existingSecret": "a"}}, ["unset kubeconfig.existingSecret"]),
    ({"emulator": {**TRIAL, "existingSecret": "a"}}, ["belong together"]),
    ({"emulator": {**TRIAL, "existingCredentialSecret": "a"}}, ["belong together"]),
    ({"emulator": {**TRIAL, "existingSecret": "a", "existingCredentialSecret": "b", "config": {"tokens": {}}}},
     ["put it into that Secret's config.json"]),
    ({"emulator": {"config": {"tokens": {}}}}, ["need emulator.enabled=true"]),
    ({"emulator": {"allowExistingTenants": True}}, ["emulator.allowExistingTenants needs emulator.enabled=true"]),
    ({"networkPolicy": {"enabled": True}, "httpsProxy": {"existingSecret": "a"}}, ["set networkPolicy.microsoftPorts"]),
    *(({**MODES["elsewhere"], **more}, ["kubeconfig.existingSecret", "rbac.create=false", "crds.enabled=false"]) for more in (
        {"crds": {"enabled": True}}, {"rbac": {"create": True, "userRoles": {"create": False}}},
        {"rbac": {"create": False, "userRoles": {"create": True}}})),
])
def test_values_that_cannot_be(refusal, values, told):
    text = refusal(values)
    assert [part for part in told if part not in text] == [], text
    assert "canary" not in text.replace("'http://user:canary@proxy:3128' does not match pattern", "")


def test_older_clusters_are_refused(refusal):
    assert "chart requires kubeVersion: >=1.34.0-0" in refusal({}, "--kube-version", "1.33.9")


@pytest.mark.parametrize("version", ["1.34.0", "1.35.1", "1.36.0", "1.37.2", "1.37.2-gke.100", "v1.34.4-eks-1"])
def test_newer_ones_and_providers_builds_are_taken(render, version):
    assert render(MODES["cluster"], "--kube-version", version).of("Deployment")


def every_key(schema, path=()):
    for key, value in schema.get("properties", {}).items():
        yield (*path, key)
        # Not below what is free in form.
        if "required" in value:
            yield from every_key(value, (*path, key))


SCHEMA = json.loads((CHART / "values.schema.json").read_text())


@pytest.mark.parametrize("path", list(every_key(SCHEMA)), ids=".".join)
def test_null_is_refused_or_means_something_but_is_never_a_nil_pointer(path):
    values = {"emulator": {"enabled": True}, "networkPolicy": {"enabled": True}, "monitor": {"enabled": True}}
    section = values
    for key in path[:-1]:
        section = section.setdefault(key, {})
    section[path[-1]] = None
    try:
        rendered("helm-4", values)
    except Refused as refused:
        assert f"missing property '{path[-1]}'" in str(refused)
