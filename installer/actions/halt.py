"""Stop a whole cluster, clients first and the database last, and start it in the other order."""

import shlex
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from installer.actions.cause import with_cause
from installer.actions.cluster import open_kept
from installer.actions.install import journaled
from installer.actions.node_phases import Act as NodeAct
from installer.actions.node_phases import NodePhases
from installer.actions.restart import ROLES
from installer.actions.rollout import RunName, StagesByRole, new_run, opened_partly, run_told
from installer.actions.run_log import logged_to
from installer.actions.running import demand_running
from installer.actions.under_way import hold_cluster
from installer.engine.session import Session
from installer.errors import PhaseFailed, Problem, Refused
from installer.expand.check import load_cluster
from installer.inventory import Inventory, runs_folder
from installer.phases import Phase, PhaseResult
from installer.report import Report
from installer.state import Stage, UnitTarget
from installer.status.model import Part
from installer.status.seen import look_around

_STOP_S = 180
_START_ORDER = ROLES
_STOP_ORDER = ("reporter", "loadbalancer", "manager", "queue", "database")
_JOURNAL = "halt.jsonl"
Act = Callable[[Session, Stage], tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One stage of one role: on which nodes it stops or starts side by side."""

    phase: str
    stages: dict[str, Stage]


@dataclass(frozen=True, slots=True, kw_only=True)
class Halted:
    """What stopped or started, and which hosts were left out as they do not answer."""

    results: tuple[PhaseResult, ...]
    left: tuple[Problem, ...]


def stop_cluster(path: Path, report: Report, *, without_unreachable: bool = False) -> Halted:
    """Stop every service of a cluster; the primary stops after its replicas, etcd after all.

    Raises NodeUnreachable, before any stops, for a host that does not answer, unless told to go
    on without.
    """
    return _run(path, report, "stop", without_unreachable=without_unreachable)


def start_cluster(path: Path, report: Report, *, without_unreachable: bool = False) -> Halted:
    """Start every service of a cluster, each role once those that it needs are healthy.

    Raises as `stop_cluster` does.
    """
    return _run(path, report, "start", without_unreachable=without_unreachable)


def _run(path: Path, report: Report, verb: str, *, without_unreachable: bool) -> Halted:
    inventory = load_cluster(path)
    folder = runs_folder(inventory)
    with hold_cluster(inventory, f"cluster {verb}"), logged_to(folder, verb):
        demand_running(inventory)
        primary = _demand_may_stop(inventory) if verb == "stop" else None
        with (
            opened_partly(
                inventory.nodes,
                # what starts must not wait for members that stay away
                lambda away: open_kept(inventory.without(away)).jobs(),
                without_unreachable=without_unreachable,
            ) as opened,
            journaled(folder / _JOURNAL, report) as notify,
        ):
            engine, stages, left = opened
            title = "Stopping" if verb == "stop" else "Starting"
            name = RunName(new_run(), f"{title} the cluster {inventory.name}")
            turns = stop_turns(stages, primary) if verb == "stop" else start_turns(stages)
            act = stop_units if verb == "stop" else start_units
            make = NodePhases(engine=engine, notify=notify, run=name.run)
            phases = tuple(turn_phases(turns, act, make))
            results = run_told(phases, notify, name, abort=engine.close)
    return Halted(results=results, left=left)


def _demand_may_stop(inventory: Inventory) -> str | None:
    """Return the node that leads; raises Refused where PostgreSQL would run on without Patroni."""
    presence = look_around(inventory)
    if presence.is_paused:
        raise Refused(
            Problem(
                where="database",
                what="Patroni is paused: PostgreSQL would run on after it has stopped",
                remedy="resume it: `patronictl resume` on a database node",
                code="patroni-paused",
            )
        )
    return presence.database_with(Part.LEADER)


def start_turns(stages: StagesByRole) -> Iterator[Turn]:
    """Yield what starts one after the other."""
    for role in _START_ORDER:
        for name, by_node in _stages_of_role(stages, role, gates=True):
            yield Turn(phase=f"start/{name}", stages=by_node)


def stop_turns(stages: StagesByRole, primary: str | None) -> Iterator[Turn]:
    """Yield what stops one after the other; etcd, which elects the primary, on all at once."""
    for role in _STOP_ORDER:
        for name, by_node in reversed(_stages_of_role(stages, role, gates=False)):
            is_led = name == "database/patroni" and primary in by_node
            last = {primary: by_node[primary]} if primary and is_led else {}
            first = {node: stage for node, stage in by_node.items() if node not in last}
            if first:
                yield Turn(phase=f"stop/{name}", stages=first)
            if last:
                yield Turn(phase=f"stop/{name} of the primary", stages=last)


def _stages_of_role(
    stages: StagesByRole, role: str, *, gates: bool
) -> list[tuple[str, dict[str, Stage]]]:
    """Return a role's stages with services, or with `gates` a gate, by node."""
    found: dict[str, dict[str, Stage]] = {}
    for node, roles in stages.items():
        for stage in roles.get(role, ()):
            if _units(stage) or (stage.gate and gates):
                found.setdefault(stage.name, {})[node] = stage
    return list(found.items())


def _units(stage: Stage) -> list[str]:
    return [unit.name for unit in stage.state.units if unit.target is UnitTarget.RUNNING]


def stop_units(session: Session, stage: Stage) -> tuple[str, ...]:
    """Stop what runs of a stage's services, the last one first; return a line for each."""
    units = list(reversed(_units(stage)))
    return _systemctl(session, "stop", units) if units else ()


def start_units(session: Session, stage: Stage) -> tuple[str, ...]:
    """Start without waiting: a member of etcd is up only once others are; the gate tells."""
    began, units = time.monotonic(), _units(stage)
    done = _systemctl(session, "start", units, "--no-block") if units else ()
    if stage.gate is not None and (problem := session.await_gate(stage.gate).problem):
        raise PhaseFailed(with_cause(session, stage, problem, began=began))
    return done


def rests(unit: str) -> str:
    """Return shell text that tells whether a unit neither runs nor is about to.

    A worker that waits for its brokers, and what systemd starts again and again, are "activating".
    """
    return f"systemctl is-active {shlex.quote(unit)} | grep -qxE 'inactive|failed|unknown'"


def _systemctl(session: Session, verb: str, units: Sequence[str], *words: str) -> tuple[str, ...]:
    """Stop or start what is not so already; return a line for each."""
    command = f"systemctl {verb} {shlex.join(words)}".strip()
    script = "\n".join(
        f"if {_test(verb, unit)}; then {command} {shlex.quote(unit)}; echo {verb} {unit}; fi"
        for unit in units
    )
    result = session.run(script, timeout_s=_STOP_S)
    if result.code:
        raise PhaseFailed(
            Problem(
                where=session.name,
                what=f"{verb} of {', '.join(units)}: {result.stderr.strip()}",
                remedy=f"look with `journalctl -u {units[0]} -n 50` on {session.name}",
            )
        )
    return tuple(result.stdout.splitlines())


def _test(verb: str, unit: str) -> str:
    if verb == "stop":
        return f"! {rests(unit)}"
    return f"! systemctl is-active --quiet {shlex.quote(unit)}"


def turn_phases(turns: Iterable[Turn], act: Act, make: NodePhases) -> Iterator[Phase]:
    """Yield a phase for each turn, one after the other; its nodes act side by side."""
    previous: tuple[str, ...] = ()
    for turn in turns:
        yield make.phase(turn.phase, turn.stages, _on(turn, act), needs=previous)
        previous = (turn.phase,)


def _on(turn: Turn, act: Act) -> NodeAct:
    return lambda session, _: act(session, turn.stages[session.name])
