"""Restore a backup into a folder, recover it there and count its rows; runs as postgres on a node.

usage: recover.py restore FOLDER TYPE TARGET [LABEL]
       recover.py exchange FRESH DATA KEPT BEGUN
       recover.py promote FOLDER
       recover.py remove FOLDER
TYPE is `name`, `time` or `default`, the end of the archive; LABEL chooses the backup to begin with.
Nobody but postgres on this node can reach the server: it has a socket only. Standard library only.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from installer.backup.node.base import TABLES, Database, Failure, alone, run

_POLL_S = 0.2
_KEPT_BY = "kept-by-restore"  # a file in the folder that is kept
_SEGMENT_BYTES = 16 * 1024 * 1024  # of WAL: initdb's default, which the installer keeps
_LEAST_SPARE = 256 * 1024 * 1024  # for WAL while it recovers
# a standby needs at least what its primary has counted, and the WAL may tell of more
_COUNTS = {
    "max_connections": ("max_connections", 500),
    "max_worker_processes": ("max_worker_processes", 64),
    "max_wal_senders": ("max_wal_senders", 64),
    "max_prepared_transactions": ("max_prepared_xacts", 0),
    "max_locks_per_transaction": ("max_locks_per_xact", 256),
}


class Server:
    """PostgreSQL on a folder, reached by a socket beside it."""

    def __init__(self, folder: str, db: Database) -> None:
        self._folder = folder
        self._db = db
        self._side = f"{folder}.run"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self._side, ignore_errors=True)

    def start(self, options: Mapping[str, str]) -> None:
        """Start it; one that a killed run has left is ended first."""
        end_server(self._folder, self._db)
        shutil.rmtree(self._side, ignore_errors=True)
        os.makedirs(self._side, mode=0o700)
        for name, text in {"hba": "local all all peer\n", "ident": "", "conf": ""}.items():
            with open(f"{self._side}/{name}", "w", encoding="utf-8") as file:
                file.write(text)
        words = [f"{self._db.bin_dir}/postgres", "-D", self._folder]
        # a primary leaves its counts to those that follow: only a trial may have more
        counts = self._counts(is_trial=options.get("hot_standby") != "off")
        for name, value in {**self._options(), **counts, **options}.items():
            words += ["-c", f"{name}={value}"]
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(words, stdout=log, stderr=log)

    def _options(self) -> dict[str, str]:
        fetch = " ".join(self._db.pgbackrest_words(f"--pg1-path={self._folder}", "archive-get"))
        return {
            "config_file": f"{self._side}/conf",
            "hba_file": f"{self._side}/hba",
            "ident_file": f"{self._side}/ident",
            "listen_addresses": "",
            "unix_socket_directories": self._side,
            "logging_collector": "off",
            "log_destination": "stderr",
            "ssl": "off",
            "wal_level": "replica",
            "synchronous_standby_names": "",
            "shared_preload_libraries": "",
            "primary_conninfo": "",
            "restore_command": f'{fetch} %f "%p"',
            "hot_standby": "on",
            "max_wal_size": "1GB",
        }

    def _counts(self, *, is_trial: bool) -> dict[str, str]:
        told = run([f"{self._db.bin_dir}/pg_controldata", "-D", self._folder])
        pairs = (line.split(":", 1) for line in told.splitlines() if ":" in line)
        known = {name.removesuffix(" setting"): value.strip() for name, value in pairs}
        return {
            name: str(max(int(known.get(there, 0)), least if is_trial else 0))
            for name, (there, least) in _COUNTS.items()
        }

    @property
    def _log(self) -> str:
        return f"{self._side}/log"

    def ask(self, sql: str, database: str = "postgres") -> str | None:
        """Return the answer to a statement; None while nobody answers."""
        words = [*self._db.psql(database, self._side), "-c", sql]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        return None if done.returncode else done.stdout.strip()

    def wait_for(self, sql: str, wanted: str) -> None:
        """Wait until a statement answers what is wanted; raises Failure when the server ends."""
        assert self._process is not None
        while self.ask(sql) != wanted:
            if self._process.poll() is not None:
                raise Failure(f"recovery ended early: {self.last_words()}")
            time.sleep(_POLL_S)

    def last_words(self) -> str:
        """Return what the server said of its end."""
        with open(self._log, encoding="utf-8", errors="replace") as log:
            lines = log.read().splitlines()
        grave = [line for line in lines if "FATAL" in line or "PANIC" in line]
        reached = [line for line in lines if "last completed transaction" in line]
        return " / ".join([*(grave or lines)[-3:], *reached[-1:]])

    def count_rows(self) -> dict[str, int]:
        """Return the rows of each table of the managers' database."""
        name = self._db.name
        if not self.ask(f"SELECT 1 FROM pg_database WHERE datname = '{name}'"):
            return {}
        rows = {}
        for table in (self.ask(TABLES, name) or "").splitlines():
            counted = self.ask(f"SELECT count(*) FROM {table}", name)
            if counted is None:
                raise Failure(f"the table {table} cannot be read: {self.last_words()}")
            rows[table] = int(counted)
        return rows

    def stop(self) -> None:
        """End it in order."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait()
        self._process = None


def end_server(folder: str, db: Database) -> None:
    """End the server that a killed run has left on a folder."""
    if os.path.exists(f"{folder}/postmaster.pid"):
        words = [f"{db.bin_dir}/pg_ctl", "stop", "-D", folder, "-m", "fast", "-w"]
        subprocess.run(words, capture_output=True, check=False)  # a stale file is no server


def restore(folder: str, kind: str, target: str, label: str = "") -> int:
    """Restore files and recover them to the target; print rows and moment as JSON."""
    db, began = Database(), time.time()
    end_server(folder, db)
    shutil.rmtree(folder, ignore_errors=True)  # a killed run may have left it
    demand_room(folder, db, label)
    os.makedirs(folder, mode=0o700)
    words = [f"--pg1-path={folder}", "restore", f"--type={kind}"]
    words += [f"--set={label}"] if label else []
    if kind != "default":
        words += [f"--target={target}", "--target-action=promote"]
    db.pgbackrest(*words)
    told: dict[str, Any] = {"files_s": round(time.time() - began, 1)}
    # without a target all of the archive is wanted: what leads there is tried as far as it goes now
    end = {"recovery_target_lsn": end_of_archive(db)} if kind == "default" else {}
    told |= recovered(folder, db, end)
    told["seconds"] = round(time.time() - began, 1)
    print(json.dumps(told))
    return 0


def recovered(folder: str, db: Database, target: Mapping[str, str]) -> dict[str, Any]:
    """Recover to the target, and return what is there; nothing of it is archived."""
    with Server(folder, db) as server:
        server.start({"recovery_target_action": "pause", **target})
        server.wait_for("SELECT pg_get_wal_replay_pause_state()", "paused")
        return {
            "rows": server.count_rows(),
            "reached": server.ask("SELECT pg_last_xact_replay_timestamp()") or "",
        }


def end_of_archive(db: Database) -> str:
    """Return the place where the archive's last segment of WAL begins.

    Later than any whole backup ended: what notes a backup fills segments of its own after it.
    """
    names = [one["max"] for stanza in db.info() for one in stanza["archive"] if one["max"]]
    if not names:
        raise Failure("the archive holds no WAL")
    # timeline, then two halves of the segment's place. Source: PostgreSQL, xlog_internal.h
    high, number = int(names[-1][8:16], 16), int(names[-1][16:24], 16)
    return f"{high:X}/{number * _SEGMENT_BYTES:X}"


def demand_room(folder: str, db: Database, label: str) -> None:
    """Raise Failure when the files of a backup do not fit."""
    sizes = [one["info"]["size"] for one in db.backups() if label in ("", one["label"])]
    if not sizes:
        raise Failure(f"the repository holds no backup {label}".rstrip())
    above = os.path.dirname(folder)
    os.makedirs(above, mode=0o700, exist_ok=True)
    space = os.statvfs(above)
    free, needed = space.f_bavail * space.f_frsize, max(sizes) + _LEAST_SPARE
    if free < needed:
        raise Failure(
            f"disk too small: {above} has {free >> 20} MiB free, and {needed >> 20} MiB are needed"
        )


def promote(folder: str) -> int:
    """Let a recovered folder take writes, its WAL archived; one that does already stays."""
    db = Database()
    end_server(folder, db)
    if os.path.exists(f"{folder}/recovery.signal"):
        push = " ".join(db.pgbackrest_words(f"--pg1-path={folder}", "archive-push", "%p"))
        with Server(folder, db) as server:
            server.start(
                {
                    "recovery_target_action": "promote",
                    "hot_standby": "off",
                    "archive_mode": "on",
                    "archive_command": push,
                }
            )
            server.wait_for("SELECT pg_is_in_recovery()", "f")
    forget_recovery(f"{folder}/postgresql.auto.conf")
    return 0


def exchange(fresh: str, data: str, kept: str, begun: str) -> int:
    """Put a restored folder in the database's place; again changes nothing.

    What is kept is the database as it was before the first try: `begun` names the restore, and
    stands in the folder that was kept for it.
    """
    if not os.path.isdir(fresh):
        return 0
    mark = f"{kept}/{_KEPT_BY}"
    if os.path.isdir(data):
        end_server(data, Database())  # Patroni's end need not be PostgreSQL's
        if _text(mark) == begun:
            shutil.rmtree(data)  # what a try before has restored
        else:
            shutil.rmtree(kept, ignore_errors=True)
            os.rename(data, kept)
    if os.path.isdir(kept):
        with open(mark, "w", encoding="utf-8") as file:
            file.write(begun)
    os.rename(fresh, data)
    return 0


def _text(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return None


def forget_recovery(path: str) -> None:
    """Take out what said how to recover: a replica would stop at that moment."""
    with open(path, encoding="utf-8") as file:
        lines = file.readlines()
    about = ("recovery_target", "restore_command", "# Recovery settings generated by pgBackRest")
    kept = [line for line in lines if not line.startswith(about)]
    fresh = f"{path}.fresh"
    with open(fresh, "w", encoding="utf-8") as file:
        file.writelines(kept)
    os.replace(fresh, path)


def remove(folder: str) -> int:
    """Take away a folder that was restored, and the server that may run on it; print what went."""
    end_server(folder, Database())
    for path in (folder, f"{folder}.run"):
        if os.path.isdir(path):
            shutil.rmtree(path)
            print(path)
    return 0


_ACTIONS: dict[str, Callable[..., int]] = {
    "restore": restore,
    "exchange": exchange,
    "promote": promote,
    "remove": remove,
}


def main(words: Sequence[str]) -> int:
    """Run what the command line names."""
    action, *rest = words
    try:
        with alone(f"{Database().work}/recover.lock", end_other=True):
            return _ACTIONS[action](*rest)
    except (Failure, OSError) as failure:
        print(failure, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
