"""Bring a cluster back to a backup or a moment: proven beside the old data first, then exchanged.

The database is restored and recovered in a folder of its own while everything goes on. Only what
reached its target there replaces the database; what was the database is kept beside it.
"""

import functools
import hashlib
import shlex
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from installer.actions.backup_nodes import BackupNodes, backup_nodes, demand_repository
from installer.actions.cluster import Cluster
from installer.actions.install import journaled
from installer.actions.node_mark import unmark
from installer.actions.node_phases import NodePhases, QuietAct, quiet
from installer.actions.options import RunOptions
from installer.actions.restore_phases import (
    LEAD,
    STOP_MANAGERS,
    STOP_REPLICAS,
    TRIAL,
    Restore,
)
from installer.actions.restore_record import (
    RestoreRecord,
    forget_restore,
    keep_restore,
    load_restore,
)
from installer.actions.restore_target import RestoreRequest, find_target
from installer.actions.rollout import RunName, new_run, opened, roll_out, run_told, survey
from installer.actions.run_log import logged_to
from installer.actions.running import open_running
from installer.actions.under_way import RESTORE, hold_cluster
from installer.actions.upgrade_record import forget_upgrade
from installer.engine.session import Session
from installer.expand.check import load_cluster
from installer.inventory import runs_folder
from installer.journal import finished_nodes
from installer.phases import Phase
from installer.report import Report

_RESUMED_FOR = timedelta(days=1)  # what an older run has restored may be out of date


def restore_cluster(path: Path, request: RestoreRequest, report: Report) -> RestoreRecord:
    """Restore a cluster; a killed run is gone on with when the same is asked again."""
    inventory = load_cluster(path)
    demand_repository(inventory)
    folder = runs_folder(inventory)
    with hold_cluster(inventory, RESTORE), logged_to(folder, "restore"):
        cluster = open_running(inventory)
        record = load_restore(folder)
        if record is None or not record.is_restored or record.command != _command(path, request):
            record = _bring_back(cluster, path, request, report, record)
        _converge(open_running(inventory), folder, report)  # with the keys of the backup
        forget_upgrade(folder)  # one that was unfinished: nodes are as the inventory says again
        _journal(folder, request).unlink(missing_ok=True)
        forget_restore(folder)
    return record


def _bring_back(
    cluster: Cluster,
    path: Path,
    request: RestoreRequest,
    report: Report,
    known: RestoreRecord | None,
) -> RestoreRecord:
    """Bring database and parts back; return what is known once only the services are to start.

    Without a record of a restore under way nothing that a journal tells has been done: the cluster
    may have been made anew since. Its name stays until it has come to its end, whatever is asked.
    """
    inventory, folder = cluster.inventory, runs_folder(cluster.inventory)
    journal = _journal(folder, request)
    now = datetime.now(UTC)
    begun = known.begun if known else now.isoformat(timespec="seconds")
    done = finished_nodes(journal, since=now - _RESUMED_FOR) if known else frozenset()
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
        run = Restore(nodes=nodes, make=make, stages=stages, target=target, node=node, begun=begun)
        record = RestoreRecord(
            target=request.words,
            command=_command(path, request),
            label=target.backup.label,
            node=node,
            kept=run.kept,
            begun=begun,
        )
        told = functools.partial(keep_restore, folder, record)
        phases = tuple(_without_done(_told_of(run.phases(), told), done, make))
        run_told(phases, notify, name, abort=engine.close)
    record = replace(record, is_restored=True)
    keep_restore(folder, record)
    return record


def _command(path: Path, request: RestoreRequest) -> str:
    words = ["cfy_manager", "cluster", "restore", "-i", str(path.absolute()), *request.options]
    return shlex.join(words)


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
    begun = [node for phase, node in done if phase == TRIAL]
    primary = nodes.primary()
    return next(iter([*begun, *([primary] if primary else []), *nodes.databases()]))


def _told_of(
    phases: Iterator[tuple[str, list[str], QuietAct]], begun: Callable[[], None]
) -> Iterator[tuple[str, list[str], QuietAct]]:
    """Let the trial's good end tell that from here on the cluster is changed."""
    for name, nodes, act in phases:
        yield name, nodes, functools.partial(_then, act, begun) if name == TRIAL else act


def _then(act: QuietAct, begun: Callable[[], None], session: Session) -> tuple[str, ...]:
    lines = act(session)
    begun()
    return lines


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
    return () if _is_done(phase, session.name, done) else act(session)


def _is_done(phase: str, node: str, done: frozenset[tuple[str, str]]) -> bool:
    """Tell whether a killed run has done what still holds: hosts boot, and start what was stopped.

    Replicas stay down until the primary leads, and are cleared then; managers until the end.
    """
    if phase == STOP_MANAGERS:
        return False
    if phase == STOP_REPLICAS:
        return any(other == LEAD for other, _ in done)
    return (phase, node) in done


def _converge(cluster: Cluster, folder: Path, report: Report) -> None:
    """Bring every node to its state: managers start, passwords are those of the secrets file."""
    with (
        survey(cluster.jobs()) as seen,
        journaled(folder / "journal.jsonl", report) as notify,
    ):
        roll_out(seen, RunOptions(title="Starting what was restored"), notify)
        unmark(seen.engine, seen.stages)  # the bundle of an unfinished upgrade is gone from them
