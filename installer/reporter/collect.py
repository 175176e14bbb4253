"""What a node knows of itself: its units, and what its service says of the cluster."""

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import requests

from installer.reporter.settings import NodeType, ReporterSettings
from installer.reporter.units import unit_services

Report = dict[str, Any]

# A busy host may miss one answer; two in a row are told within 15 s of the last good one
_PATIENCE_S = 12

_good: dict[str, tuple[float, Report]] = {}  # the last answer to each question, and when it came
_session = requests.Session()  # connections are kept: a handshake per report would be waste

_UNITS = {
    NodeType.DB: {"etcd": "etcd.service", "Patroni": "patroni.service"},
    NodeType.BROKER: {"RabbitMQ Broker": "rabbitmq-server.service"},
    NodeType.MANAGER: {
        "Webserver": "nginx.service",
        "Manager Rest-Service": "cloudify-restservice.service",
        "Management Worker": "cloudify-mgmtworker.service",
        "File Sync": "cloudify-syncthing.service",
    },
}


def collect_report(settings: ReporterSettings, kind: NodeType) -> Report:
    """Return the report on one service: OK when its units run and it answers well."""
    services = unit_services(_UNITS[kind])
    good = _ADD[kind](settings, services)
    running = all(service["status"] == "Active" for service in services.values())
    return {"status": "OK" if running and good else "Fail", "services": services}


def _get(settings: ReporterSettings, url: str, **options: Any) -> Any:
    extra = settings.extra_config
    client = (extra["client_cert_path"], extra["client_key_path"])
    reply = _session.get(
        url, cert=client, verify=extra["node_ca_path"], timeout=settings.request_timeout, **options
    )
    reply.raise_for_status()
    return reply.json()


def _add_database(settings: ReporterSettings, services: Report) -> bool:
    host = _in_url(settings.private_ip)
    etcd = services["etcd"]["extra_info"]
    patroni = services["Patroni"]["extra_info"]
    url = f"https://{host}:2379/health"
    health = _asked(settings, etcd, "etcd_health", lambda hurried: _get(hurried, url))
    base = f"https://{host}:8008"
    status = _asked(
        settings, patroni, "patroni_status", lambda hurried: _patroni_status(hurried, base)
    )
    return health.get("health") == "true" and status.get("state") in {"running", "streaming"}


def _patroni_status(settings: ReporterSettings, url: str) -> Report:
    mode = _get(settings, f"{url}/config").get("synchronous_mode", False)
    return {
        **_get(settings, f"{url}/patroni"),
        "cluster": _get(settings, f"{url}/cluster"),
        "synchronous_mode": bool(mode),  # absent means off, docs/dynamic_configuration
    }


def _add_broker(settings: ReporterSettings, services: Report) -> bool:
    extra = settings.extra_config
    url = f"https://{_in_url(settings.private_ip)}:15671/api/nodes"
    login = (extra["broker_username"], extra["broker_password"])
    facts = services["RabbitMQ Broker"]["extra_info"]
    status = _asked(
        settings,
        facts,
        "node_status",
        lambda hurried: _broker_status(extra, _get(hurried, url, auth=login)),
    )
    return bool(status.get("running")) and not status.get("alarms") and not status.get("partitions")


def _broker_status(extra: Any, nodes: list[Report]) -> Report:
    mine = next(node for node in nodes if node["name"] == extra["broker_node"])
    return {
        "name": mine["name"],
        "running": mine["running"],
        "alarms": [alarm for alarm in ("mem_alarm", "disk_free_alarm") if mine.get(alarm)],
        "partitions": mine.get("partitions", []),
        "cluster_nodes": sorted(node["name"] for node in nodes),
        "running_nodes": sorted(node["name"] for node in nodes if node["running"]),
    }


def _add_manager(settings: ReporterSettings, services: Report) -> bool:
    facts = services["Manager Rest-Service"]["extra_info"]
    url = f"https://{_in_url(settings.private_ip)}:53333/api/v3.1/ok"
    answer = _asked(settings, facts, "rest", lambda hurried: {"ok": _answers_ok(hurried, url)})
    return bool(answer.get("ok"))


def _answers_ok(settings: ReporterSettings, url: str) -> bool:
    reply = _session.get(url, verify=settings.ca_path, timeout=settings.request_timeout)
    return reply.ok


def _asked(
    settings: ReporterSettings, facts: Report, key: str, ask: Callable[[ReporterSettings], Report]
) -> Report:
    """Store and return the answer, or the reason why there is none: that too is a report.

    In place of an answer that is late the last good one counts for a while; meanwhile the question
    has only the rest of that while.
    """
    came, good = _good.get(key, (-math.inf, {}))
    left_s = _PATIENCE_S - (time.monotonic() - came)
    limit_s = min(settings.request_timeout, max(1, int(left_s))) if left_s > 0 else None
    try:
        answer = ask(replace(settings, request_timeout=limit_s) if limit_s else settings)
        _good[key] = time.monotonic(), answer
    except requests.Timeout as error:
        is_patient = time.monotonic() - came < _PATIENCE_S
        answer = {**good, "late": str(error)} if is_patient else _failure(error)
    except (requests.RequestException, StopIteration) as error:
        _good.pop(key, None)
        answer = _failure(error)
    facts[key] = answer
    return answer


def _failure(error: Exception) -> Report:
    return {"error": f"{type(error).__name__}: {error}"}


def _in_url(address: str) -> str:
    return f"[{address}]" if ":" in address else address


_ADD = {
    NodeType.DB: _add_database,
    NodeType.BROKER: _add_broker,
    NodeType.MANAGER: _add_manager,
}
