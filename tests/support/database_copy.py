"""One copy of a template database that every test of a worker finds as the template was."""

import psycopg
from psycopg import sql

from tests.support.postgres_server import PostgresServer

_PRISTINE = "pristine"  # the schema with the rows that tests begin with
_TABLES = """
SELECT c.oid, c.relname FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' ORDER BY c.relname
"""
_COLUMNS = """
SELECT attname FROM pg_attribute
WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum
"""


class DatabaseCopy:
    """A copy of a template database, which `reset` makes equal to the template again.

    To delete a test's few rows takes a hundredth of the time of another copy. Sequences go on, as
    they do in a manager: nothing that a process keeps by key is taken for another row's.
    """

    def __init__(self, server: PostgresServer, template: str, name: str) -> None:
        with psycopg.connect(server.dsn("postgres"), autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                    sql.Identifier(name), sql.Identifier(template)
                )
            )
        self.name = name
        self._connection = psycopg.connect(server.dsn(name))
        self._connection.execute("SET lock_timeout = '20s'")  # a test left a transaction open
        self._reset = self._keep_rows()
        self._connection.commit()

    def reset(self) -> None:
        """Take away what tests have written and bring back what they have changed."""
        with self._connection.transaction():
            self._connection.execute(self._reset)

    def close(self) -> None:
        """Close the connection that resets."""
        self._connection.close()

    def _keep_rows(self) -> sql.Composed:
        """Copy all rows aside; return the statements that put them back."""
        self._connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(_PRISTINE)))
        deletions, insertions = [], []
        for oid, name in self._connection.execute(_TABLES).fetchall():
            table, kept = sql.Identifier("public", name), sql.Identifier(_PRISTINE, name)
            self._connection.execute(sql.SQL("CREATE TABLE {} AS TABLE {}").format(kept, table))
            deletions.append(sql.SQL("DELETE FROM {};").format(table))
            if self._connection.execute(sql.SQL("SELECT 1 FROM {} LIMIT 1").format(kept)).rowcount:
                names = [row[0] for row in self._connection.execute(_COLUMNS, (oid,))]
                insertions.append(
                    sql.SQL(
                        "INSERT INTO {} ({columns}) OVERRIDING SYSTEM VALUE "
                        "SELECT {columns} FROM {};"
                    ).format(table, kept, columns=sql.SQL(", ").join(map(sql.Identifier, names)))
                )
        # Neither foreign keys nor triggers act: the rows are whole as they are.
        first = sql.SQL("SET LOCAL session_replication_role = replica;")
        return sql.Composed([first, *deletions, *insertions])
