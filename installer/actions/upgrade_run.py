"""The run of an upgrade: the canary, role by role one node at a time, and what follows them all."""

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from installer.actions.cluster import Cluster
from installer.actions.node_mark import Mark, mark_script
from installer.actions.node_phases import NodePhases, quiet
from installer.actions.restart import Done, RollingRestart, Wishes, in_turn, tell_of
from installer.actions.rollout import TOOLKIT, StagesByRole
from installer.actions.transfer import send_bundle
from installer.actions.upgrade_canary import Canary
from installer.actions.upgrade_node import NodeUpgrade
from installer.actions.upgrade_plan import ROLES, UpgradePlan
from installer.actions.upgrade_record import Memory
from installer.engine.engine import Engine
from installer.engine.session import Session
from installer.errors import PhaseFailed, Problem
from installer.events import EventKind, Listener, Outcome
from installer.foresight.restart_order import Order
from installer.phases import Phase, PhaseResult
from installer.roles.manager.bootstrap import schema_step
from installer.roles.queue.state import feature_flags_step
from installer.state import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Where a run leads: what changes on each node, and what each role is made of then."""

    plan: UpgradePlan
    stages: StagesByRole
    back: bool = False


class RollingChange(RollingRestart):
    """Lets each node that differs from a bundle have its turn."""

    verb = "upgrade"
    title = "Upgrading, one node at a time"
    or_else = ", or add another node of this role first"
    roles: tuple[str, ...] = ROLES

    def __init__(
        self, cluster: Cluster, wishes: Wishes, engine: Engine, way: Way, order: Order
    ) -> None:
        super().__init__(cluster, wishes, engine, way.stages, order)
        self._way = way

    def _restart(self, role: str, tell: Callable[..., None]) -> NodeUpgrade:
        return node_upgrade(self._cluster, self._engine, self._way, role, tell, self._interrupt)


class RollBack(RollingChange):
    """Takes managers back to the bundle before."""

    verb = "roll-back"
    title = "Taking managers back to the bundle before"
    roles = ("manager",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What decides how far an upgrade goes, and what it keeps in mind."""

    memory: Memory
    mark: Mark | None  # what nodes tell others until the upgrade ends; None: nothing must wait
    # once the canary is back no upgrade is under way: returns the problems of nodes to be told
    end: Callable[[], tuple[Problem, ...]]
    way_back: Callable[[], Way]
    inventory_path: Path
    observe_s: float
    canary_only: bool


class Upgrade(RollingChange):
    """A whole upgrade; a run that ended early is gone on with by another one."""

    def follow(self, course: Course, notify: Listener) -> tuple[PhaseResult, ...]:
        """Upgrade what is not as the bundle says."""
        self._course = course
        self.nodes["manager"].sort(key=lambda node: node != course.memory.record.canary)
        return self.go(Done(), notify)

    def _phases(self, done: Done, notify: Listener, run: str) -> Iterator[Phase]:
        del done  # what a node has tells whether its turn is over
        previous: tuple[str, ...] = ()
        for phase in self._in_order(notify, run):
            yield Phase(name=phase.name, nodes=phase.nodes, work=phase.work, needs=previous)
            previous = (phase.name,)

    def _in_order(self, notify: Listener, run: str) -> Iterator[Phase]:
        if (mark := self._course.mark) is not None:
            make = NodePhases(engine=self._engine, notify=notify, run=run)
            yield make.phase(
                "upgrade/mark", [*self._stages], quiet(functools.partial(_leave_mark, mark))
            )
        if nodes := self._way.plan.nodes:
            name = "upgrade/transfer"
            work = functools.partial(send_bundle, name, self._cluster, nodes)
            yield Phase(name=name, nodes=nodes, work=work)
        yield from self._canary(notify, run)
        if self._course.canary_only:
            return
        yield from self._turns(("database", "queue"), notify, run)
        yield from self._step("feature-flags", "queue", feature_flags_step(), notify, run)
        yield from self._turns(("manager",), notify, run)
        yield from self._contract(notify, run)
        yield from self._turns(("loadbalancer", TOOLKIT), notify, run)

    def _canary(self, notify: Listener, run: str) -> Iterator[Phase]:
        course, name = self._course, "upgrade/canary"
        node = course.memory.record.canary
        if not node or course.memory.record.proven:
            return
        tell = functools.partial(tell_of, notify, run, name)
        canary = Canary(
            node=node,
            upgrade=self._restart("manager", tell),
            way_back=functools.partial(self._way_back, tell),
            inventory_path=course.inventory_path,
            observe_s=course.observe_s,
            is_proven=lambda: self._course.memory.note(proven=True),
            is_back=course.end,
        )
        yield Phase(name=name, nodes=(node,), work=functools.partial(canary, name))

    def _way_back(self, tell: Callable[..., None]) -> NodeUpgrade:
        way = self._course.way_back()
        return node_upgrade(self._cluster, self._engine, way, "manager", tell, self._interrupt)

    def _turns(self, roles: Sequence[str], notify: Listener, run: str) -> Iterator[Phase]:
        for role in roles:
            nodes = [n for n in self.nodes[role] if self._is_left(role, n)]
            if not nodes:
                continue
            name = self._phase(role)
            turn = self._restart(role, functools.partial(tell_of, notify, run, name))
            work = functools.partial(in_turn, turn, nodes, frozenset(), name)
            yield Phase(name=name, nodes=tuple(nodes), work=work)

    def _is_left(self, role: str, node: str) -> bool:
        """Tell whether a node has not had its turn as the canary."""
        record = self._course.memory.record
        return role != "manager" or record.proven or node != record.canary

    def _contract(self, notify: Listener, run: str) -> Iterator[Phase]:
        for phase in self._step("schema", "manager", schema_step(), notify, run):
            work = phase.work

            def contract(work: Callable[[], PhaseResult] = work) -> PhaseResult:
                self._course.memory.note(
                    is_contracted=True
                )  # before: a kill in the middle leaves it unknown
                return work()

            yield Phase(name=phase.name, nodes=phase.nodes, work=contract)

    def _step(
        self, name: str, role: str, step: Step, notify: Listener, run: str
    ) -> Iterator[Phase]:
        node = next((node for node, roles in self._stages.items() if role in roles), None)
        if node is None:
            return
        phase = f"{self.verb}/{name}"
        tell = functools.partial(tell_of, notify, run, phase, node=node)
        work = functools.partial(_run_step, self._engine, node, step, tell, phase)
        yield Phase(name=phase, nodes=(node,), work=work)


def node_upgrade(  # noqa: PLR0913 - what a turn knows
    cluster: Cluster,
    engine: Engine,
    way: Way,
    role: str,
    tell: Callable[..., None],
    interrupt: bool,
) -> NodeUpgrade:
    """Return what lets one node after the other have a role's turn."""
    return NodeUpgrade(
        cluster=cluster,
        engine=engine,
        stages=way.stages,
        role=role,
        interrupt=interrupt,
        tell=tell,
        plan=way.plan,
        back=way.back,
    )


def _leave_mark(mark: Mark, session: Session) -> tuple[str, ...]:
    """Let a node tell others what is under way; raises PhaseFailed."""
    done = session.run(mark_script(mark))
    if done.code:
        remedy = f"look at /var/lib/cfy_manager on {session.name}, then run the command again"
        raise PhaseFailed(Problem(where=session.name, what=done.last_words(), remedy=remedy))
    return ()


def _run_step(
    engine: Engine, node: str, step: Step, tell: Callable[..., None], phase: str
) -> PhaseResult:
    """Run a step that concerns the whole cluster on one of its nodes."""
    began = time.monotonic()
    tell(kind=EventKind.NODE_STARTED, text=step.name)
    outcome = engine.on_each([node], lambda session: session.run_step(step))[node]
    problems = (outcome.error,) if outcome.error else ()
    changes = (step.name,) if outcome.value and outcome.value.changed else ()
    ended = Outcome.FAILED if problems else Outcome.CHANGED if changes else Outcome.UNCHANGED
    seconds = time.monotonic() - began
    tell(
        kind=EventKind.NODE_FINISHED,
        outcome=ended,
        seconds=seconds,
        changes=changes,
        problems=problems,
    )
    return PhaseResult(phase=phase, outcome=ended, changes=changes, problems=problems)
