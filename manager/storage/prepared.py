"""Statements of every request: compiled once, and given to the driver as they are."""

from collections.abc import Mapping
from enum import Enum
from typing import Any

from sqlalchemy import ClauseElement, CursorResult
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.orm import Session

_DIALECT = PGDialect_psycopg()  # type: ignore[no-untyped-call]


class Prepared:
    """A statement whose parameters PostgreSQL's driver takes without conversion.

    To find a compiled statement again costs SQLAlchemy more time than a short query takes. Types of
    its own (for instance of JSON) do not work here: neither parameters nor results pass them.
    """

    def __init__(self, statement: ClauseElement) -> None:
        self._statement = statement
        self._compiled: tuple[str, Mapping[str, Any]] | None = None

    def execute(self, session: Session, **values: Any) -> CursorResult[Any]:
        """Execute it with values for its named parameters, each time the same names."""
        if self._compiled is None:
            self._compiled = self._compile(values)
        sql, constants = self._compiled
        return session.connection().exec_driver_sql(sql, {**constants, **values})

    def _compile(self, values: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        compiled: Any = self._statement.compile(dialect=_DIALECT)
        state = compiled.construct_expanded_state(dict(values))
        constants = {n: _plain(v) for n, v in state.parameters.items() if n not in values}
        return state.statement, constants


def _plain(value: object) -> object:
    return value.value if isinstance(value, Enum) else value
