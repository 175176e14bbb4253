"""Ask the broker on this node how the cluster is; sent to the node as text, standard library only.

usage: probe.py cluster NODE USER NAME=ADDRESS…
       probe.py definitions NODE USER FILE
       probe.py replicas NODE USER COUNT
       probe.py grow NODE USER COUNT
       probe.py emptied NODE USER NAME
       probe.py forgotten NODE USER NAME
Over the HTTPS API, because each start of an Erlang tool costs seconds of processor time.
The password is in the environment variable BROKER_PASSWORD.
"""

import base64
import http.client
import json
import os
import re
import socket
import ssl
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

API_PORT = 15671
DISTRIBUTION_PORT = 25672
CA_PATH = "/etc/rabbitmq/tls/ca.crt"
DEFERRED = 75  # EX_TEMPFAIL: too few members answer
_ANSWER_S = 10.0
_REACH_S = 1.0
_AT_ONCE = 100  # queues by one command
# As the cluster knows them: statistics lay over it where replicas were seconds ago
_QUEUES = "queues?disable_stats=true"
_ALARMS = {"mem_alarm": "memory alarm", "disk_free_alarm": "disk alarm"}


class Refusal(Exception):
    """The API answered with something else than what was asked for."""


class Api:
    """The management API of this node's broker, on one connection."""

    def __init__(self, node: str, user: str) -> None:
        context = ssl.create_default_context(cafile=CA_PATH)
        self._connection = http.client.HTTPSConnection(node, API_PORT, context=context)
        plain = socket.create_connection(("127.0.0.1", API_PORT), _ANSWER_S)
        self._connection.sock = context.wrap_socket(plain, server_hostname=node)
        login = f"{user}:{os.environ['BROKER_PASSWORD']}".encode()
        self._headers = {"Authorization": "Basic " + base64.b64encode(login).decode()}

    def get(self, path: str) -> Any:
        """Return the decoded reply, or None when there is no such thing."""
        self._connection.request("GET", "/api/" + path, headers=self._headers)
        reply = self._connection.getresponse()
        body = reply.read()
        if reply.status == http.client.NOT_FOUND:
            return None
        if reply.status == http.client.UNAUTHORIZED:
            raise Refusal("it refuses the user: `systemctl reload rabbitmq-server` restores it")
        if reply.status != http.client.OK:
            raise Refusal(f"the API answers {reply.status} to /api/{path}: {body[:200]!r}")
        return json.loads(body)


def cluster_problems(nodes: Sequence[Mapping[str, Any]], members: Sequence[str]) -> list[str]:
    """Return what is wrong with the cluster as this broker sees it."""
    running = {node["name"]: node for node in nodes if node.get("running")}
    wanted = {f"rabbit@{name}" for name in members}
    problems = [f"{name} does not run in this cluster" for name in sorted(wanted - set(running))]
    for name, node in sorted(running.items()):
        problems += [f"{name} has a {word}" for key, word in _ALARMS.items() if node.get(key)]
        problems += [f"{name} is parted from {other}" for other in node.get("partitions") or ()]
    return problems


def definition_problems(api: Api, wanted: Mapping[str, Any]) -> list[str]:
    """Return which of the wanted definitions the broker lacks, and whether `guest` is there."""
    problems = [
        f"{what} differs from the definitions file"
        for path, what, thing in _things(wanted)
        if not _holds(api.get(path), thing)
    ]
    names = {user["name"] for user in wanted["users"]}
    if "guest" not in names and api.get("users/guest") is not None:
        problems.append("user guest exists")
    return problems


def _things(wanted: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield where the API shows each wanted thing, its name, and what it must hold."""
    for user in wanted["users"]:
        yield f"users/{_name(user['name'])}", f"user {user['name']}", user
    for vhost in wanted["vhosts"]:
        path = f"vhosts/{_name(vhost['name'])}"
        yield path, f"virtual host {vhost['name']}", {"name": vhost["name"]}
    for grant in wanted["permissions"]:
        path = f"permissions/{_name(grant['vhost'])}/{_name(grant['user'])}"
        yield path, f"permission of {grant['user']}", grant
    for policy in wanted["policies"]:
        path = f"policies/{_name(policy['vhost'])}/{_name(policy['name'])}"
        yield path, f"policy {policy['name']}", policy


def _holds(found: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> bool:
    return found is not None and all(found.get(key) == value for key, value in wanted.items())


def _name(text: str) -> str:
    return quote(text, safe="")


def _reaches(address: str) -> bool:
    try:
        socket.create_connection((address, DISTRIBUTION_PORT), _REACH_S).close()
    except OSError:
        return False
    return True


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def check_cluster(node: str, user: str, members: Mapping[str, str]) -> int:
    """Say how the cluster is; return 0, 1, or DEFERRED while too few other members answer.

    From RabbitMQ 4.0 on not even the first member begins alone: it searches until it finds one.
    Meanwhile its port for other brokers is open already; without that it is broken, not alone.
    """
    answers = True
    try:
        problems = cluster_problems(Api(node, user).get("nodes") or (), tuple(members))
    except (OSError, http.client.HTTPException, Refusal) as error:
        answers, problems = False, [f"rabbit@{node} does not answer: {error}"]
    if not problems:
        _say(f"{len(members)} of {len(members)} brokers run in one cluster")
        return 0
    _say("; ".join(problems))
    away = [name for name, at in members.items() if name != node and not _reaches(at)]
    if away and answers:
        return DEFERRED
    alone = len(away) == len(members) - 1
    return DEFERRED if away and alone and _reaches(members[node]) else 1


def check_definitions(node: str, user: str, path: str) -> int:
    """Say in what the broker differs from the definitions file; return 0 when in nothing."""
    try:
        wanted = json.loads(Path(path).read_bytes())
        problems = definition_problems(Api(node, user), wanted)
    except (OSError, http.client.HTTPException, Refusal) as error:
        problems = [str(error)]
    _say("; ".join(problems) or "as the file says")
    return 1 if problems else 0


def lacking(api: Api, count: int) -> dict[tuple[str, str], list[str]]:
    """Return by virtual host and broker the quorum queues that want a replica there."""
    known = api.get("nodes") or ()
    nodes = {node["name"] for node in known if node.get("running")}
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    load = dict.fromkeys(sorted(nodes), 0)
    queues = [queue for queue in api.get(_QUEUES) or () if queue.get("type") == "quorum"]
    for queue in queues:
        free = sorted(nodes - set(queue["members"]), key=lambda node: load[node])
        for node in free[: max(0, count - len(queue["members"]))]:
            load[node] += 1
            found[queue["vhost"], node].append(queue["name"])
    return found


def check_replicas(node: str, user: str, count: int) -> int:
    """Say which quorum queues have fewer replicas than they should; return 0 when none has."""
    try:
        found = lacking(Api(node, user), count)
    except (OSError, http.client.HTTPException, Refusal) as error:
        _say(str(error))
        return 1
    names = sorted({name for queues in found.values() for name in queues})
    _say(f"{len(names)} queues lack a replica: {', '.join(names[:5])}" if names else "all have")
    return 1 if names else 0


def grow(node: str, user: str, count: int) -> int:
    """Add the replicas that lack, on the brokers that have none of a queue."""
    for (vhost, broker), names in lacking(Api(node, user), count).items():
        for start in range(0, len(names), _AT_ONCE):
            some = "|".join(map(re.escape, names[start : start + _AT_ONCE]))
            patterns = (
                "--vhost-pattern",
                f"^{re.escape(vhost)}$",
                "--queue-pattern",
                f"^({some})$",
            )
            command = ("rabbitmq-queues", "--silent", "grow", broker, "all", *patterns)
            subprocess.run(command, check=True)
    return 0


def check_emptied(node: str, user: str, name: str) -> int:
    """Say which queues have a replica on a broker; return 0 when none has."""
    queues = Api(node, user).get(_QUEUES) or ()
    names = [q["name"] for q in queues if f"rabbit@{name}" in (q.get("members") or ())]
    shown = ", ".join(names[:5])
    _say(f"{len(names)} queues are on {name}: {shown}" if names else f"no queue is on {name}")
    return 1 if names else 0


def check_forgotten(node: str, user: str, name: str) -> int:
    """Return 0 when no member of the cluster has this name."""
    found = [one for one in Api(node, user).get("nodes") or () if one["name"] == f"rabbit@{name}"]
    _say(f"rabbit@{name} is {'' if found else 'no '}member")
    return 1 if found else 0


def main(words: Sequence[str]) -> int:
    """Run the check that the command line names."""
    check, node, user, *rest = words
    if check == "definitions":
        return check_definitions(node, user, rest[0])
    if check in ("replicas", "grow"):
        return {"replicas": check_replicas, "grow": grow}[check](node, user, int(rest[0]))
    if check in ("emptied", "forgotten"):
        return {"emptied": check_emptied, "forgotten": check_forgotten}[check](node, user, rest[0])
    members = dict(pair.split("=", 1) for pair in rest)
    return check_cluster(node, user, members)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
