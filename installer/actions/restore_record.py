"""What the controller knows of a restore that has begun to change the cluster."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from installer.actions.inventory_file import replace_file
from installer.errors import Problem

_FILE = "restore.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreRecord:
    """A restore whose trial ended well: what follows changes the cluster."""

    target: str  # for a person
    command: str  # what goes on with it
    label: str  # of the backup
    node: str  # where the database was restored
    kept: str  # the folder there with the database as it was
    begun: str = ""  # what the folder is told apart by from those of restores before, ISO 8601
    is_restored: bool = False  # all data are back; to do it anew would give up what is kept


def load_restore(folder: Path) -> RestoreRecord | None:
    """Return the restore that was begun from here and has not come to its end."""
    path = folder / _FILE
    return RestoreRecord(**json.loads(path.read_text())) if path.exists() else None


def keep_restore(folder: Path, record: RestoreRecord) -> None:
    """Keep what is under way, on disk before this returns."""
    replace_file(folder / _FILE, json.dumps(asdict(record), indent=1) + "\n")


def forget_restore(folder: Path) -> None:
    """Let there be no restore under way: it came to its end, or all is removed."""
    (folder / _FILE).unlink(missing_ok=True)


def restore_under_way(folder: Path, record: RestoreRecord) -> Problem:
    """Return what tells that a restore is under way, and how it ends."""
    return Problem(
        where="database",
        what=f"a restore to {record.target} is under way: nodes may be stopped, or have the data of"
        " two pasts",
        remedy=f"go on with it, `{record.command}`; where it cannot end (a node is lost for good),"
        f" delete {folder / _FILE} first, and this takes the cluster as it stands",
        code="restore-under-way",
    )
