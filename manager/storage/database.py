"""Connect to the application database: several hosts, one of which is the primary."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import psycopg
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.engine import URL, ExceptionContext
from sqlalchemy.exc import (
    DBAPIError,
    InterfaceError,
    InvalidatePoolError,
    OperationalError,
)
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry

from manager.errors import Unavailable
from manager.settings import DatabaseSettings

_READ_ONLY = "25006"  # read_only_sql_transaction: the server has become a standby
_CONNECT_TIMEOUT_S = 3  # for each host; libpq's smallest is 2
_OUTBOX = "outbox"  # the key of a session's `info`
_USED_AT = "used at"  # the key of a connection's `info`
_FRESH_S = 1.0  # a connection used so lately is taken to be alive
_SILENCE_MS = 4000  # a connection whose data stay unacknowledged this long is dead
_SILENT = "timed out"  # libpq's words for that


class Database:
    """The connection pool of one process and the sessions it gives."""

    def __init__(self, settings: DatabaseSettings, *, connections: int = 5) -> None:
        self.engine = _create_engine(settings, connections)
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)
        statements = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._statement_sessions = sessionmaker(statements, expire_on_commit=False)
        self.outlet: Callable[[list[Any]], None] | None = None  # takes what a session sends

    @contextmanager
    def session(self, *, transaction: bool = True) -> Iterator[Session]:
        """Give a session whose changes are committed at the end, or rolled back on an error.

        Without a transaction each statement is committed by itself, which spares those who read,
        or write one statement, two round trips. Raises Unavailable when no primary answers.
        """
        sessions = self._sessions if transaction else self._statement_sessions
        try:
            with sessions.begin() as session:
                yield session
        except DBAPIError as error:
            if not _is_loss(error):
                raise
            raise Unavailable(f"The database is not available: {_reason(error)}") from error
        messages = session.info.pop(_OUTBOX, None)
        if messages and self.outlet is not None:
            self.outlet(messages)

    def close(self) -> None:
        """Close the pool's connections, for instance after a fork."""
        self.engine.dispose()


def send_after_commit(session: Session, message: object) -> None:
    """Give `message` to the database's outlet once this session's changes are committed."""
    session.info.setdefault(_OUTBOX, []).append(message)


def forgo_durability(session: Session) -> None:
    """Let this transaction commit without waiting for disk and replicas.

    For what is sent again anyway: a report must get through while the database waits for a
    synchronous standby that is gone. Source: PostgreSQL, "Asynchronous Commit".
    """
    session.execute(text("SET LOCAL synchronous_commit TO off"))


def libpq_parameters(settings: DatabaseSettings) -> dict[str, Any]:
    """Return the connection parameters by libpq's names, without user and password.

    Source: PostgreSQL, "Database Connection Control Functions".
    """
    paths = {
        "sslrootcert": settings.ca_path,
        "sslcert": settings.cert_path,
        "sslkey": settings.key_path,
    }
    return {
        "host": ",".join(host.address for host in settings.hosts),
        "port": str(settings.port),
        "sslmode": settings.sslmode,
        **{name: str(path) for name, path in paths.items() if path is not None},
        "target_session_attrs": "read-write",
        "connect_timeout": _CONNECT_TIMEOUT_S,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": _SILENCE_MS,  # a host that lost its power sends no reset
        "application_name": "cloudify-manager",
    }


def _create_engine(settings: DatabaseSettings, connections: int) -> Engine:
    url = URL.create(
        "postgresql+psycopg",
        username=settings.username,
        password=settings.password,
        database=settings.name,
    )
    engine = create_engine(
        url,
        connect_args=libpq_parameters(settings),
        # Each stays open: a login costs the server ten queries' time, and whatever exceeded the
        # pool's size under load would log in for every request.
        pool_size=connections,
        max_overflow=0,
        pool_use_lifo=True,  # those used last are fresh, and their prepared statements are there
        pool_timeout=10,
        pool_recycle=1800,
        json_serializer=lambda value: orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode(),
        json_deserializer=orjson.loads,
    )
    connector = _Connector()
    event.listen(engine, "do_connect", connector.connect)
    event.listen(engine, "handle_error", connector.note_loss)
    event.listen(engine, "checkout", _check)
    event.listen(engine, "checkin", _note_use)
    event.listen(engine, "handle_error", _leave_standby)
    return engine


def _check(connection: Any, record: ConnectionPoolEntry, _proxy: object) -> None:
    """Ask a connection that was idle for a sign of life, so that a failover needs no restart."""
    if time.monotonic() - record.info.get(_USED_AT, -_FRESH_S) < _FRESH_S:
        return
    try:
        connection.execute("")
        connection.rollback()
    except psycopg.Error as error:
        raise InvalidatePoolError() from error


def _note_use(_connection: object, record: ConnectionPoolEntry) -> None:
    record.info[_USED_AT] = time.monotonic()


class _Connector:
    """Connects to the primary: the host that was it last is tried first.

    While no primary answers, one thread looks for it and the others fail at once: they must not
    all hang in timeouts, or the manager could not even say that it is alive. A host that has just
    fallen silent is left out of the next attempt: whoever waited for it waits no second time.
    """

    def __init__(self) -> None:
        self._last_primary = ""
        self._silent = ""
        self._is_failing = False
        self._search = threading.Lock()

    def connect(self, dialect: Any, _record: object, args: Any, parameters: Any) -> Any:
        """Do what SQLAlchemy's event `do_connect` asks for."""
        parameters["host"] = ",".join(self._in_order(parameters["host"].split(",")))
        if not self._is_failing:
            return self._attempt(dialect, args, parameters)
        if not self._search.acquire(blocking=False):
            raise psycopg.OperationalError("its primary is being looked for")
        try:
            return self._attempt(dialect, args, parameters)
        finally:
            self._search.release()

    def note_loss(self, context: ExceptionContext) -> None:
        """Do what SQLAlchemy's event `handle_error` asks for."""
        if context.is_disconnect and _SILENT in str(context.original_exception):
            self._silent = self._last_primary

    def _in_order(self, hosts: list[str]) -> list[str]:
        silent, self._silent = self._silent, ""
        wanted = [host for host in hosts if host != silent] or hosts
        return sorted(wanted, key=lambda host: host != self._last_primary)

    def _attempt(self, dialect: Any, args: Any, parameters: Any) -> Any:
        try:
            connection = dialect.connect(*args, **parameters)
        except psycopg.OperationalError:
            self._is_failing = True
            raise
        self._is_failing = False
        self._last_primary = connection.info.host
        return connection


def _leave_standby(context: ExceptionContext) -> None:
    if getattr(context.original_exception, "sqlstate", None) == _READ_ONLY:
        context.is_disconnect = True


def _is_loss(error: DBAPIError) -> bool:
    lost = isinstance(error, OperationalError | InterfaceError)
    return lost or error.connection_invalidated


def _reason(error: DBAPIError) -> str:
    return str(error.orig).strip().splitlines()[0]
