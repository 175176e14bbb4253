"""Ask and set up this node's Patroni; sent to the node as text, standard library only.

usage: patroni_probe.py cluster HOST MEMBERS REPLICA-STATE SYNCHRONOUS PEER…
       patroni_probe.py holds HOST
       patroni_probe.py change HOST USER
       patroni_probe.py restart HOST USER NAME
       patroni_probe.py leads HOST NAME
       patroni_probe.py leads-not HOST NAME
       patroni_probe.py hand-over HOST USER NAME [CANDIDATE]
       patroni_probe.py begin-copy HOST USER
       patroni_probe.py copy HOST REPLICA-STATE FOLDER
The wanted part of the cluster's configuration is JSON in the environment variable PATRONI_CONFIG,
the password of the REST interface in PATRONI_REST_PASSWORD, and who restarts first in LEADER_FIRST
(yes or no).
"""

import base64
import http.client
import json
import os
import ssl
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

PORT = 8008
ETCD_PORT = 2379
TLS = "/etc/patroni/tls"
DEFERRED = 75  # EX_TEMPFAIL: too few members answer
NEARER = 76  # it is under way: only time is lacking
_ANSWER_S = 10.0
_REACH_S = 2.0
_RESTART_S = 100.0  # Patroni answers when PostgreSQL runs again
_RELOADED_S = 15.0
_WRITTEN_S = 30.0  # it writes once in a loop of ten seconds
_BEGIN_S = 60.0  # a shutdown of PostgreSQL comes first
_POLL_S = 0.5
_PASSING = (http.client.UNAUTHORIZED, http.client.CONFLICT)
_FOLLOWING = ("running", "streaming")
_SYNCHRONOUS = ("sync_standby", "quorum_standby")
_COPYING = "creating replica"


class Refusal(Exception):
    """Patroni answered with something else than success."""


class Patroni:
    """The REST interface of one member; a new connection for each request, as it closes them."""

    def __init__(self, host: str, user: str = "") -> None:
        self._host = host
        self._context = _context()
        login = f"{user}:{os.environ.get('PATRONI_REST_PASSWORD', '')}".encode()
        self._headers = {"Authorization": "Basic " + base64.b64encode(login).decode()}

    def get(self, path: str) -> dict[str, Any]:
        """Return a decoded reply, whatever its status: it tells a member's health."""
        return dict(json.loads(self._ask("GET", path)[1]))

    def config(self) -> dict[str, Any]:
        """Return the configuration that all members share; raises Refusal when there is none.

        A Patroni that has just begun to lead answers without one until it has written it.
        """
        deadline = time.monotonic() + _WRITTEN_S
        while True:
            status, said = self._ask("GET", "/config")
            if status == http.client.OK:
                return dict(json.loads(said))
            if time.monotonic() > deadline:
                raise Refusal(f"GET /config: {status} {said.decode(errors='replace')[:200]}")
            time.sleep(_POLL_S)

    def change(self, method: str, path: str, body: Mapping[str, Any]) -> None:
        """Make a change; raises Refusal with Patroni's words.

        New passwords, its own and etcd's, count once Patroni has read them in its next loop: until
        then it refuses the change, or cannot store it and says that there is a conflict.
        """
        deadline = time.monotonic() + _RELOADED_S
        while True:
            status, said = self._ask(method, path, json.dumps(body))
            if status not in _PASSING or time.monotonic() > deadline:
                break
            time.sleep(_POLL_S)
        if status not in (http.client.OK, http.client.ACCEPTED):
            raise Refusal(f"{method} {path}: {status} {said.decode(errors='replace')[:200]}")

    def _ask(self, method: str, path: str, body: str | None = None) -> tuple[int, bytes]:
        connection = http.client.HTTPSConnection(
            self._host,
            PORT,
            context=self._context,
            timeout=_ANSWER_S if method == "GET" else _RESTART_S,
        )
        try:
            connection.request(method, path, body, self._headers)
            reply = connection.getresponse()
            return reply.status, reply.read()
        finally:
            connection.close()


def cluster_problems(
    members: Sequence[Mapping[str, Any]], count: int, replica_state: str, *, synchronous: bool
) -> list[str]:
    """Return what the cluster lacks, as its members tell it."""
    leaders = [m["name"] for m in members if m["role"] == "leader" and m["state"] == "running"]
    replicas = [m for m in members if m["role"] != "leader"]
    following = [m for m in replicas if m["state"] in (replica_state, "streaming")]
    problems = [] if len(leaders) == 1 else [f"{len(leaders)} leaders run"]
    problems += [f"{m['name']} is {m['state']}" for m in replicas if m not in following]
    if len(members) < count:
        problems.append(f"{count - len(members)} of {count} members are missing")
    if synchronous and not any(m["role"] in _SYNCHRONOUS for m in following):
        problems.append("no replica is synchronous")
    return problems


def check_cluster(host: str, wanted: Sequence[str], peers: Sequence[str]) -> int:
    """Print how the cluster is; return 0 when it is whole.

    DEFERRED tells that other members do not answer, NEARER that one copies the primary's data.
    """
    count, replica_state, synchronous = wanted
    members: list[dict[str, Any]] = []
    try:
        members = Patroni(host).get("/cluster")["members"]
        problems = cluster_problems(
            members, int(count), replica_state, synchronous=synchronous == "synchronous"
        )
    except (OSError, ValueError, KeyError, http.client.HTTPException) as error:
        problems = [f"Patroni does not answer on {host}: {error}"]
    if not problems:
        print(f"one leader, {int(count) - 1} replicas follow it")  # noqa: T201
        return 0
    away = [peer for peer in peers if not _has_etcd(peer)]
    problems += [f"{peer} is not installed or down" for peer in away]
    print("; ".join(problems))  # noqa: T201
    if away:
        return DEFERRED
    return NEARER if is_copying(members) else 1


def is_copying(members: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether a member copies the data of the one that leads."""
    return _leader(members) is not None and any(m["state"] == _COPYING for m in members)


def patch(actual: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return what to merge into the configuration so that it says what is wanted.

    What is wanted of nobody stays, such as a pause; parameters of PostgreSQL go.
    """
    changed: dict[str, Any] = {}
    for key, value in wanted.items():
        if isinstance(value, Mapping):
            now = actual.get(key)
            below = patch(now if isinstance(now, Mapping) else {}, value)
            if below:
                changed[key] = below
        elif actual.get(key) != value:
            changed[key] = value
    now, then = (_parameters(side) for side in (actual, wanted))
    dropped = {name: None for name in now if name not in then}
    if dropped and then:
        postgresql = changed.setdefault("postgresql", {})
        postgresql["parameters"] = dropped | postgresql.get("parameters", {})
    return changed


def _parameters(config: Mapping[str, Any]) -> Mapping[str, Any]:
    postgresql = config.get("postgresql")
    return postgresql.get("parameters") or {} if isinstance(postgresql, Mapping) else {}


def _wanted() -> dict[str, Any]:
    return dict(json.loads(os.environ["PATRONI_CONFIG"]))


def check_config(host: str) -> int:
    """Return 0 when the cluster's configuration says what is wanted."""
    difference = patch(Patroni(host).get("/config"), _wanted())
    if difference:
        print(f"differs: {json.dumps(difference)}")  # noqa: T201
    return 1 if difference else 0


def change_config(host: str, user: str) -> int:
    """Make the cluster's configuration say what is wanted."""
    patroni = Patroni(host, user)
    # a Patroni that has just begun to lead may have written it since somebody looked
    if difference := patch(patroni.config(), _wanted()):
        patroni.change("PATCH", "/config", difference)
    return 0


def restart_in_turn(host: str, user: str, name: str) -> int:
    """Restart PostgreSQL if Patroni marked it and those that go first are done.

    A replica must not run with less of what is counted than its primary does.
    Source: PostgreSQL, "Hot Standby", "Administrator's Overview".
    """
    patroni = Patroni(host, user)
    members = patroni.get("/cluster")["members"]
    if is_in_turn(members, name, leader_first=os.environ["LEADER_FIRST"] == "yes"):
        patroni.change("POST", "/restart", {"restart_pending": True})
    return 0


def is_in_turn(members: Sequence[Mapping[str, Any]], name: str, *, leader_first: bool) -> bool:
    """Tell whether a member is marked for a restart, and nobody that goes first is."""
    marked = [member for member in members if member.get("pending_restart")]
    mine = [member for member in marked if member["name"] == name]
    if not mine:
        return False
    is_leader = mine[0]["role"] == "leader"
    first = [member for member in marked if (member["role"] == "leader") is leader_first]
    return is_leader is leader_first or not first


def check_leads_not(host: str, name: str) -> int:
    """Return 0 unless this member leads; one whose Patroni does not run leads nobody."""
    try:
        return 1 if _leader(Patroni(host).get("/cluster")["members"]) == name else 0
    except ConnectionRefusedError:
        return 0


def check_leads(host: str, name: str) -> int:
    """Return 0 when this member leads."""
    return 0 if _leader(Patroni(host).get("/cluster")["members"]) == name else 1


def hand_over(host: str, user: str, name: str, candidate: str = "") -> int:
    """Let a replica lead in place of a member, by default the best one, and wait until it does."""
    patroni = Patroni(host, user)
    wanted = candidate or best_candidate(patroni.get("/cluster")["members"])
    if wanted is None:
        raise Refusal("no replica may take over: none streams")
    patroni.change("POST", "/switchover", {"leader": name, "candidate": wanted})
    deadline = time.monotonic() + _RESTART_S
    while (leader := _leader(patroni.get("/cluster")["members"])) in (None, name):
        if time.monotonic() > deadline:
            raise Refusal(f"{leader or 'nobody'} leads {_RESTART_S:.0f} s after the switchover")
        time.sleep(_POLL_S)
    if leader != wanted and candidate:
        raise Refusal(f"{leader} leads after the switchover, and not {candidate}")
    print(f"{leader} leads")  # noqa: T201
    return 0


def begin_copy(host: str, user: str) -> int:
    """Let a replica throw its data away and copy the primary's; return once the old ones are gone.

    One that is about it already is left alone; whatever else it is busy with is given up.
    """
    patroni = Patroni(host, user)
    before = patroni.get("/patroni")
    if before.get("state") == _COPYING:
        return 0
    patroni.change("POST", "/reinitialize", {"force": True})
    deadline = time.monotonic() + _BEGIN_S
    while not has_begun(before, patroni.get("/patroni")):
        if time.monotonic() > deadline:
            raise Refusal(f"PostgreSQL still runs on the old data after {_BEGIN_S:.0f} s")
        time.sleep(_POLL_S)
    return 0


def has_begun(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Tell whether PostgreSQL is not the one any more that ran on the old data."""
    started = "postmaster_start_time"
    return now.get("state") != "running" or now.get(started) != before.get(started)


def tell_copy(host: str, replica_state: str, folder: str) -> int:
    """Print how far a copy is: the state, whether it follows the primary, and the bytes."""
    try:
        member = Patroni(host).get("/patroni")
    except (OSError, ValueError, http.client.HTTPException) as error:
        member = {"state": f"Patroni does not answer: {error}"}
    told = {
        "state": str(member.get("state")),
        "follows": follows(member, replica_state),
        "size": _bytes_below(folder),
    }
    print(json.dumps(told))  # noqa: T201
    return 0


def follows(member: Mapping[str, Any], replica_state: str) -> bool:
    """Tell whether a member says of itself that it is a replica that follows."""
    streams = replica_state != "streaming" or member.get("replication_state") == "streaming"
    return member.get("role") == "replica" and member.get("state") == "running" and streams


def _bytes_below(folder: str) -> int:
    """Return the bytes that the files of a folder take; files come and go meanwhile."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(f"{place}/{name}").st_blocks * 512
            except OSError:
                continue
    return total


def best_candidate(members: Sequence[Mapping[str, Any]]) -> str | None:
    """Return the replica that lacks no commit: a synchronous one where there is any."""
    following = [m for m in members if m["role"] != "leader" and m["state"] in _FOLLOWING]
    following.sort(key=lambda m: (m["role"] not in _SYNCHRONOUS, _lag(m)))
    return str(following[0]["name"]) if following else None


def _lag(member: Mapping[str, Any]) -> float:
    lag = member.get("lag")
    return float(lag) if isinstance(lag, (int, float)) else float("inf")


def _leader(members: Sequence[Mapping[str, Any]]) -> str | None:
    running = (m["name"] for m in members if m["role"] == "leader" and m["state"] == "running")
    return next(running, None)


def _has_etcd(host: str) -> bool:
    """Tell whether a member is installed: Patroni itself is silent until etcd is complete."""
    context = _context()
    connection = http.client.HTTPSConnection(host, ETCD_PORT, context=context, timeout=_REACH_S)
    try:
        connection.request("GET", "/health")
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True


def _context() -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=f"{TLS}/ca.crt")
    context.load_cert_chain(f"{TLS}/node.crt", f"{TLS}/node.key")
    return context


_ACTIONS: dict[str, Callable[..., int]] = {
    "holds": check_config,
    "change": change_config,
    "restart": restart_in_turn,
    "leads": check_leads,
    "leads-not": check_leads_not,
    "hand-over": hand_over,
    "begin-copy": begin_copy,
    "copy": tell_copy,
}


def main(words: Sequence[str]) -> int:
    """Run what the command line names."""
    action, host, *rest = words
    if action == "cluster":
        return check_cluster(host, rest[:3], rest[3:])
    try:
        return _ACTIONS[action](host, *rest)
    except (OSError, ValueError, KeyError, http.client.HTTPException, Refusal) as error:
        print(f"{type(error).__name__}: {error}")  # noqa: T201
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
