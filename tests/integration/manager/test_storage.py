"""How the process talks to its database: connections that stay, statements compiled once."""

from contextlib import ExitStack

import pytest
from sqlalchemy import bindparam, select, text

from manager.storage.models import User
from manager.storage.prepared import Prepared

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


def test_a_prepared_statement_takes_other_values_each_time(database):
    names = ["admin", "nobody"]
    find = Prepared(
        select(User.username).where(User.username.in_(names), User.username == bindparam("name"))
    )

    with database.session() as session:
        found = [find.execute(session, name=name).scalars().all() for name in (*names, "admin")]

    assert found == [["admin"], [], ["admin"]]


def test_a_prepared_statement_sees_what_its_transaction_wrote(database):
    find = Prepared(select(User.role).where(User.username == bindparam("name")))

    with database.session() as session:
        session.scalars(select(User).where(User.username == "admin")).one().role = "default"
        session.flush()
        seen = find.execute(session, name="admin").scalar_one()
        session.rollback()

    assert seen == "default"
