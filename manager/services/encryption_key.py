"""Change the key that stored values are sealed with."""

from collections.abc import Iterator

from sqlalchemy import Column, Table, bindparam, select, update
from sqlalchemy.orm import Session

from manager.services.encryption import Sealer
from manager.storage.models import SEALED, Base


def update_encryption_key(session: Session, sealer: Sealer) -> int:
    """Seal everything that an old key sealed with the current one; return how many values.

    The session's transaction holds the rows, so either all of them change or none does: when it
    is interrupted, run it again. When it returns 0, no old key is needed any more.
    """
    return sum(_update_column(session, sealer, column) for column in sealed_columns())


def sealed_columns() -> Iterator[Column[str]]:
    """Yield the columns whose values are sealed, in an order that two runs share."""
    for table in Base.metadata.sorted_tables:
        yield from (column for column in table.columns if column.info.get(SEALED))


def _update_column(session: Session, sealer: Sealer, column: Column[str]) -> int:
    table: Table = column.table
    key = next(iter(table.primary_key))
    rows = session.execute(
        select(key, column).where(column.is_not(None)).order_by(key).with_for_update()
    ).all()
    changed = [
        {"row": row[0], "sealed": sealer.seal(sealer.open(row[1]))}
        for row in rows
        if not sealer.is_current(row[1])
    ]
    if changed:
        statement = update(table).where(key == bindparam("row"))
        session.connection().execute(statement.values({column.name: bindparam("sealed")}), changed)
    return len(changed)
