"""Who may log in to PostgreSQL, from where and with what: the lines of pg_hba.conf."""

from collections.abc import Iterator

from installer.roles.database.model import DatabaseSettings

_MAP = "replication"
_LOOPBACK = ("127.0.0.1/32", "::1/128")
_PASSWORD = "scram-sha-256"  # noqa: S105 - the method's name
_WITH_CERTIFICATE = f"{_PASSWORD} clientcert=verify-full"  # whose common name is the user's


def hba_lines(db: DatabaseSettings) -> tuple[str, ...]:
    """Return the lines in the order in which PostgreSQL tries them; what matches none is refused.

    The cluster's own users log in on the node by the system user of PostgreSQL, from the other
    nodes by password: Patroni is elected even where a restore brought other passwords back.
    """
    return tuple(dict.fromkeys((*_local(), *_members(db), *_clients(db))))


def _local() -> Iterator[str]:
    yield "local all postgres peer"
    yield f"local replication replicator peer map={_MAP}"


def ident_lines() -> tuple[str, ...]:
    """Return the lines of pg_ident.conf: who is who on the node itself."""
    return (f"{_MAP} postgres replicator",)


def _members(db: DatabaseSettings) -> Iterator[str]:
    for member in db.members:
        yield f"hostssl replication replicator {member.network} {_method(db, 'replicator')}"
        yield f"hostssl postgres rewind {member.network} {_PASSWORD}"
        yield f"hostssl all postgres {member.network} {_method(db, 'postgres')}"


def _method(db: DatabaseSettings, user: str) -> str:
    return _WITH_CERTIFICATE if user in db.certificates.users else _PASSWORD


def _clients(db: DatabaseSettings) -> Iterator[str]:
    """Yield the managers' lines: their own database and user where the installer makes them."""
    whom = "all all"
    if db.application is not None:
        whom = f'"{db.application.database}" "{db.application.username}"'
    method = _WITH_CERTIFICATE if db.access.certificate else _PASSWORD
    for network in (*_LOOPBACK, db.me.network, *db.access.clients):
        yield f"hostssl {whom} {network} {method}"
