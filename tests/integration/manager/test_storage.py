"""How the process talks to its database: connections that stay."""

from contextlib import ExitStack

import pytest
from sqlalchemy import text

pytestmark = pytest.mark.integration


def backend(session):
    return session.execute(text("SELECT pg_backend_pid()")).scalar_one()


def backends(database, count):
    """Return the server processes of so many sessions at once."""
    with ExitStack() as sessions:
        opened = [sessions.enter_context(database.session()) for _ in range(count)]
        return {backend(session) for session in opened}


def test_all_connections_of_a_burst_stay_for_the_next(database):
    size = database.engine.pool.size()
    first = backends(database, size)

    assert len(first) == size
    assert backends(database, size) == first
