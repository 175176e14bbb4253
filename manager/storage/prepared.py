"""Statements of every request: compiled once, and given to the driver as they are."""

from collections.abc import Mapping
from enum import Enum
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row
from sqlalchemy import ClauseElement
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.orm import Session

_DIALECT = PGDialect_psycopg()  # type: ignore[no-untyped-call]


class Prepared:
    """A statement that PostgreSQL's driver runs in a session's transaction, without SQLAlchemy.

    To find a compiled statement again and to describe its result costs SQLAlchemy more time than a
    short query takes. Types of its own (for instance of JSON) do not work here: neither parameters
    nor results pass them. Names of columns are attributes of the rows.
    """

    def __init__(self, statement: ClauseElement) -> None:
        self._statement = statement
        self._compiled: tuple[str, Mapping[str, Any]] | None = None

    def rows(self, session: Session, **values: Any) -> list[Any]:
        """Return its rows with values for its named parameters, each time the same names."""
        return self._execute(session, values).fetchall()

    def row(self, session: Session, **values: Any) -> Any | None:
        """Return the row that it finds at most, or None."""
        found = self.rows(session, **values)
        return found[0] if found else None

    def count(self, session: Session, **values: Any) -> int:
        """Return how many rows it has written."""
        return self._execute(session, values).rowcount

    def _execute(self, session: Session, values: Mapping[str, Any]) -> "psycopg.Cursor[Any]":
        if self._compiled is None:
            self._compiled = self._compile(values)
        sql, constants = self._compiled
        connection = session.connection()
        driver: Any = connection.connection.driver_connection
        cursor: psycopg.Cursor[Any] = driver.cursor(row_factory=namedtuple_row)
        parameters = {**constants, **values}
        try:
            return cursor.execute(sql, parameters)
        except psycopg.Error as error:
            # What SQLAlchemy does with an error of its own statements, which no public name does:
            # our listeners hear of it, the pool forgets lost connections, and it is wrapped.
            connection._handle_dbapi_exception(error, sql, parameters, cursor, None)  # type: ignore[arg-type]

    def _compile(self, values: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        compiled: Any = self._statement.compile(dialect=_DIALECT)
        state = compiled.construct_expanded_state(dict(values))
        constants = {n: _plain(v) for n, v in state.parameters.items() if n not in values}
        return state.statement, constants


def _plain(value: object) -> object:
    return value.value if isinstance(value, Enum) else value
