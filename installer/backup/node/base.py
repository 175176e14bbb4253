"""What the programs on a node share: its settings, and how PostgreSQL and pgBackRest are called."""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from typing import Any

_ENDING_S, _POLL_S = 30, 0.1  # a server that waits for its sessions is ended by who comes next
SETTINGS = "/etc/pgbackrest/cfy_manager.json"
TABLES = """
SELECT format('%I.%I', nspname, relname) FROM pg_class
  JOIN pg_namespace ON pg_namespace.oid = relnamespace
 WHERE relkind = 'r' AND relpersistence = 'p' AND nspname <> 'information_schema'
   AND nspname NOT LIKE 'pg\\_%' ORDER BY 1"""


class Failure(Exception):
    """Something that ended badly; its words are for the operator."""


def run(words: Sequence[str]) -> str:
    """Return what a command says; raises Failure with its last words."""
    # "replace": pgBackRest quotes what it cannot read, such as what another password has sealed
    done = subprocess.run(words, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip())[-1500:]
        raise Failure(f"{os.path.basename(words[0])}: {said}")
    return done.stdout


@contextlib.contextmanager
def alone(path: str, *, end_other: bool) -> Iterator[None]:
    """Hold a lock of this node while the block runs.

    A run that was killed on the controller leaves its program here: that one is ended, or awaited
    where it may be a timer's.
    """
    with open(path, "a+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if end_other:
                file.seek(0)
                _end_group(file.read())
            fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write(str(os.getpgrp()))
        file.flush()
        yield


def _end_group(number: str) -> None:
    """End a program with all that it has started, which would write on where it is tidied up."""
    # it ends, or begins, by itself; in the end only root's shell is left, which it was started by
    with contextlib.suppress(ProcessLookupError, PermissionError, ValueError):
        group, until = int(number), time.monotonic() + _ENDING_S
        os.killpg(group, signal.SIGTERM)
        while time.monotonic() < until:
            os.killpg(group, 0)
            time.sleep(_POLL_S)


class Database:
    """The settings of this node, and its tools."""

    def __init__(self) -> None:
        with open(SETTINGS, encoding="utf-8") as file:
            self.settings = dict(json.load(file))
        self.name = str(self.settings["database"])
        self.bin_dir = str(self.settings["bin_dir"])
        self.work = str(self.settings["work"])

    def pgbackrest_words(self, *words: str) -> list[str]:
        """Return the words of a command of pgBackRest."""
        return ["pgbackrest", f"--stanza={self.settings['stanza']}", *words]

    def pgbackrest(self, *words: str) -> str:
        """Return what pgBackRest says; raises Failure."""
        return run(self.pgbackrest_words(*words))

    def info(self) -> list[dict[str, Any]]:
        """Return what the repository holds."""
        return list(json.loads(self.pgbackrest("info", "--output=json")))

    def backups(self) -> list[dict[str, Any]]:
        """Return all backups, oldest first."""
        return [backup for stanza in self.info() for backup in stanza["backup"]]

    def psql(self, database: str, folder: str = "") -> list[str]:
        """Return the words that open a session over a socket, this node's own or another."""
        host = folder or self.settings["sockets"]
        connection = f"host={host} dbname={database} connect_timeout=5"
        return [f"{self.bin_dir}/psql", "-XAtq", "-v", "ON_ERROR_STOP=1", connection]

    def ask(self, sql: str, database: str = "postgres") -> str:
        """Return the answer of this node's PostgreSQL to one statement."""
        return run([*self.psql(database), "-c", sql]).strip()

    def is_primary(self) -> bool:
        """Tell whether this node's PostgreSQL takes writes."""
        return self.ask("SELECT pg_is_in_recovery()") == "f"

    def system_id(self) -> int:
        """Return what names the database cluster for ever."""
        return int(self.ask("SELECT system_identifier FROM pg_control_system()"))
