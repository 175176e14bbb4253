"""What becomes of files that a person changed: decided once, kept on the node, never lost."""

from dataclasses import dataclass, field

import pytest

from installer.actions.on_drift import Decisions, OnDrift, decide
from installer.actions.rollout import Survey
from installer.engine.difference import difference
from installer.engine.observation import Observation, PathFact, UserFact, digest
from installer.engine.outcome import Outcome
from installer.errors import PhaseFailed, Problem
from installer.state import ManagedFile, NodeState, Stage

CONF = ManagedFile(path="/etc/app.conf", content=b"ours\n")
STAGE = Stage(name="app/main", state=NodeState(files=(CONF,)))


def state(content):
    return f"{digest(content)} 0644 root root"


def seen(content, **record):
    paths = {CONF.path: PathFact("file", 0o644, "root", "root", digest(content))} if content else {}
    found = Observation(
        stages=(STAGE,),
        users={"root": UserFact("root", "/root")},
        paths=paths,
        written={"file": {CONF.path: state(b"ours\n")}, **record},
    )
    return Survey(engine=None, stages={"a": {"app": (STAGE,)}}, observations={"a": found})


def nobody(node, file):
    raise AssertionError("nobody is to be asked")


def lines_after(survey, decisions):
    after = decisions.applied_to(survey)
    return difference((STAGE,), after.observations["a"]).lines()


BY_HAND = state(b"by hand\n")
REPLACE = ("replace /etc/app.conf (changed by hand)",)
CREATE = ("create /etc/app.conf (changed by hand)",)


@pytest.mark.parametrize(
    ("content", "kept_before", "wish", "lines"),
    [
        (b"by hand\n", None, None, REPLACE),
        (b"by hand\n", None, OnDrift.OVERWRITE, REPLACE),
        (b"by hand\n", None, OnDrift.KEEP, ()),
        (b"by hand\n", BY_HAND, None, ()),
        (b"by hand\n", BY_HAND, OnDrift.KEEP, ()),
        (b"by hand\n", BY_HAND, OnDrift.OVERWRITE, REPLACE),
        (b"by hand\n", state(b"another\n"), None, REPLACE),
        (None, None, None, CREATE),
        (None, None, OnDrift.KEEP, ()),
        (None, "absent", OnDrift.OVERWRITE, CREATE),
    ],
)
def test_each_wish_meets_each_earlier_decision(content, kept_before, wish, lines):
    survey = seen(content, **({"kept": {CONF.path: kept_before}} if kept_before else {}))

    assert lines_after(survey, decide(survey, wish, nobody)) == lines


@pytest.mark.parametrize(
    ("answer", "lines"),
    [(OnDrift.KEEP, ()), (OnDrift.OVERWRITE, REPLACE), (OnDrift.ADOPT, REPLACE)],
)
def test_a_person_is_asked_for_each_changed_file(answer, lines):
    asked = []
    survey = seen(b"by hand\n")

    decisions = decide(
        survey, OnDrift.ASK, lambda node, file: asked.append((node, file.name)) or answer
    )

    assert asked == [("a", CONF.path)]
    assert lines_after(survey, decisions) == lines
    assert bool(decisions.adopt) is (answer is OnDrift.ADOPT)


def test_a_person_is_not_asked_again_for_what_is_kept():
    survey = seen(b"by hand\n", kept={CONF.path: BY_HAND})

    assert lines_after(survey, decide(survey, OnDrift.ASK, nobody)) == ()


@pytest.mark.parametrize("content", [b"ours\n"])
def test_what_nobody_changed_needs_no_decision(content):
    assert decide(seen(content), OnDrift.ASK, nobody) == Decisions()


@dataclass
class NotingEngine:
    notes: list[object] = field(default_factory=list)
    problem: Problem | None = None

    def on_each(self, nodes, fn):
        for node in nodes:
            fn(NotingSession(node, self.notes))
        return {node: Outcome(error=self.problem) for node in nodes}


@dataclass
class NotingSession:
    name: str
    notes: list[object]

    def remember(self, note):
        self.notes.append((self.name, note))


def test_what_is_kept_is_remembered_on_its_node_only():
    engine = NotingEngine()
    decisions = Decisions(keep={"a": {CONF.path: BY_HAND}})

    decisions.remember(Survey(engine=engine, stages={}, observations={}))

    assert engine.notes == [("a", {"kept": {CONF.path: BY_HAND}})]


def test_a_decision_that_a_node_cannot_remember_ends_the_run():
    engine = NotingEngine(problem=Problem(where="a", what="disk full", remedy="make room"))

    with pytest.raises(PhaseFailed, match="disk full"):
        Decisions(keep={"a": {CONF.path: BY_HAND}}).remember(
            Survey(engine=engine, stages={}, observations={})
        )
