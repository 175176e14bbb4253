"""The order of work when one node restarts, over sessions that only take notes."""

from dataclasses import replace

import pytest

from installer.actions import permission
from installer.actions.restart_node import NodeRestart
from installer.engine.outcome import Diagnosis, GateResult, Outcome, StepResult
from installer.errors import InstallerError, PhaseFailed, Problem
from installer.events import EventKind
from installer.events import Outcome as Ended
from installer.foresight.stopping import whole
from installer.foresight.survival import Layout
from installer.state import Gate, NodeState, Stage, Step, Unit
from installer.status.presence import Presence

LAYOUT = Layout(managers=("m-1", "m-2"), balancers=("lb-1",))
BROKEN = Problem(where="m-1", what="no answer", remedy="look")
GATE, SETTLED = Gate(name="it answers", check="true"), Gate(name="all work", check="true")
SERVICES = Stage(
    name="manager/services",
    state=NodeState(units=(Unit(name="rest"), Unit(name="nginx"))),
    gate=GATE,
    hand_over=Step(name="Take no more requests", guard="false", script="true"),
)
WATCH = Stage(name="loadbalancer/managers", settled=SETTLED)
STAGES = {"m-1": {"manager": (SERVICES,)}, "lb-1": {"loadbalancer": (WATCH,)}}


class NotingSession:
    """Writes down what it is asked; `broken` names the gate that is not passed."""

    def __init__(self, name, notes, broken):
        self.name, self._notes, self._broken = name, notes, broken

    def run_step(self, step):
        self._notes.append((self.name, step.name))
        return StepResult(step=step.name, changed=True)

    def restart(self, unit):
        self._notes.append((self.name, f"restart {unit}"))

    def await_gate(self, gate):
        self._notes.append((self.name, gate.name))
        problem = BROKEN if gate.name == self._broken else None
        return GateResult(gate=gate.name, passed=problem is None, problem=problem)

    def diagnose(self, stage, *, since_s, said):
        return Diagnosis()


class NotingEngine:
    """Hands the session of each node over, one after the other."""

    def __init__(self, notes, broken=None):
        self._notes, self._broken = notes, broken

    def on_each(self, nodes, act):
        return {node: self._outcome(node, act) for node in nodes}

    def _outcome(self, node, act):
        try:
            return Outcome(value=act(NotingSession(node, self._notes, self._broken)))
        except InstallerError as error:
            return Outcome(error=error.problems[0])


class FakeCluster:
    inventory = None


@pytest.fixture
def presence(monkeypatch):
    """Let a test say what is there of the cluster."""

    def say(found):
        monkeypatch.setattr(permission, "look_around", lambda _: found)
        monkeypatch.setattr(permission, "layout_now", lambda _: LAYOUT)

    say(whole(LAYOUT, Presence()))
    return say


def restart_of(role="manager", *, notes, events, broken=None, interrupt=False):
    return NodeRestart(
        cluster=FakeCluster(),
        engine=NotingEngine(notes, broken),
        stages=STAGES,
        role=role,
        interrupt=interrupt,
        tell=lambda **what: events.append(what),
    )


def test_a_node_hands_over_restarts_passes_its_gate_and_is_seen_again(presence):
    notes, events = [], []

    done = restart_of(notes=notes, events=events)("m-1")

    assert notes == [
        ("m-1", "Take no more requests"),
        ("m-1", "restart rest"),
        ("m-1", "restart nginx"),
        ("m-1", "it answers"),
        ("lb-1", "all work"),
    ]
    assert done.problems == ()
    assert (events[-1]["kind"], events[-1]["outcome"]) == (EventKind.NODE_FINISHED, Ended.CHANGED)


@pytest.mark.parametrize("gate", [GATE.name, SETTLED.name])
def test_a_gate_that_is_not_passed_fails_the_node(presence, gate):
    events = []

    done = restart_of(notes=[], events=events, broken=gate)("m-1")

    assert [problem.what for problem in done.problems] == ["no answer"]
    assert events[-1]["outcome"] is Ended.FAILED


def test_a_node_that_must_not_stop_is_not_touched(presence):
    best = whole(LAYOUT, Presence())
    presence(replace(best, managers={"m-1": True, "m-2": False}))
    notes = []

    with pytest.raises(PhaseFailed, match="no manager is left"):
        restart_of(notes=notes, events=[]).await_permission("m-1", patience_s=0)

    assert notes == []


def test_only_the_pause_of_a_single_node_can_be_accepted(presence):
    best = whole(LAYOUT, Presence())
    accepting = restart_of("loadbalancer", notes=[], events=[], interrupt=True)

    accepting.await_permission("lb-1", patience_s=0)

    presence(replace(best, managers={"m-1": True, "m-2": False}))
    with pytest.raises(PhaseFailed, match="no manager is left"):
        restart_of(notes=[], events=[], interrupt=True).await_permission("m-1", patience_s=0)
