"""Who runs what: a worker claims an execution or an operation before it runs it.

A broker delivers a message again when it loses a worker's connection, though the worker may well
live and go on. The claim tells: as long as its owner renews it, another worker waits.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

from manager.services.authentication import Caller
from manager.services.execution_status import ACTIVE
from manager.services.execution_tokens import execution_token_hash
from manager.storage.models import Execution, Operation, TasksGraph, Tenant

RENEWAL_S = 5.0
_STALE_S = 30.0  # six renewals missed, by the database's clock
_TABLES = (Execution, Operation)


@dataclass(frozen=True, slots=True)
class Identity:
    """A worker's process: a restarted worker knows that what its forerunner claimed is dead."""

    manager: str
    boot: str

    @classmethod
    def of(cls, manager: str) -> "Identity":
        """Return a fresh identity on this manager."""
        return cls(manager, uuid.uuid4().hex)

    @property
    def name(self) -> str:
        """Return what stands in the database."""
        return f"{self.manager}/{self.boot}"

    def may_take(self, owner: str | None, idle_s: float | None) -> bool:
        """Tell whether a claim is free: none, ours, our forerunner's, or one long not renewed."""
        if owner is None or idle_s is None or owner.rpartition("/")[0] == self.manager:
            return True
        return idle_s > _STALE_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What a message says of the execution that it belongs to."""

    execution_id: str
    tenant: str
    token: str | None

    @classmethod
    def of(cls, context: Mapping[str, Any]) -> "Reference":
        """Read it from a `__cloudify_context`."""
        return cls(
            execution_id=context["execution_id"],
            tenant=context["tenant"]["name"],
            token=context.get("execution_token") or context.get("rest_token"),
        )

    @property
    def names(self) -> tuple[ColumnElement[bool], ...]:
        """Return the conditions that name the execution."""
        tenant = select(Tenant.id).where(Tenant.name == self.tenant).scalar_subquery()
        return Execution.id == self.execution_id, Execution.tenant_id == tenant

    def is_latest_of(self, execution: Execution) -> bool:
        """Tell whether no later dispatch has made the message void."""
        if self.token is None:
            return False
        return execution.token_hash == execution_token_hash(self.token)


def find_execution(session: Session, reference: Reference) -> Execution | None:
    """Return the execution, locked, unless a later dispatch has made the message void."""
    execution = session.scalars(
        select(Execution)
        .join(Tenant, Tenant.id == Execution.tenant_id)
        .where(Execution.id == reference.execution_id, Tenant.name == reference.tenant)
        .with_for_update(of=Execution)
    ).one_or_none()
    return execution if execution and reference.is_latest_of(execution) else None


def acting_for(execution: Execution, context: Mapping[str, Any]) -> Caller:
    """Return the execution as a caller of services, which tell of what it does."""
    return Caller(
        user_id=execution.creator_id,
        username=context.get("execution_creator_username") or "",
        role="",
        tenant_id=execution.tenant_id,
        tenant=context["tenant"]["name"],
        tenant_role=None,
        execution_key=execution.key,
    )


def find_operation(session: Session, execution: Execution, operation_id: str) -> Operation | None:
    """Return an operation of the execution's graphs, locked; some workflows store no graph."""
    return session.scalars(
        select(Operation)
        .join(TasksGraph, TasksGraph.key == Operation.tasks_graph_key)
        .where(Operation.id == operation_id, TasksGraph.execution_key == execution.key)
        .with_for_update(of=Operation)
    ).one_or_none()


def is_free(session: Session, row: Execution | Operation, identity: Identity) -> bool:
    """Tell whether the worker may claim the row now."""
    return identity.may_take(row.owner, _idle_s(session, row.owner_seen_at))


def claim(row: Execution | Operation, identity: Identity) -> None:
    """Make the worker the row's owner."""
    row.owner = identity.name
    row.owner_seen_at = func.clock_timestamp()


def release(row: Execution | Operation) -> None:
    """Leave the row to whoever comes."""
    row.owner = row.owner_seen_at = None


def renew(session: Session, identity: Identity) -> None:
    """Say that the worker lives, for all that it runs."""
    for table in _TABLES:
        session.execute(
            update(table)
            .where(table.owner == identity.name)
            .values(owner_seen_at=func.clock_timestamp()),
            execution_options={"synchronize_session": False},
        )


def release_all(session: Session, identity: Identity) -> None:
    """Leave all that the worker has claimed to others; it has ended its tasks."""
    for table in _TABLES:
        session.execute(
            update(table)
            .where(table.owner == identity.name)
            .values(owner=None, owner_seen_at=None),
            execution_options={"synchronize_session": False},
        )


def orphans(session: Session, idle_s: float) -> list[Execution]:
    """Return the executions that nobody has run for so long, locked, except those just pending.

    Their message is lost, or its worker was, together with every broker that had it.
    """
    last_sign = func.coalesce(Execution.owner_seen_at, Execution.dispatched_at)
    query = (
        select(Execution)
        .where(
            Execution.status.in_(sorted(ACTIVE - {"pending"})),
            last_sign < func.clock_timestamp() - func.make_interval(0, 0, 0, 0, 0, 0, idle_s),
        )
        .with_for_update(skip_locked=True)
    )
    return list(session.scalars(query))


def _idle_s(session: Session, seen_at: datetime | None) -> float | None:
    if seen_at is None:
        return None
    now = session.scalar(select(func.clock_timestamp()))
    return (now - seen_at).total_seconds() if now else None
