"""What a cluster's clients do during an operation, and what is left of it afterwards.

Four writers: rows as a manager writes them, confirmed messages, REST requests and executions of a
small blueprint. Each keeps a ledger of what was acknowledged; nothing of that may be lost.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.cluster import Cluster, wait_until
from tests.support.ledger import Ledger, Task, as_manager, kept, program
from tests.support.losses import leader, new_token, say, sql

_BEGINNING_S = 240  # a loaded machine takes its time to install a deployment
_ROWS, _MESSAGES, _EXECUTIONS = 20, 20, 1  # acknowledged before the operation begins
_REASON_LENGTH = 600
_ENDS = ("terminated", "failed")  # a script that was cut off is not repeated by itself


@dataclass(frozen=True)
class Traffic:
    """The ledgers of the writers; `stored` is filled when they have ended."""

    rows: Ledger
    messages: Ledger
    requests: Ledger
    executions: Ledger
    stored: "Stored"


@dataclass
class Stored:
    """What the cluster still has of the writers' work."""

    rows: dict[str, set[int]] = field(default_factory=dict)  # by database node
    messages: set[int] = field(default_factory=set)
    executions: dict[str, str] = field(default_factory=dict)  # id → status
    reasons: dict[str, str] = field(default_factory=dict)  # why the failed ones failed, by id


@contextmanager
def traffic(cluster: Cluster, folder: Path, *, manager: str | None = None) -> Iterator[Traffic]:
    """Keep all four writers going while the block runs, then read what is stored.

    Rows and messages are written from `manager`, by default the first: it stays all the while.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name = f"traffic_{folder.name.replace('-', '_')}"
    host = manager or cluster.having("manager")[0]
    try:
        with ExitStack() as stack:
            ledgers = {
                kind: stack.enter_context(kept(cluster, task, folder / kind))
                for kind, task in _tasks(cluster, host, name).items()
            }
            seen = Traffic(**ledgers, stored=Stored())
            wait_until(
                lambda: _have_begun(seen), "every writer's beginning", timeout_s=_BEGINNING_S
            )
            yield seen
        _read_stored(cluster, host, name, seen)
    finally:
        sql(cluster, leader(cluster), f"DROP TABLE IF EXISTS {name}")


def _tasks(cluster: Cluster, host: str, name: str) -> dict[str, Task]:
    api, token = f"https://{cluster.entry}/api/v3.1", f"{new_token(cluster)}\n"
    beside, ca = (sys.executable, "-c"), str(cluster.ca)
    return {
        "rows": Task(words=as_manager("write_rows", name), host=host),
        "messages": Task(words=as_manager("use_queue", "publish", name), host=host),
        "requests": Task(
            words=(*beside, program("send_requests"), f"{api}/version", ca), stdin=token
        ),
        "executions": Task(words=(*beside, program("run_executions"), api, ca, name), stdin=token),
    }


def _have_begun(seen: Traffic) -> bool:
    least = {seen.rows: _ROWS, seen.messages: _MESSAGES, seen.executions: _EXECUTIONS}
    return all(len(ledger.acknowledged()) > count for ledger, count in least.items())


def _read_stored(cluster: Cluster, host: str, name: str, seen: Traffic) -> None:
    primary = leader(cluster)
    for node in cluster.having("database"):
        seen.stored.rows[node] = _numbers(cluster, node, name)
    emptied = cluster.on(host, *as_manager("use_queue", "empty", name)).stdout
    seen.stored.messages.update(json.loads(line)["number"] for line in emptied.splitlines())
    found = sql(cluster, primary, "SELECT json_build_array(id, status, error) FROM executions")
    for execution, status, error in map(json.loads, found.splitlines()):
        seen.stored.executions[execution] = status
        if status == "failed":
            seen.stored.reasons[execution] = " ".join(f"{error}".split())[-_REASON_LENGTH:]


def _numbers(cluster: Cluster, node: str, table: str) -> set[int]:
    return set(map(int, sql(cluster, node, f"SELECT number FROM {table}").split()))


def assert_nothing_lost(seen: Traffic) -> None:
    """Demand all that was acknowledged; tell how much it was and each longest gap."""
    for kind in ("rows", "messages", "executions"):
        ledger: Ledger = getattr(seen, kind)
        gap_s = ledger.longest_gap_s()
        say(f"{kind}: {len(ledger.acknowledged())} acknowledged, longest gap {gap_s:.1f} s")
    acknowledged = set(seen.rows.acknowledged())
    assert acknowledged, "no row was written"
    for node, found in seen.stored.rows.items():
        assert acknowledged - found == set(), f"rows that {node} lacks"
    confirmed = set(seen.messages.acknowledged())
    assert confirmed, "no message was confirmed"
    assert confirmed - seen.stored.messages == set(), "messages that are lost"
    assert lost_executions(seen) == {}
    reasons = seen.stored.reasons
    failed = {each: reasons[each] for each in _accepted(seen) if each in reasons}
    say(f"executions that ended failed, resumable: {len(failed)}")
    for execution, reason in failed.items():
        say(f"{execution} failed: {reason}")
    assert len(failed) * 20 <= len(seen.executions.acknowledged())  # of what was cut off


def lost_executions(seen: Traffic) -> dict[str, str]:
    """Return each accepted execution that is not there, or has not ended, with its status."""
    statuses = {each: seen.stored.executions.get(each, "lost") for each in _accepted(seen)}
    return {each: status for each, status in statuses.items() if status not in _ENDS}


def _accepted(seen: Traffic) -> list[str]:
    """Return the executions that are the writer's own: other tests may let theirs fail."""
    return [entry["execution"] for entry in seen.executions.entries() if "number" in entry]


def assert_no_request_failed(seen: Traffic, *, begin: float = 0, end: float = float("inf")) -> None:
    """Demand an answer 200 to each request of a span of time; tell the slowest."""
    requests = [e for e in seen.requests.entries() if begin <= e["time"] <= end]
    assert len(requests) > 20, "too few requests to tell"
    slowest_s = max(request["seconds"] for request in requests)
    say(f"{len(requests)} requests, the slowest took {slowest_s:.1f} s")
    assert [request for request in requests if request["ended"] != "200"] == []
