"""What tests ask of a cluster of two managers: its REST API, who can read a secret, what runs."""

import base64
import http.client
import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support.cluster import Cluster

SECRET = "/api/v3.1/secrets/kept"
STATUS = "/api/v3.1/status"
VALUE = "what must be readable all the while"
SERVICES = {
    "manager-1": ("etcd", "patroni", "rabbitmq-server", "cloudify-restservice", "nginx"),
    "manager-2": ("cloudify-restservice", "cloudify-mgmtworker", "nginx"),
}
PAUSE_S = 0.3  # nginx limits logins to ten a second


def ask(
    cluster: Cluster, node: str, path: str, *, password: str = "", body: Any = None
) -> tuple[int, Any]:
    """Return status and JSON of one request to a manager as the administrator."""
    word = password or cluster.secrets["admin_password"]
    login = base64.b64encode(f"admin:{word}".encode()).decode()
    headers = {
        "Authorization": f"Basic {login}",
        "Tenant": "default_tenant",
        "Content-Type": "application/json",
    }
    context = ssl.create_default_context(cafile=str(cluster.ca))
    with cluster.network():
        address = cluster.address(node)
        connection = http.client.HTTPSConnection(address, 443, context=context, timeout=30)
        try:
            text = None if body is None else json.dumps(body)
            connection.request("GET" if body is None else "PUT", path, text, headers)
            reply = connection.getresponse()
            content = reply.read()
            is_json = reply.headers.get_content_type() == "application/json"
            return reply.status, json.loads(content) if is_json else None
        finally:
            connection.close()


@dataclass
class Reader:
    """What both managers answered to whoever reads a secret, round after round."""

    rounds: list[dict[str, str]] = field(default_factory=list)

    def wrong(self) -> list[str]:
        """Return answers that are neither the secret nor a manager that is just restarting."""
        restarting = {"502", "503", "ConnectionRefusedError", "RemoteDisconnected"}
        answers = [answer for found in self.rounds for answer in found.values()]
        return [answer for answer in answers if answer not in {VALUE, *restarting}]

    def unreadable(self) -> int:
        """Return how many rounds found no manager that could read it."""
        return sum(VALUE not in found.values() for found in self.rounds)


@contextmanager
def reading(cluster: Cluster) -> Iterator[Reader]:
    """Read the secret from both managers until the block ends."""
    reader, ended = Reader(), threading.Event()

    def read(node: str) -> str:
        try:
            status, found = ask(cluster, node, SECRET)
        except (OSError, http.client.HTTPException) as error:
            return type(error).__name__
        return str(found["value"]) if status == 200 else str(status)

    def work() -> None:
        while not ended.is_set():
            reader.rounds.append({node: read(node) for node in cluster.having("manager")})
            time.sleep(PAUSE_S)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield reader
    finally:
        ended.set()
        thread.join()


def running(cluster: Cluster, node: str, *units: str) -> list[str]:
    """Return which of these units run on a node."""
    script = f"systemctl is-active {' '.join(units)} || true"
    states = cluster.sh(node, script).split()
    return [unit for unit, state in zip(units, states, strict=True) if state == "active"]
