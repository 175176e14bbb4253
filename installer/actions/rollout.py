"""One run over nodes: connect, observe, compare, and apply as a graph of phases."""

import shlex
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

from installer.actions.graph import RoleStages, build_phases
from installer.actions.options import RunOptions
from installer.actions.roles import role_stages
from installer.actions.stage_run import StageRunner
from installer.actions.turns import Turns
from installer.config.model import NodeInputs
from installer.engine.difference import Difference, difference
from installer.engine.drift import Drifted, drifted
from installer.engine.engine import Engine
from installer.engine.observation import NodeFacts, Observation
from installer.engine.session import Session
from installer.engine.target import Target, target_of
from installer.errors import NodeUnreachable, PhaseFailed, PreflightError, Problem
from installer.events import Event, EventKind, Listener, Outcome
from installer.inventory import Inventory, Node
from installer.phases import Phase, PhaseResult, run_phases, select_phases
from installer.state import REFUSED, ManagedFile, NodeState, Stage, Step

NODE = "node"  # the pseudo role of what every node has before all else
TOOLKIT = "toolkit"  # the pseudo role of our environments: packages need not wait for them
TRANSFER = f"{NODE}/transfer"  # the phase that carries the bundle
_TRANSFER = Phase(
    name=TRANSFER, nodes=(), work=lambda: PhaseResult(phase=TRANSFER, outcome=Outcome.SKIPPED)
)
T = TypeVar("T")
StagesByRole = Mapping[str, Mapping[str, tuple[Stage, ...]]]  # node → role → stages


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeJob:
    """One node of a run: how to reach it, what it must be, and files beside its roles'."""

    target: Target
    inputs: NodeInputs
    files: tuple[ManagedFile, ...] = ()
    toolkit: Callable[[NodeFacts], tuple[Stage, Stage]]  # apt's source, our environments


Part = Callable[[Stage], Stage | None]  # None: the run is not about this stage


def whole_stage(stage: Stage) -> Stage | None:
    """Return a stage as it is: most runs are about all of it."""
    return stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """Every node as it is, beside what it must be."""

    engine: Engine
    stages: Mapping[str, Mapping[str, tuple[Stage, ...]]]  # node → role → stages
    observations: Mapping[str, Observation]
    with_content: bool = False
    part: Part = whole_stage  # what of each stage the run is about
    inventory: Inventory | None = None  # of a cluster whose rules decide when a service restarts

    def on(self, nodes: Collection[str]) -> "Survey":
        """Return the part that these nodes are."""
        kept = {node: roles for node, roles in self.stages.items() if node in nodes}
        return replace(self, stages=kept)

    def beside(self, jobs: Sequence[NodeJob]) -> "Survey":
        """Return the same observations beside what other inputs make of the same files."""
        stages = {
            job.inputs.name: stages_of(job, self.observations[job.inputs.name].facts, self.part)
            for job in jobs
        }
        observations = {
            node: replace(seen, stages=_flat(stages[node]))
            for node, seen in self.observations.items()
            if node in stages
        }
        return replace(self, stages=stages, observations=observations)

    def looked_again(self, jobs: Sequence[NodeJob]) -> "Survey":
        """Return what is seen now beside what other inputs make."""
        stages = self.beside(jobs).stages
        observations = _observe(self.engine, jobs, stages, with_content=self.with_content)
        return replace(self, stages=stages, observations=observations)

    def limited_to(self, options: RunOptions) -> "Survey":
        """Return the part that a run with these options is about."""

        def nothing(name: str, stages: Mapping[str, Stage]) -> PhaseResult:
            raise RuntimeError(f"{name} is only named, and not run")

        phases = build_phases(self.roles(), nothing, base=NODE, first=(_TRANSFER,))
        names = {p.name for p in select_phases(phases, only=options.only, skip=options.skip)}
        stages = {
            node: {
                role: kept
                for role, all_of_it in roles.items()
                if (kept := tuple(stage for stage in all_of_it if stage.name in names))
            }
            for node, roles in self.stages.items()
        }
        observations = {
            node: replace(seen, stages=_flat(stages[node]))
            for node, seen in self.observations.items()
        }
        return replace(self, stages=stages, observations=observations)

    def drifts(self) -> dict[str, tuple[Drifted, ...]]:
        """Return what on each node is not as our last run left it, or as the next would."""
        return {
            node: drifted(_flat(roles), self.observations[node])
            for node, roles in self.stages.items()
        }

    def differences(self) -> dict[str, Difference]:
        """Return what differs on each node; a plan shows it, a run applies it."""
        return {
            node: difference(_flat(roles), self.observations[node])
            for node, roles in self.stages.items()
        }

    def refusals(self) -> list[Problem]:
        """Return why a run must not begin: what steps' guards say that no run could reach."""
        found = []
        for node, observation in self.observations.items():
            for fact in observation.guards.values():
                if fact.code == REFUSED:
                    what, _, remedy = fact.output.strip().partition("\n")
                    found.append(Problem(where=node, what=what, remedy=remedy))
        return found

    def roles(self) -> list[RoleStages]:
        """Return the stages by role, in the order in which roles depend on each other."""
        names = dict.fromkeys(role for roles in self.stages.values() for role in roles)
        return [
            RoleStages(
                role=role,
                nodes={node: roles[role] for node, roles in self.stages.items() if role in roles},
            )
            for role in names
        ]


Look = Callable[[Engine], Mapping[str, NodeFacts]]


@contextmanager
def survey(
    jobs: Sequence[NodeJob],
    *,
    with_content: bool = False,
    look: Look | None = None,
    part: Part = whole_stage,
) -> Iterator[Survey]:
    """Connect to all nodes and observe them; raises NodeUnreachable with every node that fails.

    `look` is asked first what the nodes are, and may refuse them. Only `part` of each stage counts.
    """
    with Engine([job.target for job in jobs]) as engine:
        if unreachable := engine.connect():
            raise NodeUnreachable(*unreachable.values())
        yield surveyed(engine, jobs, with_content=with_content, look=look, part=part)


def surveyed(
    engine: Engine,
    jobs: Sequence[NodeJob],
    *,
    with_content: bool = False,
    look: Look | None = None,
    part: Part = whole_stage,
) -> Survey:
    """Observe these nodes of an engine that is connected to them."""
    facts = look(engine) if look else _glance(engine, jobs)
    stages = {job.inputs.name: stages_of(job, facts[job.inputs.name], part) for job in jobs}
    return Survey(
        engine=engine,
        stages=stages,
        observations=_observe(engine, jobs, stages, with_content=with_content),
        with_content=with_content,
        part=part,
    )


def _observe(
    engine: Engine,
    jobs: Sequence[NodeJob],
    stages: Mapping[str, Mapping[str, tuple[Stage, ...]]],
    *,
    with_content: bool,
) -> dict[str, Observation]:
    return _on_all(
        engine,
        jobs,
        lambda session: session.observe(_flat(stages[session.name]), with_content=with_content),
    )


def _glance(engine: Engine, jobs: Sequence[NodeJob]) -> Mapping[str, NodeFacts]:
    return _on_all(engine, jobs, lambda session: session.observe(()).facts)


@contextmanager
def opened(
    jobs: Sequence[NodeJob], needed: Collection[str] | None = None
) -> Iterator[tuple[Engine, StagesByRole]]:
    """Connect to all nodes and yield what each role is made of there: node → role → stages.

    Nothing is compared: for runs that change no file. Raises NodeUnreachable as `survey` does;
    with `needed` only for those nodes: others that are away are left out.
    """
    with Engine([job.target for job in jobs]) as engine:
        away = engine.connect()
        _demand(needed, away)
        yield engine, stages_seen(engine, [job for job in jobs if job.inputs.name not in away])


def reached(
    engine: Engine, jobs: Sequence[NodeJob], needed: Collection[str]
) -> tuple[NodeJob, ...]:
    """Return the nodes that answer now; raises NodeUnreachable for one that is needed."""
    names = [job.inputs.name for job in jobs]
    outcomes = engine.on_each(names, lambda session: session.run(":"))
    away = {name: outcome.error for name, outcome in outcomes.items() if outcome.error}
    _demand(needed, away)
    return tuple(job for job in jobs if job.inputs.name not in away)


def _demand(needed: Collection[str] | None, away: Mapping[str, Problem]) -> None:
    if lost := [p for name, p in away.items() if needed is None or name in needed]:
        raise NodeUnreachable(*lost)


@contextmanager
def opened_partly(
    nodes: Sequence[Node],
    jobs_without: Callable[[Collection[str]], Sequence[NodeJob]],
    *,
    without_unreachable: bool,
) -> Iterator[tuple[Engine, StagesByRole, tuple[Problem, ...]]]:
    """Yield as `opened` does, and last the problems of nodes that do not answer.

    `jobs_without` returns the work without those; raises NodeUnreachable for them unless
    `without_unreachable`.
    """
    with Engine([target_of(node) for node in nodes]) as engine:
        away = engine.connect()
        if away and not without_unreachable:
            raise NodeUnreachable(*map(_or_without, away.values()))
        yield engine, stages_seen(engine, jobs_without(away)), tuple(away.values())


def _or_without(problem: Problem) -> Problem:
    remedy = f"{problem.remedy}; or leave it as it is and go on: --without-unreachable"
    return replace(problem, remedy=remedy)


def stages_seen(engine: Engine, jobs: Sequence[NodeJob]) -> StagesByRole:
    """Return what each role is made of on these nodes, as they are."""
    facts = _glance(engine, jobs)
    return {job.inputs.name: stages_of(job, facts[job.inputs.name]) for job in jobs}


def stages_of(
    job: NodeJob, facts: NodeFacts, part: Part = whole_stage
) -> dict[str, tuple[Stage, ...]]:
    """Return the stages by role, each named `role/stage`: the name of its phase."""
    base = Stage(
        name="base", state=NodeState(files=job.files), steps=(_host_name(job.inputs.name),)
    )
    source, environments = job.toolkit(facts)
    own = {NODE: (base, source), TOOLKIT: (environments,)}
    roles = {**own, **role_stages(job.inputs, facts)}
    found = {
        role: tuple(
            replace(kept, name=f"{role}/{stage.name}")
            for stage in stages
            if (kept := part(stage)) is not None
        )
        for role, stages in roles.items()
    }
    return {role: stages for role, stages in found.items() if stages}


def _host_name(name: str) -> Step:
    """Return the step that gives the host its name: brokers and managers are known by it."""
    word = shlex.quote(name)
    return Step(
        name="Set the host name",
        guard=f'[ "$(cat /etc/hostname)" = {word} ]',
        script=f"hostnamectl set-hostname {word}",
    )


def _flat(roles: Mapping[str, Sequence[Stage]]) -> tuple[Stage, ...]:
    return tuple(stage for stages in roles.values() for stage in stages)


def _on_all(engine: Engine, jobs: Sequence[NodeJob], ask: Callable[[Session], T]) -> dict[str, T]:
    outcomes = engine.on_each([job.inputs.name for job in jobs], ask)
    problems = [outcome.error for outcome in outcomes.values() if outcome.error is not None]
    if problems:
        raise NodeUnreachable(*problems)
    return {name: outcome.value for name, outcome in outcomes.items() if outcome.value is not None}


def roll_out(
    seen: Survey,
    options: RunOptions,
    notify: Listener,
    *,
    first: Sequence[Phase] = (),
    last: Sequence[Phase] = (),
) -> tuple[PhaseResult, ...]:
    """Bring every node to its state; raises PhaseFailed with every problem of the run.

    All wait for the phases in `first`; those in `last` wait for all, and for each other.
    Raises PreflightError before any change when a node is where no run could begin.
    """
    if refusals := seen.refusals():
        raise PreflightError(*refusals)
    run = new_run()
    runner = StageRunner(
        seen.engine, seen.observations, notify, run=run, options=options, turns=_turns(seen)
    )
    phases = select_phases(
        build_phases(seen.roles(), runner, base=NODE, first=first),
        only=options.only,
        skip=options.skip,
    )
    for phase in last:
        phases = (*phases, replace(phase, needs=tuple(earlier.name for earlier in phases)))
    return run_told(phases, notify, RunName(run, options.title), abort=seen.engine.close)


def _turns(seen: Survey) -> Turns | None:
    if seen.inventory is None:
        return None
    return Turns(
        inventory=seen.inventory,
        engine=seen.engine,
        stages=seen.stages,
        observations=seen.observations,
    )


@dataclass(frozen=True, slots=True)
class RunName:
    """A run's id, and its title for people."""

    run: str
    title: str


def new_run() -> str:
    """Return an id that no other run has."""
    return f"{time.strftime('%Y%m%dT%H%M%S')}-{uuid.uuid4().hex[:6]}"


def run_told(
    phases: Sequence[Phase], notify: Listener, name: RunName, *, abort: Callable[[], None]
) -> tuple[PhaseResult, ...]:
    """Run phases and tell of each; raises PhaseFailed with every problem of the run."""
    run, names = name.run, tuple(phase.name for phase in phases)
    notify(Event(kind=EventKind.RUN_STARTED, run=run, text=name.title, phases=names))
    results = run_phases(phases, lambda phase: _told(phase, notify, run), abort=abort)
    problems = tuple(problem for result in results for problem in result.problems)
    outcome = Outcome.FAILED if problems else Outcome.CHANGED
    notify(Event(kind=EventKind.RUN_FINISHED, run=run, outcome=outcome))
    if problems:
        raise PhaseFailed(*problems)
    return results


def _told(phase: Phase, notify: Listener, run: str) -> PhaseResult:
    start = time.monotonic()
    notify(Event(kind=EventKind.PHASE_STARTED, run=run, phase=phase.name))
    result = phase.work()
    notify(
        Event(
            kind=EventKind.PHASE_FINISHED,
            run=run,
            phase=phase.name,
            outcome=result.outcome,
            seconds=time.monotonic() - start,
            text=f"{len(phase.nodes)} node{'s' * (len(phase.nodes) != 1)}",
            changes=result.changes,
            problems=result.problems,
        )
    )
    return result
