"""Judge the cluster by what its nodes reported: pure rules over plain values.

Source of the rules: Cloudify 5.0.5, where a report is stale after twice its period, a cluster of
n nodes needs n//2+1 (managers: one), and databases and brokers must agree among themselves.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from manager.services.cluster_model import ClusterService, Health, Node, NodeType, Report
from manager.services.cluster_views import broker_view_failures, database_view_status


def cluster_status(services: Sequence[ClusterService], now: datetime) -> dict[str, Any]:
    """Return the body of `GET /cluster-status`."""
    judged = {str(service.type): service_status(service, now) for service in services}
    return {"status": _worst(entry["status"] for entry in judged.values()), "services": judged}


def service_status(service: ClusterService, now: datetime) -> dict[str, Any]:
    """Return one service's part of the cluster status."""
    if service.is_external:
        return {"is_external": True, "status": Health.OK}
    fresh = {
        address: report for address, report in service.reports.items() if not report.is_stale(now)
    }
    failures = {node.private_ip: _node_failures(service, node, now) for node in service.nodes}
    if service.type is NodeType.BROKER:
        for address, further in broker_view_failures(fresh).items():
            failures.get(address, []).extend(further)
    nodes = {
        node.name: _node_entry(node, service.type, fresh.get(node.private_ip), failures)
        for node in service.nodes
    }
    status = _quorum_status(service.type, [entry["status"] for entry in nodes.values()])
    if service.type is NodeType.DB and status is not Health.FAIL and len(nodes) > 1:
        healthy = {address: fresh[address] for address, found in failures.items() if not found}
        status = _worst([status, database_view_status(healthy)])
    return {"is_external": False, "status": status, "nodes": nodes}


def _node_failures(service: ClusterService, node: Node, now: datetime) -> list[str]:
    report = service.reports.get(node.private_ip)
    if report is None:
        return ["No services.", "No report was ever received"]
    if report.is_stale(now):
        age_s = (now - report.received_at).total_seconds()
        expected = f"one is due every {report.frequency_s} s"
        return ["No services.", f"The last report is {age_s:.0f} s old; {expected}"]
    inactive = [
        f"Service {name} is not active"
        for name, entry in report.services.items()
        if entry.get("status") != "Active"
    ]
    if not report.is_ok and not inactive:
        return ["The node reports a failure"]
    return inactive


def _node_entry(
    node: Node, node_type: NodeType, report: Report | None, failures: Mapping[str, list[str]]
) -> dict[str, Any]:
    found = failures[node.private_ip]
    return {
        "private_ip": node.private_ip,
        "public_ip": node.public_ip,
        "version": node.version,
        "services": dict(report.services) if report else {},
        "metrics": [_metric(node, node_type, report)] if report else [],
        "failures": found,
        "status": Health.FAIL if found else Health.OK,
    }


def _metric(node: Node, node_type: NodeType, report: Report) -> dict[str, Any]:
    received_at = report.received_at.astimezone(UTC)
    return {
        "last_check": received_at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{received_at:%f}"[:3] + "Z",
        "healthy": report.is_ok,
        "metric_type": f"{node_type}_healthy",
        "metric_name": f"{node_type} ({node.private_ip}) on {node.name}",
    }


def _quorum_status(node_type: NodeType, statuses: Sequence[Health]) -> Health:
    healthy = statuses.count(Health.OK)
    if healthy == len(statuses):
        return Health.OK
    quorum = 1 if node_type is NodeType.MANAGER else len(statuses) // 2 + 1
    return Health.DEGRADED if healthy >= quorum else Health.FAIL


def _worst(statuses: Iterable[Health]) -> Health:
    found = set(statuses)
    if Health.FAIL in found:
        return Health.FAIL
    return Health.DEGRADED if Health.DEGRADED in found else Health.OK
