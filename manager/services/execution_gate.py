"""Which executions may run side by side, decided by one transaction of the cluster at a time.

Whoever starts, queues, cancels or ends an execution takes the gate, an advisory lock that lasts
until its commit; so no decision is made on what another transaction is about to change.

Locks are always taken in this order, or transactions would wait for each other: rows of
deployments, the gate, rows of executions.
"""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, func, or_, select, text
from sqlalchemy.orm import Session

from manager.services.config import config_values
from manager.services.execution_errors import ExistingRunningExecution
from manager.services.execution_status import ACTIVE, ExecutionStatus
from manager.storage.models import Execution

_GATE = 0x65786563  # "exec", among PostgreSQL's advisory locks
_DEFAULT_LIMIT = 20

# made once: making a statement takes as long as running it
_TAKE = text("SELECT pg_advisory_xact_lock(:gate)")
_LOCK = text(
    """
    WITH RECURSIVE above (key) AS (
        SELECT unnest(CAST(:keys AS bigint[]))
        UNION
        SELECT parent.key FROM above
        JOIN deployments AS child ON child.key = above.key
        JOIN deployment_labels AS label
            ON label.deployment_key = child.key AND label.name = 'csys-obj-parent'
        JOIN deployments AS parent
            ON parent.id = label.value AND parent.tenant_id = child.tenant_id
    )
    SELECT key FROM deployments WHERE key IN (SELECT key FROM above)
    ORDER BY key FOR NO KEY UPDATE
    """
)
IS_ACTIVE = Execution.status.in_(sorted(ACTIVE))
IS_QUEUED = Execution.status == ExecutionStatus.QUEUED


def take_gate(session: Session, *deployment_keys: int | None) -> None:
    """Wait until no other transaction decides about executions, nor changes these deployments."""
    lock_deployments(session, *deployment_keys)
    session.execute(_TAKE, {"gate": _GATE})


def lock_deployments(session: Session, *keys: int | None) -> None:
    """Lock deployments whose statuses this transaction is about to write, and those above them."""
    wanted = sorted({key for key in keys if key is not None})
    if wanted:
        session.execute(_LOCK, {"keys": wanted})


@dataclass(frozen=True, slots=True, kw_only=True)
class Blockers:
    """The executions that stand in the way of one, by what they block."""

    system_wide: list[str]
    of_deployment: list[str]

    def __bool__(self) -> bool:
        return bool(self.system_wide or self.of_deployment)

    def refuse(self) -> None:
        """Raise ExistingRunningExecution, naming them."""
        if self.system_wide:
            names = ", ".join(self.system_wide)
            raise ExistingRunningExecution(
                f"Cannot start execution because there are other executions running: {names}"
            )
        names = ", ".join(self.of_deployment)
        raise ExistingRunningExecution(
            f"The following executions are currently running for this deployment: {names}. "
            'To execute this workflow anyway, pass "force=true" as a query parameter to this '
            "request"
        )


def find_blockers(session: Session, execution: Execution, *, force: bool) -> Blockers:
    """Return what keeps the execution from running now; call it inside the gate.

    A system-wide workflow runs alone. `force` lets one run beside others of its deployment.
    """
    if execution.is_system_workflow and execution.deployment_key is None:
        return Blockers(system_wide=_ids(session, execution, IS_ACTIVE), of_deployment=[])
    system_wide = _ids(
        session, execution, and_(Execution.is_system_workflow, or_(IS_ACTIVE, IS_QUEUED))
    )
    if force or execution.deployment_key is None:
        return Blockers(system_wide=system_wide, of_deployment=[])
    earlier = and_(IS_QUEUED, Execution.key < execution.key)
    same = Execution.deployment_key == execution.deployment_key
    return Blockers(
        system_wide=system_wide,
        of_deployment=_ids(session, execution, and_(same, or_(IS_ACTIVE, earlier))),
    )


def free_slots(session: Session) -> int:
    """Return how many more executions of the queue may run at once in the cluster."""
    limit = config_values(session, "rest").get("max_concurrent_workflows", _DEFAULT_LIMIT)
    running = session.scalar(select(func.count()).select_from(Execution).where(IS_ACTIVE))
    return max(0, int(limit) - (running or 0))


def _ids(session: Session, execution: Execution, condition: ColumnElement[bool]) -> list[str]:
    query = select(Execution.id).where(condition, Execution.key != execution.key)
    return list(session.scalars(query.order_by(Execution.key)))
