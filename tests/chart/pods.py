"""Reads a chart's rendering; writes what the API server can say about its pods: every pod, as one to create.

A Deployment is taken whatever its pods are like; a pod meets the namespace's Pod Security Standard. And it must have an
account that is there: the one that the argument names.
"""

import sys

import yaml

pods = []
for o in yaml.safe_load_all(sys.stdin):
    if o and o["kind"] == "Pod":
        pods.append(o)
    elif o and o["kind"] == "Deployment":
        template = o["spec"]["template"]
        metadata = {**template["metadata"], "name": o["metadata"]["name"], "namespace": o["metadata"]["namespace"]}
        pods.append({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]})
for pod in pods:
    pod["spec"]["serviceAccountName"] = sys.argv[1]
yaml.safe_dump_all(pods, sys.stdout)
