"""What the controller knows of a change of PostgreSQL's major version, and how far it is."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from installer.actions.inventory_file import replace_file
from installer.errors import Problem

_FILE = "postgresql-upgrade.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class MajorRecord:
    """A change that was begun here; the last one is kept for the way back."""

    before: int
    wanted: int
    leader: str  # whose data are converted
    stopped: str = ""  # when the managers stopped, ISO 8601
    opened: str = ""  # when they were let go on; what is written from then on is new only
    is_finished: bool = False

    @property
    def is_under_way(self) -> bool:
        """Tell whether another run must go on with it, or back."""
        return not self.is_finished


def load_major(folder: Path) -> MajorRecord | None:
    """Return the last change that was begun from here and was not taken back."""
    path = folder / _FILE
    return MajorRecord(**json.loads(path.read_text())) if path.exists() else None


def under_way(where: str, record: MajorRecord) -> Problem:
    """Return what tells that a change is under way, and how it ends."""
    again = f"cfy_manager cluster upgrade --postgresql {record.wanted}"
    return Problem(
        where=where,
        what=f"an upgrade from PostgreSQL {record.before} to {record.wanted} is under way",
        remedy=f"go on with it, `{again}`, or back, `{again} --roll-back`",
        code="postgresql-under-way",
    )


def keep_major(folder: Path, record: MajorRecord) -> MajorRecord:
    """Keep what is known, on disk before this returns."""
    replace_file(folder / _FILE, json.dumps(asdict(record), indent=1) + "\n")
    return record


def forget_major(folder: Path) -> None:
    """Let there be no change: it was taken back, or nothing of the old version is left."""
    (folder / _FILE).unlink(missing_ok=True)
