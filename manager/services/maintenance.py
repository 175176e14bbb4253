"""The cluster's maintenance mode: while it is active, resources are not changed."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from manager.storage.models import MaintenanceMode, User

_ROW = 1
ACTIVATED = "activated"
DEACTIVATED = "deactivated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintenance:
    """The state of maintenance mode, and who asked for it."""

    status: str = DEACTIVATED
    requested_at: datetime | None = None
    activated_at: datetime | None = None
    requested_by: str = ""


def get_maintenance(session: Session) -> Maintenance:
    """Return the state of maintenance mode."""
    row = session.get(MaintenanceMode, _ROW)
    if row is None:
        return Maintenance()
    user = session.get(User, row.requested_by) if row.requested_by is not None else None
    return Maintenance(
        status=row.status,
        requested_at=row.requested_at,
        activated_at=row.activated_at,
        requested_by=user.username if user else "",
    )


def activate_maintenance(session: Session, user_id: int) -> bool:
    """Switch maintenance mode on; tell whether it was off."""
    if session.get(MaintenanceMode, _ROW) is not None:
        return False
    # Nothing can run yet that it would have to wait for: no executions exist.
    now = datetime.now(UTC)
    session.add(
        MaintenanceMode(
            id=_ROW, status=ACTIVATED, requested_at=now, activated_at=now, requested_by=user_id
        )
    )
    session.flush()
    return True


def deactivate_maintenance(session: Session) -> bool:
    """Switch maintenance mode off; tell whether it was on."""
    row = session.get(MaintenanceMode, _ROW)
    if row is None:
        return False
    session.delete(row)
    session.flush()
    return True
