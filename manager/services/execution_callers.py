"""Who calls with an execution token: the user who started the execution, while it is active."""

from typing import Any

from sqlalchemy import Row, and_, bindparam, exists, func, or_, select
from sqlalchemy.orm import Session

from manager.errors import Forbidden, Unauthorized
from manager.services.execution_status import ACTIVE, ExecutionStatus
from manager.services.execution_tokens import execution_token_hash
from manager.storage.models import Execution, Operation, TasksGraph, Tenant, User, UserTenant

_IN_FLIGHT = ("sending", "sent", "started", "response-sent")
_EARLY = func.make_interval(0, 0, 0, 0, 0, 1)  # a minute before and after the time scheduled

_is_about_to_start = and_(
    Execution.status == ExecutionStatus.SCHEDULED,
    Execution.scheduled_for.between(func.now() - _EARLY, func.now() + _EARLY),
)
# operations of a cancelled workflow may still run, and have to tell what they did
_has_running_operations = and_(
    Execution.status == ExecutionStatus.CANCELLED,
    exists()
    .where(Operation.tasks_graph_key == TasksGraph.key, Operation.state.in_(_IN_FLIGHT))
    .where(TasksGraph.execution_key == Execution.key),
)
_USER_OF_EXECUTION: Any = (
    select(
        User.id,
        User.username,
        User.role,
        User.active,
        Tenant.id.label("tenant_id"),
        Tenant.name.label("tenant"),
        UserTenant.role.label("tenant_role"),
        Execution.key.label("execution_key"),
    )
    .select_from(Execution)
    .join(User, User.id == Execution.creator_id)
    .join(Tenant, Tenant.id == Execution.tenant_id)
    .outerjoin(UserTenant, and_(UserTenant.user_id == User.id, UserTenant.tenant_id == Tenant.id))
    .where(
        Execution.token_hash == bindparam("token_hash"),
        or_(
            Execution.status.in_(sorted(ACTIVE)),
            _is_about_to_start,
            _has_running_operations,
        ),
    )
)


def caller_of_execution(session: Session, token: str, tenant: str | None) -> Row[Any]:
    """Return the user that an execution token stands for, with the execution's tenant and key.

    Raises Unauthorized when no active execution has the token, Forbidden in another tenant.
    """
    values = {"token_hash": execution_token_hash(token)}
    user: Row[Any] | None = session.execute(_USER_OF_EXECUTION, values).one_or_none()
    if user is None or not user.active:
        raise Unauthorized("User unauthorized: Invalid authentication token")
    if tenant not in (None, user.tenant):
        raise Forbidden(
            f"Authorization failed: An execution of tenant `{user.tenant}` cannot act in `{tenant}`"
        )
    return user
