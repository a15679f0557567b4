"""How the chart is rendered in these tests: by the real Helm, both of them, and compared as values."""

import copy
import functools
import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "defender-tenant-operator"
HELMS = {"helm-4": os.environ["HELM_4"], "helm-3": os.environ["HELM_3"]}
# What the chart promises at the least.
KUBERNETES = "1.34.0"


class Strict(yaml.CSafeLoader):
    """YAML that refuses a key that stands twice, as the API server does with strict validation."""


def mapping(loader, node):
    keys = [loader.construct_object(key) for key, _ in node.value]
    twice = sorted({str(key) for key in keys if keys.count(key) > 1})
    if twice:
        raise yaml.constructor.ConstructorError(None, None, f"twice: {', '.join(twice)}", node.start_mark)
    return dict(zip(keys, (loader.construct_object(value, deep=True) for _, value in node.value)))


Strict.add_constructor("tag:yaml.org,2002:map", mapping)
# A number for Kubernetes' parser, and not for this one.
Strict.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789"))


class Refused(Exception):
    """Helm's answer to values that can't be."""


class Rendered(list):
    """The objects of one rendering."""

    def of(self, kind, name=None):
        return [o for o in self if o["kind"] == kind and name in (None, o["metadata"]["name"])]

    def one(self, kind, name=None):
        (found,) = self.of(kind, name)
        return found

    def kinds(self):
        return sorted({o["kind"] for o in self})

    def pod(self):
        """The operator's pod."""
        deployments = [o for o in self.of("Deployment") if component(o) == "operator"]
        return deployments[0]["spec"]["template"]["spec"]

    def container(self):
        return self.pod()["containers"][0]

    def env(self):
        return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in self.container()["env"]}

    def test_pod(self):
        return self.one("Pod")["spec"]


def component(obj):
    return obj["metadata"]["labels"]["app.kubernetes.io/component"]


def run(helm, *args, stdin=None):
    done = subprocess.run([HELMS[helm], *map(str, args)], input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refused(done.stderr)
    return done.stdout


# Many tests look at the same rendering.
@functools.cache
def objects_of(helm, values, *args):
    text = run(helm, "template", *args, "--values", "-", stdin=values)
    return [o for o in yaml.load_all(text, Strict) if o]


def rendered(helm, values=None, *args, chart=CHART, release="dto", namespace="home"):
    args = (release, chart, "--namespace", namespace, "--kube-version", KUBERNETES, *args)
    return Rendered(copy.deepcopy(objects_of(helm, json.dumps(values or {}), *args)))


@pytest.fixture(params=HELMS)
def helm(request):
    return request.param


@pytest.fixture
def render(helm):
    """render({"replicas": 3}) → Rendered"""
    return lambda values=None, *args, **more: rendered(helm, values, *args, **more)


@pytest.fixture
def refusal(render):
    """The text with which values are refused; a test that fails if they aren't."""

    def refuse(values, *args):
        with pytest.raises(Refused) as refused:
            render(values, *args)
        return str(refused.value)

    return refuse
