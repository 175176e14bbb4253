"""Settle what a restored database still holds of the moment at which it was saved."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from manager.errors import BadParameters
from manager.services.cluster import (
    list_brokers,
    list_database_nodes,
    list_managers,
    remove_broker,
    remove_database_node,
    remove_manager,
)
from manager.services.execution_life import follow_up, place_of, report_status
from manager.services.execution_status import ACTIVE, ExecutionStatus
from manager.storage.models import Execution

_CUT_OFF = (
    "A backup was restored that was taken while this execution ran: nobody knows how far it went. "
    "Resume it, or run the workflow again."
)
_NOT_STARTED = "A backup was restored that was taken before this execution began: it did not run."
_KINDS = ("managers", "brokers", "databases")
Nodes = Mapping[str, Mapping[str, str]]  # kind → name → address


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What was settled: executions by how they ended, and the nodes that were forgotten."""

    failed: int
    cancelled: int
    forgotten: tuple[str, ...]


def settle(session: Session, nodes: Nodes) -> Settled:
    """End what ran or waited, and forget the nodes that are not of this cluster.

    `nodes` has the addresses of managers, brokers and databases by name; call it while no manager
    runs. A node of the same name at another address is another machine: it enters itself anew.
    A second call finds nothing to do.
    """
    failed, cancelled = _end_executions(session)
    return Settled(failed=failed, cancelled=cancelled, forgotten=_forget_others(session, nodes))


def parse_nodes(document: object) -> Nodes:
    """Return the addresses of a cluster's nodes by kind and name; raises BadParameters."""
    if not isinstance(document, dict) or document.keys() != set(_KINDS):
        raise BadParameters(f"standard input is not a JSON object of {', '.join(_KINDS)}")
    for kind, nodes in document.items():
        if not isinstance(nodes, dict) or not all(isinstance(at, str) for at in nodes.values()):
            raise BadParameters(f"`{kind}` is not an object of names and addresses")
    return document


def _end_executions(session: Session) -> tuple[int, int]:
    """End what ran as failed; what waited, or was due meanwhile, as cancelled; count both."""
    overdue = (Execution.status == ExecutionStatus.SCHEDULED) & (
        Execution.scheduled_for <= func.clock_timestamp()
    )
    waited = or_(Execution.status == ExecutionStatus.QUEUED, overdue)
    ran = Execution.status.in_(sorted(ACTIVE))
    # all have ended before the first end is followed up: it starts what waits
    cancelled = _end(session, _keys(session, waited), ExecutionStatus.CANCELLED, _NOT_STARTED)
    failed = _end(session, _keys(session, ran), ExecutionStatus.FAILED, _CUT_OFF)
    for execution in (*cancelled, *failed):
        follow_up(session, execution)
    return len(failed), len(cancelled)


def _keys(session: Session, condition: ColumnElement[bool]) -> list[int]:
    return list(session.scalars(select(Execution.key).where(condition).order_by(Execution.key)))


def _end(session: Session, keys: list[int], status: ExecutionStatus, error: str) -> list[Execution]:
    return [
        report_status(session, place_of(session, Execution.key == key), status, error)
        for key in keys
    ]


def _forget_others(session: Session, nodes: Nodes) -> tuple[str, ...]:
    known: tuple[tuple[str, dict[str, str], Callable[[Session, str], object]], ...] = (
        ("managers", {m.hostname: m.private_ip for m in list_managers(session)}, remove_manager),
        ("brokers", {b.name: b.host for b in list_brokers(session)}, remove_broker),
        (
            "databases",
            {d.name: d.host for d in list_database_nodes(session)},
            remove_database_node,
        ),
    )
    forgotten: list[str] = []
    for kind, found, forget in known:
        for name in sorted(name for name, at in found.items() if nodes[kind].get(name) != at):
            forget(session, name)
            forgotten.append(name)
    session.flush()  # an address may be another node's by now
    return tuple(dict.fromkeys(forgotten))
