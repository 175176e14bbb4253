"""Insert a row, or bring the one with the same key up to date."""

from typing import Any

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from manager.storage.models import Base


def upsert(
    session: Session, model: type[Base], key: tuple[str, ...], *, keep: bool = False, **values: Any
) -> None:
    """Insert a row; when its key exists, `keep` it or write the other values into it."""
    statement = insert(model).values(values)
    if keep:
        statement = statement.on_conflict_do_nothing(index_elements=key)
    else:
        others = {name: value for name, value in values.items() if name not in key}
        statement = statement.on_conflict_do_update(index_elements=key, set_=others)
    session.execute(statement)
