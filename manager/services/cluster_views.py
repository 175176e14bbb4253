"""What the members of a cluster say of one another: brokers of brokers, the primary of replicas."""

from collections.abc import Iterator, Mapping
from itertools import permutations
from typing import Any

from manager.services.cluster_model import Health, Report

MAX_LAG_BYTES = 16 * 1024 * 1024  # one WAL segment
_PRIMARY_ROLES = ("primary", "master")  # Patroni 4 says primary, Patroni 3 said master
_SYNC_STATES = ("sync", "quorum")


def broker_view_failures(fresh: Mapping[str, Report]) -> dict[str, list[str]]:
    """Return by private address what is wrong with brokers in the eyes of RabbitMQ.

    Only brokers that report of late are compared: whether a silent one is gone is not a matter of
    views. Of two brokers the later report decides, so that a broker that has just joined is not
    blamed for a view that is older than its start.
    """
    views = {address: view for address, report in fresh.items() if (view := _broker_view(report))}
    failures: dict[str, list[str]] = {
        address: list(_own_failures(v)) for address, v in views.items()
    }
    for (address, view), (peer_address, peer) in permutations(views.items(), 2):
        if fresh[address].received_at < fresh[peer_address].received_at:
            continue
        if peer.get("running", True) and peer["name"] not in view.get("running_nodes", ()):
            failures[address].append(f"RabbitMQ does not see {peer['name']} in its cluster")
    return failures


def database_view_status(healthy: Mapping[str, Report]) -> Health:
    """Return the state of a database cluster of several nodes by Patroni's view on the primary.

    `healthy` are the reports of the nodes that are well. Without a primary, or without a replica
    that loses nothing at a failover, the service fails; a replica that lags degrades it.
    """
    states = [state for report in healthy.values() if (state := _patroni_state(report))]
    primaries = [state for state in states if state.get("role") in _PRIMARY_ROLES]
    if not primaries:
        return Health.FAIL
    primary = max(primaries, key=lambda state: state.get("timeline") or 0)
    streaming = [
        replica
        for replica in primary.get("replication") or ()
        if replica.get("state") == "streaming"
    ]
    if not any(_protects(replica, primary) for replica in streaming):
        return Health.FAIL
    if len(streaming) < len(healthy) - 1 or any(_lags(member) for member in _members(primary)):
        return Health.DEGRADED
    return Health.OK


def _own_failures(view: Mapping[str, Any]) -> Iterator[str]:
    if not view.get("running", True):
        yield "RabbitMQ does not run"
    if view.get("alarms"):
        yield f"RabbitMQ raises an alarm: {view['alarms']}"
    if view.get("partitions"):
        yield f"RabbitMQ is partitioned from {view['partitions']}"


def _broker_view(report: Report) -> Mapping[str, Any] | None:
    view = _fact(report, "node_status")
    return view if view and view.get("name") else None


def _patroni_state(report: Report) -> Mapping[str, Any] | None:
    return _fact(report, "patroni_status")


def _fact(report: Report, name: str) -> Mapping[str, Any] | None:
    """Return what one of the node's services says under `name`, whatever the service is called."""
    for service in report.services.values():
        fact = (service.get("extra_info") or {}).get(name)
        if isinstance(fact, dict):
            return fact
    return None


def _protects(replica: Mapping[str, Any], primary: Mapping[str, Any]) -> bool:
    if primary.get("synchronous_mode") is False:  # the operator chose asynchronous replication
        return True
    return replica.get("sync_state") in _SYNC_STATES


def _members(primary: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    members = (primary.get("cluster") or {}).get("members") or []
    return [member for member in members if member.get("role") != "leader"]


def _lags(member: Mapping[str, Any]) -> bool:
    lag = member.get("lag", 0)
    return not isinstance(lag, int) or lag > MAX_LAG_BYTES
