"""What a restore takes from the run before it, and what speaks against beginning."""

import json
from contextlib import contextmanager
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from installer.actions import backup, restore, restore_phases
from installer.actions.restore_phases import Restore
from installer.actions.restore_record import RestoreRecord
from installer.actions.restore_target import RestoreRequest
from installer.errors import PhaseFailed, Problem

REQUEST = RestoreRequest(moment=datetime(2026, 1, 2, tzinfo=UTC))
RECORD = RestoreRecord(target="t", command="c", label="F", node="db-1", kept="/k", begun="monday")


@pytest.mark.parametrize(("known", "is_asked"), [(None, False), (RECORD, True)])
def test_a_journal_counts_only_for_a_restore_that_is_under_way(
    tmp_path, monkeypatch, known, is_asked
):
    """The cluster may have been removed and made anew since: nothing of it has been restored."""
    asked = []

    class Ends(Exception):
        pass

    @contextmanager
    def ends(*_):
        raise Ends
        yield

    def finished(path, since):
        asked.append(path.name)
        return frozenset()

    monkeypatch.setattr(restore, "runs_folder", lambda _: tmp_path)
    monkeypatch.setattr(restore, "finished_nodes", finished)
    monkeypatch.setattr(restore, "backup_nodes", ends)
    with pytest.raises(Ends):
        restore._bring_back(SimpleNamespace(inventory=None), tmp_path, REQUEST, None, known)

    assert bool(asked) is is_asked


BROKEN = Problem(where="db-1", what="the archive is full", remedy="make room")


def closing(monkeypatch, kind):
    """Return what a trial tells on its way when the primary cannot archive its WAL."""
    told = []

    def ask(_node, act):
        return act(SimpleNamespace(name="db-1"))

    def fails(*_):
        raise PhaseFailed(BROKEN)

    monkeypatch.setattr(restore_phases, "call", fails)
    run = Restore(
        nodes=SimpleNamespace(primary=lambda: "db-1", ask=ask),
        make=SimpleNamespace(note=lambda _phase, _node, text: told.append(text)),
        stages={},
        target=SimpleNamespace(kind=kind),
        node="db-1",
        begun="monday",
    )
    run._close_archive(SimpleNamespace(name="db-1"))
    return told


def test_an_older_backup_needs_nothing_of_an_archive_that_is_broken(monkeypatch):
    assert closing(monkeypatch, "name") == []


def test_whether_a_moment_is_reached_the_trial_tells(monkeypatch):
    (told,) = closing(monkeypatch, "time")

    assert "the archive is full" in told


def test_the_end_of_a_broken_archive_is_not_restored(monkeypatch):
    """It is not the end of what was committed."""
    with pytest.raises(PhaseFailed, match="the archive is full"):
        closing(monkeypatch, "default")


def info(*labels, last_wal="000000010000000000000001", system_id=7):
    return json.dumps(
        [
            {
                "db": [{"id": 1, "system-id": system_id}],
                "backup": [{"label": label} for label in labels],
                "archive": [{"max": last_wal}],
            }
        ]
    )


def seen(monkeypatch, text):
    monkeypatch.setattr(backup, "call", lambda *_: text)
    return backup._held(None)


def test_wal_that_arrives_between_two_looks_makes_no_other_repository(monkeypatch):
    primary = seen(monkeypatch, info("F", last_wal="000000010000000000000002"))
    monkeypatch.setattr(backup, "call", lambda *_: info("F"))

    backup._demand_same(None, primary)


@pytest.mark.parametrize("other", [info(), info("F", system_id=8), "[]"])
def test_a_node_that_sees_another_repository_is_told(monkeypatch, other):
    primary = seen(monkeypatch, info("F"))
    monkeypatch.setattr(backup, "call", lambda *_: other)

    with pytest.raises(PhaseFailed, match="does not see the backups"):
        backup._demand_same(SimpleNamespace(name="db-2"), primary)
