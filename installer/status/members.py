"""The members of a database or broker cluster, one line for each, as `list` commands show them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from installer.status.database import part_of
from installer.status.facts import Answer
from installer.status.model import Part, Verdict
from installer.status.presence import Presence
from installer.status.queue import alarms_of
from installer.status.seen import has_etcd, read_brokers, read_databases, read_queues

_RUNNING = ("running", "streaming")
_STATES = {  # the words of Cloudify's own list
    Part.LEADER: "leader",
    Part.SYNCHRONOUS: "sync_replica",
    Part.REPLICA: "async_replica",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedDatabase:
    """A database node, and what its Patroni and its etcd answered."""

    name: str
    address: str
    patroni: Answer
    etcd: Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedBroker:
    """A broker, and what it answered of all brokers and of all queues."""

    name: str
    brokers: Answer
    queues: Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseRow:
    """One database node."""

    name: str
    node_ip: str
    state: str  # leader, sync_replica, async_replica, dead
    alive: bool
    etcd_state: str
    errors: str = ""

    def cells(self) -> dict[str, str]:
        """Return what stands in a table, by heading."""
        return {
            "node": self.name,
            "node_ip": self.node_ip,
            "state": self.state,
            "alive": _yes(self.alive),
            "etcd_state": self.etcd_state,
            "errors": self.errors,
        }

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerRow:
    """One broker."""

    broker_name: str
    running: bool
    alarms: tuple[str, ...] = ()
    errors: str = ""

    def cells(self) -> dict[str, str]:
        """Return what stands in a table, by heading."""
        return {
            "broker_name": self.broker_name,
            "running": _yes(self.running),
            "alarms": ", ".join(self.alarms) or "-",
            "errors": self.errors,
        }

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {**asdict(self), "alarms": list(self.alarms)}


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def database_rows(asked: Sequence[AskedDatabase]) -> list[DatabaseRow]:
    """Return a row for each database node that was asked."""
    members = _view(asked).get("members", ())
    known = {str(member["name"]): member for member in members}
    return [_database_row(one, known.get(one.name, {})) for one in asked]


def database_presence(asked: Sequence[AskedDatabase]) -> Presence:
    """Return what is there of the databases that were asked."""
    view, etcd = _view(asked), {one.name: has_etcd(one.etcd) for one in asked}
    return Presence(databases=read_databases(etcd, view), is_paused=bool(view.get("pause")))


def broker_presence(asked: Sequence[AskedBroker]) -> Presence:
    """Return what is there of the brokers that were asked, as the first that answers sees them."""
    nodes, queues = (
        next((answer.value() for answer in answers if answer.is_good), None) or ()
        for answers in ([one.brokers for one in asked], [one.queues for one in asked])
    )
    seen = read_brokers(nodes)
    return Presence(
        brokers={one.name: seen.get(one.name, False) for one in asked}, queues=read_queues(queues)
    )


def _view(asked: Sequence[AskedDatabase]) -> Mapping[str, Any]:
    """Return what the first Patroni that answers says of its cluster."""
    views = (one.patroni.value() for one in asked if one.patroni.is_good)
    return next((found for found in views if isinstance(found, dict)), {})


def _database_row(asked: AskedDatabase, member: Mapping[str, Any]) -> DatabaseRow:
    said = asked.etcd.value() if not asked.etcd.fault else None
    is_healthy = has_etcd(asked.etcd)
    alive = asked.patroni.is_good and member.get("state") in _RUNNING
    errors = []
    if not asked.patroni.is_good:
        errors.append(f"Patroni: {asked.patroni.words}")
    elif not alive:
        errors.append(f"PostgreSQL is {member.get('state', 'unknown to the others')}")
    if not is_healthy:
        reason = said.get("reason") if isinstance(said, dict) else ""
        errors.append(f"etcd: {reason or asked.etcd.words}")
    return DatabaseRow(
        name=asked.name,
        node_ip=asked.address,
        state=_STATES.get(part_of(member), "dead") if alive else "dead",
        alive=alive,
        etcd_state="healthy" if is_healthy else "unhealthy",
        errors="; ".join(errors),
    )


def database_verdict(rows: Sequence[DatabaseRow]) -> Verdict:
    """Return down without a leader, degraded when anything else is missing."""
    if not any(row.state == "leader" for row in rows):
        return Verdict.DOWN
    whole = all(row.alive and row.etcd_state == "healthy" for row in rows)
    return Verdict.HEALTHY if whole else Verdict.DEGRADED


def broker_rows(names: Sequence[str], answers: Sequence[Answer]) -> list[BrokerRow]:
    """Return a row for each broker, as the first that answers sees them all."""
    views = [answer.value() for answer in answers if answer.is_good]
    view = next((found for found in views if isinstance(found, list)), None)
    if view is None:
        said = answers[0].words if answers else "nobody was asked"
        return [BrokerRow(broker_name=f"rabbit@{n}", running=False, errors=said) for n in names]
    known = {str(broker["name"]): broker for broker in view}
    wanted = dict.fromkeys([*(f"rabbit@{name}" for name in names), *known])
    return [_broker_row(name, known.get(name)) for name in wanted]


def _broker_row(name: str, broker: Mapping[str, Any] | None) -> BrokerRow:
    if broker is None:
        return BrokerRow(broker_name=name, running=False, errors="it is no member of the cluster")
    return BrokerRow(
        broker_name=name,
        running=bool(broker.get("running")),
        alarms=tuple(f"{alarm} alarm" for alarm in alarms_of(broker)),
        errors="; ".join(f"parted from {other}" for other in broker.get("partitions") or ()),
    )


def broker_verdict(rows: Sequence[BrokerRow]) -> Verdict:
    """Return down where no message is taken: no majority, or an alarm anywhere."""
    running = sum(row.running for row in rows)
    if 2 * running <= len(rows) or any(row.alarms for row in rows):
        return Verdict.DOWN
    whole = running == len(rows) and not any(row.errors for row in rows)
    return Verdict.HEALTHY if whole else Verdict.DEGRADED
