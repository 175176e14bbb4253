"""Who works on a node waits as well while the controller has an upgrade under way."""

import subprocess
from types import SimpleNamespace

import pytest

from installer.actions.major_run import Switch
from installer.actions.node_mark import Mark, hold_node, mark_script, unmark_script
from installer.engine.outcome import Result
from installer.errors import Problem, Refused
from tests.support.cluster import ROOT

PROBLEM = Problem(
    where="db-1", what="it's under way", remedy="go on: `cluster upgrade`", code="under-way"
)
MARK = Mark(problem=PROBLEM, passing=frozenset(("cluster stop", "status-reporter remove")))


def run(script):
    subprocess.run(("sh", "-eu", "-c", script), check=True)


@pytest.fixture
def state(tmp_path):
    folder = tmp_path / "state"
    run(mark_script(MARK, folder))
    return folder


@pytest.mark.parametrize("command", ["start", "restart", "install", "dbs reinit", "add-networks"])
def test_what_starts_or_changes_services_is_refused_on_a_marked_node(state, command):
    with pytest.raises(Refused, match="it's under way") as refused, hold_node(command, state):
        pass

    (problem,) = refused.value.problems
    assert (problem.code, problem.remedy) == (
        "under-way",
        "on the controller that began it: go on: `cluster upgrade`",
    )


@pytest.mark.parametrize("command", ["stop", "status-reporter remove"])
def test_what_the_mark_lets_pass_may_run(state, command):
    """A node's own `stop` is ruled as the cluster's."""
    with hold_node(command, state):
        pass


def test_once_the_mark_is_gone_everything_may_run(state):
    run(unmark_script(state))
    run(unmark_script(state))  # the next run of a killed one does so again

    with hold_node("start", state):
        pass


@pytest.mark.parametrize("way", ["forward", "back"])
def test_every_node_is_marked_before_the_managers_stop(way):
    """Somebody on a node that starts them then would let them write on data that go."""
    scripts = []

    def ran(script, **_):
        scripts.append(script)
        return Result(0, "", "")

    stages = {"db-1": {"database": ()}, "m-1": {"manager": ()}}
    old, new = (SimpleNamespace(stages=stages, settings={"db-1": 0}, major=n) for n in (15, 17))
    switch = Switch(old=old, new=new, leader="db-1", make=None, settle_inventory=lambda: None)

    phases = {name: (nodes, act) for name, nodes, act in getattr(switch, way)()}
    nodes, act = phases["postgresql/mark"]
    act(SimpleNamespace(name="m-1", run=ran))

    names = [*phases]
    assert nodes == ["db-1", "m-1"]
    assert names.index("postgresql/mark") < names.index("postgresql/stop managers")
    assert "cluster upgrade --postgresql 17" in scripts[0]


def test_no_command_takes_a_lock_past_the_two_rules():
    """Each is taken in a module that knows what is under way."""
    folder = ROOT / "installer" / "actions"
    held = {path.name for path in folder.glob("*.py") if "hold_lock(" in path.read_text()}

    assert held == {"under_way.py", "node_mark.py"}
