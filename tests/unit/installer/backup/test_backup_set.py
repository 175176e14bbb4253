"""A backup is described in the words of pgBackRest and of its own annotation."""

import json
from typing import Any

from installer.backup.backup_set import (
    ANNOTATION,
    BackupType,
    PartTaken,
    note_of,
    read_sets,
    with_parts,
)

NOTE = {"point": "cfy-A", "rows": {"public.nodes": 7}, "versions": {}, "parts": {}}


def backup(label: str = "20261121-020000F", **changed: Any) -> dict[str, Any]:
    told = {
        "label": label,
        "type": "full",
        "timestamp": {"start": 1_790_000_000, "stop": 1_790_000_060},
        "info": {"size": 3000, "repository": {"delta": 900}},
        "annotation": {ANNOTATION: json.dumps(NOTE)},
    }
    return {**told, **changed}


def info(*backups: dict[str, Any]) -> str:
    return json.dumps([{"name": "cloudify", "backup": list(backups)}])


def test_a_described_backup_tells_rows_sizes_and_its_restore_point():
    (one,) = read_sets(info(backup()))

    assert (one.label, one.type) == ("20261121-020000F", BackupType.FULL)
    assert (one.size_bytes, one.stored_bytes) == (3000, 900)
    assert (one.finished - one.began).total_seconds() == 60
    assert (one.restore_point, one.rows, one.is_whole) == ("cfy-A", {"public.nodes": 7}, True)


def test_a_backup_that_was_interrupted_is_not_whole():
    (one,) = read_sets(info(backup(annotation=None)))

    assert not one.is_whole


def test_a_part_is_noted_beside_those_that_are_there():
    first = with_parts(NOTE, [PartTaken(name="queue", size_bytes=5, facts={"users": 2})])

    noted = with_parts(first, [PartTaken(name="files", size_bytes=9)])

    (one,) = read_sets(info(backup(annotation={ANNOTATION: json.dumps(noted)})))
    assert [part.name for part in one.parts] == ["queue", "files"]
    found = one.part("queue")
    assert found is not None
    assert (found.size_bytes, found.facts) == (5, {"users": 2})
    assert one.restore_point == "cfy-A"


def test_a_backup_without_a_note_has_an_empty_one():
    assert note_of(backup(annotation=None)) == {}
