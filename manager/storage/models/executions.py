"""Executions, their task graphs and operations, and what they report."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from manager.storage.models.base import Base, Resource

EVENT, LOG = "cloudify_event", "cloudify_log"


def _owner_index() -> Index:
    """Return the index by which a worker says that what it runs is alive."""
    return Index(None, "owner", postgresql_where=text("owner IS NOT NULL"))


class Execution(Resource):
    """A run of a workflow.

    `dispatched_at` is when its message was handed to the brokers; `owner` and `owner_seen_at` tell
    which manager's worker runs it, and when that was last alive.
    """

    __tablename__ = "executions"

    deployment_key: Mapped[int | None] = mapped_column(
        ForeignKey("deployments.key", ondelete="CASCADE"), index=True
    )
    workflow_id: Mapped[str]
    parameters: Mapped[dict[str, Any] | None]
    status: Mapped[str]
    error: Mapped[str | None]
    is_system_workflow: Mapped[bool] = mapped_column(server_default=text("false"))
    is_dry_run: Mapped[bool] = mapped_column(server_default=text("false"))
    allow_custom_parameters: Mapped[bool] = mapped_column(server_default=text("false"))
    resume: Mapped[bool] = mapped_column(server_default=text("false"))
    bypass_maintenance: Mapped[bool] = mapped_column(server_default=text("false"))
    wait_after_fail_s: Mapped[int] = mapped_column(server_default="600")
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    scheduled_for: Mapped[datetime | None]
    total_operations: Mapped[int | None] = mapped_column(server_default="0")
    finished_operations: Mapped[int | None] = mapped_column(server_default="0")
    token_hash: Mapped[str | None] = mapped_column(unique=True)
    dispatched_at: Mapped[datetime | None]
    owner: Mapped[str | None]
    owner_seen_at: Mapped[datetime | None]

    @classmethod
    def constraints(cls) -> tuple[Any, ...]:
        """Return further constraints and indexes of the table."""
        return (
            Index(None, "tenant_id", "created_at"),
            _owner_index(),
            Index(
                "ix_executions_unfinished",
                "status",
                postgresql_where=text("status NOT IN ('terminated', 'failed', 'cancelled')"),
            ),
        )


class TasksGraph(Resource):
    """A stored graph of tasks, from which an execution is resumed."""

    __tablename__ = "tasks_graphs"

    execution_key: Mapped[int] = mapped_column(
        ForeignKey("executions.key", ondelete="CASCADE"), index=True
    )
    name: Mapped[str]


class Operation(Resource):
    """A task of a graph; `dependencies` are ids of operations of the same graph.

    `owner` and `owner_seen_at` tell which manager's worker runs it, as those of executions do.
    """

    __tablename__ = "operations"

    tasks_graph_key: Mapped[int] = mapped_column(
        ForeignKey("tasks_graphs.key", ondelete="CASCADE"), index=True
    )
    name: Mapped[str]
    state: Mapped[str]
    type: Mapped[str]
    dependencies: Mapped[list[Any]]
    parameters: Mapped[dict[str, Any]]
    manager_name: Mapped[str | None]
    agent_name: Mapped[str | None]
    owner: Mapped[str | None]
    owner_seen_at: Mapped[datetime | None]

    @classmethod
    def constraints(cls) -> tuple[Any, ...]:
        """Return further constraints and indexes of the table."""
        return (_owner_index(),)


class Event(Base):
    """An event or a log line of an execution; `reported_at` is the database's clock.

    Tenant and creator are the execution's, which refers to them: checking them for each of a
    thousand events a second would lock their rows as often.
    """

    __tablename__ = "events"

    key: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    kind: Mapped[str]
    tenant_id: Mapped[int]
    creator_id: Mapped[int]
    visibility: Mapped[str]
    execution_key: Mapped[int] = mapped_column(ForeignKey("executions.key", ondelete="CASCADE"))
    timestamp: Mapped[datetime]
    reported_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    message: Mapped[str | None]
    message_code: Mapped[str | None]
    event_type: Mapped[str | None]
    level: Mapped[str | None]
    logger: Mapped[str | None]
    operation: Mapped[str | None]
    node_id: Mapped[str | None]  # the instance's id, as the worker's context names it
    source_id: Mapped[str | None]
    target_id: Mapped[str | None]
    error_causes: Mapped[list[Any] | None]
    manager_name: Mapped[str | None]
    agent_name: Mapped[str | None]

    __table_args__ = (
        CheckConstraint(f"kind IN {(EVENT, LOG)}", name="kind"),
        Index(None, "execution_key", "reported_at"),
        Index(None, "tenant_id", "timestamp"),
    )
