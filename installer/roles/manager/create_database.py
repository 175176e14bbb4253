"""Run on a manager: create the managers' role and database as a user who may.

It is sent to the node as text and uses the runtime's psycopg. `check` exits 0 when the role can
log in to its database; SETTINGS, OWNER_PASSWORD and PASSWORD come by the environment.
"""

import json
import os
import sys

import psycopg
from psycopg import sql

settings = json.loads(os.environ["SETTINGS"])


def connect(database: str, user: str, password: str) -> psycopg.Connection:
    """Return a connection to the primary."""
    return psycopg.connect(
        host=",".join(settings["hosts"]),
        port=settings["port"],
        dbname=database,
        user=user,
        password=password,
        sslmode="verify-full" if settings["ca_path"] else "prefer",
        sslrootcert=settings["ca_path"] or "",
        target_session_attrs="read-write",
        connect_timeout=10,
        autocommit=True,
    )


def check() -> None:
    """Log in as the managers' user."""
    connect(settings["database"], settings["username"], os.environ["PASSWORD"]).close()


def create() -> None:
    """Create the role and the database that lack, and set the role's password."""
    # Azure's user@host is how one logs in; the role itself has no host
    role = settings["username"].split("@")[0]
    with connect(
        settings["owner_database"], settings["owner"], os.environ["OWNER_PASSWORD"]
    ) as owner:
        exists = owner.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone()
        verb = "ALTER" if exists else "CREATE"
        statement = sql.SQL(verb + " ROLE {} LOGIN PASSWORD {}")
        owner.execute(statement.format(sql.Identifier(role), sql.Literal(os.environ["PASSWORD"])))
        found = owner.execute(
            "SELECT 1 FROM pg_database WHERE datname = %s", (settings["database"],)
        ).fetchone()
        if not found:
            # a user without superuser's rights must be a member of the role it gives to
            owner.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(role)))
            create = sql.SQL("CREATE DATABASE {} OWNER {}")
            names = (sql.Identifier(settings["database"]), sql.Identifier(role))
            owner.execute(create.format(*names))


try:
    {"check": check, "create": create}[sys.argv[1]]()
except psycopg.Error as error:
    sys.exit(f"{type(error).__name__}: {error}")
