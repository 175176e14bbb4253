"""The order in which nodes leave, and what is done where, by an engine in memory."""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Barrier
from types import SimpleNamespace
from typing import Any

import pytest

from installer.actions import leaving as module
from installer.actions.leaving import Leaving, reach
from installer.engine.outcome import Outcome
from installer.errors import InstallerError, NodeUnreachable, PhaseFailed, Problem
from installer.events import EventKind
from installer.events import Outcome as Ended
from installer.inventory import Role
from installer.state import NodeState, Stage, Step, Unit


@dataclass
class Session:
    """A node that does what it is asked, and notes it."""

    name: str
    log: list[str]
    together: Barrier | None = None
    active: bool = True

    def run(self, script: str, **_: Any) -> Any:
        if script.startswith("systemctl is-active"):
            return SimpleNamespace(code=0 if self.active else 3, stdout="", stderr="")
        if "/opt/cfy_manager" in script:
            self.log.append(f"{self.name}: delete our folders")
            return SimpleNamespace(code=0, stdout="delete /etc/cloudify\n", stderr="")
        (unit,) = re.findall(r"systemctl stop +(\S+);", script)
        self.log.append(f"{self.name}: stop {unit}")
        return SimpleNamespace(code=0, stdout="done\n", stderr="")

    def run_step(self, step: Step) -> Any:
        self.log.append(f"{self.name}: {step.name}")
        return SimpleNamespace(changed=True)

    def remove(self, removal: Any) -> tuple[str, ...]:
        if self.together:
            self.together.wait(timeout=5)  # nobody ends before all have begun
        self.log.append(f"{self.name}: clean")
        return ("removed",)


@dataclass
class Engine:
    """Sessions by node; those of `lost` cannot be reached."""

    lost: tuple[str, ...] = ()
    log: list[str] = field(default_factory=list)
    together: Barrier | None = None
    stopped: tuple[str, ...] = ()  # their services do not run

    def on_each(self, nodes: Any, act: Any) -> dict[str, Outcome[Any]]:
        """As the real one: side by side, and what a node says ends only its own work."""

        def outcome(name: str) -> Outcome[Any]:
            try:
                session = Session(name, self.log, self.together, name not in self.stopped)
                return Outcome(value=act(session), seconds=0)
            except InstallerError as error:
                return Outcome(error=error.problems[0], seconds=0)

        with ThreadPoolExecutor() as pool:
            return dict(zip(nodes, pool.map(outcome, nodes), strict=True))

    def connect(self) -> dict[str, Problem]:
        return {name: Problem(where=name, what="no route", remedy="") for name in self.lost}


ETCD = Stage(name="database/etcd", state=NodeState(units=(Unit(name="etcd.service"),)))
PATRONI = Stage(
    name="database/patroni",
    state=NodeState(units=(Unit(name="patroni.service"),)),
    hand_over=Step(name="hand over", guard="", script=""),
)
STAGES = {name: {"database": (ETCD, PATRONI)} for name in ("db-1", "db-2", "db-3")}


@pytest.fixture
def world(monkeypatch):
    """A cluster of three databases and its engine; permission is given at once."""
    nodes = tuple(
        SimpleNamespace(name=name, address=f"10.0.0.{n}", roles=(Role.DATABASE,))
        for n, name in enumerate(STAGES, start=1)
    )
    inventory = SimpleNamespace(
        nodes=nodes, with_role=lambda role: [n for n in nodes if role in n.roles]
    )
    engine = Engine()
    monkeypatch.setattr(module, "database_settings", lambda *_: None)
    forget = lambda _, gone: Step(name=f"forget {gone.name}", guard="", script="")  # noqa: E731
    monkeypatch.setattr(module, "forget_database", forget)
    monkeypatch.setattr(Leaving, "_await_permission", lambda *_: None)
    return SimpleNamespace(inventory=inventory, nodes=nodes, engine=engine, told=[])


def leave(world, *, dead=False, first=3):
    """Let the nodes from the first on leave, and return how their phases ended."""
    stages = {n: s for n, s in STAGES.items() if not (dead and n == "db-3")}
    run = Leaving(
        cluster=SimpleNamespace(inventory=world.inventory, inputs=dict.fromkeys(STAGES, None)),
        nodes=world.nodes[first - 1 :],
        engine=world.engine,
        facts=dict.fromkeys(stages, None),
        stages=stages,
        tell=lambda **what: world.told.append(what),
    )
    done = []
    for phase in run.phases():
        done.append(phase.work())
        if done[-1].problems:
            break
    return done


def test_a_database_hands_over_leaves_etcd_and_then_stops(world):
    results = leave(world)

    assert [result.phase for result in results] == ["leave/database", "leave/host"]
    assert world.engine.log == [
        "db-3: hand over",
        "db-3: stop patroni.service",
        "db-1: forget db-3",
        "db-3: stop etcd.service",
        "db-3: clean",
        "db-3: delete our folders",
    ]


def test_a_member_that_is_down_itself_does_not_speak_for_the_others(world):
    world.engine.stopped = ("db-1",)

    leave(world, dead=True)

    assert world.engine.log == ["db-2: forget db-3"]


def test_of_a_dead_node_only_the_others_know(world):
    *_, last = leave(world, dead=True)

    assert world.engine.log == ["db-1: forget db-3"]
    assert "never start it again" in last.changes[0]


def test_hosts_are_cleaned_side_by_side_and_each_is_told_by_itself(world):
    world.engine.together = Barrier(2)

    *_, last = leave(world, first=2)

    assert [line for line in last.changes if "removed" in line] == [
        "db-2: removed",
        "db-3: removed",
    ]
    ended = [t for t in world.told if t["phase"] == "leave/host" and "outcome" in t]
    assert {t["node"]: t["changes"] for t in ended} == dict.fromkeys(
        ("db-2", "db-3"), ("removed", "delete /etc/cloudify")
    )


def test_a_host_that_cannot_be_cleaned_does_not_keep_the_others_from_it(world, monkeypatch):
    remove = Session.remove

    def fail_on_one(session: Session, removal: Any) -> Any:
        if session.name == "db-2":
            raise PhaseFailed(Problem(where="db-2", what="its disk is full", remedy=""))
        return remove(session, removal)

    monkeypatch.setattr(Session, "remove", fail_on_one)

    *_, last = leave(world, first=2)

    assert [problem.where for problem in last.problems] == ["db-2"]
    assert last.changes == ("db-3: removed", "db-3: delete /etc/cloudify")
    ended = {t["node"]: t["outcome"] for t in world.told if t["kind"] is EventKind.NODE_FINISHED}
    assert ended == {"db-2": Ended.FAILED, "db-3": Ended.CHANGED}


def test_a_step_that_fails_ends_the_phase(world, monkeypatch):
    def fail(*_):
        raise PhaseFailed(Problem(where="db-3", what="no", remedy=""))

    monkeypatch.setattr(Leaving, "_await_permission", fail)

    first, *_ = leave(world)

    assert [problem.what for problem in first.problems] == ["no"]
    assert world.engine.log == []


def test_a_node_that_stays_must_answer(world):
    world.engine.lost = ("db-2", "db-3")

    with pytest.raises(NodeUnreachable) as error:
        reach(SimpleNamespace(jobs=lambda: ()), world.nodes[2:], world.engine)

    assert [problem.where for problem in error.value.problems] == ["db-2"]
