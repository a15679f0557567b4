"""What the releases serve: an emulator in Microsoft's place, customers of every kind, the partner's credentials."""

import json
import subprocess
import urllib.request

import yaml
from cluster import Failure, apply, kubectl, objects, within
from pod_process import Pod, get

CLIENT = "0c4f3a52-9d1b-4c3e-8f57-2a6b9e1d4f88"
REFRESH = "defendertenant.io/refresh-requested-at"
# Secrets that are no release's: they must be there when all releases are gone.
MICROSOFT, PARTNER = "microsoft", "partner"
SECOND_SECRET = "the-partner-s-second-secret"
ROLES = ["Alert.Read.All"]


def spec(**fields):
    return {"secretRef": {"name": PARTNER}, **fields}


# Of each mode; Ready's reason.
CUSTOMERS = {
    "plain": (spec(region="eu", requiredRoles=ROLES), "TokenPublished"),
    "formats": (spec(target={"formats": ["Header", "Json", "Env"]}), "TokenPublished"),
    "empty": (spec(target={"name": "elsewhere", "expiredTokenPolicy": "Empty"}), "TokenPublished"),
    "suspended": (spec(), "Suspended"),
    "unconsented": (spec(), "ConsentRequired"),
}
# Namespace mode has no applications.
GRANTED = {
    "granted": ({"applicationRef": {"name": "soc-reader"}}, "TokenPublished"),
    "hunting": ({"applicationRef": {"name": "soc-reader"}, "api": "XDR"}, "TokenPublished"),
}
# Asks by itself, a minute after its creation at the soonest.
WAITING = "unconsented"


class Microsoft:
    """The trial's emulator, as its Deployment runs it."""

    def __init__(self, release, folder, namespace):
        template = get("deployment", f"{release}-defender-tenant-operator-emulator", namespace)["spec"]["template"]
        pod = Pod(template["spec"], folder / "emulator", {}, namespace)
        ports = {port: "127.0.0.1:0" for port in ("listen", "proxy", "control")}
        self.process = pod.start("entra-emulator", pod.args(**ports), stdout=subprocess.PIPE)
        said = json.loads(self.process.stdout.readline())
        self.proxy, self.control = f"http://{said['proxy']}", f"http://{said['control']}/v1"

    def put(self, path, body):
        request = urllib.request.Request(f"{self.control}/{path}", json.dumps(body).encode(), method="PUT")
        request.add_header("content-type", "application/json")
        with urllib.request.urlopen(request, timeout=5):
            pass

    def journal(self, after=0):
        """Entries after that one, and the last one's number."""
        with urllib.request.urlopen(f"{self.control}/journal?after={after}", timeout=5) as answer:
            journal = json.load(answer)
        return journal["entries"], journal["next"]

    def stop(self):
        self.process.kill()
        self.process.wait()


def secret(namespace, name, labels, **data):
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace, "labels": labels},
            "stringData": data}


def prepare(helm, chart, home, soc):
    """Namespaces, and as Secrets of nobody what the chart would generate for its emulator."""
    for namespace in (home, soc):
        kubectl("create", "namespace", namespace)
    rendered = helm("template", "any", chart, "--set", "emulator.enabled=true", "--show-only", "templates/emulator/secrets.yaml")
    generated, _ = (o for o in yaml.safe_load_all(rendered) if o)
    kept = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": MICROSOFT, "namespace": home}, "data": generated["data"]}
    apply(kept)
    client_secret = {"client-secret": kubectl("get", "secret", MICROSOFT, "--namespace", home, "--output",
                                              "go-template={{index .data \"client-secret\" | base64decode}}")}
    credential = {"defendertenant.io/credential": "true"}
    apply(
        secret(soc, PARTNER, credential, **{"client-id": CLIENT}, **client_secret),
        secret(home, PARTNER, credential, **{"client-id": CLIENT}, **client_secret),
        secret(home, "soc-reader-2026", credential, **{"client-secret": SECOND_SECRET}),
    )
    return client_secret["client-secret"]


def settings(mode, soc):
    """The values of both charts."""
    values = ["--set", f"emulator.enabled=true,emulator.existingSecret={MICROSOFT},emulator.existingCredentialSecret={PARTNER}"]
    return values + (["--set", f"watchNamespaces={{{soc}}}"] if mode == "namespaces" else [])


class Customers:
    """DefenderTenants of a namespace."""

    def __init__(self, mode, soc):
        self.soc = soc
        self.wanted = CUSTOMERS | (GRANTED if mode == "cluster" else {})
        self.ids = {name: f"00000000-0000-4000-8000-{n:012}" for n, name in enumerate(self.wanted, 1)}

    def come(self, microsoft, client_secret):
        """They sign up; each gets what it is to have."""
        microsoft.put(f"applications/{CLIENT}", {"secrets": [client_secret, SECOND_SECRET], "requiredRoles": ROLES})
        for name, tenant in self.ids.items():
            consents = {} if name == WAITING else {CLIENT: {"roles": {"Endpoint": ROLES, "XDR": ["Incident.Read.All"]}}}
            microsoft.put(f"tenants/{tenant}", {"consents": consents})
        if "granted" in self.wanted:
            apply(self._application())
        apply(*(
            {"apiVersion": "defendertenant.io/v1alpha1", "kind": "DefenderTenant",
             "metadata": {"name": name, "namespace": self.soc}, "spec": {"tenantId": self.ids[name], **spec}}
            for name, (spec, _) in self.wanted.items()
        ))
        within("suspended has a token", lambda: self.reasons()["suspended"] == "TokenPublished")
        self.patch("suspended", {"spec": {"suspend": True}})
        self.settled()
        if "granted" in self.wanted:
            # It speaks of its customers' tokens; v0.1.0 may say so a minute late.
            within("the application has told all", self._application_told, 90)

    @staticmethod
    def _application_told():
        conditions = objects("defenderapplications")["soc-reader"].get("status", {}).get("conditions", [])
        return {c["type"] for c in conditions} >= {"Ready", "CredentialReady", "RolesConfigured"}

    def _application(self):
        def credential(name, secret):
            return {"name": name, "clientSecret": {"secretRef": {"name": secret}}}

        return {"apiVersion": "defendertenant.io/v1alpha1", "kind": "DefenderApplication", "metadata": {"name": "soc-reader"},
                "spec": {"clientId": CLIENT, "credentials": [credential("y2026", "soc-reader-2026"), credential("y2025", PARTNER)],
                         "grants": [{"namespaces": {"names": [self.soc]}, "apis": ["Endpoint", "XDR"],
                                     "tenantIds": [self.ids["granted"], self.ids["hunting"]]}]}}

    def all(self):
        return objects("defendertenants", self.soc)

    def reasons(self):
        def ready(tenant):
            conditions = tenant.get("status", {}).get("conditions", [])
            return next((c["reason"] for c in conditions if c["type"] == "Ready"), None)

        return {name: ready(tenant) for name, tenant in self.all().items()}

    def settled(self):
        wanted = {name: reason for name, (_, reason) in self.wanted.items()}
        try:
            within("all customers are served", lambda: self.reasons() == wanted)
        except Failure as late:
            raise Failure(f"{late}: {self.reasons()} instead of {wanted}") from None

    def patch(self, name, patch, *more):
        kubectl("--namespace", self.soc, "patch", "defendertenant", name, "--type", "merge", "--patch", json.dumps(patch), *more)

    def refresh(self, name, word):
        """Asks for a new token, until it is there."""
        self.patch(name, {"metadata": {"annotations": {REFRESH: word}}})
        within(f"{name} is refreshed", lambda: self.all()[name]["status"].get("handledRefreshRequest") == word)

    def name_of(self, tenant_id):
        return next((name for name, known in self.ids.items() if known == tenant_id), tenant_id)
