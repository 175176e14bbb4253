"""How set-master and reinit go on after a killed run, and what they wait for."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from installer.actions import primary, reinit
from installer.actions.databases import Site
from installer.actions.reinit import await_copy
from installer.engine.outcome import Result
from installer.errors import ConfigError, NotHealthy, Refused
from installer.events import Event, EventKind, Outcome
from installer.foresight.survival import Layout
from installer.journal import Journal
from installer.status.facts import Answer
from installer.status.members import AskedDatabase

ROLES = {"db-1": "leader", "db-2": "sync_standby", "db-3": "replica"}
VIEW = {"members": [{"name": n, "role": r, "state": "streaming"} for n, r in ROLES.items()]}


def asked(view):
    def one(name):
        patroni = Answer(status=200, text=json.dumps(view))
        etcd = Answer(status=200, text=json.dumps({"health": "true"}))
        return AskedDatabase(name=name, address=f"10.0.0.{name[-1]}", patroni=patroni, etcd=etcd)

    return [one(name) for name in ROLES]


def site(tmp_path, view=VIEW, jobs=tuple(ROLES)):
    return Site(
        journal=tmp_path / "verb.jsonl",
        jobs=[SimpleNamespace(inputs=SimpleNamespace(name=name)) for name in jobs],
        layout=Layout(databases=tuple(ROLES)),
        look=lambda: asked(view),
    )


def killed(place, phase, node, *, finished=False):
    """Write the journal of a run that ended in the middle of a phase, or after it."""
    journal = Journal(place.journal)
    start = Event(kind=EventKind.RUN_STARTED, run="r", phases=(phase,))
    begun = Event(kind=EventKind.NODE_STARTED, run="r", phase=phase, node=node)
    for event in (start, begun):
        journal.write(event)
    if finished:
        ended = replace(begun, kind=EventKind.NODE_FINISHED, outcome=Outcome.CHANGED)
        journal.write(ended)
    journal.close()


def test_a_database_is_known_by_name_and_by_address(tmp_path):
    place = site(tmp_path)

    assert place.member("db-2") == place.member("10.0.0.2")
    with pytest.raises(ConfigError, match="name one of: db-1, db-2, db-3"):
        place.member("db-9")


def test_the_primary_is_refused_but_for_whoever_goes_on_with_a_killed_switchover(tmp_path):
    place = site(tmp_path)
    target = place.member("db-1")

    with pytest.raises(Refused, match="primary already"):
        primary._demand_may_lead(place, target)
    killed(place, primary._SWITCHOVER, "db-1")

    assert primary._demand_may_lead(place, target) == "db-1"


def test_a_copy_that_was_begun_is_not_refused_for_being_the_last_replica(tmp_path):
    place = site(tmp_path)

    killed(place, reinit._BEGIN, "db-3", finished=True)

    assert place.has_finished(reinit._BEGIN, "db-3")
    assert not place.has_finished(reinit._BEGIN, "db-2")


def test_a_node_copies_only_its_own_database(tmp_path):
    place = site(tmp_path, jobs=("db-2",))

    reinit._demand_here(place, place.member("db-2"))
    with pytest.raises(ConfigError, match="run it on db-3"):
        reinit._demand_here(place, place.member("db-3"))


class CopyingSession:
    """Tells how far a copy is, one answer after the other; the last one again and again."""

    name = "db-3"

    def __init__(self, *told):
        self._told = list(told)

    def run(self, script):
        told = self._told.pop(0) if len(self._told) > 1 else self._told[0]
        return Result(0, json.dumps(told), "")


def told(state, size, *, follows=False):
    return {"state": state, "follows": follows, "size": size}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(reinit, "_LOOK_S", 0.0)


def test_a_copy_is_told_as_it_grows_and_ends_when_the_replica_follows():
    mebibyte, notes = 1 << 20, []
    session = CopyingSession(
        told("creating replica", mebibyte),
        told("creating replica", 2 * mebibyte),
        told("running", 3 * mebibyte, follows=True),
    )

    changes = await_copy(session, "", notes.append, whole=3 * mebibyte)

    assert notes == [
        "creating replica: 1 MiB of about 3 MiB",
        "creating replica: 2 MiB of about 3 MiB",
    ]
    assert changes == ("copy 3 MiB",)


def test_a_copy_that_stands_still_is_given_up():
    session = CopyingSession(told("stopped", 7))

    with pytest.raises(NotHealthy, match="stopped: 7 B"):
        await_copy(session, "", lambda _: None, standstill_s=0)
