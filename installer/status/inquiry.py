"""Ask every service of a running cluster whether it is there, over its own TLS port.

One round for all at once; what does not answer within seconds is not there.
"""

import base64
import json
import logging
import socket
import ssl
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.error import HTTPError

from installer.cluster_secrets import load_secrets, with_settings
from installer.inventory import Inventory, Node, Role
from installer.status.model import Part
from installer.status.presence import DatabaseMember, Presence, QuorumQueue

logger = logging.getLogger(__name__)

_ANSWER_S = 4.0
_ETCD, _PATRONI, _BROKER, _MANAGER, _BALANCER = 2379, 8008, 15671, 53333, 443
_BROKER_USER = "cloudify"  # the default of rabbitmq.username
_PARTS = {
    "leader": Part.LEADER,
    "master": Part.LEADER,  # Patroni before 4
    "sync_standby": Part.SYNCHRONOUS,
    "quorum_standby": Part.SYNCHRONOUS,
    "replica": Part.REPLICA,
}
_WORKING = ("running", "streaming")
Answer = Any
T = TypeVar("T")


def look_around(inventory: Inventory) -> Presence:
    """Return what is there of a cluster."""
    login = _broker_login(inventory) if inventory.with_role(Role.QUEUE) else {}
    databases, brokers, managers, balancers = (inventory.with_role(role) for role in Role)
    with ThreadPoolExecutor(max_workers=2 * len(inventory.nodes) + 4) as pool:
        members = pool.submit(_first, databases, lambda n: _get(inventory, n, _PATRONI, "cluster"))
        view = pool.submit(_first, brokers, lambda node: _brokers(inventory, node, login))
        etcd = pool.map(lambda node: _has_etcd(inventory, node), databases)
        working = pool.map(lambda node: _manager_works(inventory, node), managers)
        doors = pool.map(_opens, balancers)
        told, (running, queues) = members.result() or {}, view.result() or ({}, ())
        return Presence(
            databases=read_databases(dict(zip(_names(databases), etcd, strict=True)), told),
            is_paused=bool(told.get("pause")),
            brokers={name: running.get(name, False) for name in _names(brokers)},
            queues=queues,
            managers=dict(zip(_names(managers), working, strict=True)),
            balancers=dict(zip(_names(balancers), doors, strict=True)),
        )


def _names(nodes: Iterable[Node]) -> list[str]:
    return [node.name for node in nodes]


def read_databases(etcd: Mapping[str, bool], told: Answer) -> dict[str, DatabaseMember]:
    """Return the members by name: whether etcd is well there, and what Patroni's view says."""
    members = {member["name"]: member for member in told.get("members", ())}

    def member(name: str) -> DatabaseMember:
        found = members.get(name, {})
        lag = found.get("lag")
        return DatabaseMember(
            etcd=etcd[name],
            part=_PARTS.get(found.get("role", ""), Part.NONE),
            follows=found.get("state") in _WORKING,
            lag_bytes=lag if isinstance(lag, int) else None,
        )

    return {name: member(name) for name in etcd}


def read_brokers(nodes: Iterable[Answer]) -> dict[str, bool]:
    """Return which brokers run; one that is parted from another counts as gone."""
    return {
        _host(node["name"]): bool(node.get("running")) and not node.get("partitions")
        for node in nodes
    }


def read_queues(queues: Iterable[Answer]) -> tuple[QuorumQueue, ...]:
    """Return the replicated queues, streams among them."""
    return tuple(
        QuorumQueue(
            name=queue["name"],
            members=frozenset(map(_host, queue["members"])),
            online=frozenset(map(_host, queue.get("online") or ())),
        )
        for queue in queues
        if queue.get("members")
    )


def _host(broker: str) -> str:
    return broker.removeprefix("rabbit@")


def _brokers(
    inventory: Inventory, node: Node, login: Mapping[str, str]
) -> tuple[dict[str, bool], tuple[QuorumQueue, ...]]:
    nodes = _get(inventory, node, _BROKER, "api/nodes", login)
    queues = _get(inventory, node, _BROKER, "api/queues", login)
    return read_brokers(nodes), read_queues(queues)


def _broker_login(inventory: Inventory) -> dict[str, str]:
    secrets = with_settings(load_secrets(inventory.secrets_path), inventory.settings)
    user = inventory.settings.get("rabbitmq", {}).get("username", _BROKER_USER)
    pair = f"{user}:{secrets['rabbitmq_password'].reveal()}".encode()
    return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def _has_etcd(inventory: Inventory, node: Node) -> bool:
    told = _first([node], lambda node: _get(inventory, node, _ETCD, "health"))
    return told is not None and told.get("health") == "true"


def _manager_works(inventory: Inventory, node: Node) -> bool:
    """Tell whether the REST service wants to know who asks."""
    try:
        _get(inventory, node, _MANAGER, "api/v3.1/status")
    except HTTPError as error:
        return error.code == HTTPStatus.UNAUTHORIZED
    except (OSError, ValueError) as error:
        logger.debug("%s: %s", node.name, error)
    return False


def _opens(node: Node) -> bool:
    try:
        socket.create_connection((node.address, _BALANCER), _ANSWER_S).close()
    except OSError as error:
        logger.debug("%s: %s", node.name, error)
        return False
    return True


def _first(nodes: Iterable[Node], ask: Callable[[Node], T]) -> T | None:
    """Return what the first node that answers says."""
    for node in nodes:
        try:
            return ask(node)
        except (OSError, ValueError) as error:  # the next one may know
            logger.debug("%s: %s", node.name, error)
    return None


def _get(
    inventory: Inventory,
    node: Node,
    port: int,
    path: str,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    context = ssl.create_default_context(cafile=inventory.certificates_path / "ca.crt")
    pair = inventory.certificates_path / "nodes" / node.name / "node"
    if pair.with_suffix(".crt").exists():
        context.load_cert_chain(pair.with_suffix(".crt"), pair.with_suffix(".key"))
    host = f"[{node.address}]" if ":" in node.address else node.address
    request = urllib.request.Request(f"https://{host}:{port}/{path}", headers=dict(headers or {}))
    with urllib.request.urlopen(request, timeout=_ANSWER_S, context=context) as response:  # noqa: S310
        return json.load(response)
