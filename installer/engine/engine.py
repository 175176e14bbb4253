"""Work on many nodes at once; what fails on one is told and does not end the others."""

import logging
import os
import time
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

from gevent import monkey
from gevent.pool import Pool
from pyinfra.api.config import Config
from pyinfra.api.inventory import Inventory
from pyinfra.api.state import State
from pyinfra.connectors.sshuserclient.client import get_host_keys

from installer.engine.connection import CONNECT_S, Connection, ssh_data
from installer.engine.outcome import Outcome
from installer.engine.session import Session
from installer.engine.target import Target
from installer.errors import InstallerError, Problem

logger = logging.getLogger(__name__)

T = TypeVar("T")

_LOCAL = "@local"


class Engine:
    """The nodes of a run and one connection to each; a context manager that closes them all.

    Only one is open in a process: pyinfra keeps what belongs to a connection in process-wide
    memory, keyed by addresses that a second one may reuse.
    """

    _open: "Engine | None" = None

    def __init__(self, targets: Sequence[Target], *, parallel: int = 40) -> None:
        _demand_patched(targets)
        self._parallel = parallel
        self._targets = tuple(targets)
        self._sessions: dict[str, Session] = {}
        self._connections: dict[str, Connection] = {}

    def __enter__(self) -> Self:
        if Engine._open is not None:
            raise RuntimeError("another Engine is open in this process")
        get_host_keys.cache.clear()  # the file may have grown
        state = State(_inventory(self._targets), Config(CONNECT_TIMEOUT=CONNECT_S))
        for target in self._targets:
            host = state.inventory.get_host(_LOCAL if target.is_local else target.name)
            self._connections[target.name] = Connection(target, host)
            self._sessions[target.name] = Session(self._connections[target.name])
        Engine._open = self
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End every connection, and with them what waits on one; no socket stays open."""
        pool = Pool(self._parallel)
        for connection in self._connections.values():
            pool.spawn(connection.end)
        pool.join()
        Engine._open = None

    def session(self, name: str) -> Session:
        """Return the node's session, the same for the whole run."""
        return self._sessions[name]

    def connect(self) -> dict[str, Problem]:
        """Log in to every node at once and return the problem of each that cannot be reached."""

        def log_in(session: Session) -> None:
            self._connections[session.name].open()

        outcomes = self.on_each(self._sessions, log_in)
        return {name: outcome.error for name, outcome in outcomes.items() if outcome.error}

    def on_each(self, nodes: Iterable[str], fn: Callable[[Session], T]) -> dict[str, Outcome[T]]:
        """Call `fn` for every node, side by side, and return how each ended."""
        pool = Pool(self._parallel)
        running = {name: pool.spawn(_outcome, fn, self._sessions[name]) for name in nodes}
        pool.join()
        return {name: greenlet.get() for name, greenlet in running.items()}


def _outcome(fn: Callable[[Session], T], session: Session) -> Outcome[T]:
    started = time.monotonic()
    try:
        value = fn(session)
    except InstallerError as error:
        return Outcome(error=error.problems[0], seconds=time.monotonic() - started)
    except Exception as error:  # a bug must not end the work on the other nodes
        logger.exception("%s: unexpected failure", session.name)
        problem = Problem(
            where=session.name,
            what=f"unexpected failure: {type(error).__name__}: {error}",
            remedy="see the traceback in the log file and report it",
        )
        return Outcome(error=problem, seconds=time.monotonic() - started)
    return Outcome(value=value, seconds=time.monotonic() - started)


def _inventory(targets: Sequence[Target]) -> Inventory:
    hosts: list[tuple[str, dict[str, Any]]] = [
        (_LOCAL, {}) if target.is_local else (target.name, ssh_data(target)) for target in targets
    ]
    return Inventory((hosts, {}))


def _demand_patched(targets: Sequence[Target]) -> None:
    """Raise RuntimeError when SSH would block every node for one: see `installer.__main__`."""
    if not all(t.is_local for t in targets) and not monkey.is_module_patched("socket"):
        raise RuntimeError("gevent must patch the standard library before SSH is used")
    os.environ.setdefault("PYINFRA_PROGRESS", "off")
