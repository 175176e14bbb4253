"""Wait for the end of an execution."""

from dataclasses import dataclass

from sqlalchemy import Connection, select

from manager.services.execution_status import END
from manager.storage.database import Database
from manager.storage.models import Execution
from manager.storage.notifications import EXECUTION_ENDED, wait_until


@dataclass(frozen=True, slots=True)
class ExecutionEnd:
    """How an execution ended."""

    status: str
    error: str | None


def wait_for_end(
    database: Database, execution_key: int, *, timeout_s: float
) -> ExecutionEnd | None:
    """Return how an execution ended, or None when it has not in time, or is no more."""
    query = select(Execution.status, Execution.error).where(Execution.key == execution_key)

    def found(connection: Connection) -> ExecutionEnd | None:
        row = connection.execute(query).one_or_none()
        return ExecutionEnd(row.status, row.error) if row and row.status in END else None

    return wait_until(database, EXECUTION_ENDED, found, timeout_s=timeout_s)
