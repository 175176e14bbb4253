"""Take status reports from nodes, and gather them with the nodes that the cluster should have."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from manager import VERSION
from manager.errors import BadParameters
from manager.services.cluster_model import ClusterService, Node, NodeType, Report
from manager.settings import is_host
from manager.storage.database import forgo_durability
from manager.storage.models import Broker, DatabaseNode, Manager, NodeReport

_CLOCK_TOLERANCE = timedelta(seconds=60)
_TIMESTAMP = re.compile(r"\d{14}\+0000")
_MAX_FREQUENCY_S = 3600
_FIELDS = "reporting_freq, timestamp, report and node are needed; see docs/reference/status-reports"


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingReport:
    """A report as a node sent it."""

    node_type: NodeType
    node_id: str
    node_name: str
    private_ip: str
    reported_at: datetime
    frequency_s: int
    report: Mapping[str, Any]


def parse_report(node_type: NodeType, node_id: str, body: object) -> IncomingReport:
    """Return the report in a request's body; raises BadParameters when it is malformed."""
    if not isinstance(body, dict):
        raise BadParameters(f"The report is not a JSON object: {_FIELDS}")
    node, report = body.get("node"), body.get("report")
    if not isinstance(node, dict) or not is_host(str(node.get("private_ip"))):
        raise BadParameters("node.private_ip is neither an IP address nor a host name")
    return IncomingReport(
        node_type=node_type,
        node_id=node_id,
        node_name=str(node.get("name", "")),
        private_ip=node["private_ip"],
        reported_at=_parse_timestamp(body.get("timestamp")),
        frequency_s=_parse_frequency(body.get("reporting_freq")),
        report=_parse_services(report),
    )


def save_report(session: Session, incoming: IncomingReport) -> None:
    """Store a report as the node's last one.

    Raises BadParameters when it is from the future, or older than the stored one while that is
    fresh: a node whose clock was set back is believed again once its old report is stale.
    """
    if incoming.reported_at > datetime.now(UTC) + _CLOCK_TOLERANCE:
        raise BadParameters(
            f"The report of {incoming.reported_at.isoformat()} is from the future: "
            "set the clocks of the node and of this manager"
        )
    forgo_durability(session)
    values = {
        "node_type": incoming.node_type,
        "private_ip": incoming.private_ip,
        "node_id": incoming.node_id,
        "node_name": incoming.node_name,
        "reported_at": incoming.reported_at,
        "received_at": func.clock_timestamp(),
        "reporting_freq_s": incoming.frequency_s,
        "report": incoming.report,
    }
    stale_for = 2 * func.make_interval(0, 0, 0, 0, 0, 0, NodeReport.reporting_freq_s)
    statement = (
        insert(NodeReport)
        .values(values)
        .on_conflict_do_update(
            index_elements=["node_type", "private_ip"],
            set_=values,
            where=or_(
                NodeReport.reported_at <= incoming.reported_at,
                NodeReport.received_at + stale_for < func.clock_timestamp(),
            ),
        )
        .returning(NodeReport.private_ip)
    )
    if session.execute(statement).first() is None:
        raise BadParameters(
            f"The report of {incoming.reported_at.isoformat()} is older than the stored one"
        )
    if incoming.node_type is NodeType.MANAGER:
        seen = update(Manager).where(Manager.private_ip == incoming.private_ip)
        session.execute(seen.values(last_seen=func.now()))


def cluster_services(session: Session) -> tuple[list[ClusterService], datetime]:
    """Return what the cluster should have with what it reported, and the database's time."""
    managers = session.scalars(select(Manager)).all()
    brokers = session.scalars(select(Broker)).all()
    databases = session.scalars(select(DatabaseNode)).all()
    # One address is one node, whatever services it has: the first name it got is shown.
    names: dict[str, str] = {}
    public: dict[str, str] = {}
    for manager in managers:
        names[manager.private_ip] = manager.hostname
        public[manager.private_ip] = manager.public_ip
    for address, name in [(b.host, b.name) for b in brokers] + [
        (d.host, d.name) for d in databases
    ]:
        names.setdefault(address, name)

    def nodes(addresses: list[str]) -> list[Node]:
        return [
            Node(
                name=names[address],
                private_ip=address,
                public_ip=public.get(address, address),
                version=VERSION,
            )
            for address in addresses
        ]

    reports = _reports(session)
    services = [
        ClusterService(
            type=NodeType.MANAGER,
            nodes=nodes(sorted(manager.private_ip for manager in managers)),
            reports=reports[NodeType.MANAGER],
        ),
        ClusterService(
            type=NodeType.BROKER,
            nodes=nodes([broker.host for broker in brokers]),
            reports=reports[NodeType.BROKER],
            is_external=any(broker.is_external for broker in brokers),
        ),
        ClusterService(
            type=NodeType.DB,
            nodes=nodes([database.host for database in databases]),
            reports=reports[NodeType.DB],
            is_external=any(database.is_external for database in databases),
        ),
    ]
    return services, session.execute(select(func.clock_timestamp())).scalar_one()


def _reports(session: Session) -> dict[NodeType, dict[str, Report]]:
    found: dict[NodeType, dict[str, Report]] = {node_type: {} for node_type in NodeType}
    for row in session.scalars(select(NodeReport)):
        found[NodeType(row.node_type)][row.private_ip] = Report(
            private_ip=row.private_ip,
            received_at=row.received_at,
            frequency_s=row.reporting_freq_s,
            is_ok=row.report["status"] == "OK",
            services=row.report["services"],
        )
    return found


def _parse_timestamp(text: object) -> datetime:
    if not isinstance(text, str) or not _TIMESTAMP.fullmatch(text):
        raise BadParameters("timestamp is not of the form YYYYmmddHHMMSS+0000")
    try:
        return datetime.strptime(text, "%Y%m%d%H%M%S%z")
    except ValueError as error:
        raise BadParameters(f"timestamp is no time: {error}") from error


def _parse_frequency(value: object) -> int:
    if type(value) is not int or not 1 <= value <= _MAX_FREQUENCY_S:
        raise BadParameters(f"reporting_freq is not a number of seconds up to {_MAX_FREQUENCY_S}")
    return value


def _parse_services(report: object) -> Mapping[str, Any]:
    if not isinstance(report, dict) or report.get("status") not in ("OK", "Fail"):
        raise BadParameters("report.status is neither OK nor Fail")
    services = report.get("services")
    if not isinstance(services, dict) or not all(isinstance(s, dict) for s in services.values()):
        raise BadParameters("report.services is not a mapping of service names to objects")
    return {"status": report["status"], "services": services}
