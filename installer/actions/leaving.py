"""Take nodes out of a running cluster: hand over, leave each membership, clean the host."""

import functools
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from installer.actions.cluster import Cluster
from installer.actions.halt import stop_units
from installer.actions.host_removal import clear_host
from installer.actions.restart_node import Done, NodeRestart
from installer.actions.rollout import StagesByRole, stages_of
from installer.config.model import NodeInputs
from installer.engine.engine import Engine
from installer.engine.observation import NodeFacts
from installer.engine.outcome import Outcome
from installer.engine.session import Session
from installer.errors import InstallerError, NodeUnreachable, PhaseFailed, Problem
from installer.events import EventKind
from installer.inventory import Node, Role
from installer.phases import Phase, PhaseResult
from installer.roles.database.departure import forget_database
from installer.roles.database.etcd import UNIT as ETCD_UNIT
from installer.roles.database.model import Member as DatabaseMember
from installer.roles.database.settings import database_settings
from installer.roles.manager.departure import forget_entries
from installer.roles.queue.departure import drain_broker, forget_address, forget_broker
from installer.roles.queue.settings import Member as BrokerMember
from installer.roles.queue.settings import queue_settings
from installer.roles.queue.state import UNIT as BROKER_UNIT
from installer.state import Stage, Step, UnitTarget

# clients' ways in first, what they need last
ORDER = (Role.LOADBALANCER, Role.MANAGER, Role.QUEUE, Role.DATABASE)
_FORGET_S = 120
_ETCD = "database/etcd"
_LAST = "leave/host"
Tell = Callable[..., None]
Act = Callable[[Node, Tell], list[str]]  # returns a line for each change
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """One run: the cluster with the nodes that leave, and which of all can be reached."""

    cluster: Cluster
    nodes: tuple[Node, ...]
    engine: Engine
    facts: dict[str, NodeFacts]
    stages: StagesByRole
    tell: Tell

    def phases(self) -> Iterator[Phase]:
        """Yield a phase for each role that a leaving node has, and one that cleans the hosts."""
        previous: tuple[str, ...] = ()
        for role in ORDER:
            if nodes := [node for node in self.nodes if role in node.roles]:
                name = f"leave/{role}"
                act = functools.partial(self._leave, role)
                work = functools.partial(self._one_by_one, name, nodes, act)
                yield Phase(name=name, nodes=_names(nodes), work=work, needs=previous)
                previous = (name,)
        work = functools.partial(self._side_by_side, _LAST, self.nodes, self._clean)
        yield Phase(name=_LAST, nodes=_names(self.nodes), work=work, needs=previous)

    def _one_by_one(self, phase: str, nodes: Sequence[Node], act: Act) -> PhaseResult:
        """Let one node after the other leave; the first that fails ends it."""
        ended: list[Done] = []
        for node in nodes:
            ended.append(self._turn(phase, node, act))
            if ended[-1].problems:
                break
        return _result(phase, ended)

    def _side_by_side(self, phase: str, nodes: Sequence[Node], act: Act) -> PhaseResult:
        """Do the same on all nodes at once; what fails on one does not end the others."""
        known = {node.name: node for node in nodes}

        def turn(session: Session) -> Done:
            return self._turn(phase, known[session.name], act)

        ended = self.engine.on_each(known, turn).values()
        return _result(phase, [each.value or Done(problems=_problems(each)) for each in ended])

    def _turn(self, phase: str, node: Node, act: Act) -> Done:
        """Do one node's part and tell it; what the node says against it is in the result."""
        began, changes = time.monotonic(), list[str]()
        problems: tuple[Problem, ...] = ()
        tell = functools.partial(self.tell, phase=phase, node=node.name)
        tell(kind=EventKind.NODE_STARTED, text="leave")
        try:
            changes = act(node, tell)
        except InstallerError as error:
            problems = error.problems
        tell(
            kind=EventKind.NODE_FINISHED,
            outcome=PhaseResult.of(phase, tuple(changes), problems).outcome,
            seconds=time.monotonic() - began,
            changes=tuple(changes),
            problems=problems,
        )
        return Done(changes=tuple(f"{node.name}: {each}" for each in changes), problems=problems)

    def _leave(self, role: Role, node: Node, tell: Tell) -> list[str]:
        """Hand over and stop what runs there, and let the others forget it."""
        changes: list[str] = []
        if self._is_there(node):
            self._await_permission(role, node, tell)
            changes += self._on(node.name, lambda session: self._hand_over(session, role, tell))
        else:
            changes.append("it does not answer: the others forget it as it is")
        changes += self._forget(role, node, tell)
        if self._is_there(node):
            changes += self._on(node.name, lambda session: self._stop(session, role, etcd=True))
        return changes

    def _is_there(self, node: Node) -> bool:
        return node.name in self.stages

    def _await_permission(self, role: Role, node: Node, tell: Tell) -> None:
        """Wait until the rules allow it to stop, as the cluster is without those before it."""
        before = self.nodes[: self.nodes.index(node)]
        gone = {other.name for other in before}
        left = self.cluster.inventory.without(gone)
        NodeRestart(
            cluster=replace(self.cluster, inventory=left),
            engine=self.engine,
            stages=self.stages,
            role=str(role),
            interrupt=False,
            tell=lambda **what: tell(**{k: v for k, v in what.items() if k != "node"}),
        ).await_permission(node.name)

    def _hand_over(self, session: Session, role: Role, tell: Tell) -> list[str]:
        """Let others take its work; etcd runs until it is no member any more."""
        changes: list[str] = []
        for stage in self.stages[session.name].get("reporter", ()):
            changes += stop_units(session, stage)  # else it reports what is just forgotten
        stages = self.stages[session.name][str(role)]
        running = [stage for stage in reversed(stages) if _runs(session, stage)]
        steps = [stage.hand_over for stage in running if stage.hand_over]
        if role is Role.QUEUE and running:
            steps.append(drain_broker(queue_settings(*self._inputs(session.name))))
        for step in steps:
            tell(kind=EventKind.NODE_NOTE, text=step.name)
            if session.run_step(step).changed:
                changes.append(step.name)
        return changes + self._stop(session, role, etcd=False)

    def _stop(self, session: Session, role: Role, *, etcd: bool) -> list[str]:
        last_first = reversed(self.stages[session.name][str(role)])
        stages = [stage for stage in last_first if (stage.name == _ETCD) is etcd]
        return [line for stage in stages for line in stop_units(session, stage)]

    def _forget(self, role: Role, node: Node, tell: Tell) -> list[str]:
        """Let the members that stay forget a node in one role."""
        changes: list[str] = []
        staying = [other.name for other in self._staying(role)]
        if role is Role.DATABASE and staying:
            leaving = DatabaseMember(name=node.name, address=node.address)
            member = self._member(staying, ETCD_UNIT)
            step = forget_database(database_settings(*self._inputs(member)), leaving)
            changes += self._run_step(member, step, tell)
        if role is Role.QUEUE and staying:
            broker = BrokerMember(name=node.name, address=node.address)
            member = self._member(staying, BROKER_UNIT)
            step = forget_broker(queue_settings(*self._inputs(member)), broker)
            changes += self._run_step(member, step, tell)
            self._run_on(staying, forget_address(broker))
        managers = [other.name for other in self._staying(Role.MANAGER)]
        if role is not Role.LOADBALANCER and managers:
            self._run_on(managers[:1], forget_entries(node.name, [str(role)]))
        return changes

    def _member(self, names: Sequence[str], unit: str) -> str:
        """Return a node whose member runs: one that is down itself cannot speak for the others."""
        script = f"systemctl is-active --quiet {unit}\n"
        ended = self.engine.on_each(names, lambda session: session.run(script).code)
        return next((name for name in names if ended[name].value == 0), names[0])

    def _staying(self, role: Role) -> list[Node]:
        names = {node.name for node in self.nodes}
        return [n for n in self.cluster.inventory.with_role(role) if n.name not in names]

    def _inputs(self, name: str) -> tuple[NodeInputs, NodeFacts]:
        return self.cluster.inputs[name], self.facts[name]

    def _run_step(self, name: str, step: Step, tell: Tell) -> list[str]:
        tell(kind=EventKind.NODE_NOTE, text=f"{name}: {step.name}")
        changed = self._on(name, lambda session: session.run_step(step)).changed
        return [f"{name}: {step.name}"] if changed else []

    def _run_on(self, names: Sequence[str], script: str) -> None:
        """Run a script on nodes that stay, side by side; raises PhaseFailed for those it fails."""

        def run(session: Session) -> None:
            result = session.run(script, timeout_s=_FORGET_S)
            if result.code:
                what = f"it cannot forget a node: {result.stderr.strip()}"
                remedy = "run the command again"
                raise PhaseFailed(Problem(where=session.name, what=what, remedy=remedy))

        ended = self.engine.on_each(names, run).values()
        if problems := [each.error for each in ended if each.error]:
            raise PhaseFailed(*problems)

    def _clean(self, node: Node, tell: Tell) -> list[str]:
        """Take away what our runs brought to a host that answers, keys and data with it."""
        if not self._is_there(node):
            return ["it does not answer: what is on its disk stays; never start it again as it is"]
        stages = [s for stages in self.stages[node.name].values() for s in stages]
        tell(kind=EventKind.NODE_NOTE, text="take away what was installed")
        return [*self._on(node.name, lambda session: clear_host(session, stages))]

    def _on(self, node: str, act: Callable[[Session], T]) -> T:
        (outcome,) = self.engine.on_each([node], act).values()
        if outcome.error is not None:
            raise PhaseFailed(outcome.error)
        return outcome.value  # type: ignore[return-value] # an outcome has one of both


def reach(
    cluster: Cluster, nodes: Sequence[Node], engine: Engine
) -> tuple[dict[str, NodeFacts], StagesByRole]:
    """Connect to all nodes and return facts and stages of those that answer.

    Those that leave may be dead; raises NodeUnreachable for every other one.
    """
    lost, leaving = engine.connect(), {node.name for node in nodes}
    if needed := [problem for name, problem in lost.items() if name not in leaving]:
        raise NodeUnreachable(*map(_or_named, needed))
    jobs = {job.inputs.name: job for job in cluster.jobs() if job.inputs.name not in lost}
    seen = engine.on_each(jobs, lambda session: session.observe(()).facts)
    if problems := [outcome.error for outcome in seen.values() if outcome.error]:
        raise NodeUnreachable(*problems)
    facts = {name: outcome.value for name, outcome in seen.items() if outcome.value is not None}
    return facts, {name: stages_of(job, facts[name]) for name, job in jobs.items()}


def _or_named(problem: Problem) -> Problem:
    remedy = f"{problem.remedy}; if it is dead too, name it in the same command"
    return replace(problem, remedy=remedy)


def _runs(session: Session, stage: Stage) -> bool:
    """Tell whether a service of the stage runs: a killed run may have stopped it."""
    units = [unit.name for unit in stage.state.units if unit.target is UnitTarget.RUNNING]
    return bool(units) and session.run(f"systemctl is-active {shlex.join(units)}").code == 0


def _names(nodes: Sequence[Node]) -> tuple[str, ...]:
    return tuple(node.name for node in nodes)


def _problems(outcome: Outcome[Done]) -> tuple[Problem, ...]:
    return (outcome.error,) if outcome.error else ()


def _result(phase: str, ended: Sequence[Done]) -> PhaseResult:
    changes = tuple(line for each in ended for line in each.changes)
    return PhaseResult.of(phase, changes, tuple(p for each in ended for p in each.problems))
