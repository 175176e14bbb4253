"""Hand executions to the workers: the messages that start and kill workflows.

A message is published after the commit that it tells of. `dispatched_at` is null from that commit
until the brokers have the message; `redispatch_pending` sends again what a crash left so.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from manager.errors import ManagerError
from manager.services.execution_status import ExecutionStatus
from manager.services.execution_tokens import execution_token_hash, generate_execution_token
from manager.services.workflow_context import REST_PORT, rest_hosts, workflow_context
from manager.storage.database import Database, forgo_durability, send_after_commit
from manager.storage.models import Execution, Tenant

MANAGEMENT = "cloudify.management"
_SERVICE = "cloudify-mgmtworker-service"
_STALE_S = 15  # a process that has not published by now has died, or met no broker

logger = logging.getLogger(__name__)


class Publisher(Protocol):
    """What dispatching needs of the broker."""

    def publish(self, exchange: str, routing_key: str, body: Mapping[str, Any]) -> None:
        """Return when the message is stored by the brokers, or raise a ManagerError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message; of an execution's, the token's hash tells which dispatch it belongs to."""

    exchange: str
    routing_key: str
    body: Mapping[str, Any]
    execution_key: int | None = None
    token_hash: str | None = None


class Dispatcher:
    """Publishes the messages of committed sessions and notes that they are with the brokers."""

    def __init__(self, database: Database, publisher: Publisher) -> None:
        self._database = database
        self._publisher = publisher

    def send(self, messages: list[Message]) -> None:
        """Publish `messages`; what no broker takes now is left for `redispatch_pending`."""
        sent = [message for message in messages if self._publish(message)]
        if of_executions := [message for message in sent if message.execution_key is not None]:
            self._note(of_executions)

    def _publish(self, message: Message) -> bool:
        try:
            self._publisher.publish(message.exchange, message.routing_key, message.body)
        except ManagerError as error:
            what = message.execution_key or message.routing_key
            logger.warning("execution %s waits for a broker: %s", what, error)
            return False
        return True

    def _note(self, sent: list[Message]) -> None:
        with self._database.session() as session:
            forgo_durability(session)  # forgotten, the message is merely sent once more
            session.execute(
                update(Execution)
                .where(
                    Execution.key.in_([message.execution_key for message in sent]),
                    Execution.token_hash.in_([message.token_hash for message in sent]),
                )
                .values(dispatched_at=func.clock_timestamp())
            )


def connect_outlet(database: Database, publisher: Publisher) -> None:
    """Let `database` publish what its sessions dispatch."""
    database.outlet = Dispatcher(database, publisher).send


def dispatch_workflow(session: Session, execution: Execution) -> None:
    """Let a worker run the execution, with a new token, once the session is committed."""
    token = _renew_token(execution)
    context = workflow_context(session, execution, token)
    body = {
        "cloudify_task": {
            "kwargs": {**(execution.parameters or {}), "__cloudify_context": context},
        },
        "id": execution.id,
        "execution_creator": execution.creator_id,
    }
    _send(session, execution, MANAGEMENT, "workflow", body)


def dispatch_kill(session: Session, execution: Execution) -> None:
    """Let every worker kill the processes of the execution once the session is committed."""
    token = _renew_token(execution)
    tenant = session.execute(select(Tenant.name).where(Tenant.id == execution.tenant_id))
    kwargs = {
        "rest_host": rest_hosts(session),
        "rest_port": REST_PORT,
        "executions": [{"id": execution.id, "token": token}],
        "tenant": {"name": tenant.scalar_one()},
    }
    body = {"service_task": {"task_name": "cancel-workflow", "kwargs": kwargs}}
    _send(session, execution, _SERVICE, "service", body)


def dispatch_service(session: Session, task: str, kwargs: Mapping[str, Any]) -> None:
    """Let every manager's worker do a service task once the session is committed."""
    body = {"service_task": {"task_name": task, "kwargs": kwargs}}
    send_after_commit(session, Message(exchange=_SERVICE, routing_key="service", body=body))


def redispatch_pending(session: Session, *, older_than_s: int = _STALE_S, limit: int = 100) -> int:
    """Dispatch again what was committed but never published; return how many.

    Managers may do this at the same time: a message whose token was renewed since is dropped by
    the worker that receives it.
    """
    age = func.make_interval(0, 0, 0, 0, 0, 0, older_than_s)
    undelivered = (
        select(Execution)
        .where(
            Execution.status.in_([ExecutionStatus.PENDING, ExecutionStatus.KILL_CANCELLING]),
            Execution.dispatched_at.is_(None),
            or_(Execution.token_hash.is_not(None), Execution.status == ExecutionStatus.PENDING),
            Execution.created_at < func.now() - age,
        )
        .order_by(Execution.key)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    executions = session.scalars(undelivered).all()
    for execution in executions:
        logger.warning("execution %s was never published: dispatching it", execution.id)
        if execution.status == ExecutionStatus.PENDING:
            dispatch_workflow(session, execution)
        else:
            dispatch_kill(session, execution)
    return len(executions)


def _renew_token(execution: Execution) -> str:
    token = generate_execution_token()
    execution.token_hash = execution_token_hash(token)
    execution.dispatched_at = None
    return token


def _send(
    session: Session,
    execution: Execution,
    exchange: str,
    routing_key: str,
    body: Mapping[str, Any],
) -> None:
    session.flush()  # a new execution has no key before
    assert execution.token_hash is not None  # noqa: S101
    message = Message(
        exchange=exchange,
        routing_key=routing_key,
        body=body,
        execution_key=execution.key,
        token_hash=execution.token_hash,
    )
    send_after_commit(session, message)
