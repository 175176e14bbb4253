"""Who restarts first while a run changes a cluster, and who needs nobody's leave."""

from dataclasses import replace
from pathlib import Path

import pytest

from installer.actions import permission, turns
from installer.actions.turns import Turns, is_idle
from installer.engine.observation import Observation
from installer.errors import PhaseFailed
from installer.expand.check import load_cluster
from installer.foresight.stopping import whole
from installer.foresight.survival import layout_of
from installer.state import NodeState, Stage, Unit
from installer.status.presence import DatabaseMember, Presence

TEN = load_cluster(Path(__file__).parents[4] / "inventories" / "ten-nodes.yaml")
WHOLE = whole(layout_of(TEN, "on"), Presence())
PATRONI = Stage(name="database/patroni", state=NodeState(units=(Unit(name="patroni.service"),)))
NODES = ("db-1", "db-2", "db-3")


@pytest.fixture
def at(monkeypatch):
    """Return the turns of three databases of which some were there before the run."""

    def make(presence=WHOLE, before=NODES):
        for module in (turns, permission):
            monkeypatch.setattr(module, "look_around", lambda _: presence)
        monkeypatch.setattr(permission, "PATIENCE_S", 0)
        record = {"unit": {"patroni.service": "running"}}
        return Turns(
            inventory=TEN,
            engine=None,
            stages={node: {"database": (PATRONI,)} for node in NODES},
            observations={
                node: Observation(written=record if node in before else {}) for node in NODES
            },
        )

    return make


def test_the_primary_has_its_turn_last(at):
    assert at().order(PATRONI, NODES) == ["db-3", "db-2", "db-1"]


def test_a_database_waits_while_another_is_down(at):
    gone = replace(WHOLE, databases={**WHOLE.databases, "db-3": DatabaseMember(etcd=False)})

    with pytest.raises(PhaseFailed, match="must not stop now: database"):
        at(gone).await_turn(PATRONI, "db-2", lambda _: None)


def test_what_does_not_work_is_mended_whoever_is_down(at):
    broken = dict.fromkeys(NODES, DatabaseMember(etcd=True))

    at(replace(WHOLE, databases=broken)).await_turn(PATRONI, "db-2", lambda _: None)


def test_a_node_that_joins_with_this_run_is_not_missed(at):
    """Two more databases join one: it alone has the role until they are up."""
    joining = {**WHOLE.databases, **dict.fromkeys(("db-2", "db-3"), DatabaseMember(etcd=False))}

    presence = replace(WHOLE, databases=joining)

    at(presence, before=("db-1",)).await_turn(PATRONI, "db-1", lambda _: None)
    with pytest.raises(PhaseFailed):
        at(presence).await_turn(PATRONI, "db-1", lambda _: None)


def test_etcd_is_not_idle_where_only_postgresql_fails():
    fallen = replace(WHOLE, databases={**WHOLE.databases, "db-2": DatabaseMember(etcd=True)})

    assert is_idle(fallen, PATRONI, "db-2")
    assert not is_idle(fallen, replace(PATRONI, name="database/etcd"), "db-2")
