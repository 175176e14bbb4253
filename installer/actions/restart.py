"""Restart a cluster's services one node at a time: the rules allow it first, gates hold after."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from installer.actions.cluster import Cluster
from installer.actions.install import journaled
from installer.actions.may_stop import demand_nodes
from installer.actions.restart_node import NodeRestart
from installer.actions.restart_request import RestartRequest, demand_met
from installer.actions.rollout import (
    RunName,
    StagesByRole,
    new_run,
    opened,
    run_told,
)
from installer.actions.run_log import logged_to
from installer.actions.running import open_running
from installer.actions.under_way import hold_cluster
from installer.engine.engine import Engine
from installer.errors import ConfigError, PhaseFailed, Problem, Refused
from installer.events import Event, EventKind, Listener, Outcome
from installer.expand.check import load_cluster
from installer.foresight.outlook import layout_now
from installer.foresight.restart_order import Order, restart_order
from installer.foresight.stopping import PARTS
from installer.foresight.survival import Part
from installer.inventory import Inventory, runs_folder
from installer.journal import finished_nodes
from installer.phases import Phase, PhaseResult
from installer.report import Report
from installer.status.seen import look_around

ROLES = ("database", "queue", "manager", "loadbalancer", "reporter")
_JOURNAL = "restart.jsonl"
_ENDS = (EventKind.NODE_FINISHED, EventKind.PHASE_FINISHED)
_FIRST_PATIENCE_S = 15.0  # what a killed run has just begun to restart comes back
Done = frozenset[tuple[str, str]]  # phase and node


class Wishes(Protocol):
    """What a rolling run asks of its request."""

    @property
    def interrupt(self) -> bool:
        """Tell whether services of a single node may pause."""

    def wants(self, role: str, node: str) -> bool:
        """Tell whether this role has its turn on this node."""


def restart_cluster(path: Path, request: RestartRequest, report: Report) -> tuple[PhaseResult, ...]:
    """Restart services role by role, one node at a time, the primary last.

    Goes on where a run that did not finish ended. Raises Refused before any restart when a
    service has one node only and `interrupt` does not accept its pause.
    """
    inventory = load_cluster(path)
    demand_nodes(inventory, request.nodes)
    _demand_roles(request)
    folder = runs_folder(inventory)
    with hold_cluster(inventory, "cluster restart"), logged_to(folder, "restart"):
        cluster = open_running(inventory)
        order = restart_order(layout_now(inventory), look_around(inventory))
        done = Done() if request.again else finished_nodes(folder / _JOURNAL, since=_yesterday())
        if done:
            told = f"{len(done)} restarts of the run before are done; --again begins anew."
            report.tell(told)
        with opened(cluster.jobs(), _needed(inventory, request)) as (engine, stages):
            run = RollingRestart(cluster, request, engine, stages, order)
            demand_met(request, stages)
            if not request.interrupt:
                run.demand_no_pause()
            with journaled(folder / _JOURNAL, report) as notify:
                return run.go(done, notify)


def _needed(inventory: Inventory, request: RestartRequest) -> set[str]:
    """Return the nodes that have a turn: who else is away hinders nobody but by the rules."""
    return {
        node.name
        for node in inventory.nodes
        for role in (*node.roles, "reporter")
        if request.wants(role, node.name)
    }


def _yesterday() -> datetime:
    """Return how old a run may be that is gone on with: what it knows must still be true."""
    return datetime.now(UTC) - timedelta(days=1)


def _demand_roles(request: RestartRequest) -> None:
    unknown = [role for role in request.roles if role not in ROLES]
    if unknown:
        remedy = f"name one or more of: {', '.join(ROLES)}"
        raise ConfigError(
            *(Problem(where=role, what="no role has this name", remedy=remedy) for role in unknown)
        )


class RollingRestart:
    """One run: what restarts where, in which order."""

    verb = "restart"  # the first part of its phases' names
    title = "Restarting services, one node at a time"
    or_else = ", or leave it out with --only"
    roles: tuple[str, ...] = ROLES  # in the order of their phases

    def __init__(
        self,
        cluster: Cluster,
        request: Wishes,
        engine: Engine,
        stages: StagesByRole,
        order: Order,
    ) -> None:
        self._cluster = cluster
        self._interrupt = request.interrupt
        self._engine = engine
        self._stages = stages
        self._impossible = order.impossible
        ranks = {node: rank for rank, node in enumerate(order.nodes)}
        ranked = sorted(stages, key=lambda node: ranks.get(node, -1))
        self.nodes = {
            role: [n for n in ranked if role in stages[n] and request.wants(role, n)]
            for role in self.roles
        }

    def demand_no_pause(self) -> None:
        """Raise Refused when a service stands still while its only node restarts."""
        problems = [
            Problem(
                where=verdict.nodes[0],
                what=f"{objection.part}: {objection.reason}",
                remedy=f"accept the pause with --interrupt{self.or_else}",
                code="restart-interrupts",
            )
            for verdict in self._impossible
            for objection in verdict.objections
            if self._restarts(verdict.nodes[0], objection.part)
        ]
        if problems:
            raise Refused(*problems)

    def _restarts(self, node: str, part: Part) -> bool:
        return any(PARTS.get(role) is part and node in nodes for role, nodes in self.nodes.items())

    def go(self, done: Done, notify: Listener) -> tuple[PhaseResult, ...]:
        """Restart what is not done; an error that ends the run tells what is left."""
        name = RunName(new_run(), self.title)
        finished: set[tuple[str, str]] = set()

        def listen(event: Event) -> None:
            if event.kind in _ENDS and event.outcome is not Outcome.FAILED:
                finished.add((str(event.phase), event.node or ""))
            notify(event)

        self._demand_beginning(done)
        phases = tuple(self._phases(done, listen, name.run))
        with _telling_what_is_left(phases, finished):
            return run_told(phases, listen, name, abort=self._engine.close)

    def _demand_beginning(self, done: Done) -> None:
        """Raise Refused, before any restart, while the first node's turn cannot come."""
        waiting = ((r, n) for r, nodes in self.nodes.items() for n in nodes)
        first = next(((r, n) for r, n in waiting if (self._phase(r), n) not in done), None)
        if first is None:
            return
        role, node = first
        try:
            self._restart(role, _untold).await_permission(node, patience_s=_FIRST_PATIENCE_S)
        except PhaseFailed as error:
            raise Refused(*error.problems) from error

    def _restart(self, role: str, tell: Callable[..., None]) -> NodeRestart:
        return NodeRestart(
            cluster=self._cluster,
            engine=self._engine,
            stages=self._stages,
            role=role,
            interrupt=self._interrupt,
            tell=tell,
        )

    def _phases(self, done: Done, notify: Listener, run: str) -> Iterator[Phase]:
        previous: tuple[str, ...] = ()
        for role, nodes in self.nodes.items():
            if not nodes:
                continue
            phase = self._phase(role)
            restart = self._restart(role, functools.partial(tell_of, notify, run, phase))
            ended = {node for name, node in done if name == phase}
            work = functools.partial(in_turn, restart, nodes, ended)
            yield Phase(
                name=phase, nodes=tuple(nodes), work=functools.partial(work, phase), needs=previous
            )
            previous = (phase,)

    def _phase(self, role: str) -> str:
        return f"{self.verb}/{role}"


def in_turn(restart: NodeRestart, nodes: Sequence[str], ended: Set[str], phase: str) -> PhaseResult:
    """Let one node after the other have its turn; the first that fails ends it."""
    changes: list[str] = []
    for node in nodes:
        if node in ended:
            restart.skip(node)
            continue
        done = restart(node)
        changes += done.changes
        if done.problems:
            return PhaseResult(
                phase=phase,
                outcome=Outcome.FAILED,
                changes=tuple(changes),
                problems=done.problems,
            )
    outcome = Outcome.CHANGED if changes else Outcome.UNCHANGED
    return PhaseResult(phase=phase, outcome=outcome, changes=tuple(changes))


def _untold(**_: object) -> None:
    """Take words of a wait before the run."""


def tell_of(notify: Listener, run: str, phase: str, **what: object) -> None:
    """Notify of something in a phase of a run, with the further fields of an event."""
    notify(Event(run=run, phase=phase, **what))  # type: ignore[arg-type] # fields of Event


@contextmanager
def _telling_what_is_left(
    phases: Sequence[Phase], finished: set[tuple[str, str]]
) -> Iterator[None]:
    try:
        yield
    except PhaseFailed as error:
        left: Mapping[str, list[str]] = {
            phase.name: [node for node in phase.nodes if (phase.name, node) not in finished]
            for phase in phases
            if (phase.name, "") not in finished
        }
        words = [f"{name} {', '.join(nodes)}" for name, nodes in left.items() if nodes]
        error.add_note(f"Not done yet: {'; '.join(words)}.")
        raise
