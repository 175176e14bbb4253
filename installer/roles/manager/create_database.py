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


def connect(database: str, user: str, password: str, client: str | None) -> psycopg.Connection:
    """Return a connection to the primary; `client` is its certificate's path without an end."""
    return psycopg.connect(
        host=",".join(settings["hosts"]),
        port=settings["port"],
        dbname=database,
        user=user,
        password=password,
        sslmode="verify-full" if settings["ca_path"] else "prefer",
        sslrootcert=settings["ca_path"] or "",
        # a path, even of no file: else libpq looks into the home of whoever runs this
        sslcert=f"{client}.crt" if client else "/dev/null/none",
        sslkey=f"{client}.key" if client else "/dev/null/none",
        target_session_attrs="read-write",
        connect_timeout=10,
        autocommit=True,
    )


def check() -> None:
    """Log in as the managers' user."""
    password, client = os.environ["PASSWORD"], settings["client"]
    connect(settings["database"], settings["username"], password, client).close()


def create() -> None:
    """Create the role and the database that lack, and set the role's password."""
    # Azure's user@host is how one logs in; the role itself has no host
    role = settings["username"].split("@")[0]
    password, client = os.environ["OWNER_PASSWORD"], settings["owner_client"]
    with connect(settings["owner_database"], settings["owner"], password, client) as owner:
        set_password(owner, role)
        found = owner.execute(
            "SELECT 1 FROM pg_database WHERE datname = %s", (settings["database"],)
        ).fetchone()
        if not found:
            create_database(owner, role)


def set_password(owner: psycopg.Connection, role: str) -> None:
    """Give the role its password as a verifier: the provider's log may show statements."""
    exists = owner.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone()
    verb = "ALTER" if exists else "CREATE"
    verifier = owner.pgconn.encrypt_password(
        os.environ["PASSWORD"].encode(), role.encode(), b"scram-sha-256"
    ).decode()
    statement = sql.SQL(verb + " ROLE {} LOGIN PASSWORD {}")
    owner.execute(statement.format(sql.Identifier(role), sql.Literal(verifier)))


def create_database(owner: psycopg.Connection, role: str) -> None:
    """Create the role's database, which nobody else may enter."""
    database, name = sql.Identifier(settings["database"]), sql.Identifier(role)
    # a user without superuser's rights must be a member of the role it gives to
    owner.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(name))
    owner.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, name))
    owner.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))


try:
    {"check": check, "create": create}[sys.argv[1]]()
except psycopg.Error as error:
    sys.exit(f"{type(error).__name__}: {error}")
