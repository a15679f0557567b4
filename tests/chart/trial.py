"""The trial without a node: what the pods would do is done here, by the programs themselves, with the pods' own settings,
Secrets and accounts as the API server has them. Run by tools/chart/check.sh, inside of `devcluster run`.

What is shown: the operator starts with the rights and variables that the chart gives it, the emulator takes the chart's CA
and configuration, and `helm test` finds what it needs, in both modes.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml
from pod_process import BIN, Pod, get, kubectl

CHART = "charts/defender-tenant-operator"
NAME = "dto-defender-tenant-operator"
PATIENCE = 60


def helm(*args):
    return subprocess.run([os.environ["HELM_4"], "-n", "home", *args], check=True, capture_output=True, text=True).stdout


def holder():
    """Who holds the Lease."""
    lease = ("lease", "defender-tenant-operator-0", "--ignore-not-found", "-o", "jsonpath={.spec.holderIdentity}")
    return kubectl("-n", "home", "get", *lease)


def within(what, probe):
    end = time.monotonic() + PATIENCE
    while not (found := probe()):
        if time.monotonic() > end:
            raise SystemExit(f"trial: not within {PATIENCE} s: {what}")
        time.sleep(0.2)
    return found


def trial(values, folder):
    helm("install", "dto", CHART, "--set", "emulator.enabled=true", *values)
    processes = []
    try:
        spec = get("deployment", f"{NAME}-emulator")["spec"]["template"]["spec"]
        pod = Pod(spec, folder / "emulator", {})
        ports = {port: "127.0.0.1:0" for port in ("listen", "proxy", "control")}
        emulator = pod.start("entra-emulator", pod.args(**ports), stdout=subprocess.PIPE)
        processes.append(emulator)
        proxy = {"DTO_HTTPS_PROXY": "http://" + json.loads(emulator.stdout.readline())["proxy"]}

        spec = get("deployment", NAME)["spec"]["template"]["spec"]
        pod = Pod(spec, folder / "operator", {**proxy, "DTO_LISTEN": "127.0.0.1:0"})
        # What `helm test` runs without the emulator: the operator's account and settings are all that it needs.
        def doctor():
            env = {"PATH": os.environ["PATH"], **pod.env}
            command = [BIN / "defender-tenant-operator", "doctor", "--expect-leader"]
            return subprocess.run(command, env=env, check=False, capture_output=True, text=True)

        kubectl("-n", "home", "delete", "lease", "--ignore-not-found", "defender-tenant-operator-0")
        early = doctor()
        if early.returncode != 1 or "there is none yet" not in early.stdout:
            raise SystemExit(f"trial: where no operator ever ran, the doctor ended with {early.returncode}: {early.stdout}")
        operator = pod.start("defender-tenant-operator", pod.args(), stdout=subprocess.DEVNULL)
        processes.append(operator)
        within("the operator ends, or holds its Lease", lambda: operator.poll() is not None or holder())
        if operator.poll() is not None:
            raise SystemExit(f"trial: the operator ended with {operator.returncode}")

        looked = doctor()
        if looked.returncode:
            raise SystemExit(f"trial: the doctor ended with {looked.returncode}: {looked.stdout}")

        # As `helm test` does: first what only the test has, then the pod.
        items = [o for o in yaml.safe_load_all(helm("get", "hooks", "dto")) if o]
        (test,) = [o["spec"] for o in items if o["kind"] == "Pod"]
        roles = json.dumps({"apiVersion": "v1", "kind": "List", "items": [o for o in items if o["kind"] != "Pod"]})
        kubectl("create", "-f", "-", stdin=roles)
        pod = Pod(test, folder / "test", proxy)
        ended = pod.start("defender-tenant-operator", pod.args(), stdout=sys.stdout).wait()
        kubectl("delete", "-f", "-", stdin=roles)
        if ended:
            raise SystemExit(f"trial: the smoke test ended with {ended}: {(folder / 'test' / 'log').read_text()}")
        left = kubectl("get", "dt,dapp", "-A", "-o", "name")
        assert left == "", f"the smoke test left {left}"
    finally:
        for process in processes:
            process.terminate()
            process.wait()
        for log in folder.glob("*/log"):
            if sys.exc_info()[0]:
                print(f"--- {log.parent.name}\n{log.read_text()[-3000:]}", file=sys.stderr)
    helm("uninstall", "dto")


def main():
    for namespace in ("home", "soc"):
        kubectl("create", "namespace", namespace)
    with tempfile.TemporaryDirectory() as folder:
        trial([], Path(folder, "cluster"))
        # The CRDs were kept: in namespace mode they are somebody else's.
        trial(["--set", "watchNamespaces={soc}"], Path(folder, "namespaced"))
    print("chart: the trial works in both modes, and leaves nothing behind")


if __name__ == "__main__":
    main()
