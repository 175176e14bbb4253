"""Back this node's database up, and note how many rows it had; runs as postgres on a node.

usage: take.py take TYPE [--if-primary]
       take.py stanza-holds
       take.py create-stanza
       take.py upgrade-stanza SYSTEM-ID
       take.py archive-all
       take.py info
       take.py note LABEL
What is noted is JSON in the environment variable NOTE. Standard library only.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from installer.backup.node.base import TABLES, Database, Failure, alone, run

ANNOTATION = "cfy"
NOT_PRIMARY, FOREIGN = 3, 4
_LOCK_TRIES = 20
_PAUSE_S = 0.5


class Held:
    """A session that waits between its statements."""

    def __init__(self, words: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def say(self, sql: str) -> list[str]:
        """Return the lines that answer statements; raises Failure when one fails."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        lines: list[str] = []
        try:
            self._process.stdin.write(f"{sql}\n\\echo =end=\n")
            self._process.stdin.flush()
            while (line := self._process.stdout.readline().rstrip("\n")) != "=end=":
                if not line and self._process.poll() is not None:
                    raise Failure("\n".join(lines))
                lines.append(line)
        except BrokenPipeError as error:
            raise Failure("\n".join([*lines, *self._process.stdout])) from error
        return lines

    def close(self) -> None:
        """End the session, and with it what it held."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it ended by itself; what it said was raised
            self._process.stdin.close()
        self._process.wait()


def take(db: Database, kind: str, flag: str = "") -> int:
    """Take a backup, then count what it can be restored to; print the label."""
    if not db.is_primary():
        print("this node is not the primary")
        return 0 if flag else NOT_PRIMARY
    with alone(f"{db.work}/take.lock", end_other=False):
        return take_alone(db, kind)


def take_alone(db: Database, kind: str) -> int:
    """Take a backup while no other run or timer does."""
    create_stanza(db)
    db.pgbackrest("backup", f"--type={kind}")
    backup = last_backup(db)
    label = backup["label"]
    point = f"cfy-{label}"
    rows = count_rows(db, point)
    db.pgbackrest("check")  # it waits until the WAL with the restore point is in the archive
    note = {"point": point, "rows": rows, "versions": versions(db), "parts": {}}
    write_note(db, label, note)
    remember(db, label, backup)
    print(json.dumps({"label": label}))
    return 0


def last_backup(db: Database) -> dict[str, Any]:
    """Return the newest backup as pgBackRest tells of it."""
    return db.backups()[-1]


def count_rows(db: Database, point: str) -> dict[str, int]:
    """Return the rows of each table at a restore point of this name, made here.

    Writers pause for milliseconds: while nobody writes, the point is set and a second session takes
    its picture; it counts after they go on.
    """
    tables = db.ask(TABLES, db.name).splitlines()
    if not tables:
        db.ask(f"SELECT pg_create_restore_point('{point}')")
        return {}
    seen = Held(db.psql(db.name))
    try:
        hold_still(db, tables, point, lambda: seen.say(_PICTURE))
        counted = seen.say(" UNION ALL ".join(map(_count, tables)) + ";")
    finally:
        seen.close()
    return {name: int(rows) for name, rows in (line.rsplit("|", 1) for line in counted)}


_PICTURE = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT 1;"


def _count(table: str) -> str:
    quoted = table.replace("'", "''")
    return f"SELECT '{quoted}', count(*) FROM {table}"


def hold_still(db: Database, tables: Sequence[str], point: str, act: Callable[[], object]) -> None:
    """Set the restore point and act while no row is being written."""
    for attempt in range(_LOCK_TRIES):
        locking = Held(db.psql(db.name))
        patience_ms = 500 if attempt < _LOCK_TRIES // 2 else 3000  # then autovacuum gives way
        try:
            locking.say(
                f"SET lock_timeout = {patience_ms}; BEGIN; "
                f"LOCK TABLE {', '.join(tables)} IN SHARE MODE; "
                f"SELECT pg_create_restore_point('{point}');"
            )
            act()
            return
        except Failure as failure:
            if "lock timeout" not in str(failure):
                raise
        finally:
            locking.close()
        time.sleep(_PAUSE_S)
    raise Failure("a transaction keeps its tables locked: see pg_stat_activity, then try again")


def write_note(db: Database, label: str, note: Mapping[str, Any]) -> None:
    """Keep a description with a backup."""
    text = json.dumps(note, separators=(",", ":"))
    db.pgbackrest("annotate", f"--set={label}", f"--annotation={ANNOTATION}={text}")


def remember(db: Database, label: str, backup: Mapping[str, Any]) -> None:
    """Tell `cluster status` of the last backup: every member knows it, a new primary too."""
    facts = {"label": label, "type": backup["type"], "finished": backup["timestamp"]["stop"]}
    db.ask(f"ALTER DATABASE postgres SET cfy.last_backup = '{json.dumps(facts)}'")


def versions(db: Database) -> dict[str, str]:
    """Return what wrote the backup."""
    return {
        "postgresql": db.ask("SHOW server_version").split()[0],
        "pgbackrest": run(["pgbackrest", "version"]).split()[-1],
    }


def is_foreign(db: Database) -> bool | None:
    """Tell whether the repository holds another cluster's backups; None where it holds none."""
    known = [each["system-id"] for stanza in db.info() for each in stanza["db"]]
    return db.system_id() != known[-1] if known else None


def check_stanza(db: Database) -> int:
    """Return 0 when there is nothing to create from here."""
    return 0 if not db.is_primary() or is_foreign(db) is not None else 1


def create_stanza(db: Database) -> int:
    """Make the repository ready; what another cluster has left there stays untouched."""
    if not db.is_primary():
        return 0
    foreign = is_foreign(db)
    if foreign:
        raise Foreign
    if foreign is None:
        db.pgbackrest("stanza-create")
    return 0


def upgrade_stanza(db: Database, before: str) -> int:
    """Let the repository go on with a database that is this one in another major version.

    `before` is the system identifier that it had; a repository of any other stays untouched.
    PostgreSQL need not run: it must not archive before this.
    """
    known = [each["system-id"] for stanza in db.info() for each in stanza["db"]]
    if known and known[-1] == int(before):
        db.pgbackrest("stanza-upgrade", "--no-online")
    return 0


class Foreign(Failure):
    """The repository belongs to another database."""

    def __init__(self) -> None:
        super().__init__("the repository holds the backups of another database cluster")


def show(db: Database) -> int:
    """Print what pgBackRest knows of all backups."""
    print(json.dumps(db.info()))
    return 0


def note(db: Database, label: str) -> int:
    """Replace the description of a backup."""
    write_note(db, label, json.loads(os.environ["NOTE"]))
    return 0


def prepare(db: Database) -> int:
    """Create the stanza where that is possible; an installation does not fail for a foreign one."""
    try:
        return create_stanza(db)
    except Foreign as foreign:
        print(f"{foreign}: nothing is archived until `cluster restore`")
        return 0


def archive_all(db: Database) -> int:
    """Wait until the archive has all that was committed until now.

    A transaction is committed last: recovery knows a moment only by a later commit. A repository
    that belongs to another database takes nothing.
    """
    if db.is_primary() and is_foreign(db) is False:
        db.ask("SELECT pg_current_xact_id()")
        db.pgbackrest("check")
    return 0


_ACTIONS: dict[str, Callable[..., int]] = {
    "take": take,
    "stanza-holds": check_stanza,
    "create-stanza": prepare,
    "upgrade-stanza": upgrade_stanza,
    "archive-all": archive_all,
    "info": show,
    "note": note,
}


def main(words: Sequence[str]) -> int:
    """Run what the command line names."""
    action, *rest = words
    try:
        return _ACTIONS[action](Database(), *rest)
    except Foreign as foreign:
        print(foreign, file=sys.stderr)
        return FOREIGN
    except (Failure, OSError) as failure:
        print(failure, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
