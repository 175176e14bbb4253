"""Bring a cluster back to a backup or a moment: proven beside the old data first, then exchanged.

The database is restored and recovered in a folder of its own while everything goes on. Only what
reached its target there replaces the database; what was the database is kept beside it.
"""

import functools
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from installer.actions.backup import demand_rows
from installer.actions.backup_nodes import (
    BackupNodes,
    backup_nodes,
    call,
    chosen,
    demand_repository,
)
from installer.actions.backup_parts import restore_parts
from installer.actions.cluster import Cluster, runs_folder
from installer.actions.halt import start_units, stop_units
from installer.actions.install import journaled
from installer.actions.node_phases import NodePhases, QuietAct, quiet
from installer.actions.options import RunOptions
from installer.actions.rollout import (
    RunName,
    StagesByRole,
    new_run,
    opened,
    roll_out,
    run_told,
    survey,
)
from installer.actions.run_log import logged_to
from installer.actions.running import open_running
from installer.backup.backup_set import BackupSet
from installer.backup.settings import WORK
from installer.backup.unsettled import names_by_kind, unsettle
from installer.engine.session import Session
from installer.errors import PhaseFailed, Problem, Refused
from installer.expand.check import load_cluster
from installer.inventory import Role
from installer.journal import finished_nodes
from installer.lock import hold_lock
from installer.phases import Phase
from installer.report import Report
from installer.state import Stage

PLACE = f"{WORK}/restore"
_FILES, _STOP, _LEAD, _REPLICAS, _PARTS, _MANAGERS = (
    f"restore/{word}" for word in ("trial", "stop", "primary", "replicas", "parts", "managers")
)
_PATRONI = "database/patroni"
_RESUMED_FOR = timedelta(days=1)  # what an older run has restored may be out of date


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreRequest:
    """To which backup or moment; neither is the end of the archive."""

    label: str | None = None
    moment: datetime | None = None  # aware

    @property
    def words(self) -> str:
        """Return it for a person."""
        if self.moment is not None:
            return f"{self.moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
        return f"the backup {self.label}" if self.label else "the end of the archive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A request in pgBackRest's words, and the backup that it begins with."""

    kind: str  # name, time or default
    value: str
    backup: BackupSet
    younger: tuple[BackupSet, ...] = ()  # the first one after a moment: it has the files till then


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What a restore did."""

    target: Target
    node: str
    kept: str  # the folder with the database as it was


def restore_cluster(path: Path, request: RestoreRequest, report: Report) -> Restored:
    """Restore a cluster; a killed run is gone on with when the same is asked again."""
    inventory = load_cluster(path)
    demand_repository(inventory)
    folder = runs_folder(inventory)
    with hold_lock(folder / "lock", "cluster restore"), logged_to(folder, "restore"):
        cluster = open_running(inventory)
        journal = _journal(folder, request)
        done = finished_nodes(journal, since=datetime.now(UTC) - _RESUMED_FOR)
        with backup_nodes(inventory) as nodes:
            target = find_target(nodes.sets(), request)
            node = _node(nodes, done)
        with (
            opened(cluster.jobs()) as (engine, stages),
            journaled(journal, report) as notify,
        ):
            name = RunName(new_run(), f"Restoring {inventory.name} to {request.words}")
            make = NodePhases(engine=engine, notify=notify, run=name.run)
            nodes = BackupNodes(inventory=inventory, engine=engine, silent={})
            run = Restore(nodes, make, stages, target, node)
            phases = tuple(_without_done(run.phases(), done, make))
            run_told(phases, notify, name, abort=engine.close)
        _converge(open_running(inventory), folder, report)  # with the keys of the backup
        journal.unlink()
    return Restored(target=target, node=node, kept=run.kept)


def find_target(sets: Sequence[BackupSet], request: RestoreRequest) -> Target:
    """Return what to restore; raises Refused when the backups do not reach there."""
    if request.moment is None:
        backup = chosen(sets, request.label)
        if request.label is None:
            return Target(kind="default", value="", backup=backup)
        return Target(kind="name", value=backup.restore_point, backup=backup)
    moment = request.moment.astimezone(UTC)
    if moment > datetime.now(UTC):
        raise Refused(_moment_problem(moment, "it is in the future", "name a past moment"))
    second = moment.replace(microsecond=0)  # pgBackRest knows the end of a backup to the second
    before = [one for one in sets if one.finished < second]
    if not before:
        first = f"the first one ended at {sets[0].finished:%Y-%m-%d %H:%M:%S} UTC" if sets else ""
        what = f"no backup is older than that moment{': ' + first if first else ''}"
        raise Refused(_moment_problem(moment, what, "choose a later moment, or --backup LABEL"))
    return Target(
        kind="time",
        value=f"{moment:%Y-%m-%d %H:%M:%S.%f+00}",
        backup=before[-1],
        younger=tuple(one for one in sets if one.finished >= moment and one.is_whole)[:1],
    )


def _moment_problem(moment: datetime, what: str, remedy: str) -> Problem:
    return Problem(
        where=f"--target-time {moment:%Y-%m-%d %H:%M:%S} UTC",
        what=what,
        remedy=remedy,
        code="restore-target-unknown",
    )


def _journal(folder: Path, request: RestoreRequest) -> Path:
    """Return the journal of this request; what was begun for another is given up."""
    identity = hashlib.sha256(f"{request.label} {request.moment}".encode()).hexdigest()[:8]
    mine = folder / f"restore-{identity}.jsonl"
    for other in folder.glob("restore-*.jsonl"):
        if other != mine:
            other.unlink()
    return mine


def _node(nodes: BackupNodes, done: frozenset[tuple[str, str]]) -> str:
    """Return where to restore: where a killed run has begun, on the primary, or anywhere."""
    begun = [node for phase, node in done if phase == _FILES]
    primary = nodes.primary()
    return next(iter([*begun, *([primary] if primary else []), *nodes.databases()]))


def _without_done(
    phases: Iterator[tuple[str, list[str], QuietAct]],
    done: frozenset[tuple[str, str]],
    make: NodePhases,
) -> Iterator[Phase]:
    """Yield the phases one after the other; what a killed run has finished does nothing."""
    previous: tuple[str, ...] = ()
    for name, nodes, act in phases:
        own = functools.partial(_unless_done, name, act, done)
        yield make.phase(name, nodes, quiet(own), needs=previous)
        previous = (name,)


def _unless_done(
    phase: str, act: QuietAct, done: frozenset[tuple[str, str]], session: Session
) -> tuple[str, ...]:
    return () if (phase, session.name) in done else act(session)


class Restore:
    """The phases of one restore."""

    def __init__(
        self,
        nodes: BackupNodes,
        make: NodePhases,
        stages: StagesByRole,
        target: Target,
        node: str,
    ) -> None:
        self._nodes = nodes
        self._make = make
        self._stages = stages
        self._target = target
        self._node = node
        self._databases = [n.name for n in nodes.inventory.with_role(Role.DATABASE)]
        self._data = self._patroni(node).state.data[0]
        self.kept = f"{self._data}.before-restore"

    def phases(self) -> Iterator[tuple[str, list[str], QuietAct]]:
        """Yield name, nodes and work of each phase."""
        others = [name for name in self._databases if name != self._node]
        yield _FILES, [self._node], self._try
        managers = [n.name for n in self._nodes.inventory.with_role(Role.MANAGER)]
        if managers:
            yield f"{_STOP}/manager", managers, functools.partial(self._stop, "manager")
        if others:
            yield f"{_STOP}/replicas", others, self._stop_patroni
        yield _LEAD, [self._node], self._lead
        yield f"{_LEAD}/settings", [self._node], self._settle
        if others:
            yield _REPLICAS, others, self._follow
        if self._target.backup.parts:
            sets = (self._target.backup, *self._target.younger)
            parts = functools.partial(restore_parts, self._nodes, self._make, sets)
            yield _PARTS, [self._node], parts
        if managers:
            names = names_by_kind(self._nodes.inventory)
            yield _MANAGERS, managers, functools.partial(unsettle, names, managers[0])

    def _patroni(self, node: str) -> Stage:
        return next(s for s in self._stages[node]["database"] if s.name == _PATRONI)

    def _try(self, session: Session) -> tuple[str, ...]:
        """Restore and recover beside the database; what cannot be reached is found out here."""
        target = self._target
        self._close_archive(session)
        self._make.note(_FILES, session.name, f"restore {target.backup.label} into {PLACE}")
        label = (target.backup.label,) if target.kind == "name" else ()
        words = ("restore", PLACE, target.kind, target.value or "-", *label)
        told = json.loads(call(session, "recover", *words))
        if target.kind == "name":
            demand_rows(session.name, target.backup, told["rows"])
        rows = sum(told.get("rows", {}).values())
        counted = f", {rows} rows" if rows else ""
        return (f"restore {target.backup.label} in {told['seconds']:.0f} s{counted}",)

    def _close_archive(self, session: Session) -> None:
        """Let a primary that lives archive all it has: the moment may be seconds ago."""
        primary = self._nodes.primary()
        if primary is not None:
            self._nodes.ask(primary, lambda s: call(s, "take", "archive-all"))

    def _stop(self, role: str, session: Session) -> tuple[str, ...]:
        stages = reversed(self._stages[session.name][role])
        return tuple(line for stage in stages for line in stop_units(session, stage))

    def _stop_patroni(self, session: Session) -> tuple[str, ...]:
        return stop_units(session, self._patroni(session.name))

    def _lead(self, session: Session) -> tuple[str, ...]:
        """Put what was restored in the database's place, and let it lead a cluster anew."""
        stopped = self._stop_patroni(session)
        call(session, "recover", "exchange", PLACE, self._data, self.kept)
        self._make.note(_LEAD, session.name, "recover to the target and take writes")
        call(session, "recover", "promote", self._data)
        _run(session, _FORGET)
        started = start_units(session, _without_gate(self._patroni(session.name)))
        _run(session, _LEADS, timeout_s=120)
        return (*stopped, f"keep the former data in {self.kept}", *started)

    def _settle(self, session: Session) -> tuple[str, ...]:
        """Give the primary today's passwords and settings: replicas need them, gates ask for them.

        The backup may be of a cluster of another size.
        """
        steps = self._patroni(session.name).steps
        return tuple(step.name for step in steps if session.run_step(step).changed)

    def _follow(self, session: Session) -> tuple[str, ...]:
        """Copy the new primary: what a replica has belongs to another past."""
        stopped = self._stop_patroni(session)
        _run(session, f"rm -rf {self._data}\n")
        return (*stopped, *start_units(session, self._patroni(session.name)))


# Patroni writes these keys anew; the old ones name another past of the database. Its own tool asks
# for the cluster's name and a sentence.
_FORGET = """\
printf 'postgres\\nYes I am aware\\n' \
    | patronictl -c /etc/patroni/config.yml remove postgres
"""
_LEADS = """\
until setpriv --reuid=postgres --regid=postgres --init-groups psql -XAtq -h /run/postgresql \
    -c 'SELECT pg_is_in_recovery()' 2> /dev/null | grep -qx f; do sleep 0.5; done
"""


def _without_gate(stage: Stage) -> Stage:
    return Stage(name=stage.name, state=stage.state)


def _run(session: Session, script: str, *, timeout_s: int = 60) -> None:
    done = session.run(script, timeout_s=timeout_s)
    if done.code:
        raise PhaseFailed(
            Problem(
                where=session.name,
                what=done.last_words(),
                remedy=f"`journalctl -u patroni -n 50` on {session.name}; then run this again",
                code="restore-failed",
            )
        )


def _converge(cluster: Cluster, folder: Path, report: Report) -> None:
    """Bring every node to its state: managers start, passwords are those of the secrets file."""
    with (
        survey(cluster.jobs()) as seen,
        journaled(folder / "journal.jsonl", report) as notify,
    ):
        roll_out(seen, RunOptions(title="Starting what was restored"), notify)
