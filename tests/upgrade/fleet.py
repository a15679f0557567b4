"""The operator's processes, as a Deployment of two replicas has them."""

import base64
import json
import re
import subprocess
import urllib.error
import urllib.request

from cluster import Failure, equal, within
from pod_process import Pod, get

# The chart's terminationGracePeriodSeconds: what lasts longer, the kubelet kills.
GRACE = 20


class Operator:
    """A process as the pod of this Deployment would run it."""

    def __init__(self, name, program, deployment, folder, proxy, namespace):
        self.name = name
        spec = deployment["spec"]["template"]["spec"]
        pod = Pod(spec, folder / name, {"DTO_HTTPS_PROXY": proxy, "DTO_LISTEN": "127.0.0.1:0"}, namespace)
        self.log = folder / name / "log"
        # The audit log names requests by their token.
        token = json.loads((folder / name / "kubeconfig").read_text())["users"][0]["user"]["token"]
        claims = token.split(".")[1]
        self.token_id = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["jti"]
        self.process = pod.start(program, pod.args(), stdout=subprocess.DEVNULL)
        self.address = within(f"{name} says where it listens", self._listen)
        within(f"{name} is ready", self.is_ready)

    def _listen(self):
        self.alive()
        for line in self.log.read_text().splitlines():
            if line.startswith("{") and (said := json.loads(line)).get("message") == "starting":
                return said["listen"]
        return None

    def alive(self):
        if self.process.poll() is not None:
            raise Failure(f"{self.name} ended with {self.process.returncode}: {self.log.read_text()[-800:]}")

    def _get(self, path):
        with urllib.request.urlopen(f"http://{self.address}{path}", timeout=5) as answer:
            return answer.read().decode()

    def is_ready(self):
        self.alive()
        try:
            self._get("/readyz")
        except (urllib.error.URLError, ConnectionError):
            return False
        return True

    def metric(self, name, **labels):
        """The sum of its series that have these labels."""
        total = 0.0
        for line in self._get("/metrics").splitlines():
            if found := re.fullmatch(rf"defender_tenant_{name}(?:\{{(.*)\}})? (\S+)", line):
                if all(f'{k}="{v}"' in (found[1] or "") for k, v in labels.items()):
                    total += float(found[2])
        return total

    def leads(self):
        return self.metric("leader") == 1

    def end(self):
        """What the kubelet does to a pod."""
        self.alive()
        self.process.terminate()
        try:
            code = self.process.wait(GRACE)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.name} didn't end within {GRACE} s") from None
        equal(f"{self.name}'s exit code", code, 0)


class Fleet:
    """All that ever ran, the running ones in the order of their start."""

    def __init__(self, folder, microsoft, namespace):
        self.folder, self.microsoft, self.namespace = folder, microsoft, namespace
        self.running, self.all = [], []

    def start(self, program, release):
        """One pod more, until it is ready."""
        deployment = get("deployment", f"{release}-defender-tenant-operator", self.namespace)
        name = f"{release}-{len(self.all) + 1}"
        self.all.append(Operator(name, program, deployment, self.folder, self.microsoft.proxy, self.namespace))
        self.running.append(self.all[-1])

    def begin(self, program, release):
        """Both replicas of a first roll-out."""
        deployment = get("deployment", f"{release}-defender-tenant-operator", self.namespace)
        equal("replicas", deployment["spec"]["replicas"], 2)
        self.start(program, release)
        self.start(program, release)
        self.settled()

    def roll(self, program, release, leader_first):
        """As the chart's strategy has it: one more is ready, then an old one ends."""
        deployment = get("deployment", f"{release}-defender-tenant-operator", self.namespace)
        equal("strategy", deployment["spec"]["strategy"]["rollingUpdate"], {"maxSurge": 1, "maxUnavailable": 0})
        old = list(self.running)
        while old:
            self.start(program, release)
            self.settled()
            leader = next((o for o in old if o.leads()), None)
            others = [o for o in old if o is not leader]
            going = leader if leader and (leader_first or not others) else others[0]
            old.remove(going)
            self.running.remove(going)
            going.end()
            self.settled()

    def settled(self):
        """Everybody is ready, one leads."""
        self.leader()
        for operator in self.running:
            if not operator.is_ready():
                raise Failure(f"{operator.name} isn't ready any more")

    def leader(self):
        def only():
            leaders = [operator for operator in self.running if operator.leads()]
            return leaders[0] if len(leaders) == 1 else None

        return within("one process leads", only, 20)

    def alone(self, program, release):
        """One that has nobody to give way to."""
        self.start(program, release)
        self.settled()

    def stop(self):
        """All pods go, the leader last: nobody has to take over."""
        leader = self.leader()
        for operator in [*(o for o in self.running if o is not leader), leader]:
            self.running.remove(operator)
            operator.end()

    def kill(self):
        for operator in self.all:
            if operator.process.poll() is None:
                operator.process.kill()
                operator.process.wait()
