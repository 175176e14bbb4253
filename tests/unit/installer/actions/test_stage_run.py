"""The order of work within a stage, over sessions that only take notes."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from installer.actions.stage_run import StageRunner
from installer.engine.observation import GuardFact, Observation, guard_key
from installer.engine.outcome import Applied, Diagnosis, GateResult, Match, Outcome, StepResult
from installer.errors import InstallerError, PhaseFailed, Problem
from installer.events import EventKind
from installer.events import Outcome as Ended
from installer.state import Gate, NodeState, Stage, Step, Unit

PROBLEM = Problem(where="n", what="broken", remedy="mend it")
STAGE = Stage(
    name="db/etcd",
    gate=Gate(name="etcd has quorum", check="true"),
    steps=(
        Step(name="Enable authentication", guard="false", script="true", once=True),
        Step(name="Set limits", guard="false", script="true"),
    ),
)
NAMES = [step.name for step in STAGE.steps]


class NotingSession:
    """Does nothing but write down what it is asked, in the order over all nodes."""

    def __init__(
        self,
        name,
        notes,
        *,
        changes=("write x",),
        restarts=(),
        gate=None,
        fails=None,
        diagnosis=None,
    ):
        self.name = name
        self._diagnosis = diagnosis or Diagnosis()
        self._notes, self._restarts, self._fails = notes, restarts, fails
        self._changes = changes
        self._gate = gate or GateResult(gate="g", passed=True)

    def _note(self, what):
        self._notes.append((what, self.name))
        if what == self._fails:
            raise InstallerError(PROBLEM)

    def apply(self, stage, observation):
        self._note("apply")
        return Applied(stage=stage.name, changes=self._changes, deferred_restarts=self._restarts)

    def restart(self, unit):
        self._note(f"restart {unit}")

    def run(self, script):
        self._note(script)

    def await_gate(self, gate, *, alone=False):
        self._note("gate")
        return self._gate

    def diagnose(self, stage, *, since_s, said):
        self._note("diagnose")
        return self._diagnosis

    def run_step(self, step):
        self._note(step.name)
        return StepResult(step=step.name, changed=True)


class OneByOne:
    """An engine's `on_each` without threads."""

    def __init__(self, sessions):
        self._sessions = {session.name: session for session in sessions}

    def on_each(self, nodes, fn):
        outcomes = {}
        for node in nodes:
            try:
                outcomes[node] = Outcome(value=fn(self._sessions[node]))
            except InstallerError as error:
                outcomes[node] = Outcome(error=error.problems[0])
        return outcomes


def observation(stage, *held):
    guards = {guard_key(stage, s): GuardFact(0 if s.name in held else 1) for s in stage.steps}
    return Observation(stages=(stage,), guards=guards)


@pytest.fixture
def run():
    notes, events = [], []

    def go(*, held=(), stage=STAGE, turns=None, **special):
        sessions = [NotingSession(n, notes, **special.get(n, {})) for n in ("a", "b")]
        seen = {session.name: observation(stage, *held) for session in sessions}
        runner = StageRunner(OneByOne(sessions), seen, events.append, run="r", turns=turns)
        return runner("db/etcd", {"a": stage, "b": stage}), notes, events

    return go


def test_every_node_is_applied_before_any_gate_and_every_gate_passed_before_any_step(run):
    _, notes, _ = run()

    assert [what for what, _ in notes] == [
        "apply",
        "apply",
        "gate",
        "gate",
        "Enable authentication",
        "Set limits",
        "Set limits",
    ]


def test_a_step_for_one_node_runs_on_the_first(run):
    _, notes, _ = run()

    assert ("Enable authentication", "a") in notes
    assert ("Enable authentication", "b") not in notes


def test_a_step_whose_guard_held_costs_no_command(run):
    unchanged = {"changes": ()}
    _, notes, _ = run(held=("Enable authentication", "Set limits"), a=unchanged, b=unchanged)

    assert [what for what, _ in notes] == ["apply", "apply", "gate", "gate"]


def test_a_guard_is_asked_again_once_the_stage_changed_something(run):
    """A parameter that needs a restart is in force before its file changes, not after."""
    _, notes, _ = run(held=("Enable authentication", "Set limits"), a={"changes": ()})

    assert ("Set limits", "a") in notes
    assert ("Enable authentication", "a") in notes


def test_a_guard_is_asked_again_once_a_stage_before_changed_its_node():
    """A new runtime needs another schema than the one with which the guard was asked."""
    code, notes = Stage(name="toolkit/environments"), []
    sessions = [
        NotingSession("a", notes),
        NotingSession("b", notes, changes=()),
    ]
    seen = {session.name: observation(STAGE, *NAMES) for session in sessions}
    runner = StageRunner(OneByOne(sessions), seen, lambda _: None, run="r")
    runner(code.name, {"a": code, "b": code})
    for session in sessions:
        session._changes = ()

    runner(STAGE.name, {"a": STAGE})
    runner(STAGE.name, {"b": STAGE})

    assert [note for note in notes if note[0] in NAMES] == [(name, "a") for name in NAMES]


def test_units_restart_one_node_at_a_time_with_the_gate_between(run):
    _, notes, _ = run(a={"restarts": ("mq",)}, b={"restarts": ("mq",)})

    assert notes[2:6] == [("restart mq", "a"), ("gate", "a"), ("restart mq", "b"), ("gate", "b")]


def test_a_node_that_does_not_come_back_stops_the_restarts(run):
    missed = GateResult(gate="g", passed=False, problem=PROBLEM)

    result, notes, _ = run(a={"restarts": ("mq",), "gate": missed}, b={"restarts": ("mq",)})

    assert ("restart mq", "b") not in notes
    assert result.outcome is Ended.FAILED


def test_a_failure_on_one_node_fails_the_phase_and_is_told_with_it(run):
    result, notes, events = run(b={"fails": "apply"})

    assert result.problems == (PROBLEM,)
    assert "gate" not in [what for what, _ in notes]
    (told,) = [e for e in events if e.kind is EventKind.NODE_FINISHED and e.node == "b"]
    assert told.problems == (PROBLEM,)


def test_a_deferred_gate_defers_the_steps(run):
    deferred = {"gate": GateResult(gate="g", passed=False, deferred=True)}

    result, notes, _ = run(a=deferred, b=deferred)

    assert result.outcome is Ended.DEFERRED
    assert [what for what, _ in notes] == ["apply", "apply", "gate", "gate"]


def test_changes_are_told_with_their_node(run):
    result, _, _ = run()

    assert result.changes[:2] == ("a: write x", "a: Enable authentication")


def test_the_node_that_failed_is_asked_for_the_cause(run):
    missed = GateResult(gate="g", passed=False, problem=PROBLEM)
    line = Match(code="disk-full", source="host", time=datetime.now(UTC), line="disk full: /")

    result, notes, _ = run(b={"gate": missed, "diagnosis": Diagnosis(matches=(line,))})

    assert [node for what, node in notes if what == "diagnose"] == ["b"]
    assert [problem.code for problem in result.problems] == ["disk-full"]


def test_a_node_that_cannot_tell_the_cause_leaves_the_problem_as_it_is(run):
    missed = GateResult(gate="g", passed=False, problem=PROBLEM)

    result, _, _ = run(b={"gate": missed, "fails": "diagnose"})

    assert result.problems == (PROBLEM,)


class NotingTurns:
    """Gives turns from the last node to the first; `refused` never gets one."""

    def __init__(self, notes, refused=None):
        self._notes, self._refused = notes, refused

    def order(self, stage, nodes):
        return list(reversed(nodes))

    def await_turn(self, stage, node, note):
        self._notes.append(("may it?", node))
        if node == self._refused:
            raise PhaseFailed(PROBLEM)

    def await_settled(self, stage, note):
        self._notes.append(("seen again", ""))


UNITS = NodeState(units=(Unit(name="x.service"), Unit(name="y.service")))
LEAVING = replace(
    STAGE, state=UNITS, steps=(), hand_over=Step(name="Leave", guard="false", script="true")
)
WAITING = {"restarts": ("x.service",)}


def test_in_a_cluster_each_restart_waits_its_turn_hands_over_and_is_seen_again(run):
    turns = []

    _, notes, _ = run(stage=LEAVING, turns=NotingTurns(turns), a=WAITING, b=WAITING)

    restarts = [(what, node) for what, node in notes if what in ("Leave", "restart x.service")]
    assert restarts == [
        ("Leave", "b"),
        ("restart x.service", "b"),
        ("Leave", "a"),
        ("restart x.service", "a"),
    ]
    assert turns == [("may it?", "b"), ("seen again", ""), ("may it?", "a"), ("seen again", "")]


def test_a_node_that_must_not_stop_ends_the_phase_before_its_restart(run):
    result, notes, _ = run(stage=LEAVING, turns=NotingTurns([], "b"), a=WAITING, b=WAITING)

    assert result.problems == (PROBLEM,)
    assert [what for what, _ in notes if what != "diagnose"] == ["apply", "apply"]
