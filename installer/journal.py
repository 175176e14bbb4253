"""The append-only record of runs: what was done, what is unknown, what never began."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from installer.events import Event, EventKind, Outcome

_GOOD = frozenset((Outcome.CHANGED, Outcome.UNCHANGED, Outcome.DEFERRED))


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupted:
    """A run that never finished: its phases by what is known of them."""

    run: str
    done: tuple[str, ...]
    unknown: tuple[str, ...]
    not_begun: tuple[str, ...]

    def __str__(self) -> str:
        parts = [("done", self.done), ("unknown", self.unknown), ("not begun", self.not_begun)]
        return "; ".join(f"{label}: {', '.join(names) or 'none'}" for label, names in parts)


class Journal:
    """A file of one JSON object a line; every line is on disk before `write` returns."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = path
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        _end_torn_line(path, self._descriptor)

    def write(self, event: Event) -> None:
        """Append one event; progress notes are not worth a disk flush and are left out."""
        if event.kind is EventKind.NODE_NOTE:
            return
        line = json.dumps(event.as_json(), separators=(",", ":")) + "\n"
        os.write(self._descriptor, line.encode())
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def interrupted(self) -> Interrupted | None:
        """Return what is known of the last run if it never finished."""
        records = list(_last_run(self._path))
        if not records or records[-1]["kind"] == EventKind.RUN_FINISHED:
            return None
        return _sort_phases(records)


def finished_nodes(path: Path, *, since: datetime) -> frozenset[tuple[str, str]]:
    """Return each phase with a node that the last run finished, unless all of it is finished.

    The next run of the same kind goes on after them; a run that began before `since` is forgotten.
    """
    return frozenset(
        (str(record["phase"]), str(record["node"]))
        for record in _open_run(path, since)
        if record["kind"] == EventKind.NODE_FINISHED and record["outcome"] in _GOOD
    )


def begun_nodes(path: Path, *, since: datetime) -> frozenset[tuple[str, str]]:
    """Return each phase with a node that the last run began, unless all of it is finished."""
    return frozenset(
        (str(record["phase"]), str(record["node"]))
        for record in _open_run(path, since)
        if record["kind"] == EventKind.NODE_STARTED
    )


def _open_run(path: Path, since: datetime) -> list[dict[str, object]]:
    """Return the records of the last run if it was killed or failed, and is not too old."""
    records = list(_last_run(path)) if path.exists() else []
    end = records[-1] if records else {}
    if end.get("kind") == EventKind.RUN_FINISHED and end.get("outcome") != Outcome.FAILED:
        return []
    if not records or datetime.fromisoformat(str(records[0]["time"])) < since:
        return []
    return records


def _end_torn_line(path: Path, descriptor: int) -> None:
    """Begin a new line when a power cut left half of one."""
    content = path.read_bytes()
    if content and not content.endswith(b"\n"):
        os.write(descriptor, b"\n")


def _records(path: Path) -> Iterator[dict[str, object]]:
    for line in path.read_text().splitlines():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:  # torn by a power cut: the event did not count
            continue


def _last_run(path: Path) -> Iterator[dict[str, object]]:
    records = list(_records(path))
    starts = [at for at, record in enumerate(records) if record["kind"] == EventKind.RUN_STARTED]
    return iter(records[starts[-1] :] if starts else [])


def _sort_phases(records: Sequence[dict[str, object]]) -> Interrupted:
    def phases(kind: EventKind) -> list[str]:
        return [str(record["phase"]) for record in records if record["kind"] == kind]

    done = [
        str(record["phase"])
        for record in records
        if record["kind"] == EventKind.PHASE_FINISHED and record["outcome"] in _GOOD
    ]
    begun = phases(EventKind.PHASE_STARTED)
    planned = records[0].get("phases", ())
    assert isinstance(planned, list)  # noqa: S101 - we wrote it
    return Interrupted(
        run=str(records[0]["run"]),
        done=tuple(done),
        unknown=tuple(name for name in begun if name not in done),
        not_begun=tuple(name for name in planned if name not in begun),
    )
