"""How the process talks to its database: connections that stay, statements compiled once."""

from contextlib import ExitStack

import pytest
from sqlalchemy import bindparam, select, text
from sqlalchemy.exc import DataError

from manager.errors import Unavailable
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
        found = [find.rows(session, name=name) for name in (*names, "admin")]

    assert found == [[("admin",)], [], [("admin",)]]


def test_a_prepared_statement_sees_what_its_transaction_wrote(database):
    find = Prepared(select(User.role).where(User.username == bindparam("name")))

    with database.session() as session:
        session.scalars(select(User).where(User.username == "admin")).one().role = "default"
        session.flush()
        seen = find.row(session, name="admin").role
        session.rollback()

    assert seen == "default"


def test_a_prepared_statement_tells_of_a_lost_connection_as_others_do(database):
    find = Prepared(text("SELECT :word AS word"))

    with pytest.raises(Unavailable):
        _ask_over_a_lost_connection(database, find)

    with database.session() as session:
        assert find.row(session, word="found").word == "found"


def _ask_over_a_lost_connection(database, find):
    with database.session() as session, database.session() as other:
        other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": backend(session)})
        find.row(session, word="lost")


def test_a_prepared_statement_refuses_values_as_others_do(database):
    find = Prepared(text("SELECT CAST(:word AS text) AS word"))

    with pytest.raises(DataError), database.session() as session:
        find.row(session, word="\0")
