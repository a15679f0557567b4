"""What NetworkPolicies let through, as their specification has it: a connection passes if the policies that select its source
let it out, and those that select its destination let it in; where none selects, everything passes.
"""

import ipaddress
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Pod:
    """One end of a connection."""

    namespace: str
    labels: dict
    # Of its containers: name → number.
    ports: dict = field(default_factory=dict)
    # kubernetes.io/metadata.name is there for every namespace.
    namespace_labels: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Outside:
    """Whatever is no pod: the API server, Microsoft, a proxy."""

    address: str


def selects(selector, labels):
    def holds(expression):
        value, values = labels.get(expression["key"]), expression.get("values", [])
        return {
            "In": value in values, "NotIn": value not in values,
            "Exists": value is not None, "DoesNotExist": value is None,
        }[expression["operator"]]

    return (selector.get("matchLabels", {}).items() <= labels.items()
            and all(holds(expression) for expression in selector.get("matchExpressions", [])))


def is_peer(peer, end, namespace):
    if "ipBlock" in peer:
        address = ipaddress.ip_address(getattr(end, "address", "0.0.0.0"))
        block = peer["ipBlock"]
        return (isinstance(end, Outside) and address in ipaddress.ip_network(block["cidr"])
                and not any(address in ipaddress.ip_network(cut) for cut in block.get("except", [])))
    if isinstance(end, Outside):
        return False
    labels = {"kubernetes.io/metadata.name": end.namespace, **end.namespace_labels}
    there = selects(peer["namespaceSelector"], labels) if "namespaceSelector" in peer else end.namespace == namespace
    return there and selects(peer.get("podSelector", {}), end.labels)


def is_port(port, protocol, number, destination):
    if port.get("protocol", "TCP") != protocol:
        return False
    wanted = port.get("port")
    if isinstance(wanted, str):
        wanted = getattr(destination, "ports", {}).get(wanted)
        return wanted == number
    return wanted is None or wanted <= number <= port.get("endPort", wanted)


def passes(policies, direction, source, destination, protocol, number):
    """Egress of the source, or ingress of the destination."""
    subject, other, peers = (source, destination, "to") if direction == "Egress" else (destination, source, "from")
    if isinstance(subject, Outside):
        return True
    mine = [p for p in policies
            if p["metadata"]["namespace"] == subject.namespace and selects(p["spec"]["podSelector"], subject.labels)
            and direction in p["spec"]["policyTypes"]]
    rules = [(p["metadata"]["namespace"], rule) for p in mine for rule in p["spec"].get(direction.lower()) or []]
    return not mine or any(
        (not rule.get(peers) or any(is_peer(peer, other, namespace) for peer in rule[peers]))
        and (not rule.get("ports") or any(is_port(port, protocol, number, destination) for port in rule["ports"]))
        for namespace, rule in rules)


def allowed(policies, source, destination, protocol, number):
    return all(passes(policies, direction, source, destination, protocol, number) for direction in ("Egress", "Ingress"))


def wrong(policies, rows):
    """Of rows (source, destination, protocol, port, whether it passes): those that aren't so."""
    return [row for row in rows if allowed(policies, *row[:4]) != row[4]]
