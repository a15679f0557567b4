"""A pod of the chart without a node: its container as a local process, with its own variables, arguments, Secrets and
account as the API server has them. BIN is the folder of the programs.
"""

import base64
import json
import os
import re
import subprocess
from pathlib import Path

BIN = Path(os.environ["BIN"]).resolve()


def kubectl(*args, stdin=None):
    return subprocess.run(["kubectl", *args], check=True, capture_output=True, text=True, input=stdin).stdout


def get(kind, name, namespace="home"):
    return json.loads(kubectl("-n", namespace, "get", kind, name, "-o", "json"))


class Pod:
    """A pod's container as a process: its variables, arguments and files, but for what a network would give."""

    def __init__(self, spec, folder, replaced, namespace="home"):
        self.container = spec["containers"][0]
        self.folder, self.files, self.namespace = folder, {}, namespace
        mounts = {m["name"]: m["mountPath"] for m in self.container["volumeMounts"]}
        for volume in spec["volumes"]:
            place = folder / volume["name"]
            place.mkdir(parents=True)
            self.files[mounts[volume["name"]]] = str(place)
            if "secret" in volume:
                data = get("secret", volume["secret"]["secretName"], namespace)["data"]
                for item in volume["secret"]["items"]:
                    (place / item["path"]).write_bytes(base64.b64decode(data[item["key"]]))
        self.env = {
            "POD_NAME": folder.name, "POD_NAMESPACE": namespace,
            **{e["name"]: self.here(e["value"]) for e in self.container.get("env", []) if "value" in e}, **replaced,
        }
        if "kube-api-access" in [v["name"] for v in spec["volumes"]]:
            self.env["KUBECONFIG"] = str(self.kubeconfig(spec["serviceAccountName"]))

    def here(self, text):
        mounted = "|".join(map(re.escape, self.files))
        return re.sub(mounted, lambda found: self.files[found[0]], text)

    def kubeconfig(self, account):
        """The API server as this account."""
        config = json.loads(kubectl("config", "view", "--raw", "--minify", "--flatten", "-o", "json"))
        config["users"][0]["user"] = {"token": kubectl("-n", self.namespace, "create", "token", account).strip()}
        path = self.folder / "kubeconfig"
        path.write_text(json.dumps(config))
        return path

    def args(self, **replaced):
        flags = (self.here(arg) for arg in self.container["args"])
        return [next((f"--{k}={v}" for k, v in replaced.items() if arg.startswith(f"--{k}=")), arg) for arg in flags]

    def start(self, program, args, **more):
        log = open(self.folder / "log", "w", encoding="utf-8")
        env = {"PATH": os.environ["PATH"], **self.env}
        return subprocess.Popen([BIN / program, *args], env=env, stderr=log, **more)
