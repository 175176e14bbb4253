"""One backup of a cluster: its label, what it holds, and what was true when it was taken.

The description is kept with the database's backup in the repository itself, as an annotation of
pgBackRest: it is there where the backup is, is encrypted as it is, and expires with it.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

ANNOTATION = "cfy"  # the key under which pgBackRest keeps the description


class BackupType(StrEnum):
    """How much of the database a backup holds by itself."""

    FULL = "full"
    DIFFERENTIAL = "diff"  # with its full one
    INCREMENTAL = "incr"  # with all back to its full one


@dataclass(frozen=True, slots=True, kw_only=True)
class PartTaken:
    """What one part left in the repository; `facts` are its own, as JSON values."""

    name: str
    size_bytes: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupSet:
    """One backup of a cluster, as the repository describes it."""

    label: str  # pgBackRest's, of the database's backup
    type: BackupType
    began: datetime
    finished: datetime
    size_bytes: int  # of the database as it was
    stored_bytes: int  # that this backup added to the repository
    restore_point: str = ""  # the moment of `rows`, by name; empty: it never finished
    rows: Mapping[str, int] = field(default_factory=dict, hash=False)  # by table
    parts: tuple[PartTaken, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def is_whole(self) -> bool:
        """Tell whether it was described to its end, so that it can be verified."""
        return bool(self.restore_point)

    def part(self, name: str) -> PartTaken | None:
        """Return what a part left; None where it was not taken."""
        return next((part for part in self.parts if part.name == name), None)


def description(rows: Mapping[str, int], point: str, versions: Mapping[str, str]) -> dict[str, Any]:
    """Return what is noted of a database's backup."""
    return {"point": point, "rows": dict(rows), "versions": dict(versions), "parts": {}}


def with_parts(noted: Mapping[str, Any], parts: Iterable[PartTaken]) -> dict[str, Any]:
    """Return the note with further parts."""
    told = {p.name: {"size": p.size_bytes, "facts": dict(p.facts)} for p in parts}
    return {**noted, "parts": {**noted.get("parts", {}), **told}}


def read_sets(info: str) -> tuple[BackupSet, ...]:
    """Return the backups that `pgbackrest info --output=json` tells of, oldest first."""
    return tuple(_read_set(one) for stanza in json.loads(info) for one in stanza["backup"])


def note_of(backup: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is noted of a backup in pgBackRest's words; empty where nothing is."""
    text = (backup.get("annotation") or {}).get(ANNOTATION)
    return dict(json.loads(text)) if text else {}


def _read_set(backup: Mapping[str, Any]) -> BackupSet:
    noted, info = note_of(backup), backup["info"]
    return BackupSet(
        label=backup["label"],
        type=BackupType(backup["type"]),
        began=_moment(backup["timestamp"]["start"]),
        finished=_moment(backup["timestamp"]["stop"]),
        size_bytes=info["size"],
        stored_bytes=info["repository"]["delta"],
        restore_point=noted.get("point", ""),
        rows=noted.get("rows", {}),
        parts=tuple(
            PartTaken(name=name, size_bytes=told["size"], facts=told["facts"])
            for name, told in noted.get("parts", {}).items()
        ),
        versions=noted.get("versions", {}),
    )


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
