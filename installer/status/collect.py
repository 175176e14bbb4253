"""Ask a running cluster how its nodes are: the managers' own report, Patroni, and each port.

One round for all nodes at once; what does not answer within seconds is told as it is, not raised.
"""

import base64
import json
import logging
import socket
import ssl
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.error import URLError

from installer.cluster_secrets import load_secrets, with_settings
from installer.inventory import Inventory, Node, Role
from installer.status.model import NodeStatus, Part, ServiceStatus, State

logger = logging.getLogger(__name__)

_ANSWER_S = 3.0
# where every role answers, whatever certificate clients are shown
_PORTS = {Role.DATABASE: 8008, Role.QUEUE: 5671, Role.MANAGER: 53333, Role.LOADBALANCER: 443}
_SECTIONS = {Role.DATABASE: "db", Role.QUEUE: "broker", Role.MANAGER: "manager"}
_STATES = {"OK": State.OK, "Degraded": State.DEGRADED, "Fail": State.DOWN}
_PARTS = {
    "leader": Part.LEADER,
    "master": Part.LEADER,  # Patroni before 4
    "sync_standby": Part.SYNCHRONOUS,
    "replica": Part.REPLICA,
}
Answer = Mapping[str, Any]


def collect_statuses(inventory: Inventory) -> dict[str, NodeStatus]:
    """Return how each node is; what nobody reports is told by whether its port answers."""
    managers, databases = (inventory.with_role(role) for role in (Role.MANAGER, Role.DATABASE))
    doors = [(node, role) for node in inventory.nodes for role in node.roles]
    with ThreadPoolExecutor(max_workers=len(doors) + 2) as pool:
        report = pool.submit(_first_answer, managers, lambda node: _report(inventory, node))
        patroni = pool.submit(_first_answer, databases, lambda node: _patroni(inventory, node))
        answered = list(pool.map(_answers, doors))
    is_open = {
        (node.name, role): open_ for (node, role), open_ in zip(doors, answered, strict=True)
    }
    reported, members = report.result(), _members(patroni.result())
    return {
        node.name: NodeStatus(
            name=node.name,
            services={
                role: _service(
                    _reported(reported, role, node.name),
                    is_open=is_open[node.name, role],
                    part=members.get(node.name, Part.NONE) if role is Role.DATABASE else Part.NONE,
                )
                for role in node.roles
            },
        )
        for node in inventory.nodes
    }


def _service(reported: str | None, *, is_open: bool, part: Part) -> ServiceStatus:
    if not is_open:
        return ServiceStatus(state=State.DOWN, said="does not answer")
    state = _STATES.get(reported, State.UNKNOWN) if reported else State.OK
    return ServiceStatus(state=state, part=part)


def _reported(report: Answer, role: Role, name: str) -> str | None:
    section = report.get("services", {}).get(_SECTIONS.get(role), {})
    status = section.get("nodes", {}).get(name, {}).get("status")
    return str(status) if status else None


def _members(answer: Answer) -> dict[str, Part]:
    return {
        member["name"]: _PARTS.get(member["role"], Part.NONE)
        for member in answer.get("members", ())
    }


def _first_answer(nodes: Iterable[Node], ask: Callable[[Node], Answer]) -> Answer:
    """Return what the first node that answers says; nothing where none does."""
    for node in nodes:
        try:
            return ask(node)
        except (URLError, OSError, ValueError) as error:  # the next one may know
            logger.debug("%s told nothing of the cluster: %s", node.name, error)
    return {}


def _report(inventory: Inventory, node: Node) -> Answer:
    secrets = with_settings(load_secrets(inventory.secrets_path), inventory.settings)
    login = f"admin:{secrets['admin_password'].reveal()}".encode()
    headers = {
        "Authorization": f"Basic {base64.b64encode(login).decode()}",
        "Tenant": "default_tenant",
    }
    path = "api/v3.1/cluster-status"
    return _get(_context(inventory), node, _PORTS[Role.MANAGER], path, headers)


def _patroni(inventory: Inventory, node: Node) -> Answer:
    context = _context(inventory)
    pair = inventory.certificates_path / "nodes" / node.name / "node"
    context.load_cert_chain(pair.with_suffix(".crt"), pair.with_suffix(".key"))
    return _get(context, node, _PORTS[Role.DATABASE], "cluster", {})


def _context(inventory: Inventory) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=inventory.certificates_path / "ca.crt")


def _get(
    context: ssl.SSLContext, node: Node, port: int, path: str, headers: Mapping[str, str]
) -> Answer:
    host = f"[{node.address}]" if ":" in node.address else node.address
    request = urllib.request.Request(f"https://{host}:{port}/{path}", headers=dict(headers))
    with urllib.request.urlopen(request, timeout=_ANSWER_S, context=context) as response:  # noqa: S310
        answer: Answer = json.load(response)
    return answer


def _answers(door: tuple[Node, Role]) -> bool:
    node, role = door
    try:
        socket.create_connection((node.address, _PORTS[role]), _ANSWER_S).close()
    except OSError:
        return False
    return True
