"""JSON that goes from the database to the client as it is, without becoming Python objects."""

from dataclasses import replace
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Dialect, Text, cast, type_coerce
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator

from manager.storage.view import View


class RawJson(TypeDecorator[Any]):
    """A JSON document as text that orjson copies into its output."""

    impl = Text
    cache_ok = True

    def process_result_value(self, value: str | None, dialect: Dialect) -> orjson.Fragment | None:
        """Return the document as a fragment of a reply."""
        return None if value is None else orjson.Fragment(value)


def raw_json(column: Any) -> ColumnElement[Any]:
    """Return the expression that reads a JSONB column as a fragment."""
    return type_coerce(cast(column, Text), RawJson())


def passing_json(view: View) -> View:
    """Return `view` with all its documents as fragments: for replies that nothing looks into."""
    fields = {
        name: raw_json(column) if isinstance(column.type, JSONB) else column
        for name, column in view.fields.items()
    }
    return replace(view, fields=fields)
