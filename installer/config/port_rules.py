"""Rules for the ports of services that share a host."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from installer.config.model import Document
from installer.config.schema import config_schema, field_at
from installer.config.service_rules import has
from installer.config.source import Finding, KeyPath, RuleTable, value_at

_HTTPS = 443
_BALANCED = (_HTTPS, 53333)  # HAProxy forwards each to the same port of the managers


class Claim(NamedTuple):
    """A port that a service needs, and the key that sets it; without a key it is always that."""

    port: int
    service: str
    path: KeyPath = ()


# Source: docs/explanation/architecture.md, "Ports"
_FIXED: dict[str, tuple[Claim, ...]] = {
    "database": (
        Claim(2379, "etcd"),
        Claim(2380, "etcd"),
        Claim(5432, "PostgreSQL"),
        Claim(8008, "Patroni"),
    ),
    "queue": (
        Claim(4369, "RabbitMQ"),
        Claim(5671, "RabbitMQ"),
        Claim(15671, "RabbitMQ"),
        Claim(25672, "RabbitMQ"),
    ),
    "manager": (Claim(80, "nginx"), Claim(8384, "syncthing"), Claim(22000, "syncthing")),
    "loadbalancer": tuple(Claim(port, "HAProxy") for port in (80, *_BALANCED)),
}
_FURTHER: KeyPath = ("manager", "additional_internal_rest_listeners")


def port_findings(document: Document) -> Iterator[Finding]:
    """Yield a finding for each port that two services of this node need.

    Source: ip(7): an address and port belong to one listening socket.
    """
    services = [service for service in _FIXED if has(document, service)]
    if {"manager", "loadbalancer"} <= {*services}:
        yield _balancer_beside_manager(("services_to_install",))
        return
    for claim, taken in _collisions(_claims(document, services)):
        yield _collision(claim, taken, claim.path)


def shared_port_findings(document: Document) -> Iterator[Finding]:
    """Yield a finding for each port that two services of one node of an inventory need.

    Source: ip(7): an address and port belong to one listening socket.
    """
    settings, ssh = document["settings"], document["ssh"]
    for index, node in enumerate(document["nodes"]):
        if {"manager", "loadbalancer"} <= {*node["roles"]}:
            yield _balancer_beside_manager(("nodes", index, "roles"))
            continue
        port = {**ssh, **node["ssh"]}.get("port", 22)
        claims = [Claim(port, "SSH"), *_claims(settings, node["roles"])]
        for claim, taken in _collisions(claims):
            path = ("settings", *claim.path) if claim.path else ("nodes", index, "roles")
            yield _collision(claim, taken, path)


def balanced_port_findings(document: Document) -> Iterator[Finding]:
    """Yield a finding when load balancers forward to ports that the managers do not have.

    Source: templates/loadbalancer/haproxy.cfg.j2.
    """
    has_balancer = any("loadbalancer" in node["roles"] for node in document["nodes"])
    ports = {claim.port for claim in _manager_claims(document["settings"])}
    lacking = [port for port in _BALANCED if port not in ports]
    if has_balancer and lacking:
        what = f"load balancers forward port {lacking[0]}, which managers do not listen on"
        key = "internal_rest_port" if lacking[0] == _HTTPS else _FURTHER[-1]
        remedy = f"add {lacking[0]} to the managers' ports"
        path = ("settings", "manager", key)
        yield Finding(path, what, remedy, "balancer-port-mismatch")


def _claims(document: Document, services: Iterable[str]) -> Iterator[Claim]:
    for service in services:
        yield from _FIXED[service]
        if service == "manager":
            yield from _manager_claims(document)
            rest = ("restservice", "port")
            yield Claim(_value(document, rest), "the REST service", rest)


def _manager_claims(document: Document) -> Iterator[Claim]:
    """Yield nginx's ports; its listeners may share one."""
    clients, internal = ("nginx", "port"), ("manager", "internal_rest_port")
    yield Claim(_value(document, clients) or _HTTPS, "nginx", clients)
    yield Claim(_value(document, internal), "nginx", internal)
    for port in _value(document, _FURTHER):
        yield Claim(port, "nginx", _FURTHER)


def _value(document: Document, path: KeyPath) -> Any:
    """Return the value of a key, or its default where an inventory's settings leave it out."""
    given = value_at(document, path)
    return field_at(config_schema(), path).get("default") if given is None else given


def _collisions(claims: Iterable[Claim]) -> Iterator[tuple[Claim, Claim]]:
    """Yield each claim of a port that another service holds already, and that service's."""
    holders: dict[int, Claim] = {}
    for claim in claims:
        holder = holders.setdefault(claim.port, claim)
        if holder.service != claim.service:
            yield (claim, holder) if claim.path or not holder.path else (holder, claim)


def _collision(claim: Claim, taken: Claim, path: KeyPath) -> Finding:
    what = f"{claim.service} would listen on port {claim.port}, which {taken.service} has"
    remedy = "set another port" if claim.path else f"move {taken.service} to another port"
    return Finding(path, what, remedy, "port-collision")


def _balancer_beside_manager(path: KeyPath) -> Finding:
    what = "a load balancer and a manager both need the ports 80, 443 and 53333"
    remedy = (
        "leave the load balancer away, clients reach the manager itself; "
        "or put it on a node of its own"
    )
    return Finding(path, what, remedy, "port-collision")


PORT_RULES: RuleTable = {
    port_findings: ("services_to_install", "manager", "nginx", "restservice"),
}
INVENTORY_PORT_RULES: RuleTable = {
    shared_port_findings: ("nodes", "ssh", "settings"),
    balanced_port_findings: ("nodes", "settings"),
}
