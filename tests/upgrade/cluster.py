"""The API server and Helm, as a person talks to them."""

import json
import subprocess
import time


class Failure(Exception):
    """Something isn't as it must be."""


def run(*command, stdin=None):
    done = subprocess.run(command, capture_output=True, text=True, input=stdin, check=False)
    if done.returncode:
        raise Failure(f"{' '.join(map(str, command))}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def kubectl(*args, stdin=None):
    return run("kubectl", *args, stdin=stdin)


def apply(*objects):
    kubectl("apply", "--filename", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))


def objects(kind, namespace=None):
    """All of a kind, by name."""
    where = ["--namespace", namespace] if namespace else []
    return {o["metadata"]["name"]: o for o in json.loads(kubectl("get", kind, *where, "--output", "json"))["items"]}


def within(what, probe, patience=60):
    """What `probe` tells, once it is something."""
    end = time.monotonic() + patience
    while not (found := probe()):
        if time.monotonic() > end:
            raise Failure(f"not within {patience} s: {what}")
        time.sleep(0.1)
    return found


def equal(what, found, wanted):
    if found != wanted:
        raise Failure(f"{what}: {found!r} instead of {wanted!r}")


class Helm:
    """One of the two, in a namespace."""

    def __init__(self, program, namespace):
        self.program, self.namespace = program, namespace

    def __call__(self, *args):
        return run(self.program, "--namespace", self.namespace, *args)

    def refusal(self, *args):
        """Why it doesn't do so."""
        try:
            self(*args)
        except Failure as refused:
            return str(refused)
        raise Failure(f"helm {' '.join(args)}: it isn't refused")
