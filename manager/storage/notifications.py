"""Wait for what the database tells: notifications of other sessions, on whichever manager."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg
from sqlalchemy import Connection, text

from manager.errors import Unavailable
from manager.storage.database import Database

T = TypeVar("T")

EXECUTION_ENDED = "execution_ended"  # payload: the execution's key


def wait_until(
    database: Database,
    channel: str,
    found: Callable[[Connection], T | None],
    *,
    timeout_s: float,
) -> T | None:
    """Return what `found` returns once it is not None, or None when the time is over.

    It is asked once the channel is listened to, and again after each notification: what happens
    in between is not missed. Raises Unavailable when the connection is lost.
    """
    deadline = time.monotonic() + timeout_s
    engine = database.engine.execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f'LISTEN "{channel}"'))
        driver: Any = connection.connection.driver_connection
        try:
            while (answer := found(connection)) is None:
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    return None
                _next_notification(driver, left_s)
        finally:
            connection.invalidate()  # its listening ends with it
    return answer


def _next_notification(driver: psycopg.Connection[Any], timeout_s: float) -> None:
    try:
        for _ in driver.notifies(timeout=timeout_s, stop_after=1):
            return
    except psycopg.OperationalError as error:
        raise Unavailable(f"The database is not available: {error}") from error
