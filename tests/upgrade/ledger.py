"""What a phase cost: writes from the API server's audit log, mints from the emulator's journal."""

import contextlib
import datetime
import json
import time
from collections import Counter

from charts import FIELD
from cluster import Failure, equal, objects, within
from customers import WAITING

READS = {"get", "list", "watch"}
REVIEWS = {"selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews"}
# A Lease that nobody gives back runs out 15 s after its last renewal: a hand-over that takes longer than this wasn't one.
HANDOVER = datetime.timedelta(seconds=14)


def instant(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


class Request:
    def __init__(self, line):
        about = line.get("objectRef", {})
        self.verb, self.name = line["verb"], about.get("name", "")
        self.resource = "/".join(filter(None, [about.get("resource"), about.get("subresource")]))
        self.at = instant(line["requestReceivedTimestamp"])
        self.code = line.get("responseStatus", {}).get("code", 0)
        who = line["user"].get("extra", {}).get("authentication.kubernetes.io/credential-id", [""])
        self.token_id = who[0].removeprefix("JTI=")

    @property
    def is_lease(self):
        return self.resource == "leases"

    @property
    def is_write(self):
        return self.verb not in READS and self.resource not in REVIEWS

    def __repr__(self):
        return f"{self.verb} {self.resource} {self.name} ({self.code})"


def statuses_of(applications):
    return {name: application.get("status") for name, application in applications.items()}


class Ledger:
    def __init__(self, audit_log, microsoft, fleet, customers):
        self.log, self.microsoft, self.fleet, self.customers = audit_log, microsoft, fleet, customers
        self.lines = []

    def requests(self, since):
        """Of the operators, from that one of the audit log's positions on, and the position after them."""
        with open(self.log, "rb") as log:
            log.seek(since)
            text = log.read()
        whole = text.rfind(b"\n") + 1
        ours = {operator.token_id for operator in self.fleet.all}
        found = [Request(json.loads(line)) for line in text[:whole].splitlines() if b"JTI=" in line]
        return [request for request in found if request.token_id in ours], since + whole

    def quiet(self):
        """The leader has looked at each customer, and nobody has asked for anything for a second."""
        leader = self.fleet.leader()
        number = len(self.customers.wanted)
        within("the leader has looked at all", lambda: leader.metric("reconciles_total") >= number)
        seen, since = None, time.monotonic()

        def still():
            nonlocal seen, since
            asked = sum(not r.is_lease for r in self.requests(self.begun)[0])
            now = (asked, self.microsoft.journal()[1], sum(leader.metric("queue_depth", queue=q) for q in ("ready", "running")))
            if now != seen:
                seen, since = now, time.monotonic()
            return now[2] == 0 and time.monotonic() - since > 1

        within("quiet", still)

    @contextlib.contextmanager
    def phase(self, title, refreshed=(), retold=(), rewritten=(), early=0):
        """Exactly these customers get a new token, at the cost of a mint, a write of the Secret and one of the status; these
        have their status or their Secret written besides; and nothing else is written or asked for, but what is due."""
        self.begun = self.log.stat().st_size
        _, journal = self.microsoft.journal()
        before, due = self.standing(), self.due()
        self.before = objects("defenderapplications")
        yield
        self.quiet()
        writes = [r for r in self.requests(self.begun)[0] if r.is_write and not r.is_lease]
        entries, _ = self.microsoft.journal(journal)
        tokens = Counter(self.customers.name_of(e["tenant"]) for e in entries if e["outcome"] == "ok")
        asked = [e for e in entries if e["outcome"] != "ok"]

        equal(f"{title}: mints", dict(tokens), dict(Counter(refreshed)))
        self.only_when_due(title, asked, due, early)
        secrets = Counter(r.name for r in writes if r.resource == "secrets")
        wanted = Counter(before["targets"][name] for name in [*refreshed, *rewritten])
        equal(f"{title}: writes of Secrets", dict(secrets), dict(wanted))
        statuses = Counter(r.name for r in writes if r.resource == "defendertenants/status")
        known = Counter([*refreshed, *retold]) + Counter(WAITING for e in asked if e["kind"] == "token")
        equal(f"{title}: writes of statuses", dict(statuses), dict(known))
        rest = [r for r in writes if r.resource not in ("secrets", "defendertenants/status")]
        if rest:
            after = objects("defenderapplications")
            raise Failure(f"{title}: other writes: {rest}; applications: {statuses_of(self.before)} before, {statuses_of(after)} now")
        self.untouched(title, before, self.standing(), {*refreshed, *rewritten}, {*known})
        self.lines.append(f"{title}: {tokens.total()} mints, {secrets.total()} Secrets, {statuses.total()} statuses written"
                          + (f" ({', '.join(sorted(statuses))})" if statuses else ""))

    def due(self):
        attempt = self.customers.all()[WAITING]["status"]["attempt"]
        return instant(attempt["nextAt"])

    def only_when_due(self, title, asked, due, early):
        """What was persisted of an attempt is heard by whoever comes after; but for so many that must be early."""
        soon = [entry for entry in asked if instant(entry["at"]) < due]
        if len(soon) != early:
            raise Failure(f"{title}: {WAITING} was due at {due}, and {early} are to be earlier: {soon}")
        for entry in asked:
            if entry["tenant"] != self.customers.ids[WAITING]:
                raise Failure(f"{title}: Microsoft was asked in vain: {entry}")

    def standing(self):
        """Of everything that must stay: what it is by now."""
        customers = self.customers.all()
        return {
            "targets": {name: c["spec"].get("target", {}).get("name", f"{name}-defender-token") for name, c in customers.items()},
            # Whether a field of another release's is served is up to the CRD of the moment; story.py looks at it.
            "customers": {name: (c["metadata"]["uid"], c["metadata"]["resourceVersion"], {k: v for k, v in c["spec"].items() if k != FIELD})
                          for name, c in customers.items()},
            "secrets": {name: (s["metadata"]["uid"], s["metadata"]["resourceVersion"], s["data"])
                        for name, s in objects("secrets", self.customers.soc).items() if s["type"] == "Opaque"},
            "applications": {name: (a["metadata"]["resourceVersion"], a["spec"]) for name, a in objects("defenderapplications").items()},
        }

    @staticmethod
    def untouched(title, before, after, secrets, customers):
        """By value, since a log may have holes."""
        if before.keys() != after.keys() or before["applications"] != after["applications"]:
            raise Failure(f"{title}: applications have changed")
        equal(f"{title}: the customers", after["customers"].keys(), before["customers"].keys())
        equal(f"{title}: the Secrets", after["secrets"].keys(), before["secrets"].keys())
        for name, was in before["customers"].items():
            if after["customers"][name] != was and name not in customers:
                raise Failure(f"{title}: {name} has changed: {was} before, {after['customers'][name]} now")
        allowed = {before["targets"][name] for name in secrets}
        for name, was in before["secrets"].items():
            if after["secrets"][name][:2] != was[:2] and name not in allowed:
                raise Failure(f"{title}: Secret {name} was written")

    def leadership(self):
        """From the Lease's own writes, when all have ended: one leader after the other, and nobody acts who isn't."""
        requests, _ = self.requests(0)
        terms = []
        for operator in self.fleet.all:
            own = [r for r in requests if r.token_id == operator.token_id]
            held = [r.at for r in own if r.is_lease and r.is_write and r.code < 300]
            acts = [r for r in own if r.is_write and not r.is_lease]
            stray = [r for r in acts if not held or not held[0] <= r.at <= held[-1]]
            equal(f"what {operator.name} wrote without the Lease", stray, [])
            if held:
                terms.append((held[0], held[-1], operator.name))
        terms.sort()
        gaps = []
        for (_, end, before), (start, _, after) in zip(terms, terms[1:], strict=False):
            if start < end:
                raise Failure(f"{after} took the Lease at {start}, and {before} held it until {end}")
            gaps.append(start - end)
        return terms, gaps


