"""Shell text that puts SQL to PostgreSQL as the superuser, by psql."""

import shlex
from collections.abc import Mapping

from installer.roles.database.model import DatabaseSettings
from installer.roles.database.tuning import SOCKET_FOLDER, TLS_FOLDER
from installer.templates import render

# setpriv, because a login by su or runuser costs PAM and a line in the journal each time
# HOME, because libpq looks for certificates below it, and root's may not be entered
AS_POSTGRES = "env HOME=/var/lib/postgresql setpriv --reuid=postgres --regid=postgres --init-groups"


def ask(db: DatabaseSettings, template: str, **values: object) -> str:
    """Return shell text that exits 0 when this node's PostgreSQL answers `t`."""
    connection = f"host={SOCKET_FOLDER} dbname=postgres connect_timeout=5"
    return _psql(db, connection, _sql(template, values), then=" | grep -qx t")


def change(db: DatabaseSettings, template: str, **values: object) -> str:
    """Return shell text that runs SQL on the primary, wherever it is."""
    return _psql(db, _to_primary(db, "postgres"), _sql(template, values))


def _to_primary(db: DatabaseSettings, database: str) -> str:
    """Return the connection to the primary, wherever it is.

    libpq asks one host after the other: the socket first, where no password is needed.
    """
    hosts = ",".join([SOCKET_FOLDER, *(peer.address for peer in db.peers)])
    connection = (
        f"host={hosts} dbname={database} target_session_attrs=read-write connect_timeout=5"
        f" sslmode=verify-full sslrootcert={TLS_FOLDER}/ca.crt"
    )
    if "postgres" in db.certificates.users:
        pair = f"{TLS_FOLDER}/client-postgres"
        connection += f" sslcert={pair}.crt sslkey={pair}.key"
    return connection


def superuser_psql(db: DatabaseSettings, database: str) -> list[str]:
    """Return the words that open psql on the primary; it needs `login_secrets` beside them."""
    name = database.replace("\\", "\\\\").replace("'", "\\'")
    return [*shlex.split(AS_POSTGRES), f"{db.bin_dir}/psql", _to_primary(db, f"'{name}'")]


def socket_psql(database: str) -> list[str]:
    """Return the words that open psql on the node where they run, as its superuser."""
    return [*shlex.split(AS_POSTGRES), "psql", "-h", SOCKET_FOLDER, "-d", database]


def _sql(template: str, values: Mapping[str, object]) -> str:
    return render(f"database/{template}.sql.j2", **values).decode()


def _psql(db: DatabaseSettings, connection: str, sql: str, *, then: str = "") -> str:
    words = f"{AS_POSTGRES} {db.bin_dir}/psql -XAtq -v ON_ERROR_STOP=1 {shlex.quote(connection)}"
    return f"{words} <<'SQL'{then}\n{sql}SQL\n"
