"""What a restore remembers between its runs, and what it does only once."""

import functools
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from installer.actions import restore
from installer.actions.restore_record import RestoreRecord, keep_restore, load_restore
from installer.actions.restore_target import RestoreRequest

REQUEST = RestoreRequest(moment=datetime(2026, 1, 2, tzinfo=UTC))
COMMAND = "cfy_manager cluster restore -i /ten.yaml --target-time 2026-01-02T00:00:00+00:00"


def record(**changes):
    told = {"target": "a moment", "command": COMMAND, "label": "F", "node": "db-1", "kept": "/k"}
    return RestoreRecord(**told | changes)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return what runs a restore, and the list of what it did."""
    did = []

    @contextmanager
    def held(*_):
        yield

    def bring_back(*words):
        did.append("bring back")
        known = words[-1]
        brought = record(is_restored=True, begun=known.begun if known else "now")
        keep_restore(tmp_path, brought)
        return brought

    for name in ("load_cluster", "demand_repository", "open_running"):
        monkeypatch.setattr(restore, name, lambda _: SimpleNamespace())
    monkeypatch.setattr(restore, "runs_folder", lambda _: tmp_path)
    monkeypatch.setattr(restore, "hold_cluster", held)
    monkeypatch.setattr(restore, "logged_to", held)
    monkeypatch.setattr(restore, "_bring_back", bring_back)
    monkeypatch.setattr(restore, "_converge", lambda *_: did.append("start"))
    return functools.partial(restore.restore_cluster, Path("/ten.yaml"), REQUEST, None), did


def test_a_restore_that_was_killed_while_services_start_brings_nothing_back_again(run, tmp_path):
    """It would put what was restored in the place of the data that are kept."""
    act, did = run
    keep_restore(tmp_path, record(is_restored=True))

    assert act().kept == "/k"

    assert did == ["start"]
    assert load_restore(tmp_path) is None


@pytest.mark.parametrize(
    "known", [record(), record(is_restored=True, command="another")], ids=["unfinished", "another"]
)
def test_one_that_did_not_bring_all_back_or_went_elsewhere_does(run, tmp_path, known):
    act, did = run
    keep_restore(tmp_path, known)

    act()

    assert did == ["bring back", "start"]


def test_a_restore_keeps_its_name_through_all_its_tries(run, tmp_path):
    """By it a node knows whether the data that it kept are those from before the first one."""
    act, _ = run
    keep_restore(tmp_path, record(begun="monday"))

    assert act().begun == "monday"
    assert act().begun == "now", "the next one is another"


DONE = frozenset({("restore/stop/manager", "manager-1"), ("restore/stop/replicas", "db-2")})
LED = DONE | {("restore/primary", "db-1"), ("restore/clear", "db-2")}


@pytest.mark.parametrize(
    ("phase", "node", "done", "expected"),
    [
        ("restore/stop/manager", "manager-1", DONE, False),
        ("restore/stop/manager", "manager-1", LED, False),
        ("restore/stop/replicas", "db-2", DONE, False),
        ("restore/stop/replicas", "db-2", LED, True),  # it copies the new primary since
        ("restore/primary", "db-1", DONE, False),
        ("restore/clear", "db-2", LED, True),
    ],
)
def test_what_a_boot_may_have_started_is_stopped_again(phase, node, done, expected):
    """A replica of the old past would lead, and a manager work on what is exchanged."""
    assert restore._is_done(phase, node, done) is expected


def test_only_the_trials_good_end_tells_that_the_cluster_is_changed():
    """A trial that finds no way has changed nothing, and refuses nobody anything."""
    told = []

    def fails(_):
        raise RuntimeError

    phases = [(restore.TRIAL, ["db-1"], fails), ("restore/stop", ["db-1"], lambda _: ("stop",))]
    (_, _, trial), (_, _, stop) = restore._told_of(iter(phases), lambda: told.append(1))
    with pytest.raises(RuntimeError):
        trial(None)
    assert stop(None) == ("stop",)
    assert told == []

    good = [(restore.TRIAL, ["db-1"], lambda _: ("tried",))]
    ((_, _, trial),) = restore._told_of(iter(good), lambda: told.append(1))
    assert trial(None) == ("tried",)
    assert told == [1]
