"""The NetworkPolicies of this cluster, for the pods and addresses that are really there: whom they would let through. Reads
`kubectl get networkpolicies,pods,endpointslices -A -o json`, and prints how many connections it looked at.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "chart"))
from policies import Outside, Pod, wrong  # noqa: E402

ITEMS = json.load(sys.stdin)["items"]


def pods(component, value):
    found = [i for i in ITEMS if i["kind"] == "Pod" and i["metadata"].get("labels", {}).get(component) == value]
    return [Pod(i["metadata"]["namespace"], i["metadata"]["labels"],
                {p["name"]: p["containerPort"] for c in i["spec"]["containers"] for p in c.get("ports", [])}) for i in found]


def endpoints(service):
    """What stands behind a Service: policies see these, not the Service's address."""
    for item in ITEMS:
        if item["kind"] == "EndpointSlice" and item["metadata"]["labels"].get("kubernetes.io/service-name") == service:
            for port in item["ports"]:
                for endpoint in item["endpoints"]:
                    yield Outside(endpoint["addresses"][0]), port["protocol"], port["port"]


operators, emulators = pods("app.kubernetes.io/component", "operator"), pods("app.kubernetes.io/component", "emulator")
consumers = [Pod("soc", {"app": "consumer"})]
assert len(operators) == 2 and len(emulators) == 1
assert {protocol for _, protocol, _ in endpoints("kube-dns")} == {"UDP", "TCP"} and list(endpoints("kubernetes"))
elsewhere = Outside("203.0.113.1")
rows = [(o, *target, True) for o in operators for service in ("kubernetes", "kube-dns") for target in endpoints(service)]
rows += [(o, e, "TCP", port, port == 8080) for o in operators + consumers for e in emulators for port in (8080, 8443, 8444)]
rows += [(o, elsewhere, "TCP", 25, False) for o in operators]
rows += [(c, o, "TCP", port, port == 8080) for c in consumers for o in operators for port in (8080, 8081)]
rows += [(e, elsewhere, "TCP", 443, False) for e in emulators]
bad = wrong([i for i in ITEMS if i["kind"] == "NetworkPolicy"], rows)
for row in bad:
    print(f"should {'' if row[4] else 'not '}pass: {row[0]} → {row[1]} {row[2]} {row[3]}", file=sys.stderr)
print(len(rows))
sys.exit(bool(bad))
