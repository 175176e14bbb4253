"""What a database node has for its backups: pgBackRest, the programs that use it, the timers."""

import json
from collections.abc import Iterator
from pathlib import Path

import installer.backup.node as programs
from installer.backup.settings import CONFIG, FOLDER, STANZA, WORK, BackupSettings
from installer.roles.database.model import DatabaseSettings
from installer.roles.database.sql import AS_POSTGRES
from installer.roles.database.tuning import SOCKET_FOLDER
from installer.state import Directory, ManagedFile, NodeState, Step, Unit
from installer.templates import render

_USER = "postgres"
_LIBRARY = "/usr/local/lib/cfy_manager"
_PACKAGE = f"{_LIBRARY}/{programs.__name__.replace('.', '/')}"
_UNITS = "/etc/systemd/system"
_MOST_S = 60
ARCHIVE_TIMEOUT = "60s"  # as much may be lost with all machines of the database


def backup_parameters(backup: BackupSettings | None) -> dict[str, str]:
    """Return what lets PostgreSQL archive its WAL; the operator's own words win over the time."""
    if backup is None:
        return {}
    push = f"pgbackrest --stanza={STANZA} archive-push %p"
    return {"archive_mode": "on", "archive_command": push}


def command(program: str, *words: str) -> str:
    """Return shell text that runs one of the programs as postgres."""
    module = f"{programs.__name__}.{program}"
    python = f"python3 -E -s -B -m {module}"
    return f"cd {_LIBRARY} && {AS_POSTGRES} {python} {' '.join(words)}\n"


def backup_state(db: DatabaseSettings) -> NodeState:
    """Return the files, folders and timers of a node that is backed up."""
    if db.backup is None:
        return NodeState()
    timers = tuple(_timers(db.backup))
    units = tuple(
        Unit(name=Path(file.path).name, restart_on=(file.path,))
        for file in timers
        if file.path.endswith(".timer")
    )
    repository = [Directory(path=db.backup.path, owner=_USER, mode=0o750, is_shared=True)]
    return NodeState(
        directories=(
            Directory(path=FOLDER, owner="root", group=_USER, mode=0o750),
            Directory(path=WORK, owner=_USER, mode=0o700),
            *(repository if db.backup.is_directory else ()),
        ),
        files=(*_configuration(db, db.backup), *_programs(), *timers),
        units=units,
        data=(WORK,),
    )


def backup_steps(db: DatabaseSettings) -> tuple[Step, ...]:
    """Return the step that makes the repository ready for this database."""
    if db.backup is None:
        return ()
    return (
        Step(
            name="Make the backup repository ready",
            guard=command("take", "stanza-holds"),
            script=command("take", "create-stanza"),
            timeout_s=_MOST_S,
        ),
    )


def _configuration(db: DatabaseSettings, backup: BackupSettings) -> Iterator[ManagedFile]:
    content = render(
        "database/pgbackrest.conf.j2",
        db=db,
        backup=backup,
        stanza=STANZA,
        sockets=SOCKET_FOLDER,
        work=WORK,
    )
    yield ManagedFile(path=CONFIG, content=content, owner=_USER, mode=0o400, secret=True)
    for name, text in backup.files.items():
        is_key = name.endswith(".key")
        path, mode = f"{FOLDER}/{name}", 0o400 if is_key else 0o444
        yield ManagedFile(path=path, content=text, owner=_USER, mode=mode, secret=is_key)
    facts = {
        "stanza": STANZA,
        "bin_dir": db.bin_dir,
        "data_dir": db.data_dir,
        "sockets": SOCKET_FOLDER,
        "work": WORK,
        "database": db.application.database if db.application else "postgres",
    }
    told = json.dumps(facts, indent=2) + "\n"
    yield ManagedFile(path=f"{FOLDER}/cfy_manager.json", content=told.encode())


def _programs() -> Iterator[ManagedFile]:
    for package in (_LIBRARY + "/installer", _LIBRARY + "/installer/backup"):
        yield ManagedFile(path=f"{package}/__init__.py", content=b"")
    for path in programs.__path__:
        for file in sorted(Path(path).glob("*.py")):
            yield ManagedFile(path=f"{_PACKAGE}/{file.name}", content=file.read_bytes())


def _timers(backup: BackupSettings) -> Iterator[ManagedFile]:
    for kind, when in backup.schedule.items():
        values = {"type": kind, "when": when, "backup": backup}
        for suffix in ("service", "timer"):
            text = render(
                f"database/cloudify-backup.{suffix}.j2",
                **values,
                library=_LIBRARY,
                module=f"{programs.__name__}.take",
            )
            yield ManagedFile(path=f"{_UNITS}/cloudify-backup-{kind}.{suffix}", content=text)
