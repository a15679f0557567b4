"""From a frozen release to the current one, back, on again, away, and in again under another name: with the processes that
the charts' Deployments describe, overlapping as in a roll-out. Run by run.sh, inside of `devcluster run`; its argument is
the mode, cluster or namespaces.
"""

import datetime
import os
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

import charts
import customers as who
from cluster import Failure, Helm, equal, kubectl, objects
from customers import Customers, Microsoft
from fleet import Fleet
from ledger import HANDOVER, Ledger

OLD = Path(os.environ["OLD"])
NEW = Path("charts/defender-tenant-operator")
OLD_OPERATOR, NEW_OPERATOR = os.environ["OLD_OPERATOR"], "defender-tenant-operator"
# Customers whose status the current release tells otherwise than the frozen one, because a text has changed: one write each,
# at the upgrade and at the way back.
RETOLD = ()
CRDS = ("defendertenants.defendertenant.io", "defenderapplications.defendertenant.io")


class Story:
    def __init__(self, mode, helm, folder, newer):
        self.mode, self.newer = mode, newer
        self.home, self.soc = f"home-{mode}", f"soc-{mode}"
        self.helm = Helm(helm, self.home)
        secret = who.prepare(self.helm, OLD / "chart", self.home, self.soc)
        self.values = who.settings(mode, self.soc)
        self.crds(OLD / "chart")
        self.helm("install", "dto", OLD / "chart", *self.values)
        charts.are_those_of(OLD / "chart")
        self.microsoft = Microsoft("dto", folder, self.home)
        self.fleet = Fleet(folder, self.microsoft, self.home)
        self.customers = Customers(mode, self.soc)
        self.ledger = Ledger(Path(os.environ["AUDIT_LOG"]), self.microsoft, self.fleet, self.customers)
        self.fleet.begin(OLD_OPERATOR, "dto")
        self.customers.come(self.microsoft, secret)
        self.ledger.begun = 0
        self.ledger.quiet()

    def crds(self, chart):
        """In namespace mode an administrator applies them."""
        if self.mode == "namespaces":
            kubectl("apply", "--server-side", "--force-conflicts", "--filename", chart / "files/crds")

    def retold(self):
        return [name for name in RETOLD if name in self.customers.wanted]

    def there(self):
        """CRDs first: an old operator works with newer ones, and spoils nothing that it doesn't know."""
        with self.ledger.phase("newer CRDs, older operator", refreshed=["plain"], retold=["plain"]):
            self.crds(self.newer)
            self.helm("upgrade", "dto", self.newer, "--reset-then-reuse-values")
            charts.are_those_of(self.newer)
            self.customers.patch("plain", {"spec": {charts.FIELD: "kept"}})
            self.customers.refresh("plain", "by the old one")
            self.kept("an older operator's status write")

    def kept(self, after):
        equal(f"a field that the older release doesn't know, after {after}", self.customers.all()["plain"]["spec"].get(charts.FIELD), "kept")

    def upgrade(self):
        with self.ledger.phase("upgrade", retold=self.retold()):
            self.fleet.roll(NEW_OPERATOR, "dto", leader_first=self.mode == "cluster")
        before = charts.hashes(self.soc, "formats-defender-token")
        with self.ledger.phase("refreshed by the new one", refreshed=["formats"]):
            self.customers.refresh("formats", "by the new one")
        self.kept("the upgrade")
        equal("versions of the hashes that the new one writes (a change has a price: docs/upgrade.md)",
              charts.hashes(self.soc, "formats-defender-token"), before)

    def back(self):
        with self.ledger.phase("rollback", retold=self.retold()):
            self.helm("rollback", "dto", "1")
            # In namespace mode they are nobody's: the newer ones stay.
            charts.are_those_of(OLD / "chart" if self.mode == "cluster" else self.newer)
            self.fleet.roll(OLD_OPERATOR, "dto", leader_first=self.mode != "cluster")
        if self.mode != "cluster":
            self.kept("the rollback")
        with self.ledger.phase("refreshed after the rollback", refreshed=["empty"]):
            self.customers.refresh("empty", "by the old one again")

    def unknown_hashes(self):
        """What a newer release may have written, and the older one meets after a rollback."""
        self.fleet.stop()
        live = {name: target for name, target in self.ledger.standing()["targets"].items() if name != who.WAITING}
        for name, target in live.items():
            charts.another_version("v998", self.soc, target, name)
        with self.ledger.phase("hashes of a newer release"):
            self.fleet.alone(OLD_OPERATOR, "dto")
        self.fleet.stop()
        # Where the status doesn't vouch for the Secret, it is read, and written as this release has it. An attempt of another
        # fingerprint holds nobody up.
        for target in live.values():
            charts.another_version("v999", self.soc, target)
        later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=20)
        attempt = {"fingerprint": "v999:0123456789abcdef", "nextAt": later.strftime("%Y-%m-%dT%H:%M:%SZ")}
        self.customers.patch(who.WAITING, {"status": {"attempt": attempt}}, "--subresource", "status")
        with self.ledger.phase("hashes that no status vouches for", rewritten=live, retold=live, early=1):
            self.fleet.alone(OLD_OPERATOR, "dto")
        self.fleet.stop()
        with self.ledger.phase("once and no more"):
            self.fleet.alone(OLD_OPERATOR, "dto")
        self.fleet.start(OLD_OPERATOR, "dto")

    def again(self):
        with self.ledger.phase("upgrade again", retold=self.retold()):
            self.crds(self.newer)
            self.helm("upgrade", "dto", self.newer, "--reset-then-reuse-values")
            self.fleet.roll(NEW_OPERATOR, "dto", leader_first=True)
        # Written while the older CRD was there (unknown_hashes), it has lost what that doesn't know.
        equal("the field after both ways", self.customers.all()["plain"]["spec"].get(charts.FIELD),
              None if self.mode == "cluster" else "kept")

    def away(self):
        """The release goes, and what isn't its stays."""
        self.fleet.stop()
        stays = self.standing()
        self.helm("uninstall", "dto")
        equal("what is left of the release", charts.of_release("dto"), [])
        equal("what stays", self.standing(), stays)

    def standing(self):
        return {
            **self.ledger.standing(),
            "crds": {name: crd["metadata"]["uid"] for name, crd in objects("customresourcedefinitions").items() if name in CRDS},
            "credentials": {name: (s["metadata"]["uid"], s["data"]) for name, s in objects("secrets", self.home).items()
                            if name in (who.PARTNER, who.MICROSOFT, "soc-reader-2026")},
        }

    def elsewhere(self):
        """Under another release's name."""
        if self.mode == "cluster":
            refused = self.helm.refusal("install", "other", self.newer, *self.values)
            for said in (".defendertenant.io", "exists and cannot be imported", "meta.helm.sh/release-name", '"dto"'):
                if said not in refused:
                    raise Failure(f"another name is refused without saying {said}: {refused}")
            self.helm("install", "other", self.newer, *self.values, "--take-ownership")
        else:
            # It owns nothing that was kept.
            self.helm("install", "other", self.newer, *self.values)
        with self.ledger.phase("under another name"):
            self.fleet.begin(NEW_OPERATOR, "other")
        with self.ledger.phase("refreshed under another name", refreshed=["plain"]):
            self.customers.refresh("plain", "under another name")

    def end(self):
        self.fleet.stop()
        terms, gaps = self.ledger.leadership()
        longest = max(gaps, default=datetime.timedelta())
        if longest > HANDOVER:
            raise Failure(f"nobody led for {longest}: {terms}")
        self.helm("uninstall", "other")
        kubectl("delete", "defendertenants,defenderapplications", "--all", "--all-namespaces")
        kubectl("delete", "crd", *CRDS)
        for line in self.ledger.lines:
            print(f"upgrade: {self.mode}: {line}")
        print(f"upgrade: {self.mode}: {len(self.fleet.all)} processes, {len(terms)} leaders one after the other, "
              f"at most {longest.total_seconds():.1f} s apart")


def told(mode, helm, newer):
    folder = Path(tempfile.mkdtemp(prefix=f"upgrade-{mode}-"))
    story = Story.__new__(Story)
    try:
        story.__init__(mode, helm, folder, newer)
        story.there()
        story.upgrade()
        story.back()
        story.unknown_hashes()
        story.again()
        story.away()
        story.elsewhere()
        story.end()
    except BaseException:
        for line in getattr(story, "ledger", None) and story.ledger.lines or ():
            print(f"upgrade: {mode}: {line}", file=sys.stderr)
        for operator in getattr(story, "fleet", None) and story.fleet.all[-3:] or ():
            print(f"--- {operator.name}\n{operator.log.read_text()[-2500:]}", file=sys.stderr)
        raise
    finally:
        if hasattr(story, "fleet"):
            story.fleet.kill()
        if hasattr(story, "microsoft"):
            story.microsoft.stop()
        shutil.rmtree(folder)


def main():
    began = time.monotonic()
    (mode,) = sys.argv[1:]
    helm_3, helm_4 = os.environ["HELM_3"], os.environ["HELM_4"]
    with tempfile.TemporaryDirectory() as folder:
        newer = charts.newer(NEW, Path(folder, "chart"))
        try:
            # Either mode with one Helm; and what Helm 3 does to CRDs, by itself and before Helm 4.
            told(mode, helm_4 if mode == "cluster" else helm_3, newer)
            charts.without_processes(OLD / "chart", newer, helm_3, helm_4 if mode == "cluster" else helm_3)
        except Failure as failure:
            traceback.print_tb(failure.__traceback__)
            raise SystemExit(f"upgrade: {mode}: {failure}") from None
    print(f"upgrade: {mode}: from {OLD.name}, in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
